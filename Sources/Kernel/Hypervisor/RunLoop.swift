#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import SystemManifest

    /// How long a domain runs before another may.
    /// - Units: nanoseconds.
    private let sliceInNanoseconds: UInt64 = 10_000_000

    /// Runs the system until every domain has stopped.
    func run(
        _ system: consuming System, _ manifest: borrowing SystemManifest,
        _ platform: consuming Platform
    ) -> Never {
        var core = system.core
        let startedAt = Clock.wallClockSeconds() - platform.clock.now() / 1_000_000_000
        var machine = X86Machine(
            processor: platform.processor, clock: platform.clock, console: platform.console,
            spaces: system.spaces, guests: system.guests)
        for index in core.domains.indices {
            core.start(core.domains[index].id, wallClockSeconds: startedAt, machine)
        }
        attachServices(&core, &machine, manifest)
        machine.console.line("compartments: running")
        var loop = RunLoop()
        while isAnyRunning(core) {
            loop.step(&core, &machine, manifest)
        }
        machine.console.line("every compartment has stopped")
        Processor.leaveEmulator(code: 0)
        Processor.halt()
    }

    private func isAnyRunning(_ core: borrowing HypervisorCore) -> Bool {
        for index in core.domains.indices where core.domains[index].life == .running {
            return true
        }
        return false
    }

    /// A fair round over the domains on one processor, and the console's input. A domain has its
    /// turn whatever the number of its virtual processors, which take turns within it.
    private struct RunLoop: ~Copyable {
        private var next = 0
        private var nextProcessor = InlineArray<32, Int>(repeating: 0)
        private var audit = AuditTrail()
        private var input = ConsoleFocus()
        private var lastShown: UInt64 = 0

        mutating func step(
            _ core: inout HypervisorCore, _ machine: inout X86Machine,
            _ manifest: borrowing SystemManifest
        ) {
            input.poll(&core, &machine, manifest)
            core.expireTimers(&machine)
            let now = machine.clock.now()
            let chosen = choose(core)
            if chosen == nil || now > lastShown + 200_000_000 {
                machine.console.showUnfinished()
                lastShown = now
            }
            arm(core, machine, now)
            guard let chosen else {
                Processor.waitForInterrupt()
                return
            }
            let index = Int(chosen.domain.number) - 1
            next = index + 1
            nextProcessor[index] = chosen.number + 1
            runSlice(chosen, until: now + sliceInNanoseconds, &core, &machine, manifest)
        }

        /// The next domain that can run, after the one that ran last, and its next processor.
        private func choose(_ core: borrowing HypervisorCore) -> VirtualCPUID? {
            for step in 0..<core.domains.count {
                let index = (next + step) % core.domains.count
                guard core.domains[index].life == .running else { continue }
                let count = core.domains[index].cpuCount
                for turn in 0..<count {
                    let number = (nextProcessor[index] + turn) % count
                    if core.domains[index].cpus[number].isRunnable {
                        return VirtualCPUID(domain: core.domains[index].id, number: number)
                    }
                }
            }
            return nil
        }

        /// Has the timer interrupt at the end of the slice, or at the next deadline before it.
        private func arm(
            _ core: borrowing HypervisorCore, _ machine: borrowing X86Machine, _ now: UInt64
        ) {
            let deadline = core.nextDeadline() ?? .max
            let wait = deadline > now ? min(deadline - now, sliceInNanoseconds) : 1_000
            machine.clock.arm(nanoseconds: wait)
        }

        private mutating func runSlice(
            _ processor: VirtualCPUID, until end: UInt64, _ core: inout HypervisorCore,
            _ machine: inout X86Machine, _ manifest: borrowing SystemManifest
        ) {
            let index = Int(processor.domain.number) - 1
            machine.select(processor)
            core.enter(.running, processor, machine)
            var now = machine.clock.now()
            while now < end {
                let cpu = core.domains[index].cpus[processor.number]
                let isPending = machine.load8(cpu.infoFrame, offset: cpu.infoOffset) != 0
                let upcall = isPending ? core.domains[index].callbackVector : 0
                switch machine.run(processor, upcall: upcall) {
                case .hypercall(let request):
                    let result = core.hypercall(request, from: processor, machine: &machine)
                    machine.completeHypercall(processor, result)
                    report(&machine, manifest)
                    if isTimerCall(request) { arm(core, machine, now) }
                    if request.call == 29 && request.arguments[0] == 0 { now = end }
                case .halted:
                    if !machine.hasWaitingVector(processor) { core.block(processor, machine) }
                case .stopped:
                    core.takeDown(processor)
                case .interprocessor(let targets):
                    for number in 0..<8 where targets >> UInt8(number) & 1 == 1 {
                        core.interrupt(VirtualCPUID(domain: processor.domain, number: number))
                    }
                case .startup(let number, let page):
                    start(
                        VirtualCPUID(domain: processor.domain, number: number), page, &core,
                        &machine)
                case .resumable:
                    break
                case .interrupted:
                    arm(core, machine, now)
                case .failed(let reason, let number):
                    crash(processor, reason, number, &core, &machine)
                }
                core.expireTimers(&machine)
                let canGoOn =
                    core.domains[index].life == .running
                    && core.domains[index].cpus[processor.number].isRunnable
                guard canGoOn else { break }
                now = max(now, machine.clock.now())
            }
            leave(index, processor, &core, &machine)
        }

        /// A startup interrupt: the processor starts, unless it is up already.
        private func start(
            _ processor: VirtualCPUID, _ page: UInt8, _ core: inout HypervisorCore,
            _ machine: inout X86Machine
        ) {
            guard core.bringUp(processor) else { return }
            machine.startUp(processor, page: page)
            core.enter(.runnable, processor, machine)
        }

        /// Whether the call may have set a deadline: `set_timer_op`, `vcpu_op`.
        private func isTimerCall(_ request: HypercallRequest) -> Bool {
            request.call == 15 || request.call == 24
        }

        private func leave(
            _ index: Int, _ processor: VirtualCPUID, _ core: inout HypervisorCore,
            _ machine: inout X86Machine
        ) {
            switch core.domains[index].life {
            case .running:
                let cpu = core.domains[index].cpus[processor.number]
                let state: Runstate =
                    cpu.isUp ? (cpu.isBlocked ? .blocked : .runnable) : .offline
                core.enter(state, processor, machine)
            case .shutDown(let reason):
                machine.console.showUnfinished()
                machine.console.begin()
                machine.console.text("domain ")
                machine.console.number(UInt64(processor.domain.number))
                machine.console.text(" shut down, reason ")
                machine.console.number(UInt64(reason))
                machine.console.end()
                reportExits(processor.domain, &machine)
                core.retire(processor.domain, &machine)
            case .crashed:
                core.retire(processor.domain, &machine)
            }
        }

        /// What the domain's life cost, for whoever compares hypervisors.
        private func reportExits(_ domain: DomainID, _ machine: inout X86Machine) {
            let counts = machine.exitCounts(domain)
            machine.console.begin()
            machine.console.text("domain ")
            machine.console.number(UInt64(domain.number))
            machine.console.text(" exits:")
            for index in ExitCounts.names.indices {
                machine.console.text(index == 0 ? " " : ", ")
                machine.console.number(counts[index])
                machine.console.text(" ")
                machine.console.text(ExitCounts.names[index])
            }
            machine.console.end()
        }

        private mutating func report(
            _ machine: inout X86Machine, _ manifest: borrowing SystemManifest
        ) {
            while let denial = machine.takeDenial() {
                audit.record(denial, manifest, now: machine.clock.now(), &machine.console)
            }
        }

        /// A domain whose state cannot be used is stopped; the others go on.
        private func crash(
            _ processor: VirtualCPUID, _ reason: StaticString, _ number: UInt64,
            _ core: inout HypervisorCore, _ machine: inout X86Machine
        ) {
            machine.console.showUnfinished()
            machine.console.begin()
            machine.console.text("domain ")
            machine.console.number(UInt64(processor.domain.number))
            machine.console.text(" crashed: ")
            machine.console.text(reason)
            machine.console.text(" ")
            machine.console.hexadecimal(number)
            machine.console.text(" at ")
            machine.console.hexadecimal(machine.instructionPointer(processor))
            machine.console.end()
            core.crash(processor.domain)
        }
    }

    /// Which domain the keyboard speaks to. Control and `]` passes it on.
    private struct ConsoleFocus: ~Copyable {
        private var index = 0
        private var waiting: UInt8?

        mutating func poll(
            _ core: inout HypervisorCore, _ machine: inout X86Machine,
            _ manifest: borrowing SystemManifest
        ) {
            // At most one FIFO of bytes for each step; what a full ring refuses is kept.
            for _ in 0..<16 {
                guard let byte = waiting ?? SerialPort.first.read() else { return }
                waiting = nil
                if core.consoleService != nil {
                    guard core.offerTyped(byte, &machine) else {
                        waiting = byte
                        return
                    }
                    continue
                }
                if byte == 0x1d {
                    index = (index + 1) % core.domains.count
                    machine.console.begin()
                    machine.console.text("input goes to ")
                    machine.console.text(manifest.compartment(at: index).name)
                    machine.console.end()
                    continue
                }
                let domain = core.domains[index].id
                let isRunning = core.domains[index].life == .running
                guard !isRunning || core.consoleInput(byte, to: domain, machine: &machine) else {
                    waiting = byte
                    return
                }
            }
        }
    }

#endif
