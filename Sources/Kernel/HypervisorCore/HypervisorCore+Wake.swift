import BootArena

/// What the scheduler has to know: who can run, who was woken, and when time brings news.
extension HypervisorCore {
    /// Ends a processor's wait, and has whoever schedules look at it: even one that runs has
    /// something new to see.
    mutating func wake(_ index: Int, _ number: Int) {
        domains[index].cpus[number].isBlocked = false
        if domains[index].cpus[number].pollDeadline != nil {
            domains[index].cpus[number].pollDeadline = nil
            noteDeadline()
        }
        tell(index, number)
    }

    /// Has whoever schedules look at a processor.
    mutating func tell(_ index: Int, _ number: Int) {
        domains[index].woken |= 1 << UInt8(number)
        wokenDomains |= 1 << UInt32(index)
    }

    /// Has whoever schedules look at all processors of a domain: it has stopped.
    mutating func tellAll(_ index: Int) {
        for number in 0..<domains[index].cpuCount { tell(index, number) }
    }

    /// A deadline was set or taken back.
    mutating func noteDeadline() {
        // WRAPS: 2^64 changes take longer than any machine lasts.
        deadlineChanges &+= 1
    }

    /// Takes one of the processors that were woken since they were last taken.
    ///
    /// - Returns: nil when there is none.
    public mutating func takeWoken() -> VirtualCPUID? {
        guard wokenDomains != 0 else { return nil }
        let index = wokenDomains.trailingZeroBitCount
        let number = domains[index].woken.trailingZeroBitCount
        domains[index].woken &= domains[index].woken &- 1
        if domains[index].woken == 0 { wokenDomains &= wokenDomains &- 1 }
        return VirtualCPUID(domain: domains[index].id, number: number)
    }

    /// A virtual processor, read where it is.
    ///
    /// - NOTE: `mutating`: to read one of a domain that is only read, all of them are copied.
    @inline(__always)
    mutating func cpu(_ index: Int, _ number: Int) -> VirtualCPU {
        func read(_ cpu: inout VirtualCPU) -> VirtualCPU { cpu }
        return read(&domains[index].cpus[number])
    }

    /// An event channel, read where it is, for the same reason.
    @inline(__always)
    mutating func channel(_ index: Int, _ number: Int) -> EventChannel {
        func read(_ channel: inout EventChannel) -> EventChannel { channel }
        return read(&domains[index].channels[number])
    }

    /// Whether a processor could run now.
    public mutating func isRunnable(_ processor: VirtualCPUID) -> Bool {
        let index = callerIndex(processor.domain)
        if case .clearing = domains[index].life { return processor.number == 0 }
        return domains[index].life == .running && cpu(index, processor.number).isRunnable
    }

    /// The vector that tells a processor of an event that it has not seen; 0: there is none.
    public mutating func upcall(
        for processor: VirtualCPUID, _ machine: borrowing some Hardware
    ) -> UInt8 {
        let index = callerIndex(processor.domain)
        let cpu = cpu(index, processor.number)
        let isPending = machine.load8(cpu.infoFrame, offset: cpu.infoOffset) != 0
        return isPending ? domains[index].callbackVector : 0
    }

    /// Who could run now: for each domain, by index, one bit for each of its processors. A domain
    /// that is being cleared uses its own time for that, on its first.
    ///
    /// - Complexity: one step for each processor of each domain.
    public func runnableProcessors() -> InlineArray<32, UInt8> {
        var sets = InlineArray<32, UInt8>(repeating: 0)
        for index in domains.indices {
            if case .clearing = domains[index].life { sets[index] = 1 }
            guard domains[index].life == .running else { continue }
            for number in 0..<domains[index].cpuCount
            where domains[index].cpus[number].isRunnable {
                sets[index] |= 1 << UInt8(number)
            }
        }
        return sets
    }

    /// Whether any domain runs, or will without anybody's doing.
    public var isAnyRunning: Bool {
        for index in domains.indices {
            switch domains[index].life {
            case .running, .waiting, .clearing: return true
            case .shutDown, .crashed, .destroyed, .absent: continue
            }
        }
        return false
    }

    /// Has a processor wait, whatever comes for it.
    mutating func hold(_ processor: VirtualCPUID, until end: UInt64) {
        domains[callerIndex(processor.domain)].cpus[processor.number].heldUntil = end
        noteDeadline()
    }

    /// Names the physical processor that watches a processor's deadlines from now on.
    public mutating func setHome(_ home: Int, of processor: VirtualCPUID) {
        let index = callerIndex(processor.domain)
        guard domains[index].cpus[processor.number].home != home else { return }
        domains[index].cpus[processor.number].home = home
        noteDeadline()
    }

    /// Rings the timers that are due and ends the polls whose time has come.
    ///
    /// - Parameters:
    ///   - home: the physical processor whose deadlines these are; nil: all.
    ///   - domain: the index of the one domain whose time it is; nil: all.
    /// - Complexity: one step for each processor of each domain.
    public mutating func expireTimers(home: Int?, domain: Int?, _ machine: inout some Hardware) {
        for index in domains.indices where domain == nil || domain == index {
            expireTimers(of: index, home: home, &machine)
        }
    }

    private mutating func expireTimers(of index: Int, home: Int?, _ machine: inout some Hardware) {
        let now = machine.systemTimeInNanoseconds()
        let domain = domains[index].id
        for number in 0..<domains[index].cpuCount {
            let cpu = domains[index].cpus[number]
            if let home, cpu.home != home { continue }
            if let deadline = cpu.timerDeadline, deadline <= now {
                domains[index].cpus[number].timerDeadline = nil
                noteDeadline()
                if let port = virtualInterruptPort(
                    VirtualInterrupt.timer, of: domain, cpu: number)
                {
                    setPending(domain, port, &machine)
                }
            }
            if let deadline = cpu.pollDeadline, deadline <= now { wake(index, number) }
            if let end = cpu.heldUntil, end <= now {
                domains[index].cpus[number].heldUntil = nil
                noteDeadline()
                tell(index, number)
            }
        }
    }

    /// The next moment at which `expireTimers` has something to do; nil: none.
    ///
    /// - Units: nanoseconds of system time.
    public func nextDeadline(home: Int?, domain: Int?) -> UInt64? {
        var next: UInt64 = .max
        for index in domains.indices where domain == nil || domain == index {
            next = min(next, deadline(of: index, home: home))
        }
        return next == .max ? nil : next
    }

    private func deadline(of index: Int, home: Int?) -> UInt64 {
        guard domains[index].life == .running else { return .max }
        var next: UInt64 = .max
        for number in 0..<domains[index].cpuCount {
            let cpu = domains[index].cpus[number]
            if let home, cpu.home != home { continue }
            next = min(next, cpu.timerDeadline ?? .max)
            next = min(next, cpu.pollDeadline ?? .max)
            next = min(next, cpu.heldUntil ?? .max)
        }
        return next
    }
}
