import BootArena
import ReferenceMonitor

/// Queued delivery of events (Xen public `event_channel.h`, the FIFO ABI): each event is one word
/// in the guest's memory, linked into the queue of its processor and priority when it is rung.
extension HypervisorCore {
    /// `EVTCHNOP_init_control`: gives a processor its control block; the first one changes the
    /// domain over to queues. What is pending then is lost, as the ABI says, but for ports that
    /// have no word yet.
    ///
    /// - Layout: `u64 control_gfn`, `u32 offset`, `u32 vcpu`, then [hypervisor] `u8 link_bits` at
    ///   16.
    /// - Throws: `.badAddress`; `.notFound` for a processor that does not exist; `.invalidArgument`
    ///   when it has a block already, or the block leaves its frame, is not aligned to 8 bytes, or
    ///   is not the caller's memory. Nothing changed then.
    mutating func initializeControl(
        _ call: Call, _ machine: borrowing some Hardware
    ) throws(XenError) {
        var request = try call.arguments(24, machine)
        let index = callerIndex(call.caller)
        let (offset, cpu) = (request.u32(at: 8), request.u32(at: 12))
        guard cpu < UInt32(domains[index].cpuCount) else { throw .notFound }
        guard offset <= 4096 - EventQueues.controlBlockSize, offset % 8 == 0,
            domains[index].queues.processors[Int(cpu)].control == nil,
            let frame = machine.ownedFrame(
                of: call.caller, at: GuestFrame(number: request.u64(at: 0)))
        else { throw .invalidArgument }
        request.set(u32: UInt32(EventQueues.linkBits), at: 16)
        if machine.omits(.controlBlockLast) {
            domains[index].queues.processors[Int(cpu)].control = frame
        }
        try call.answer(request, machine)
        if !domains[index].queues.isActive { changeToQueues(index, machine) }
        domains[index].queues.processors[Int(cpu)].control = frame
        domains[index].queues.processors[Int(cpu)].offset = Int(offset)
    }

    /// Changes a domain over; what is pending at its ports is rung when they have words.
    private mutating func changeToQueues(_ index: Int, _ machine: borrowing some Hardware) {
        domains[index].queues.early = machine.load64(domains[index].sharedInfo, offset: 2048)
        domains[index].queues.isActive = true
        guard machine.omits(.keepPortsValid) else { return }
        for number in 1..<Domain.portCount { domains[index].channels[number].binding = .free }
    }

    /// `EVTCHNOP_expand_array`: gives the domain words for its ports. One frame holds more than it
    /// has ports.
    ///
    /// - Layout: `u64 array_gfn`.
    /// - Throws: `.badAddress`; `.notSupported` before `init_control`; `.noSpace` for a second
    ///   frame; `.invalidArgument` when it is not the caller's memory. Nothing changed then.
    mutating func expandArray(_ call: Call, _ machine: inout some Hardware) throws(XenError) {
        let request = try call.arguments(8, machine)
        let index = callerIndex(call.caller)
        guard domains[index].queues.isActive || machine.omits(.requireQueues) else {
            throw .notSupported
        }
        guard domains[index].queues.words == nil else { throw .noSpace }
        let place = GuestFrame(number: request.u64(at: 0))
        guard let frame = machine.ownedFrame(of: call.caller, at: place) else {
            throw .invalidArgument
        }
        domains[index].queues.words = frame
        let early = domains[index].queues.early
        domains[index].queues.early = 0
        for number in 1..<UInt32(Domain.portCount) where early >> UInt64(number) & 1 == 1 {
            setPending(call.caller, EventChannelPort(number: number), &machine)
        }
    }

    /// `EVTCHNOP_set_priority`: the port joins another queue of its processor from now on.
    ///
    /// - Layout: `u32 port`, `u32 priority`, 0 highest to 15.
    /// - Throws: `.badAddress`; `.notSupported` before `init_control`; `.invalidArgument` for a
    ///   port not in use or another priority. Nothing changed then.
    mutating func setPriority(_ call: Call, _ machine: borrowing some Hardware) throws(XenError) {
        let request = try call.arguments(8, machine)
        let index = callerIndex(call.caller)
        guard domains[index].queues.isActive else { throw .notSupported }
        let (number, priority) = (request.u32(at: 0), request.u32(at: 4))
        _ = try usedChannel(call.caller, number)
        guard priority < UInt32(EventQueues.priorityCount) else { throw .invalidArgument }
        domains[index].queues.priorities[Int(number)] = UInt8(truncatingIfNeeded: priority)
    }

    // MARK: Words

    /// Where a port's word is; nil: the guest has given none.
    private func wordPlace(
        _ index: Int, _ port: Int, _ machine: borrowing some Hardware
    ) -> (frame: MachineFrame, offset: Int)? {
        guard let frame = domains[index].queues.words else {
            return machine.omits(.requireEventWord) ? (domains[index].sharedInfo, port * 4) : nil
        }
        return (frame, port * 4)
    }

    /// Sets or clears a bit of a word, atomically.
    ///
    /// - Returns: what it was.
    private func setBit(
        _ place: (frame: MachineFrame, offset: Int), _ bit: Int, to value: Bool,
        _ machine: borrowing some Hardware
    ) -> Bool {
        // Two words of 32 bits lie in one of 64.
        let (offset, bit) = (place.offset & ~7, bit + (place.offset & 4) * 8)
        return value
            ? machine.testAndSetBit(place.frame, offset: offset, bit: bit)
            : machine.testAndClearBit(place.frame, offset: offset, bit: bit)
    }

