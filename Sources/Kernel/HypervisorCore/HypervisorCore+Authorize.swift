import BootArena
import PolicyDatabase
import ReferenceMonitor

extension HypervisorCore {
    /// Authorizes an operation that is decided by its caller alone. Operations on event channels
    /// and grants pass here and are decided when their arguments are known.
    ///
    /// - Throws: `.notPermitted`; a record of the denial was made.
    func authorize(
        _ operation: HypercallOperation, caller: DomainID, machine: inout some Hardware
    ) throws(XenError) {
        let label = domains[callerIndex(caller)].label
        switch operation.requirement {
        case .onSelf(let permission):
            try authorize(label, label, permission, caller, caller, operation, &machine)
        case .onHypervisor(let permission):
            try authorize(
                label, .hypervisor, permission, caller, .hypervisor, operation, &machine)
        case .onPolicy(let permission):
            try authorize(
                label, monitor.policyLabel, permission, caller, .hypervisor, operation, &machine)
        case .onEventChannel, .onGrant, .onDomain, .onDevice:
            return
        }
    }

    /// Authorizes what making an end of an event channel from `caller` to `remote` takes: `create`
    /// on the end's label, and `bind` from that label to the remote's.
    ///
    /// A remote that does not exist is refused exactly as one that the policy forbids: nothing
    /// tells the caller which it was.
    ///
    /// - Throws: `.notPermitted`; a record of the denial was made.
    func authorizeEnd(
        of caller: DomainID, to remote: DomainID, _ operation: HypercallOperation,
        _ machine: inout some Hardware
    ) throws(XenError) {
        let label = domains[callerIndex(caller)].label
        guard let remoteIndex = index(of: remote) else {
            throw refuse(EventPermission.create, caller, remote, operation, &machine)
        }
        let remoteLabel = domains[remoteIndex].label
        let end = monitor.eventLabel(source: label, target: remoteLabel)
        try authorize(
            label, end, EventPermission.create, caller, remote, operation, &machine)
        try authorize(
            end, remoteLabel, EventPermission.bind, caller, remote, operation, &machine)
    }

    /// Authorizes the use of an end of an event channel that the caller has: `permission` on the
    /// end's label. The label is that of the pair, as the policy of this moment has it.
    ///
    /// - Parameter remote: the other domain, or the hypervisor.
    /// - Throws: `.notPermitted`; a record of the denial was made.
    @inline(never)
    func authorizeUse(
        of remote: DomainID, _ permission: Permission, _ caller: DomainID,
        _ operation: HypercallOperation, _ machine: inout some Hardware
    ) throws(XenError) {
        let label = domains[callerIndex(caller)].label
        let remoteLabel: SecurityID
        if remote == .hypervisor {
            remoteLabel = .hypervisor
        } else {
            guard let index = index(of: remote) else { throw .notPermitted }
            remoteLabel = domains[index].label
        }
        let end = monitor.eventLabel(source: label, target: remoteLabel)
        try authorize(label, end, permission, caller, remote, operation, &machine)
    }

    /// Refuses something whatever the policy says, and makes the record of a denial.
    @inline(never)
    func refuse(
        _ permission: Permission, _ caller: DomainID, _ reached: DomainID,
        _ operation: HypercallOperation, _ machine: inout some Hardware
    ) -> XenError {
        machine.audit(
            Denial(
                source: caller, target: reached, permission: permission,
                operation: operation.name))
        return .notPermitted
    }

    /// One decision, with its audit record when it is a denial.
    func authorize(
        _ source: SecurityID, _ target: SecurityID, _ permission: Permission, _ caller: DomainID,
        _ reached: DomainID, _ operation: HypercallOperation, _ machine: inout some Hardware
    ) throws(XenError) {
        guard monitor.decide(source: source, target: target, permission: permission) == .allowed
        else { throw refuse(permission, caller, reached, operation, &machine) }
    }
}
