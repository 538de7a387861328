import BootArena
import PolicyDatabase
import ReferenceMonitor

/// The life of domains: when they start, what happens when they stop, and how one comes to run
/// again. What only a machine can do, hashing a module and loading it, whoever runs the core does
/// between these steps.
extension HypervisorCore {
    /// Whether one may start that waits for others (`takeStartable`).
    mutating func noteWait(_ index: Int) {
        guard !domains[index].hasWaited else { return }
        domains[index].hasWaited = true
        mayStart = true
    }

    /// Ends a domain's running. Its processors leave, and then somebody deals with its end.
    ///
    /// - Precondition: it runs.
    mutating func stop(_ index: Int, _ life: Domain.Life) {
        domains[index].life = life
        stoppedDomains |= 1 << UInt32(index)
        mayStart = true
        tellAll(index)
    }

    // MARK: Starting

    /// The next domain whose turn to start has come: each of lower rank that starts with the
    /// machine was started, and if it is the store or the console, it has waited for an event, as
    /// it does when it is ready to serve. Who has stopped meanwhile keeps nobody from starting:
    /// `after` is an order, not a condition.
    ///
    /// - Returns: nil when there is none.
    /// - Complexity: domains squared, and only after something has changed.
    public mutating func takeStartable() -> DomainID? {
        guard mayStart else { return nil }
        for index in domains.indices where domains[index].life == .waiting {
            if hasPredecessors(index) { return domains[index].id }
        }
        mayStart = false
        return nil
    }

    private func hasPredecessors(_ index: Int) -> Bool {
        for other in domains.indices {
            let plan = domains[other].plan
            guard plan.startsByItself, plan.startRank < domains[index].plan.startRank else {
                continue
            }
            if domains[other].life == .waiting { return false }
            let isReady = !plan.isAwaited || domains[other].hasWaited
            guard isReady || domains[other].life.hasStopped else { return false }
        }
        return true
    }

    /// Has a domain run from now on: one that waited, or whose memory was loaded after it was
    /// cleared. Who follows lives is told.
    public mutating func launch(_ domain: DomainID, _ machine: inout some Hardware) {
        guard let index = index(of: domain) else { return }
        switch domains[index].life {
        case .waiting: break
        case .clearing(let sequel) where sequel != .nothing:
            // INVARIANT (cleared): what runs was loaded into memory that held nothing else.
            precondition(frames.isClear(index), "a domain starts in memory that was not cleared")
            // WRAPS: after 2^32 lives a generation comes again.
            domains[index].generation &+= 1
            if sequel == .restart { domains[index].restartCount += 1 }
        default: return
        }
        domains[index].life = .running
        // From now on there is something in it again.
        frames.soil(index)
        mayStart = true
        tell(index, 0)
        announceLives(&machine)
    }

    // MARK: Stopping

    /// Takes one of the domains that have stopped since they were last taken.
    ///
    /// - Returns: nil when there is none.
    public mutating func takeStopped() -> DomainID? {
        guard stoppedDomains != 0 else { return nil }
        let index = stoppedDomains.trailingZeroBitCount
        stoppedDomains &= stoppedDomains &- 1
        return domains[index].id
    }

    /// Has a domain that was taken by `takeStopped` be taken again: some processor of the machine
    /// is not done with it.
    public mutating func postponeEnd(of domain: DomainID) {
        if let index = index(of: domain) { stoppedDomains |= 1 << UInt32(index) }
    }

    /// Whether a domain's end is a failure: a crash, a request to be started again, or a watchdog
    /// (`SHUTDOWN_crash`, `_reboot`, `_watchdog`). One that was powered off has not failed.
    public func hasFailed(_ domain: DomainID) -> Bool {
        guard let index = index(of: domain) else { return false }
        switch domains[index].life {
        case .crashed: return true
        case .shutDown(let reason): return reason == 1 || reason == 3 || reason == 4
        default: return false
        }
    }

    /// How often a domain may still be started again.
    public func restartsLeft(_ domain: DomainID) -> UInt32 {
        guard let index = index(of: domain) else { return 0 }
        let (limit, count) = (domains[index].plan.restartLimit, domains[index].restartCount)
        return limit > count ? limit - count : 0
    }

    // MARK: Anew

    /// Begins to make a domain anew: one that has stopped and was retired, or that is absent. All
    /// that the hypervisor keeps of it is as at the beginning, but its generation and how often it
    /// was started again; of its memory nothing is cleared yet.
    ///
    /// - Returns: false when it runs or waits, what was asked does not follow from what it is, or
    ///   somebody uses its memory; nothing changed then.
    public mutating func beginAnew(
        _ domain: DomainID, _ sequel: Domain.Sequel, _ machine: inout some Hardware
    ) -> Bool {
        guard let index = index(of: domain), frames.uses(index) == 0 else { return false }
        let old = domains[index]
        switch sequel {
        case .restart: guard hasFailed(domain), restartsLeft(domain) > 0 else { return false }
        case .deploy: guard old.life == .absent else { return false }
        case .nothing: guard old.life == .destroyed else { return false }
        }
        // A port of one that never ran may have been bound from the other side.
        for number in 1..<Domain.portCount {
            endPort(domain, EventChannelPort(number: UInt32(number)), &machine)
        }
        domains[index] = Domain(
            id: old.id, label: old.label, pages: SharedPages(first: old.sharedInfo),
            cpuCount: old.cpuCount, plan: old.plan)
        domains[index].generation = old.generation
        domains[index].restartCount = sequel == .restart ? old.restartCount : 0
        domains[index].life = .clearing(sequel)
        tell(index, 0)
        return true
    }

    /// Clears the next 256 frames of a domain that is made anew; with the last of them the pages
    /// that it shares with the hypervisor.
    ///
    /// - Returns: whether all is clear.
    public mutating func clearSome(_ domain: DomainID, _ machine: inout some Hardware) -> Bool {
        guard let index = index(of: domain), case .clearing = domains[index].life else {
            return false
        }
        if frames.isClear(index) { return true }
        guard frames.clear(index, limit: 256, &machine) else { return false }
        let first = domains[index].sharedInfo.number
        for page in 0..<UInt64(SharedPages.count) where !machine.omits(.scrubMemory) {
            machine.scrub(MachineFrame(number: first + page))
        }
        return true
    }

    /// Ends the making anew of a domain that does not start: nothing was to follow, or what was to
    /// follow is not what it should be. Who follows lives is told.
    public mutating func abandon(_ domain: DomainID, _ machine: inout some Hardware) {
        guard let index = index(of: domain), case .clearing(let sequel) = domains[index].life
        else { return }
        domains[index].life = sequel == .restart ? .crashed : .absent
        mayStart = true
        announceLives(&machine)
    }
}

extension Domain.Life {
    /// Whether it ran and does no longer.
    var hasStopped: Bool {
        switch self {
        case .shutDown, .crashed, .destroyed: true
        case .waiting, .running, .absent, .clearing: false
        }
    }
}
