import BootArena
import PolicyDatabase
import ReferenceMonitor

/// What a service asks about others: what the policy permits them, and whether they live. Only who
/// is permitted to may ask.
extension HypervisorCore {
    /// `FLASK_ACCESS` of `xsm_op` (Xen public `xsm/flask_op.h`): what a label may do to another.
    ///
    /// A label's SID is its number in the monitor and 1 more: 1 is the hypervisor's, then come the
    /// compartments' in the manifest's order. What `req` names of a compartment's, and the policy
    /// does not give, is recorded: the service has refused it.
    ///
    /// - Layout: `u32 cmd`, `u32 interface_version` (1), `u32 ssid`, `u32 tsid`, `u32 tclass`,
    ///   `u32 req`, then [hypervisor] `u32 allowed`, `u32 audit_allow`, `u32 audit_deny`,
    ///   `u32 seqno`.
    /// - Throws: `.badAddress`; `.invalidArgument` for another version, or a SID or class that does
    ///   not exist.
    func answerAccessQuery(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        var request = try call.arguments(40, machine)
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
        request.set(u32: policySequence, at: 36)
        recordRefused(
            request.u32(at: 20) & ~vector.bits, objectClass, source, target, &machine)
        try call.answer(request, machine)
    }

    /// Records the first of some permissions that a service has refused to a compartment.
    private func recordRefused(
        _ missing: UInt32, _ objectClass: ObjectClass, _ source: SecurityID, _ target: SecurityID,
        _ machine: inout some Hardware
    ) {
        guard source.index >= 1, source.index <= monitor.compartmentCount,
            let permission = Permission(objectClass, at: missing.trailingZeroBitCount)
        else { return }
        machine.audit(
            Denial(
                source: DomainID(number: UInt16(truncatingIfNeeded: source.index)),
                target: .hypervisor, permission: permission, operation: "the store",
                object: UInt32(target.index)))
    }

    private func label(ofSID number: UInt32) -> SecurityID? {
        guard number >= 1, number <= UInt32(monitor.labelCount) else { return nil }
        return monitor.label(at: Int(number) - 1)
    }

    /// Tells whoever bound `VIRQ_DOM_EXC` that a domain's life has changed.
    public mutating func announceLives(_ machine: inout some Hardware) {
        ringForEach(VirtualInterrupt.domainException, &machine)
    }

    /// Rings a virtual interrupt for everybody who has bound it on his first processor.
    mutating func ringForEach(_ number: UInt32, _ machine: inout some Hardware) {
        for index in domains.indices {
            let domain = domains[index].id
            guard let port = virtualInterruptPort(number, of: domain, cpu: 0) else { continue }
            setPending(domain, port, &machine)
        }
    }
}
