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
    mutating func allocateUnbound(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        var request = try call.arguments(8, machine)
        guard isCaller(request.u16(at: 0), call.caller) else { throw .notPermitted }
        let remote = resolve(request.u16(at: 2), call.caller)
        if machine.omits(.publishAfterDecision) {
            commit(call.caller, try freePort(of: call.caller), .unbound(remote: remote))
        }
        try authorizeEnd(of: call.caller, to: remote, .allocUnbound, &machine)
        let port = try freePort(of: call.caller)
        request.set(u32: port.number, at: 4)
        try call.answer(request, machine)
        commit(call.caller, port, .unbound(remote: remote))
    }

    /// `EVTCHNOP_bind_interdomain`: joins a new port to the remote's that waits for the caller.
    ///
    /// - Layout: `u16 remote_dom`, 2 bytes, `u32 remote_port`, `u32 local_port` [hypervisor].
    /// - Throws: `.badAddress`; `.notPermitted` when the policy refuses either end, or there is no
    ///   such remote; `.invalidArgument` when the remote's port does not wait for the caller;
    ///   `.noSpace`. Nothing changed then.
    mutating func bindInterdomain(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        var request = try call.arguments(12, machine)
        let remote = resolve(request.u16(at: 0), call.caller)
        let remotePort = EventChannelPort(number: request.u32(at: 4))
        try authorizeEnd(of: call.caller, to: remote, .bindInterdomain, &machine)
        try authorizeFarEnd(of: remote, to: call.caller, &machine)
        guard let remoteIndex = index(of: remote),
            let far = channelIndex(remotePort),
            domains[remoteIndex].channels[far].binding == .unbound(remote: call.caller)
        else { throw .invalidArgument }
        let port = try freePort(of: call.caller)
        request.set(u32: port.number, at: 8)
        try call.answer(request, machine)
        commit(call.caller, port, .interdomain(remote: remote, port: remotePort))
        domains[remoteIndex].channels[far].binding = .interdomain(remote: call.caller, port: port)
        setPending(call.caller, port, &machine)
    }

    /// Authorizes the remote's end of a channel that the caller binds: `bind` from its label to the
    /// caller's.
    private func authorizeFarEnd(
        of remote: DomainID, to caller: DomainID, _ machine: inout some Hardware
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
    mutating func bindVirtualInterrupt(
        _ call: Call, _ machine: inout some Hardware
    ) throws(XenError) {
        var request = try call.arguments(12, machine)
        let number = request.u32(at: 0)
        let cpu = try processorIndex(request.u32(at: 4), call.caller)
        try authorizeVirtualInterrupt(number, cpu: cpu, call.caller, &machine)
        guard virtualInterruptPort(number, of: call.caller, cpu: cpu) == nil else {
            throw .alreadyExists
        }
        if machine.omits(.keepStateWhenFull), port(of: call.caller, boundTo: .free) == nil {
            clearPending(call.caller, Domain.consolePort, machine)
            commit(call.caller, Domain.consolePort, .free)
        }
        let port = try freePort(of: call.caller)
        request.set(u32: port.number, at: 8)
        try call.answer(request, machine)
        commit(call.caller, port, .virtualInterrupt(number: number), cpu: cpu)
    }

    /// `EVTCHNOP_bind_ipi`: a port that the domain rings itself.
    ///
    /// - Layout: `u32 vcpu`, `u32 port` [hypervisor].
    /// - Throws: `.badAddress`, `.invalidArgument` for another processor, `.noSpace`. Nothing
    ///   changed then.
    mutating func bindInterprocessor(
        _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) {
        var request = try call.arguments(8, machine)
        let cpu = try processorIndex(request.u32(at: 0), call.caller)
        let port = try freePort(of: call.caller)
        request.set(u32: port.number, at: 4)
        try call.answer(request, machine)
        commit(call.caller, port, .interprocessor, cpu: cpu)
    }

    /// `EVTCHNOP_bind_vcpu`: another processor is told of the port's events from now on.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use, a processor that does not
    ///   exist, or a port that belongs to one processor for good (virtual interrupts and IPIs).
    mutating func bindToVCPU(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        let request = try call.arguments(8, machine)
        let number = request.u32(at: 0)
        let channel = try usedChannel(call.caller, number)
        let cpu = try processorIndex(request.u32(at: 4), call.caller)
        switch channel.binding {
        case .virtualInterrupt(let number) where number >= HypervisorCore.firstLine: break
        case .virtualInterrupt, .interprocessor, .free: throw .invalidArgument
        case .unbound, .interdomain, .console, .revoked: break
        }
        domains[callerIndex(call.caller)].channels[Int(number)].cpu = cpu
    }

    /// `EVTCHNOP_close`: frees a port; the far end waits for the caller again.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use, or the console's.
    mutating func close(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        let request = try call.arguments(4, machine)
        let port = EventChannelPort(number: request.u32(at: 0))
        let channel = try usedChannel(call.caller, port.number)
        if channel.binding == .console { throw .invalidArgument }
        if case .interdomain(let remote, let remotePort) = channel.binding,
            let remoteIndex = index(of: remote), let far = channelIndex(remotePort)
        {
            domains[remoteIndex].channels[far].binding = .unbound(remote: call.caller)
        }
        clearPending(call.caller, port, machine)
        commit(call.caller, port, .free)
    }

    /// `EVTCHNOP_send`: rings the far end. A sender beyond its budget waits afterwards.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use or bound to an interrupt;
    ///   `.notPermitted` when the policy refuses. Nothing changed then.
    mutating func send(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        let request = try call.arguments(4, machine)
        var number = request.u32(at: 0)
        if machine.omits(.checkPort) { number %= UInt32(Domain.portCount) }
        let channel = try usedChannel(call.caller, number)
        let label = domains[callerIndex(call.caller)].label
        switch channel.binding {
        case .interdomain(let remote, let remotePort):
            try authorizeUse(of: remote, EventPermission.send, call.caller, .send, &machine)
            if setPending(remote, remotePort, &machine) {
                charge(call.processor, to: remote, machine)
            }
        case .unbound(let remote):
            try authorizeUse(of: remote, EventPermission.send, call.caller, .send, &machine)
        case .revoked(let remote):
            throw refuse(EventPermission.send, call.caller, remote, .send, &machine)
        case .console:
            try authorizeUse(of: .hypervisor, EventPermission.send, call.caller, .send, &machine)
            drainConsole(call.caller, &machine)
        case .interprocessor:
            try authorize(
                label, label, HypercallPermission.ipi, call.caller, call.caller, .send,
                &machine)
            setPending(call.caller, EventChannelPort(number: number), &machine)
        case .free, .virtualInterrupt:
            throw .invalidArgument
        }
    }

    /// `EVTCHNOP_status`: what a port of the caller is bound to.
    ///
    /// - Layout: `u16 dom`, 2 bytes, `u32 port`, then [hypervisor] `u32 status`, `u32 vcpu`, and
    ///   `u16 dom` or `u32 virq` at 16, `u32 port` at 20.
    /// - Throws: `.badAddress`; `.notPermitted` for another domain, or when the policy refuses;
    ///   `.invalidArgument` for a port out of range.
    func status(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        var request = try call.arguments(24, machine)
        guard isCaller(request.u16(at: 0), call.caller) else { throw .notPermitted }
        guard let index = channelIndex(EventChannelPort(number: request.u32(at: 4))) else {
            throw .invalidArgument
        }
        let channel = domains[callerIndex(call.caller)].channels[index]
        switch channel.binding {
        case .free, .revoked:
            request.set(u32: 0, at: 8)
        case .unbound(let remote):
            try authorizeUse(of: remote, EventPermission.status, call.caller, .status, &machine)
            request.set(u32: 1, at: 8)
            request.set(u16: remote.number, at: 16)
        case .interdomain(let remote, let port):
            try authorizeUse(of: remote, EventPermission.status, call.caller, .status, &machine)
            request.set(u32: 2, at: 8)
            request.set(u16: remote.number, at: 16)
            request.set(u32: port.number, at: 20)
        case .console:
            try authorizeUse(
                of: .hypervisor, EventPermission.status, call.caller, .status, &machine)
            request.set(u32: 2, at: 8)
            request.set(u16: 0, at: 16)
            request.set(u32: 0, at: 20)
        case .virtualInterrupt(let number):
            request.set(u32: number < HypervisorCore.firstLine ? 4 : 3, at: 8)
            request.set(u32: number & 0xff, at: 16)
        case .interprocessor:
            request.set(u32: 5, at: 8)
        }
        request.set(u32: UInt32(channel.cpu), at: 12)
        try call.answer(request, machine)
    }

    /// `EVTCHNOP_unmask`: unmasks a port and delivers what came meanwhile.
    ///
    /// - Throws: `.badAddress`; `.invalidArgument` for a port not in use.
    mutating func unmask(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        let request = try call.arguments(4, machine)
        let port = EventChannelPort(number: request.u32(at: 0))
        _ = try usedChannel(call.caller, port.number)
        deliverUnmasked(call.caller, port, machine)
    }
}