    private func hasBit(
        _ place: (frame: MachineFrame, offset: Int), _ bit: Int, _ machine: borrowing some Hardware
    ) -> Bool {
        machine.load32(place.frame, offset: place.offset) >> UInt32(bit) & 1 == 1
    }

    /// Whether a port's word says that it is pending.
    func isQueuedPending(_ index: Int, _ port: Int, _ machine: borrowing some Hardware) -> Bool {
        guard let place = wordPlace(index, port, machine) else {
            return domains[index].queues.early >> UInt64(port) & 1 == 1
        }
        return hasBit(place, EventWord.pending, machine)
    }

    /// Forgets that a port was rung. A word that is linked stays so: the guest takes it out.
    mutating func clearQueued(_ index: Int, _ port: Int, _ machine: borrowing some Hardware) {
        domains[index].queues.early &= ~(1 << UInt64(port))
        domains[index].queues.priorities[port] = EventQueues.usualPriority
        guard let place = wordPlace(index, port, machine) else { return }
        _ = setBit(place, EventWord.pending, to: false, machine)
    }

    /// Marks a port as pending and, unless it is masked, links it into its queue.
    ///
    /// - Returns: whether it was pending before.
    mutating func ringQueued(
        _ index: Int, _ port: Int, _ machine: borrowing some Hardware
    ) -> Bool {
        guard let place = wordPlace(index, port, machine) else {
            let was = domains[index].queues.early >> UInt64(port) & 1 == 1
            domains[index].queues.early |= 1 << UInt64(port)
            return was
        }
        // ORDER: pending before masked, as the guest's unmask does the reverse.
        let was = setBit(place, EventWord.pending, to: true, machine)
        linkQueued(index, port, place, machine)
        return was
    }

    /// Takes the mask off a port and, if it is pending, links it into its queue.
    mutating func unmaskQueued(_ index: Int, _ port: Int, _ machine: borrowing some Hardware) {
        guard let place = wordPlace(index, port, machine) else { return }
        _ = setBit(place, EventWord.masked, to: false, machine)
        if hasBit(place, EventWord.pending, machine) { linkQueued(index, port, place, machine) }
    }

    /// Links a word at the end of its queue, unless it is masked or linked, and tells the processor
    /// when its queue was empty.
    private mutating func linkQueued(
        _ index: Int, _ port: Int, _ place: (frame: MachineFrame, offset: Int),
        _ machine: borrowing some Hardware
    ) {
        let cpu = domains[index].channels[port].cpu
        let isMasked = hasBit(place, EventWord.masked, machine) && !machine.omits(.respectMask)
        let block =
            domains[index].queues.processors[cpu].control
            ?? (machine.omits(.requireControlBlock) ? domains[index].sharedInfo : nil)
        guard !isMasked, let control = block,
            !setBit(place, EventWord.linked, to: true, machine)
        else { return }
        leaveLastQueue(index, port)
        let priority = Int(domains[index].queues.priorities[port])
        domains[index].queues.lastQueues[port] = QueueName(
            cpu: UInt8(truncatingIfNeeded: cpu), priority: UInt8(truncatingIfNeeded: priority))
        let tail = Int(domains[index].queues.processors[cpu].tails[priority])
        var isLinked = false
        if tail != 0, let last = wordPlace(index, tail, machine) {
            isLinked = setLink(last, to: UInt32(port), machine)
        }
        let offset = domains[index].queues.processors[cpu].offset
        if !isLinked {
            machine.store32(control, offset: offset + 8 + priority * 4, UInt32(port))
        }
        domains[index].queues.processors[cpu].tails[priority] = UInt32(port)
        // ORDER: the queue is in place before the guest is told of it.
        guard !isLinked, !setBit((control, offset), priority, to: true, machine) else { return }
        markEventsPending(index, cpu, machine)
    }

    /// A port that is linked anew ends the queue that it ended before.
    private mutating func leaveLastQueue(_ index: Int, _ port: Int) {
        let last = domains[index].queues.lastQueues[port]
        let (cpu, priority) = (Int(last.cpu), Int(last.priority))
        if domains[index].queues.processors[cpu].tails[priority] == UInt32(port) {
            domains[index].queues.processors[cpu].tails[priority] = 0
        }
    }

    /// Writes a link into the word of a queue's tail, if it is still linked itself.
    ///
    /// - Returns: false when it is not, or the guest does not leave it alone: then the queue starts
    ///   anew.
    private func setLink(
        _ place: (frame: MachineFrame, offset: Int), to port: UInt32,
        _ machine: borrowing some Hardware
    ) -> Bool {
        var word = machine.load32(place.frame, offset: place.offset)
        for _ in 0..<EventQueues.retryLimit {
            guard word >> UInt32(EventWord.linked) & 1 == 1 else { return false }
            let busy: UInt32 = 1 << UInt32(EventWord.busy)
            let found = machine.compareExchange32(
                place.frame, offset: place.offset, expected: word,
                word & ~(EventWord.linkMask | busy) | port)
            if found == word { return true }
            word = found
        }
        return false
    }
}
