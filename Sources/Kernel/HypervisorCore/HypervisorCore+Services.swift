import BootArena
import PolicyDatabase
import ReferenceMonitor

/// What a service asks about others: what the policy permits them, and whether they live. Only who
/// is permitted to may ask.
extension HypervisorCore {
    /// The calls whose first argument is the address of all the others.
    mutating func serviceOperation<M: Machine & ~Copyable>(
        _ operation: HypercallOperation, _ request: HypercallRequest, _ caller: DomainID,
        _ machine: inout M
    ) throws(XenError) -> Int64 {
        let address = GuestVirtualAddress(request.arguments[0])
        return operation == .domainInfo
            ? try answerDomainInfo(address, caller, &machine)
            : try answerAccessQuery(address, caller, machine)
    }

    /// `FLASK_ACCESS` of `xsm_op` (Xen public `xsm/flask_op.h`): what a label may do to another.
    ///
    /// A label's SID is its number in the monitor and 1 more: 1 is the hypervisor's, then come the
    /// compartments' in the manifest's order.
    ///
    /// - Layout: `u32 cmd`, `u32 interface_version` (1), `u32 ssid`, `u32 tsid`, `u32 tclass`,
    ///   `u32 req`, then [hypervisor] `u32 allowed`, `u32 audit_allow`, `u32 audit_deny`,
    ///   `u32 seqno`.
    /// - Throws: `.badAddress`; `.unknownOperation` for another command; `.invalidArgument` for
    ///   another version, or a SID or class that does not exist.
    func answerAccessQuery<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 40, caller, machine)
        guard request.u32(at: 0) == 6 else { throw .unknownOperation }
        guard request.u32(at: 4) == 1,
            let source = label(ofSID: request.u32(at: 8)),
            let target = label(ofSID: request.u32(at: 12)),
            let number = Int(exactly: request.u32(at: 16)),
            let objectClass = ObjectClass(number: number)
        else { throw .invalidArgument }
        let vector = monitor.accessVector(source: source, target: target, class: objectClass)
        request.set(u32: vector.bits, at: 24)
        // Each denial is recorded, nothing that is allowed.
        request.set(u32: 0, at: 28)
        request.set(u32: .max, at: 32)
        request.set(u32: 1, at: 36)
        try answer(request, address, caller, machine)
        return 0
    }

    private func label(ofSID number: UInt32) -> SecurityID? {
        guard number >= 1, number <= UInt32(monitor.labelCount) else { return nil }
        return monitor.label(at: Int(number) - 1)
    }

    /// `XEN_DOMCTL_getdomaininfo` (Xen public `domctl.h`, `struct xen_domctl_getdomaininfo`): the
    /// life of one domain. No other command of `domctl` exists.
    ///
    /// - Layout: `u32 cmd`, `u32 interface_version` (0x15), `u16 domain`, 6 bytes; then
    ///   [hypervisor] from 16: `u16 domain`, 2 bytes, `u32 flags` (`XEN_DOMINF_…`), 56 zero bytes,
    ///   `u32 nr_online_vcpus` at 80, `u32 max_vcpu_id`, `u32 ssidref`, `u8[16] handle` at 92,
    ///   whose first four bytes are the domain's generation.
    /// - Throws: `.badAddress`; `.unknownOperation` for another command or version;
    ///   `.notPermitted` when the policy refuses, or there is no such domain.
    func answerDomainInfo<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 108, caller, machine)
        guard request.u32(at: 0) == 5, request.u32(at: 4) == 0x15 else {
            throw .unknownOperation
        }
        let subject = resolve(request.u16(at: 8), caller)
        let source = domains[callerIndex(caller)].label
        guard let found = index(of: subject) else {
            machine.audit(
                Denial(
                    source: caller, target: subject, permission: DomainPermission.getdomaininfo,
                    operation: HypercallOperation.domainInfo.name))
            throw .notPermitted
        }
        try authorize(
            source, domains[found].label, DomainPermission.getdomaininfo, caller, subject,
            .domainInfo, &machine)
        for offset in 16..<108 { request[offset] = 0 }
        request.set(u16: subject.number, at: 16)
        request.set(u32: informationFlags(domains[found].life), at: 20)
        request.set(u32: UInt32(domains[found].cpuCount), at: 80)
        request.set(u32: UInt32(domains[found].cpuCount - 1), at: 84)
        request.set(u32: UInt32(domains[found].label.index) + 1, at: 88)
        request.set(u32: domains[found].generation, at: 92)
        try answer(request, address, caller, machine)
        return 0
    }

    /// `XEN_DOMINF_hvm_guest` (2), `_running` (5), `_shutdown` (2, value 4) and its reason from bit
    /// 16.
    private func informationFlags(_ life: Domain.Life) -> UInt32 {
        switch life {
        case .running: 1 << 1 | 1 << 5
        case .shutDown(let reason): 1 << 1 | 1 << 2 | (reason & 0xff) << 16
        case .crashed: 1 << 1 | 1 << 2 | 3 << 16
        }
    }

    /// Tells whoever bound `VIRQ_DOM_EXC` that a domain's life has changed.
    public mutating func announceLives<M: Machine & ~Copyable>(_ machine: inout M) {
        for index in domains.indices {
            let domain = domains[index].id
            guard
                let port = virtualInterruptPort(
                    VirtualInterrupt.domainException, of: domain, cpu: 0)
            else { continue }
            setPending(domain, port, &machine)
        }
    }
}
