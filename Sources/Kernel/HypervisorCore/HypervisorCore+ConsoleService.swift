import BootArena
import PolicyDatabase
import ReferenceMonitor

/// What was typed and waits for the console service, at most 256 bytes.
struct TypedInput: BitwiseCopyable {
    private var bytes = InlineArray<256, UInt8>(repeating: 0)
    private var start = 0
    private var count = 0

    /// How many bytes wait.
    var waiting: Int { count }

    /// Adds a byte; false when there is no room.
    mutating func append(_ byte: UInt8) -> Bool {
        guard count < 256 else { return false }
        bytes[(start + count) % 256] = byte
        count += 1
        return true
    }

    /// Takes the oldest byte.
    mutating func take() -> UInt8? {
        guard count > 0 else { return nil }
        let byte = bytes[start]
        start = (start + 1) % 256
        count -= 1
        return byte
    }
}

/// Where a compartment is the console, the hypervisor keeps the terminal and nothing else: it
/// passes on what that compartment writes, and keeps what is typed until it asks for it.
extension HypervisorCore {
    /// Offers one typed byte to the console service.
    ///
    /// - Returns: false when it has not asked for the last 256 yet; the byte was not taken.
    public mutating func offerTyped(_ byte: UInt8, _ machine: inout some Hardware) -> Bool {
        guard let service = consoleService, typedInput.append(byte) else { return false }
        let port = virtualInterruptPort(VirtualInterrupt.console, of: service, cpu: 0)
        if let port { setPending(service, port, &machine) }
        return true
    }

    /// `CONSOLEIO_read`: takes what was typed, at most as many bytes of it as it says.
    ///
    /// - Throws: `.badAddress`; what was typed is then kept.
    /// - Returns: how many bytes it was.
    mutating func consoleRead(
        _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) -> Int64 {
        var rest = typedInput
        let wanted = min(UInt64(GuestBytes.capacity), min(call.second, UInt64(rest.waiting)))
        var bytes = GuestBytes(count: Int(wanted))
        for index in 0..<Int(wanted) { bytes[index] = rest.take() ?? 0 }
        guard wanted > 0 else { return 0 }
        try call.answer(bytes, machine)
        typedInput = rest
        return Int64(wanted)
    }

    /// Authorizes the binding of a virtual interrupt. What the global ones tell is for services:
    /// that something was typed for who may read the console, that a life has changed for who may
    /// bind interrupts of the hypervisor's own, that there are records for who may take them.
    ///
    /// - Throws: `.invalidArgument` for another interrupt than those of `VirtualInterrupt`, or
    ///   another processor than the first; `.notPermitted`.
    func authorizeVirtualInterrupt(
        _ number: UInt32, cpu: Int, _ caller: DomainID, _ machine: inout some Hardware
    ) throws(XenError) {
        let permission: Permission
        switch number {
        case VirtualInterrupt.timer, VirtualInterrupt.debug: return
        case VirtualInterrupt.console: permission = XenPermission.readconsole
        case VirtualInterrupt.domainException: permission = HypercallPermission.virq
        case VirtualInterrupt.consoleRing: permission = XenPermission.clearconsole
        default: throw .invalidArgument
        }
        guard cpu == 0 else { throw .invalidArgument }
        let label = domains[callerIndex(caller)].label
        try authorize(
            label, .hypervisor, permission, caller, .hypervisor, .bindVIRQ, &machine)
    }
}
