import BootArena
import ReferenceMonitor

/// A domain's own grant table: its size, its frames, its version; and the two entries that are
/// there
/// before the guest starts.
extension HypervisorCore {
    /// `GNTTABOP_setup_table`: where the caller sees the frames of its table. All of them exist
    /// from
    /// the beginning; `XENMEM_add_to_physmap` shows them.
    ///
    /// - Layout: `u16 dom`, 2 bytes, `u32 nr_frames`, `s16 status` at 8 [hypervisor], `u64
    ///   frame_list` at 16: where `nr_frames` guest frames go, all ones for one that is not shown.
    /// - Throws: `.badAddress`; `.invalidArgument` when it is not one request. For another domain,
    ///   or more frames than there are, the status says so and nothing is written to the list.
    func setUpGrantTable(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        guard call.request.arguments[2] == 1 else { throw .invalidArgument }
        var request = try call.arguments(24, machine)
        let count = request.u32(at: 4)
        var status = GrantStatus.okay
        if !isCaller(request.u16(at: 0), call.caller) {
            status = .permissionDenied
        } else if count > UInt32(Domain.grantFrameCount) {
            status = .generalError
        } else {
            let domain = domains[callerIndex(call.caller)]
            var list = GuestBytes(count: Int(count) * 8)
            for index in 0..<Int(count) {
                let shown =
                    machine.omits(.listGuestFrames)
                    ? domain.grantFrames.number : domain.grantGuestFrames[index]?.number
                list.set(u64: shown ?? .max, at: index * 8)
            }
            try machine.copyToGuest(call.caller, at: GuestVirtualAddress(request.u64(at: 16)), list)
        }
        request.set(u16: UInt16(bitPattern: status.rawValue), at: 8)
        try call.answer(request, machine)
    }

    /// `GNTTABOP_query_size`: how many frames the grant table has.
    ///
    /// - Layout: `u16 dom`, 2 bytes, then [hypervisor] `u32 nr_frames`, `u32 max_nr_frames`,
    ///   `s16 status`.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain; `.invalidArgument` when it is
    ///   not one request.
    func queryGrantSize(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        guard call.request.arguments[2] == 1 else { throw .invalidArgument }
        var request = try call.arguments(16, machine)
        guard isCaller(request.u16(at: 0), call.caller) else { throw .notPermitted }
        request.set(u32: UInt32(Domain.grantFrameCount), at: 4)
        request.set(u32: UInt32(Domain.grantFrameCount), at: 8)
        request.set(u16: 0, at: 12)
        try call.answer(request, machine)
    }

    /// `GNTTABOP_set_version`: version 1 is what there is.
    ///
    /// - Throws: `.badAddress`; `.unknownOperation` for any other version, which is absent on
    ///   purpose.
    func setGrantVersion(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        let request = try call.arguments(4, machine)
        guard request.u32(at: 0) == 1 || machine.omits(.refuseVersion2) else {
            throw .unknownOperation
        }
    }

    // MARK: Services

    /// Lets the compartment `service` serve the domain's console: entry 0 of the domain's table
    /// grants it the ring (`GNTTAB_RESERVED_CONSOLE`), and port 1 waits for it. For the builder,
    /// before the domain starts.
    ///
    /// - Returns: false when there is no such service or it is the domain itself; nothing changed.
    public mutating func attachConsole(
        of domain: DomainID, to service: DomainID, _ machine: borrowing some Hardware
    ) -> Bool {
        attach(.console, GuestFirmware.consoleAddress, Domain.consolePort, domain, service, machine)
    }

    /// Lets the compartment `service` serve the domain's store: entry 1 of the domain's table
    /// grants
    /// it the ring (`GNTTAB_RESERVED_XENSTORE`), and port 2 waits for it. The domain finds both by
    /// `HVM_PARAM_STORE_PFN` and `HVM_PARAM_STORE_EVTCHN`.
    ///
    /// - Returns: as `attachConsole`.
    public mutating func attachStore(
        of domain: DomainID, to service: DomainID, _ machine: borrowing some Hardware
    ) -> Bool {
        let (address, port) = (GuestFirmware.storeAddress, Domain.storePort)
        guard attach(.store, address, port, domain, service, machine) else { return false }
        domains[callerIndex(domain)].storePort = port
        return true
    }

    /// Lets a service serve something: an entry of the domain's table grants it the ring, and a
    /// port waits for it.
    ///
    /// - Returns: false when these are not two domains, or the policy in force does not let one
    ///   wait for the other; nothing changed then.
    @inline(never) private mutating func attach(
        _ reference: GrantReference, _ ring: UInt64, _ port: EventChannelPort, _ domain: DomainID,
        _ service: DomainID, _ machine: borrowing some Hardware
    ) -> Bool {
        guard domain != service, let first = index(of: domain), let second = index(of: service),
            permitsEnd(first, second)
        else { return false }
        let (page, offset) = (domains[first].grantFrames, Int(reference.number) * 8)
        machine.store32(page, offset: offset + 4, UInt32(truncatingIfNeeded: ring >> 12))
        // ORDER: the frame is in place before the entry permits anything.
        machine.store32(page, offset: offset, GrantWord.permitting(service).bits)
        commit(domain, port, .unbound(remote: service))
        return true
    }
}
