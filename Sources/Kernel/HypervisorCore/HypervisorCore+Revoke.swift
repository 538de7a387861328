import BootArena
import PolicyDatabase
import ReferenceMonitor

/// Taking away what a new policy forbids.
///
/// The policy decides about pairs of domains, so what two domains have in common hangs on lists of
/// their pair (`Domain.firstPorts`, `GrantTables.first`): one look at a pair says whether all of it
/// stays. What stays is not looked at. From the moment the policy changed, no decision is made by
/// the old one, so nothing new appears that would have to go.
extension HypervisorCore {
    /// How much one step looks at, before what the last pair of it has: pairs, ports, mappings.
    static var revocationLimit: Int { 64 }

    /// Does one step of a revocation, if there is one.
    ///
    /// - Complexity: at most twice `revocationLimit` pairs, ports and mappings, and a flush for
    ///   each list that loses some.
    public mutating func continueReload(_ machine: inout some Hardware) {
        guard reload.phase == .revoking else { return }
        var cursor = reload.cursor
        let count = domains.count
        let pairs = count * (count + 1)
        let end = pairs + reload.deviceRangeCount
        var looks = 0
        while looks < HypervisorCore.revocationLimit, cursor < end {
            let (first, second) = (cursor % count, cursor / count)
            if cursor >= pairs {
                settleDevice(cursor - pairs, &machine)
                looks += 1
                cursor += 1
            } else if second == count {
                looks += revokeInterrupts(of: first, &machine)
                cursor += 1
            } else if first == second {
                cursor += 1
            } else {
                let (taken, isDone) = revokePair(first, second, &machine)
                looks += taken
                if isDone { cursor += 1 }
            }
        }
        reload.cursor = cursor
        reload.steps = (
            reload.steps.count + 1, reload.steps.looks + looks, max(reload.steps.most, looks)
        )
        guard cursor == end else { return }
        reload.phase = .done
        reload.report = .done
        announceLives(&machine)
    }

    /// Enters something in the list of what was taken away.
    @inline(never)
    mutating func note(_ kind: Revocation.Kind, of holder: DomainID, with other: DomainID) {
        reload.add(Revocation(kind: kind, holder: holder, other: other))
    }

    @inline(never)
    private func permits(
        _ source: SecurityID, _ target: SecurityID, _ permission: Permission
    ) -> Bool {
        monitor.decide(source: source, target: target, permission: permission) == .allowed
    }

    /// Takes away what the first domain has of the second and may not have.
    ///
    /// - Returns: how much it looked at, and false when there may be more to take.
    private mutating func revokePair(
        _ first: Int, _ second: Int, _ machine: inout some Hardware
    ) -> (looks: Int, isDone: Bool) {
        let ports =
            domains[first].firstPorts[second] == 0 ? 0 : revokePorts(first, second, &machine)
        let mappings = revokeMappings(first, second, &machine)
        return (1 + ports + mappings, mappings == 0)
    }

    // MARK: Event channels

    /// Whether the policy lets `first` have an end of an event channel to `second`.
    @inline(never) func permitsEnd(_ first: Int, _ second: Int) -> Bool {
        let (near, far) = (domains[first].label, domains[second].label)
        let end = monitor.eventLabel(source: near, target: far)
        return permits(near, end, EventPermission.create) && permits(end, far, EventPermission.bind)
    }

    /// Whether events from `first` to `second` were permitted, and are no longer.
    private func hasLostSend(_ first: Int, _ second: Int) -> Bool {
        let end = monitor.eventLabel(source: domains[first].label, target: domains[second].label)
        guard !permits(domains[first].label, end, EventPermission.send) else { return false }
        return reload.permittedBefore(EventPermission.send, from: first, to: second)
    }

    /// Looks at the first domain's ports for the second, if some of them cannot stay as they are.
    ///
    /// - Returns: how many it looked at.
    private mutating func revokePorts(
        _ first: Int, _ second: Int, _ machine: inout some Hardware
    ) -> Int {
        let mayWait = permitsEnd(first, second)
        let mayJoin = mayWait && permitsEnd(second, first)
        let hasLostSend = hasLostSend(first, second)
        guard !mayJoin || hasLostSend else { return 0 }
        let (near, remote) = (domains[first].id, domains[second].id)
        var next = Int(domains[first].firstPorts[second])
        var count = 0
        // At most as many as a domain has ports.
        while next != 0 {
            let number = next
            let channel = domains[first].channels[number]
            next = Int(channel.next)
            count += 1
            switch channel.binding {
            case .unbound where !mayWait && !machine.omits(.revokeUnbound):
                endRevoked(first, number, with: remote, machine)
                note(.unbound(port: name(number)), of: near, with: remote)
            case .interdomain(_, let far) where !mayJoin && !machine.omits(.revokeChannel):
                endRevoked(first, number, with: remote, machine)
                endRevoked(second, Int(far.number), with: near, machine)
                note(.channel(port: name(number)), of: near, with: remote)
            case .interdomain(_, let far) where hasLostSend:
                guard isPending(second, far, machine), !machine.omits(.revokePending) else { break }
                clearPending(remote, far, machine)
                note(.pending(port: far), of: remote, with: near)
            default: break
            }
        }
        return count
    }

