import PolicyDatabase
public import ReferenceMonitor
public import SystemManifest

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

    /// The owner and the ports of a device's range, by its index in the manifest.
    ///
    /// - Returns: nil when the range is of another kind.
    @inline(never)
    public static func ports(
        _ range: Int, _ manifest: borrowing SystemManifest
    ) -> (owner: Int, ports: ClosedRange<UInt16>)? {
        let record = manifest.deviceRange(at: range)
        guard record.kind == .ports, let first = UInt16(exactly: record.first),
            let last = UInt16(exactly: record.last), first <= last
        else { return nil }
        return (manifest.device(at: record.device).owner, first...last)
    }

    /// Whether the policy gives a device's range to a compartment, also without an IOMMU: there is
    /// none.
    @inline(never)
    public static func permits(
        _ owner: Int, range: Int, _ monitor: borrowing ReferenceMonitor
    ) -> Bool {
        let vector = monitor.accessVector(
            source: monitor.label(ofCompartment: owner),
            target: monitor.label(ofDeviceRange: range), class: .resource)
        return vector.contains(ResourcePermission.use)
            && vector.contains(ResourcePermission.useNoiommu)
    }
}

/// A range of I/O ports that the system gives to a compartment, as long as the policy does.
struct DevicePorts: BitwiseCopyable {
    /// The index of the range in the manifest.
    let range: Int
    /// The index of the compartment.
    let owner: Int
    private let first: UInt16
    private let last: UInt16
    private let isThere: Bool
    /// Whether the compartment can use them now.
    var isPermitted = true

    init(range: Int, owner: Int, ports: ClosedRange<UInt16>?) {
        self.range = range
        self.owner = owner
        first = ports?.lowerBound ?? 0
        last = ports?.upperBound ?? 0
        isThere = ports != nil
    }

    /// The ports; nil: the range is of another kind.
    var ports: ClosedRange<UInt16>? { isThere ? first...last : nil }
}
