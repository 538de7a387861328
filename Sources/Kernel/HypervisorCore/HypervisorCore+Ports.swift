import BootArena
import PolicyDatabase
import ReferenceMonitor

/// The numbers of virtual interrupts (`VIRQ_…` in Xen's public `xen.h`).
enum VirtualInterrupt {
    /// `VIRQ_TIMER`.
    static var timer: UInt32 { 0 }
    /// `VIRQ_DEBUG`: a guest may bind it; nothing rings it.
    static var debug: UInt32 { 1 }
    /// `VIRQ_CONSOLE`: rings when something was typed; for the console service.
    static var console: UInt32 { 2 }
    /// `VIRQ_DOM_EXC`: rings when the life of some domain has changed; for who may ask about it.
    static var domainException: UInt32 { 3 }
    /// `VIRQ_CON_RING`: rings when there is a new record; for the audit service.
    static var consoleRing: UInt32 { 8 }
}

/// Ports: look-up, reservation and the pending bits that guests share with the hypervisor.
extension HypervisorCore {
    /// Whether `number` names the caller: `DOMID_SELF` or its own.
    func isCaller(_ number: UInt16, _ caller: DomainID) -> Bool {
        number == DomainID.caller.number || number == caller.number
    }

    /// The domain that `number` names.
    func resolve(_ number: UInt16, _ caller: DomainID) -> DomainID {
        number == DomainID.caller.number ? caller : DomainID(number: number)
    }

    /// The index of a port that a domain can have; port 0 and ports past the table are none.
    func channelIndex(_ port: EventChannelPort) -> Int? {
        guard port.number > 0, port.number < UInt32(Domain.portCount) else { return nil }
        return Int(port.number)
    }

    /// The channel behind a port of the caller.
    ///
    /// - Throws: `.invalidArgument` when the port is out of range or not in use.
    mutating func usedChannel(_ caller: DomainID, _ number: UInt32) throws(XenError) -> EventChannel
    {
        guard let index = channelIndex(EventChannelPort(number: number)) else {
            throw .invalidArgument
        }
        let channel = self.channel(callerIndex(caller), index)
        guard !channel.isFree else { throw .invalidArgument }
        return channel
    }

    /// The lowest port of the caller that is not in use.
    ///
    /// - Throws: `.noSpace` when there is none.
    func freePort(of caller: DomainID) throws(XenError) -> EventChannelPort {
        guard let port = port(of: caller, boundTo: .free) else { throw .noSpace }
        return port
    }

    /// The lowest port with this binding.
    func port(of domain: DomainID, boundTo binding: EventChannel.Binding) -> EventChannelPort? {
        guard let index = index(of: domain) else { return nil }
        for number in 1..<Domain.portCount
        where domains[index].channels[number].binding == binding {
            return EventChannelPort(number: UInt32(number))
        }
        return nil
    }

    /// The index of a processor of the caller.
    ///
    /// - Throws: `.invalidArgument` when the caller has no such processor.
    func processorIndex(_ number: UInt32, _ caller: DomainID) throws(XenError) -> Int {
        guard number < UInt32(domains[callerIndex(caller)].cpuCount) else {
            throw .invalidArgument
        }
        return Int(number)
    }

    /// The port of a processor's virtual interrupt.
    @inline(never) func virtualInterruptPort(
        _ number: UInt32, of domain: DomainID, cpu: Int
    ) -> EventChannelPort? {
        guard let index = index(of: domain) else { return nil }
        let wanted = EventChannel.Binding.virtualInterrupt(number: number)
        for number in 1..<Domain.portCount {
            let channel = domains[index].channels[number]
            if channel.binding == wanted, channel.cpu == cpu {
                return EventChannelPort(number: UInt32(number))
            }
        }
        return nil
    }

    /// Binds a port. Cannot fail.
    @inline(never)
    mutating func commit(
        _ domain: DomainID, _ port: EventChannelPort, _ binding: EventChannel.Binding, cpu: Int = 0
    ) {
        guard let index = index(of: domain), let number = channelIndex(port) else {
            preconditionFailure("a port was reserved that does not exist")
        }
        unlink(index, number)
        domains[index].channels[number] = EventChannel(binding: binding, cpu: cpu)
        link(index, number)
    }

    /// Adds a port to the list of those for its remote.
    private mutating func link(_ index: Int, _ number: Int) {
        let channel = domains[index].channels[number]
        guard let id = channel.remote, let remote = self.index(of: id) else { return }
        let first = domains[index].firstPorts[remote]
        domains[index].channels[number].next = first
        // At most 64 ports: their numbers fit.
        let name = UInt8(truncatingIfNeeded: number)
        if first != 0 { domains[index].channels[Int(first)].previous = name }
        domains[index].firstPorts[remote] = name
    }

    /// Takes a port from the list of those for its remote.
    private mutating func unlink(_ index: Int, _ number: Int) {
        let channel = domains[index].channels[number]
        guard let id = channel.remote, let remote = self.index(of: id) else { return }
        if channel.next != 0 {
            domains[index].channels[Int(channel.next)].previous = channel.previous
        }
        if channel.previous != 0 {
            domains[index].channels[Int(channel.previous)].next = channel.next
        } else {
            domains[index].firstPorts[remote] = channel.next
        }
    }

