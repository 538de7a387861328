import BootArena
import PolicyDatabase
import ReferenceMonitor

/// The audit service's part: records of the compartments that use it, and of nobody else.
extension HypervisorCore {
    /// Adds a line about a domain to the audit service's records, if the domain uses the service,
    /// and rings the service. What became of anybody else is not for it to know.
    public mutating func recordLine(
        _ text: Span<UInt8>, about domain: DomainID, _ machine: inout some Hardware
    ) {
        guard let index = index(of: domain), domains[index].plan.isAudited else { return }
        records.append(text)
        ringForEach(VirtualInterrupt.consoleRing, &machine)
    }

    /// `XEN_SYSCTL_readconsole` (Xen public `sysctl.h`, `struct xen_sysctl_readconsole`): reads the
    /// records. No other command of `sysctl` exists.
    ///
    /// With `incremental`, the reader has everything before `index`: it is forgotten, and makes
    /// room. Without it, nothing is forgotten. Reading starts with the oldest record that is kept;
    /// a reader whose `index` differs from the `index` that it is given, less `count`, has missed
    /// what lies between.
    ///
    /// - Layout: `u32 cmd` (1), `u32 interface_version` (0x15), `u8 clear` (0), `u8 incremental`, 2
    ///   bytes, `u32 index` [both], `u64 buffer`, `u32 count` [both].
    /// - Throws: `.badAddress`, when some bytes may have been written and nothing more is
    ///   forgotten; `.unknownOperation` for another command or version; `.invalidArgument` when
    ///   `clear` is set.
    mutating func readRecords(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        var request = try call.arguments(32, machine)
        guard request.u32(at: 0) == 1, request.u32(at: 4) == 0x15 else {
            throw .unknownOperation
        }
        guard request[8] == 0 else { throw .invalidArgument }
        if request[9] != 0 { records.forget(before: request.u32(at: 12)) }
        let waiting = records.waiting
        let wanted = min(waiting.count, Int(request.u32(at: 24)))
        let buffer = request.u64(at: 16)
        var done = 0
        while done < wanted {
            let size = min(wanted - done, GuestBytes.capacity)
            var bytes = GuestBytes(count: size)
            for index in 0..<size { bytes[index] = records.byte(at: done + index) }
            // WRAPS: an address past the end is not mapped, and refused by the copy.
            let place = GuestVirtualAddress(buffer &+ UInt64(done))
            try machine.copyToGuest(call.caller, at: place, bytes)
            done += size
        }
        // WRAPS: positions run freely modulo 2^32.
        request.set(u32: waiting.position &+ UInt32(truncatingIfNeeded: wanted), at: 12)
        request.set(u32: UInt32(truncatingIfNeeded: wanted), at: 24)
        try call.answer(request, machine)
    }
}