    private func name(_ number: Int) -> EventChannelPort {
        EventChannelPort(number: UInt32(truncatingIfNeeded: number))
    }

    /// Ends a port, and forgets what was pending. It stays its domain's until that closes it.
    @inline(never)
    private mutating func endRevoked(
        _ index: Int, _ number: Int, with other: DomainID, _ machine: borrowing some Hardware
    ) {
        let cpu = domains[index].channels[number].cpu
        clearPending(domains[index].id, name(number), machine)
        commit(domains[index].id, name(number), .revoked(remote: other), cpu: cpu)
    }

    // MARK: Mappings

    /// Takes some of the first domain's mappings of the second's frames, if some of them cannot
    /// stay.
    ///
    /// - Returns: how many; there may be more.
    private mutating func revokeMappings(
        _ first: Int, _ second: Int, _ machine: inout some Hardware
    ) -> Int {
        let used = grants.used(grantee: first, grantor: second)
        guard used > 0 else { return 0 }
        let (near, far) = (domains[first].label, domains[second].label)
        let mayRead = permits(near, far, GrantPermission.mapRead)
        let mayWrite = mayRead && permits(near, far, GrantPermission.mapWrite)
        let limit = HypervisorCore.severLimit
        if !mayWrite, !machine.omits(mayRead ? .revokeWriting : .revokeMapping) {
            let taken = sever(
                grantee: first, grantor: second, writable: true, limit: limit, isRevoked: true,
                &machine)
            if taken > 0 { return taken }
        }
        if !mayRead, !machine.omits(.revokeMapping) {
            return sever(
                grantee: first, grantor: second, writable: false, limit: limit, isRevoked: true,
                &machine)
        }
        let quota = grants.quota(grantee: first, grantor: second)
        guard mayRead, used > quota, !machine.omits(.revokeExcess) else { return 0 }
        let excess = min(limit, Int(used - quota))
        for list in 0..<2 {
            let taken = sever(
                grantee: first, grantor: second, writable: list == 0, limit: excess,
                isRevoked: true, &machine)
            if taken > 0 { return taken }
        }
        return 0
    }

    // MARK: Interrupts

    /// Whether a permission of a domain on itself, or on the hypervisor, is gone.
    @inline(never)
    private func hasLost(_ permission: Permission, _ index: Int, onHypervisor: Bool) -> Bool {
        let label = domains[index].label
        guard !permits(label, onHypervisor ? .hypervisor : label, permission) else { return false }
        return reload.permittedBefore(permission, index, onHypervisor: onHypervisor)
    }

    /// Looks at all ports of a domain, if it may no longer have some of its interrupts.
    ///
    /// - Returns: how many it looked at.
    private mutating func revokeInterrupts(of index: Int, _ machine: inout some Hardware) -> Int {
        let all = hasLost(HypercallPermission.virq, index, onHypervisor: false)
        let own = hasLost(HypercallPermission.ipi, index, onHypervisor: false)
        let console = all || hasLost(XenPermission.readconsole, index, onHypervisor: true)
        let lives = all || hasLost(HypercallPermission.virq, index, onHypervisor: true)
        let records = all || hasLost(XenPermission.clearconsole, index, onHypervisor: true)
        guard own || console || lives || records else { return 1 }
        for number in 1..<Domain.portCount {
            let isLost =
                switch domains[index].channels[number].binding {
                case .virtualInterrupt(VirtualInterrupt.console): console
                case .virtualInterrupt(VirtualInterrupt.domainException): lives
                case .virtualInterrupt(VirtualInterrupt.consoleRing): records
                case .virtualInterrupt(let number): all && number < HypervisorCore.firstLine
                case .interprocessor: own
                default: false
                }
            guard isLost, !machine.omits(.revokeInterrupt) else { continue }
            endRevoked(index, number, with: .hypervisor, machine)
            note(.interrupt(port: name(number)), of: domains[index].id, with: .hypervisor)
        }
        return Domain.portCount
    }

    // MARK: Devices

    /// Gives a device's range to its owner, or takes it, as the new policy says.
    private mutating func settleDevice(_ index: Int, _ machine: inout some Hardware) {
        guard let device = reload.device(at: index) else { return }
        let isPermitted = DeviceRules.permits(device.owner, range: index, monitor)
        guard isPermitted != device.isPermitted, !machine.omits(.revokePorts) else { return }
        let owner = domains[device.owner].id
        machine.setDevice(device, isPermitted: isPermitted)
        reload.work?.devices[index].isPermitted = isPermitted
        guard !isPermitted else { return }
        // ORDER: no processor uses it any more when this is over.
        if !machine.omits(.flushAfterSever) { machine.flushTranslations(of: owner) }
        for line in lines.indices where device.lines?.contains(UInt64(line)) == true {
            let number = HypervisorCore.firstLine + UInt32(line)
            guard let port = port(of: owner, boundTo: .virtualInterrupt(number: number)) else {
                continue
            }
            endRevoked(device.owner, Int(port.number), with: .hypervisor, machine)
        }
        note(.device(device.kind, first: device.first), of: owner, with: .hypervisor)
    }
}