    /// Sets a port's pending bit and, unless it is masked, makes the domain see it. A masked event
    /// wakes nobody but a processor that polls for it.
    ///
    /// - Layout: `struct shared_info`: pending bits at 2,048, mask at 2,560; `struct vcpu_info`:
    ///   upcall pending (u8) at 0, selector (u64) at 8.
    /// - Returns: whether the event is a new one: the port was not pending.
    @discardableResult
    mutating func setPending(
        _ domain: DomainID, _ port: EventChannelPort, _ machine: inout some Hardware
    ) -> Bool {
        guard let index = index(of: domain), domains[index].life == .running,
            let number = channelIndex(port)
        else { return false }
        if domains[index].queues.isActive {
            if ringQueued(index, number, machine) { return false }
        } else {
            let page = domains[index].sharedInfo
            let (word, bit) = position(port)
            if machine.omits(.pendingBeforeMask),
                machine.load64(page, offset: 2560 + word * 8) >> UInt64(bit) & 1 == 1
            {
                return false
            }
            // ORDER: pending before mask before selector, as the guest's unmask does the reverse.
            if machine.testAndSetBit(page, offset: 2048 + word * 8, bit: bit) { return false }
            let masks = machine.load64(page, offset: 2560 + word * 8)
            if masks >> UInt64(bit) & 1 == 0 || machine.omits(.respectMask) {
                raiseUpcall(index, channel(index, number).cpu, word, machine)
            }
        }
        wakePollers(index, port)
        return true
    }

    /// What `EVTCHNOP_reset` would be if it only looked at its own side; for simulations.
    mutating func resetPorts(_ domain: DomainID) -> Int64 {
        let index = callerIndex(domain)
        for number in 1..<Domain.portCount { domains[index].channels[number].binding = .free }
        return 0
    }

    /// Has a sender pay for an event; beyond its budget its processor waits, whatever comes for it.
    mutating func charge(
        _ sender: VirtualCPUID, to receiver: DomainID, _ machine: borrowing some Hardware
    ) {
        let index = callerIndex(sender.domain)
        guard let receiverIndex = self.index(of: receiver), receiverIndex != index else { return }
        let now = machine.systemTimeInNanoseconds()
        let end = budgets.pay(from: index, to: receiverIndex, now: now)
        if let end, !machine.omits(.chargeSender) { hold(sender, until: end) }
    }

    /// A poll ends at the event itself, masked or not, whichever processor polls.
    private mutating func wakePollers(_ index: Int, _ port: EventChannelPort) {
        for number in 0..<domains[index].cpuCount {
            let cpu = cpu(index, number)
            guard cpu.pollDeadline != nil, cpu.polledPort == nil || cpu.polledPort == port
            else { continue }
            wake(index, number)
        }
    }

    /// Marks word `word` of the pending bits for a processor and wakes it.
    mutating func raiseUpcall(
        _ index: Int, _ number: Int, _ word: Int, _ machine: borrowing some Hardware
    ) {
        let cpu = cpu(index, number)
        if !machine.testAndSetBit(cpu.infoFrame, offset: cpu.infoOffset + 8, bit: word) {
            machine.store8(cpu.infoFrame, offset: cpu.infoOffset, 1)
        }
        wake(index, number)
    }

    /// Tells a processor that it has events, and wakes it.
    mutating func markEventsPending(
        _ index: Int, _ number: Int, _ machine: borrowing some Hardware
    ) {
        let cpu = cpu(index, number)
        machine.store8(cpu.infoFrame, offset: cpu.infoOffset, 1)
        wake(index, number)
    }

    /// Whether a port of a domain is pending.
    func isPending(
        _ index: Int, _ port: EventChannelPort, _ machine: borrowing some Hardware
    ) -> Bool {
        guard let number = channelIndex(port) else { return false }
        if domains[index].queues.isActive { return isQueuedPending(index, number, machine) }
        let (word, bit) = position(port)
        let bits = machine.load64(domains[index].sharedInfo, offset: 2048 + word * 8)
        return bits >> UInt64(bit) & 1 == 1
    }

    /// Clears a port's mask and, if it is pending, makes the domain see it.
    mutating func deliverUnmasked(
        _ domain: DomainID, _ port: EventChannelPort, _ machine: borrowing some Hardware
    ) {
        guard let index = index(of: domain), let number = channelIndex(port) else { return }
        if domains[index].queues.isActive { return unmaskQueued(index, number, machine) }
        let page = domains[index].sharedInfo
        let (word, bit) = position(port)
        guard machine.testAndClearBit(page, offset: 2560 + word * 8, bit: bit) else { return }
        if machine.load64(page, offset: 2048 + word * 8) >> UInt64(bit) & 1 == 1 {
            raiseUpcall(index, channel(index, number).cpu, word, machine)
        }
    }

    /// Clears a port's pending bit, so that the next owner of the port does not see it.
    @inline(never) mutating func clearPending(
        _ domain: DomainID, _ port: EventChannelPort, _ machine: borrowing some Hardware
    ) {
        guard let index = index(of: domain), let number = channelIndex(port),
            !machine.omits(.forgetPending)
        else { return }
        if domains[index].queues.isActive { return clearQueued(index, number, machine) }
        let (word, bit) = position(port)
        _ = machine.testAndClearBit(domains[index].sharedInfo, offset: 2048 + word * 8, bit: bit)
    }

    private func position(_ port: EventChannelPort) -> (word: Int, bit: Int) {
        (Int(port.number >> 6), Int(port.number & 63))
    }
}
