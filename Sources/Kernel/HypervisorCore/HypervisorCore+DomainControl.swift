import BootArena
import PolicyDatabase
import ReferenceMonitor

/// An order about a domain's life that was permitted. Whoever runs the core measures it before it
/// takes effect, and then commits it.
public struct LifeOrder: BitwiseCopyable, Equatable {
    /// What it is about.
    public let domain: DomainID
    /// Who gave it.
    public let giver: DomainID
    /// `.deploy`, or `.nothing` for an end.
    public let sequel: Domain.Sequel
}

/// `domctl` (Xen public `domctl.h`): what one domain may ask about another, and order.
extension HypervisorCore {
    /// The commands `XEN_DOMCTL_destroydomain` (2), `_unpausedomain` (4) and `_getdomaininfo` (5).
    ///
    /// - Layout: `u32 cmd`, `u32 interface_version` (0x15), `u16 domain`, 6 bytes, then as the
    ///   command.
    /// - Throws: `.badAddress`; `.unknownOperation` for another command or version;
    ///   `.notPermitted` when the policy refuses, or there is no such domain; else as the command.
    mutating func domainControl(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        let request = try call.arguments(16, machine)
        guard request.u32(at: 4) == 0x15 else { throw .unknownOperation }
        let subject = resolve(request.u16(at: 8), call.caller)
        let asked: (permission: Permission, name: StaticString, sequel: Domain.Sequel?)
        switch request.u32(at: 0) {
        case 2: asked = (DomainPermission.destroy, "XEN_DOMCTL_destroydomain", .nothing)
        case 4: asked = (DomainPermission.unpause, "XEN_DOMCTL_unpausedomain", .deploy)
        case 5: asked = (DomainPermission.getdomaininfo, HypercallOperation.domainControl.name, nil)
        default: throw .unknownOperation
        }
        let found = try authorizeControl(of: subject, asked.permission, asked.name, call, &machine)
        guard let sequel = asked.sequel else { return try answerDomainInfo(found, call, machine) }
        try order(sequel, found, call)
    }

    /// A domain that does not exist is refused as one that the policy forbids.
    ///
    /// - Returns: the domain's index.
    @inline(never)
    func authorizeControl(
        of subject: DomainID, _ permission: Permission, _ name: StaticString, _ call: Call,
        _ machine: inout some Hardware
    ) throws(XenError) -> Int {
        let source = domains[callerIndex(call.caller)].label
        if let found = index(of: subject),
            monitor.decide(
                source: source, target: domains[found].label, permission: permission) == .allowed
        {
            return found
        }
        machine.audit(
            Denial(source: call.caller, target: subject, permission: permission, operation: name))
        throw .notPermitted
    }

    /// Takes an order down. A domain that is absent can be deployed; one that runs or has stopped
    /// can be ended. The order is done after the call has returned: `getdomaininfo` tells when.
    ///
    /// - Throws: `.invalidArgument` when the order does not fit what the domain is.
    private mutating func order(
        _ sequel: Domain.Sequel, _ index: Int, _ call: Call
    ) throws(XenError) {
        let life = domains[index].life
        let fits =
            sequel == .deploy
            ? life == .absent : life == .running || life.hasStopped && life != .destroyed
        guard fits else { throw .invalidArgument }
        orders = LifeOrder(domain: domains[index].id, giver: call.caller, sequel: sequel)
    }

    /// Takes the order that the last call gave.
    public mutating func takeOrder() -> LifeOrder? {
        let order = orders
        orders = nil
        return order
    }

    /// Does what was ordered: a domain that is to end stops now, one that is to start begins to be
    /// made anew.
    public mutating func commit(_ order: LifeOrder, _ machine: inout some Hardware) {
        guard let index = index(of: order.domain) else { return }
        if order.sequel == .nothing {
            stop(index, .destroyed)
        } else {
            _ = beginAnew(order.domain, .deploy, &machine)
        }
    }

    /// `XEN_DOMCTL_getdomaininfo` (`struct xen_domctl_getdomaininfo`): the life of one domain.
    ///
    /// - Layout: [hypervisor] from 16: `u16 domain`, 2 bytes, `u32 flags` (`XEN_DOMINF_…`), 56 zero
    ///   bytes, `u32 nr_online_vcpus` at 80, `u32 max_vcpu_id`, `u32 ssidref`, `u8[16] handle` at
    ///   92, whose first four bytes are the domain's generation.
    /// - Throws: `.badAddress`.
    private func answerDomainInfo(
        _ found: Int, _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) {
        var request = try call.arguments(108, machine)
        for offset in 16..<108 { request[offset] = 0 }
        request.set(u16: domains[found].id.number, at: 16)
        request.set(u32: informationFlags(domains[found].life), at: 20)
        request.set(u32: UInt32(domains[found].cpuCount), at: 80)
        request.set(u32: UInt32(domains[found].cpuCount - 1), at: 84)
        request.set(u32: UInt32(domains[found].label.index) + 1, at: 88)
        request.set(u32: domains[found].generation, at: 92)
        try call.answer(request, machine)
    }

    /// `XEN_DOMINF_hvm_guest` (bit 1), `_dying` (0), `_shutdown` (2) with its reason from bit 16,
    /// `_paused` (3), `_running` (5).
    private func informationFlags(_ life: Domain.Life) -> UInt32 {
        switch life {
        case .running: 1 << 1 | 1 << 5
        case .waiting, .absent: 1 << 1 | 1 << 3
        case .shutDown(let reason): 1 << 1 | 1 << 2 | (reason & 0xff) << 16
        case .crashed: 1 << 1 | 1 << 2 | 3 << 16
        case .destroyed, .clearing: 1 | 1 << 1
        }
    }
}
