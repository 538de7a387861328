import BootArena
import PolicyDatabase
import ReferenceMonitor

/// An interrupt line of the machine, and whose it is; the hypervisor's is nobody's.
struct InterruptLine: BitwiseCopyable {
    var owner = DomainID.hypervisor
    /// The index of the device's range in the manifest.
    var range = 0
}

/// Interrupt lines of devices, as event channels of their owners (Xen public `physdev.h`).
///
/// A line rings once, and is shut until its owner has said that it is done: a device that goes on
/// interrupts nobody, and each interrupt of it is one that its owner has asked for.
extension HypervisorCore {
    /// How a line is named among virtual interrupts: above all of them.
    static var firstLine: UInt32 { 256 }

    /// Gives a device's interrupt lines to their owner.
    ///
    /// - Precondition: they are not reserved (`DeviceRangeKind.isReserved`).
    public mutating func adopt(_ device: DeviceRange) {
        guard let owned = device.lines else { return }
        for line in owned {
            lines[Int(line)] = InterruptLine(owner: domains[device.owner].id, range: device.index)
        }
    }

    /// The port that a line rings; nil: none does, or the policy no longer gives it to its owner.
    private func port(ofLine line: Int) -> EventChannelPort? {
        guard let index = index(of: lines[line].owner),
            DeviceRules.permits(index, range: lines[line].range, monitor)
        else { return nil }
        let wanted = HypervisorCore.firstLine + UInt32(line)
        return port(of: lines[line].owner, boundTo: .virtualInterrupt(number: wanted))
    }

    /// Rings those who have bound the lines that have rung. One that nobody has bound stays shut.
    ///
    /// - Parameter bits: one for each line.
    public mutating func ring(_ bits: UInt32, _ machine: inout some Hardware) {
        for line in lines.indices where bits >> UInt32(line) & 1 == 1 {
            if let port = port(ofLine: line) { setPending(lines[line].owner, port, &machine) }
        }
    }

    /// `EVTCHNOP_bind_pirq`: a port for an interrupt line of a device, which is opened.
    ///
    /// - Layout: `u32 pirq`, `u32 flags`, `u32 port` [hypervisor].
    /// - Throws: `.badAddress`; `.notPermitted` for a line that is not the caller's or that the
    ///   policy denies; `.alreadyExists` when it is bound; `.noSpace`. Nothing changed then.
    mutating func bindLine(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        var request = try call.arguments(12, machine)
        let line = try line(request.u32(at: 0), .bindPIRQ, call, &machine)
        guard port(ofLine: line) == nil else { throw .alreadyExists }
        let port = try freePort(of: call.caller)
        request.set(u32: port.number, at: 8)
        try call.answer(request, machine)
        let number = HypervisorCore.firstLine + UInt32(line)
        commit(call.caller, port, .virtualInterrupt(number: number))
        machine.openLine(line)
    }

    /// What Linux asks about an interrupt line: `PHYSDEVOP_map_pirq` (it is called what it was),
    /// `PHYSDEVOP_irq_status_query` (it has to be told when the interrupt was dealt with) and
    /// `PHYSDEVOP_eoi` (it was: the line may ring again).
    ///
    /// - Throws: `.badAddress`; `.notPermitted` as `bindLine`; `.invalidArgument` for the mapping
    ///   of another kind of interrupt. Nothing changed then.
    mutating func lineOperation(
        _ operation: HypercallOperation, _ call: Call, _ machine: inout some Hardware
    ) throws(XenError) {
        let size = operation == .mapPIRQ ? 16 : (operation == .queryPIRQ ? 8 : 4)
        var request = try call.arguments(size, machine)
        let place = operation == .mapPIRQ ? 8 : 0
        let line = try line(request.u32(at: place), operation, call, &machine)
        if operation == .endPIRQ {
            if port(ofLine: line) != nil { machine.openLine(line) }
            return
        }
        if operation == .mapPIRQ {
            guard isCaller(request.u16(at: 0), call.caller), request.u32(at: 4) == 1 else {
                throw .invalidArgument
            }
        }
        request.set(u32: operation == .mapPIRQ ? request.u32(at: 8) : 1, at: size - 4)
        try call.answer(request, machine)
    }

    /// The line of a number, or of a number and 256, if the caller may use it now. Nothing tells
    /// one that is another's from one that is nobody's.
    @inline(never)
    private func line(
        _ number: UInt32, _ operation: HypercallOperation, _ call: Call,
        _ machine: inout some Hardware
    ) throws(XenError) -> Int {
        let index = Int(number & 0xff)
        guard number < 512, index < lines.count, lines[index].owner == call.caller,
            DeviceRules.permits(callerIndex(call.caller), range: lines[index].range, monitor)
        else {
            throw refuse(ResourcePermission.use, call.caller, .hypervisor, operation, &machine)
        }
        return index
    }
}
