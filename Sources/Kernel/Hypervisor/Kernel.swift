#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import SystemManifest

    /// What all processors share, and what one of them does between two stays of a guest.
    ///
    /// One lock covers all of it: taken when a guest has exited, given up before the next one is
    /// entered (`SharedKernel`). Every method runs on the processor that holds the lock. It is the
    /// simplest rule that is right: no two processors are in the hypervisor at the same time, so
    /// all that was true of one processor is true of many, but for what guests do meanwhile.
    struct Kernel: ~Copyable {
        var core: HypervisorCore
        var machine: X86Machine
        var scheduler: Scheduler
        var audit = AuditTrail()
        var records: RunningRecords
        /// What is being hashed of a domain that is made anew.
        var check: ModuleCheck?
        var input = ConsoleFocus()
        var lastShown: UInt64 = 0
        /// When the first compartment could run.
        let startedAt: UInt64
        var works = InlineArray<32, Work>(repeating: Work())
        /// Whether the end of all was reported.
        var hasEnded = false
        /// The manifest in force.
        var manifestPlace: ManifestPlace
        /// What it takes to replace the policy; nil: nobody may.
        var reload: ReloadReserve?

        /// What a processor is doing.
        struct Work: BitwiseCopyable {
            /// Whom it runs.
            var runs: VirtualCPUID?
            /// Until when.
            var end: UInt64 = 0
            /// Whether it is to choose anew, whatever the time.
            var mustChoose = false
            /// Whether it makes the domain anew instead of running it.
            var isBuilding = false
            /// For when its timer is set; nil: it rang.
            var armed: UInt64?
            /// The next deadline that it watches, as it was when this was computed.
            var deadline: UInt64 = 0
            var deadlineChanges: UInt64 = .max
            var domainInTurn: Int?
            /// Whether it is to go on with the examination of a policy before its guest runs again.
            var wantsToExamine = false
            /// Whether it does.
            var isExamining = false
        }

        /// What a processor does next, without the lock.
        enum Turn: BitwiseCopyable {
            /// It runs a guest.
            case run(GuestEntry)
            /// It goes on with the examination of a policy.
            case examine(Computation)
            /// It waits for an interrupt.
            case wait
            /// It comes back at once, after others had their turn with the lock.
            case goOn
            /// Nothing is left to run.
            case end
        }

        /// Deals with what happened since this processor's last turn, and decides what it does
        /// next.
        ///
        /// - Parameter hasExamined: whether an examination that it went on with has ended.
        mutating func turn(_ processor: Int, hasExamined: Bool) -> Turn {
            machine.enter(processor)
            if works[processor].isExamining {
                endExamining(processor, hasEnded: hasExamined)
            } else if let runs = works[processor].runs {
                if works[processor].isBuilding {
                    build(runs.domain, processor, manifestPlace.view())
                } else {
                    answerExit(of: runs, processor)
                }
            }
            return look(processor)
        }

        /// Looks at everything that may have happened, and decides what the processor does next.
        private mutating func look(_ processor: Int) -> Turn {
            if core.isReloading { settleReload() }
            if machine.takeTimer() { works[processor].armed = nil }
            if processor == 0 {
                let lines = machine.takeLines()
                if lines != 0 { core.ring(lines, &machine) }
            }
            var now = machine.clock.now()
            watchDeadlines(processor, now)
            passOnWakes(processor, now)
            if let runs = works[processor].runs {
                let goesOn =
                    now < works[processor].end && !works[processor].mustChoose
                    && core.isRunnable(runs)
                if goesOn { return run(runs, processor, now) }
                leave(runs, processor, now)
            }
            // Hundreds of bytes long: not made anew for a guest that just goes on.
            let manifest = manifestPlace.view()
            settleLives(manifest)
            passOnWakes(processor, now)
            if processor == 0 {
                input.poll(&core, &machine, manifest)
                passOnWakes(processor, now)
            }
            now = machine.clock.now()
            // Whose time it is may have changed: their deadlines come before the choice.
            watchDeadlines(processor, now)
            passOnWakes(processor, now)
            works[processor].mustChoose = false
            return choose(processor, now)
        }

        private mutating func choose(_ processor: Int, _ now: UInt64) -> Turn {
            let assignment = scheduler.choose(
                on: processor, at: now, among: core.runnableProcessors())
            if assignment.runs == nil || now > lastShown + 200_000_000 {
                machine.console.showUnfinished()
                lastShown = now
            }
            works[processor].end = assignment.end
            guard let place = assignment.runs else {
                guard core.isAnyRunning else { return .end }
                if let turn = examine(processor, until: assignment.end, now) { return turn }
                // The first processor also looks at the serial port.
                let end = processor == 0 ? min(assignment.end, now + 10_000_000) : assignment.end
                arm(processor, until: end, now)
                return .wait
            }
            let chosen = VirtualCPUID(domain: core.domains[place.domain].id, number: place.number)
            works[processor].runs = chosen
            core.setHome(processor, of: chosen)
            machine.select(chosen)
            if core.domains[place.domain].life == .running {
                core.enter(.running, chosen, machine)
            }
            watchDeadlines(processor, now)
            // Whose time came since `look` asked is told of it now, not at some later exit.
            passOnWakes(processor, now)
            if works[processor].mustChoose { works[processor].end = now }
            return run(chosen, processor, now)
        }

        private mutating func run(
            _ chosen: VirtualCPUID, _ processor: Int, _ now: UInt64
        ) -> Turn {
            works[processor].isBuilding =
                core.domains[Int(chosen.domain.number) - 1].life != .running
            if works[processor].isBuilding { return .goOn }
            if works[processor].wantsToExamine {
                works[processor].wantsToExamine = false
                if let turn = examine(processor, until: works[processor].end, now) { return turn }
            }
            arm(processor, until: works[processor].end, now)
            let upcall = core.upcall(for: chosen, machine)
            return .run(machine.prepare(chosen, upcall: upcall))
        }

        /// Has the processor go on with an examination, if one waits.
        private mutating func examine(_ processor: Int, until end: UInt64, _ now: UInt64) -> Turn? {
            guard beginExamining(processor), let computation = reload?.computation else {
                return nil
            }
            arm(processor, until: end, now)
            return .examine(computation)
        }

        /// Has the timer ring at the end of what the processor does, or at the next deadline.
        private mutating func arm(_ processor: Int, until end: UInt64, _ now: UInt64) {
            let target = min(end, works[processor].deadline)
            if let armed = works[processor].armed, armed == target { return }
            machine.clock.arm(nanoseconds: target > now ? target - now : 0)
            works[processor].armed = target
        }

        /// Rings what is due of the deadlines that this processor watches. Under a fixed frame they
        /// are those of the domain whose time it is: another's cost it nothing.
        private mutating func watchDeadlines(_ processor: Int, _ now: UInt64) {
            let inTurn = scheduler.domainInTurn(at: now)
            let isStale =
                works[processor].deadlineChanges != core.deadlineChanges
                || works[processor].domainInTurn != inTurn
            guard isStale || now >= works[processor].deadline else { return }
            core.expireTimers(home: processor, domain: inTurn, &machine)
            works[processor].deadline = core.nextDeadline(home: processor, domain: inTurn) ?? .max
            works[processor].deadlineChanges = core.deadlineChanges
            works[processor].domainInTurn = inTurn
        }

        /// Tells processors of the virtual processors that were woken: the one that runs one, which
        /// has something new to show it, or one that may run it now.
        private mutating func passOnWakes(_ processor: Int, _ now: UInt64) {
            // At most every virtual processor once: nothing here wakes another.
            for _ in 0..<256 {
                guard let woken = core.takeWoken() else { return }
                let place = Scheduler.Place(
                    domain: Int(woken.domain.number) - 1, number: woken.number)
                if let other = scheduler.processor(of: place) {
                    machine.kick(other)
                    continue
                }
                guard core.isRunnable(woken) else { continue }
                core.note(.runnable, woken, machine)
                let runnable = core.runnableProcessors()[place.domain]
                guard let chosen = scheduler.wake(place, at: now, runnable: runnable) else {
                    continue
                }
                works[chosen].mustChoose = true
                machine.kick(chosen)
            }
        }

        /// The virtual processor leaves the processor.
        private mutating func leave(_ left: VirtualCPUID, _ processor: Int, _ now: UInt64) {
            let index = Int(left.domain.number) - 1
            scheduler.release(processor, at: now)
            works[processor].runs = nil
            machine.leave(left)
            guard core.domains[index].life == .running else {
                return core.note(.offline, left, machine)
            }
            let cpu = core.domains[index].cpus[left.number]
            let state: Runstate = cpu.isUp ? (cpu.isBlocked ? .blocked : .runnable) : .offline
            machine.select(left)
            core.enter(state, left, machine)
        }
    }

#endif
