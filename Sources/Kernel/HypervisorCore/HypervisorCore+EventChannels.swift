import BootArena
import PolicyDatabase
import ReferenceMonitor

/// Event channels (Xen public `event_channel.h`), with 2-level delivery. Each operation decodes its
/// arguments, is authorized, reserves a port, and then commits what cannot fail.
extension HypervisorCore {
    /// `EVTCHNOP_alloc_unbound`: reserves a port that `remote_dom` may later bind.
    ///
    /// - Layout: `u16 dom`, `u16 remote_dom`, `u32 port` [hypervisor].
    /// - Throws: `.badAddress`; `.notPermitted` when `dom` is another domain, the policy refuses,
    ///   or there is no such remote; `.noSpace` when every port is in use. Nothing changed then.
    mutating func allocateUnbound<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 8, caller, machine)
        guard isCaller(request.u16(at: 0), caller) else { throw .notPermitted }
        let remote = resolve(request.u16(at: 2), caller)
        if machine.omits(.publishAfterDecision) {
            commit(caller, try freePort(of: caller), .unbound(remote: remote))
        }
        try authorizeEnd(of: caller, to: remote, .allocUnbound, &machine)
        let port = try freePort(of: caller)
        request.set(u32: port.number, at: 4)
        try answer(request, address, caller, machine)
        commit(caller, port, .unbound(remote: remote))
        return 0
    }

    /// `EVTCHNOP_bind_interdomain`: joins a new port to the remote's that waits for the caller.
    ///
    /// - Layout: `u16 remote_dom`, 2 bytes, `u32 remote_port`, `u32 local_port` [hypervisor].
    /// - Throws: `.badAddress`; `.notPermitted` when the policy refuses either end, or there is no
    ///   such remote; `.invalidArgument` when the remote's port does not wait for the caller;
    ///   `.noSpace`. Nothing changed then.
    mutating func bindInterdomain<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 12, caller, machine)
        let remote = resolve(request.u16(at: 0), caller)
        let remotePort = EventChannelPort(number: request.u32(at: 4))
        try authorizeEnd(of: caller, to: remote, .bindInterdomain, &machine)
        try authorizeFarEnd(of: remote, to: caller, &machine)
        guard let remoteIndex = index(of: remote),
            let far = channelIndex(remotePort),
            domains[remoteIndex].channels[far].binding == .unbound(remote: caller)
        else { throw .invalidArgument }
        let port = try freePort(of: caller)
        request.set(u32: port.number, at: 8)
        try answer(request, address, caller, machine)
        commit(caller, port, .interdomain(remote: remote, port: remotePort))
        domains[remoteIndex].channels[far].binding = .interdomain(remote: caller, port: port)
        setPending(caller, port, &machine)
        return 0
    }

    /// Authorizes the remote's end of a channel that the caller binds: `bind` from its label to the
    /// caller's.
    private func authorizeFarEnd<M: Machine & ~Copyable>(
        of remote: DomainID, to caller: DomainID, _ machine: inout M
    ) throws(XenError) {
        guard let remoteIndex = index(of: remote) else { throw .notPermitted }
        let callerLabel = domains[callerIndex(caller)].label
        let far = monitor.eventLabel(source: domains[remoteIndex].label, target: callerLabel)
        try authorize(
            far, callerLabel, EventPermission.bind, caller, remote, .bindInterdomain,
            &machine)
    }

    /// `EVTCHNOP_bind_virq`: a port for a processor's virtual interrupt: its timer, or debug; on
    /// the first processor of a service also the global ones that it is permitted.
    ///
    /// - Layout: `u32 virq`, `u32 vcpu`, `u32 port` [hypervisor].
    /// - Throws: `.badAddress`; `.invalidArgument` for another interrupt or processor;
    ///   `.notPermitted`; `.alreadyExists` when it is bound; `.noSpace`. Nothing changed then.
    mutating func bindVirtualInterrupt<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 12, caller, machine)
        let number = request.u32(at: 0)
        let cpu = try processorIndex(request.u32(at: 4), caller)
        try authorizeVirtualInterrupt(number, cpu: cpu, caller, &machine)
        guard virtualInterruptPort(number, of: caller, cpu: cpu) == nil else {
            throw .alreadyExists
        }
        if machine.omits(.keepStateWhenFull), port(of: caller, boundTo: .free) == nil {
            clearPending(caller, Domain.consolePort, machine)
            commit(caller, Domain.consolePort, .free)
        }
        let port = try freePort(of: caller)
        request.set(u32: port.number, at: 8)
        try answer(request, address, caller, machine)
        commit(caller, port, .virtualInterrupt(number: number), cpu: cpu)
        return 0
    }

    /// `EVTCHNOP_bind_ipi`: a port that the domain rings itself.
    ///
    /// - Layout: `u32 vcpu`, `u32 port` [hypervisor].
    /// - Throws: `.badAddress`, `.invalidArgument` for another processor, `.noSpace`. Nothing
    ///   changed then.
    mutating func bindInterprocessor<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 8, caller, machine)
        let cpu = try processorIndex(request.u32(at: 0), caller)
        let port = try freePort(of: caller)
        request.set(u32: port.number, at: 4)
        try answer(request, address, caller, machine)
        commit(caller, port, .interprocessor, cpu: cpu)
        return 0
    }

    /// `EVTCHNOP_bind_vcpu`: another processor is told of the port's events from now on.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use, a processor that does not
    ///   exist, or a port that belongs to one processor for good (virtual interrupts and IPIs).
    mutating func bindToVCPU<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: borrowing M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 8, caller, machine)
        let number = request.u32(at: 0)
        let channel = try usedChannel(caller, number)
        let cpu = try processorIndex(request.u32(at: 4), caller)
        switch channel.binding {
        case .virtualInterrupt, .interprocessor, .free: throw .invalidArgument
        case .unbound, .interdomain, .console, .revoked: break
        }
        domains[callerIndex(caller)].channels[Int(number)].cpu = cpu
        return 0
    }

    /// `EVTCHNOP_close`: frees a port; the far end waits for the caller again.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use, or the console's.
    mutating func close<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 4, caller, machine)
        let port = EventChannelPort(number: request.u32(at: 0))
        let channel = try usedChannel(caller, port.number)
        if channel.binding == .console { throw .invalidArgument }
        if case .interdomain(let remote, let remotePort) = channel.binding,
            let remoteIndex = index(of: remote), let far = channelIndex(remotePort)
        {
            domains[remoteIndex].channels[far].binding = .unbound(remote: caller)
        }
        clearPending(caller, port, machine)
        commit(caller, port, .free)
        return 0
    }

    /// `EVTCHNOP_send`: rings the far end. A sender beyond its budget waits afterwards.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use or bound to an interrupt;
    ///   `.notPermitted` when the policy refuses. Nothing changed then.
    mutating func send<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ processor: VirtualCPUID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        let caller = processor.domain
        let request = try arguments(address, 4, caller, machine)
        let number = request.u32(at: 0)
        let channel = try usedChannel(caller, number)
        let label = domains[callerIndex(caller)].label
        switch channel.binding {
        case .interdomain(let remote, let remotePort):
            try authorizeUse(of: remote, EventPermission.send, caller, .send, &machine)
            if setPending(remote, remotePort, &machine) {
                charge(processor, to: remote, machine)
            }
        case .unbound(let remote):
            try authorizeUse(of: remote, EventPermission.send, caller, .send, &machine)
        case .revoked(let remote):
            throw refuse(EventPermission.send, caller, remote, .send, &machine)
        case .console:
            try authorizeUse(of: .hypervisor, EventPermission.send, caller, .send, &machine)
            drainConsole(caller, &machine)
        case .interprocessor:
            try authorize(
                label, label, HypercallPermission.ipi, caller, caller, .send,
                &machine)
            setPending(caller, EventChannelPort(number: number), &machine)
        case .free, .virtualInterrupt:
            throw .invalidArgument
        }
        return 0
    }

    /// `EVTCHNOP_status`: what a port of the caller is bound to.
    ///
    /// - Layout: `u16 dom`, 2 bytes, `u32 port`, then [hypervisor] `u32 status`, `u32 vcpu`, and
    ///   `u16 dom` or `u32 virq` at 16, `u32 port` at 20.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain, or when the policy refuses;
    ///   `.invalidArgument` for a port out of range.
    func status<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        var request = try arguments(address, 24, caller, machine)
        guard isCaller(request.u16(at: 0), caller) else { throw .notPermitted }
        guard let index = channelIndex(EventChannelPort(number: request.u32(at: 4))) else {
            throw .invalidArgument
        }
        let channel = domains[callerIndex(caller)].channels[index]
        switch channel.binding {
        case .free, .revoked:
            request.set(u32: 0, at: 8)
        case .unbound(let remote):
            try authorizeUse(of: remote, EventPermission.status, caller, .status, &machine)
            request.set(u32: 1, at: 8)
            request.set(u16: remote.number, at: 16)
        case .interdomain(let remote, let port):
            try authorizeUse(of: remote, EventPermission.status, caller, .status, &machine)
            request.set(u32: 2, at: 8)
            request.set(u16: remote.number, at: 16)
            request.set(u32: port.number, at: 20)
        case .console:
            try authorizeUse(
                of: .hypervisor, EventPermission.status, caller, .status, &machine)
            request.set(u32: 2, at: 8)
            request.set(u16: 0, at: 16)
            request.set(u32: 0, at: 20)
        case .virtualInterrupt(let number):
            request.set(u32: 4, at: 8)
            request.set(u32: number, at: 16)
        case .interprocessor:
            request.set(u32: 5, at: 8)
        }
        request.set(u32: UInt32(channel.cpu), at: 12)
        try answer(request, address, caller, machine)
        return 0
    }

    /// `EVTCHNOP_unmask`: unmasks a port and delivers what came meanwhile.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use.
    mutating func unmask<M: Machine & ~Copyable>(
        _ address: GuestVirtualAddress, _ caller: DomainID, _ machine: inout M
    ) throws(XenError) -> Int64 {
        let request = try arguments(address, 4, caller, machine)
        let port = EventChannelPort(number: request.u32(at: 0))
        _ = try usedChannel(caller, port.number)
        deliverUnmasked(caller, port, machine)
        return 0
    }
}
