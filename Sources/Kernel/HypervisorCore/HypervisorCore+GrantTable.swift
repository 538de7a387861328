import BootArena
import ReferenceMonitor

/// A domain's own grant table: its size, its frames, its version; and the two entries that are
/// there
/// before the guest starts.
extension HypervisorCore {
    /// The operations of `grant_table_op` on the caller's own table.
    ///
    /// - Throws: `.invalidArgument` when it is not one request; else as the operation.
    func grantTableOperation<M: Machine & ~Copyable>(
        _ operation: HypercallOperation, _ address: GuestVirtualAddress, _ count: UInt64,
        _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        guard count == 1 else { throw .invalidArgument }
        switch operation {
        case .setUpGrantTable: return try setUpGrantTable(address, caller, machine)
        case .queryGrantSize: return try queryGrantSize(address, caller, machine)
        default: throw .unknownOperation
        }
    }

    /// `GNTTABOP_setup_table`: where the caller sees the frames of its table. All of them exist
    /// from
    /// the beginning; `XENMEM_add_to_physmap` shows them.
    ///
    /// - Layout: `u16 dom`, 2 bytes, `u32 nr_frames`, `s16 status` at 8 [hypervisor], `u64
    ///   frame_list` at 16: where `nr_frames` guest frames go, all ones for one that is not shown.
    /// - Throws: `.badAddress`. For another domain, or more frames than there are, the status says
    ///   so and nothing is written to the list.
    private func setUpGrantTable<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 24, caller, machine)
        let count = request.u32(at: 4)
        var status = GrantStatus.okay
        if !isCaller(request.u16(at: 0), caller) {
            status = .permissionDenied
        } else if count > UInt32(Domain.grantFrameCount) {
            status = .generalError
        } else {
            let domain = domains[callerIndex(caller)]
            var list = GuestBytes(count: Int(count) * 8)
            for index in 0..<Int(count) {
                let shown =
                    machine.omits(.listGuestFrames)
                    ? domain.grantFrames.number : domain.grantGuestFrames[index]?.number
                list.set(u64: shown ?? .max, at: index * 8)
            }
            try answer(list, GuestVirtualAddress(request.u64(at: 16)), caller, machine)
        }
        request.set(u16: UInt16(bitPattern: status.rawValue), at: 8)
        try answer(request, address, caller, machine)
        return 0
    }

    /// `GNTTABOP_query_size`: how many frames the grant table has.
    ///
    /// - Layout: `u16 dom`, 2 bytes, then [hypervisor] `u32 nr_frames`, `u32 max_nr_frames`,
    ///   `s16 status`.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain.
    private func queryGrantSize<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 16, caller, machine)
        guard isCaller(request.u16(at: 0), caller) else { throw .notPermitted }
        request.set(u32: UInt32(Domain.grantFrameCount), at: 4)
        request.set(u32: UInt32(Domain.grantFrameCount), at: 8)
        request.set(u16: 0, at: 12)
        try answer(request, address, caller, machine)
        return 0
    }

    /// `GNTTABOP_set_version`: version 1 is what there is.
    ///
    /// - Throws: `.badAddress`; `.unknownOperation` for any other version, which is absent on
    ///   purpose.
    func setGrantVersion<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 4, caller, machine)
        guard request.u32(at: 0) == 1 || machine.omits(.refuseVersion2) else {
            throw .unknownOperation
        }
        return 0
    }

    // MARK: Services

    /// Lets the compartment `service` serve the domain's console: entry 0 of the domain's table
    /// grants it the ring (`GNTTAB_RESERVED_CONSOLE`), and port 1 waits for it. For the builder,
    /// before the domain starts.
    ///
    /// - Returns: false when there is no such service or it is the domain itself; nothing changed.
    public mutating func attachConsole<M: Machine & ~Copyable>(
        of domain: DomainID, to service: DomainID, _ machine: borrowing M
    ) -> Bool {
        guard isPair(domain, service) else { return false }
        let index = callerIndex(domain)
        seed(.console, of: domain, for: service, domains[index].consoleGuestFrame, machine)
        commit(domain, Domain.consolePort, .unbound(remote: service))
        return true
    }

    /// Lets the compartment `service` serve the domain's store: entry 1 of the domain's table
    /// grants
    /// it the ring (`GNTTAB_RESERVED_XENSTORE`), and port 2 waits for it. The domain finds both by
    /// `HVM_PARAM_STORE_PFN` and `HVM_PARAM_STORE_EVTCHN`.
    ///
    /// - Returns: as `attachConsole`.
    public mutating func attachStore<M: Machine & ~Copyable>(
        of domain: DomainID, to service: DomainID, _ machine: borrowing M
    ) -> Bool {
        guard isPair(domain, service) else { return false }
        let index = callerIndex(domain)
        seed(.store, of: domain, for: service, domains[index].storeGuestFrame, machine)
        commit(domain, Domain.storePort, .unbound(remote: service))
        domains[index].storePort = Domain.storePort
        return true
    }

    /// Whether these are two domains, and the policy in force lets one wait for the other.
    private func isPair(_ domain: DomainID, _ service: DomainID) -> Bool {
        guard domain != service, let first = index(of: domain), let second = index(of: service)
        else { return false }
        return permitsEnd(first, second)
    }

    /// Writes an entry of a domain's table on its behalf: it permits the service to map the page.
    private mutating func seed<M: Machine & ~Copyable>(
        _ reference: GrantReference, of domain: DomainID, for service: DomainID,
        _ frame: GuestFrame, _ machine: borrowing M
    ) {
        let page = domains[callerIndex(domain)].grantFrames
        let offset = Int(reference.number) * 8
        machine.store32(
            page, offset: offset + 4, UInt32(truncatingIfNeeded: frame.number))
        // ORDER: the frame is in place before the entry permits anything.
        machine.store32(page, offset: offset, GrantWord.permitting(service).bits)
    }
}
