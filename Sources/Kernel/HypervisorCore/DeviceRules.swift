/// What no compartment may have, whatever the policy says: what the hypervisor uses itself, and
/// what could move memory or stop the machine without asking it.
public enum DeviceRules {
    /// The I/O ports that no compartment may have, of a PC: DMA controllers and their pages,
    /// interrupt controllers, timers, keyboard controller and system control (they reset the
    /// machine), real-time clock, power management, COM1, QEMU's debug exit and firmware
    /// configuration (which has DMA), PCI's configuration space and reset.
    private static var reserved: InlineArray<13, ClosedRange<UInt16>> {
        [
            0x00...0x0f, 0x20...0x21, 0x40...0x43, 0x60...0x64, 0x70...0x71, 0x80...0x9f,
            0xa0...0xa1, 0xb2...0xb3, 0xc0...0xdf, 0xf4...0xf4, 0x3f8...0x3ff, 0x510...0x51b,
            0xcf8...0xcff,
        ]
    }

    /// Whether a range has a port that no compartment may have.
    public static func isReserved(_ ports: ClosedRange<UInt16>) -> Bool {
        for index in reserved.indices where reserved[index].overlaps(ports) { return true }
        return false
    }
}
