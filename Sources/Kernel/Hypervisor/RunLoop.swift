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
            guests: system.guests)
        for index in core.domains.indices {
            core.start(core.domains[index].id, wallClockSeconds: startedAt, machine)
        }
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

    /// A fair round over the domains on one processor, and the console's input.
    private struct RunLoop: ~Copyable {
        private var next = 0
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
            next = chosen + 1
            runSlice(chosen, until: now + sliceInNanoseconds, &core, &machine, manifest)
        }

        /// The next domain that can run, after the one that ran last.
        private func choose(_ core: borrowing HypervisorCore) -> Int? {
            for step in 0..<core.domains.count {
                let index = (next + step) % core.domains.count
                let domain = core.domains[index]
                if domain.life == .running, !domain.cpu.isBlocked { return index }
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
            _ index: Int, until end: UInt64, _ core: inout HypervisorCore,
            _ machine: inout X86Machine, _ manifest: borrowing SystemManifest
        ) {
            let domain = core.domains[index].id
            core.enter(.running, domain, machine)
            var now = machine.clock.now()
            while now < end {
                let cpu = core.domains[index].cpu
                let isPending = machine.load8(cpu.infoFrame, offset: cpu.infoOffset) != 0
                switch machine.run(domain, upcall: isPending ? cpu.callbackVector : 0) {
                case .hypercall(let request):
                    let result = core.hypercall(request, from: domain, machine: &machine)
                    machine.completeHypercall(domain, result)
                    report(&machine, manifest)
                    if isTimerCall(request) { arm(core, machine, now) }
                    if request.call == 29 && request.arguments[0] == 0 { now = end }
                case .halted:
                    if !machine.hasWaitingVector(domain) { core.block(domain, machine) }
                case .stopped:
                    core.powerOff(domain)
                case .resumable:
                    break
                case .interrupted:
                    arm(core, machine, now)
                case .failed(let reason, let number):
                    crash(domain, reason, number, &core, &machine)
                }
                core.expireTimers(&machine)
                if core.domains[index].life != .running || core.domains[index].cpu.isBlocked {
                    break
                }
                now = max(now, machine.clock.now())
            }
            leave(index, domain, &core, &machine)
        }

        /// Whether the call may have set a deadline: `set_timer_op`, `vcpu_op`.
        private func isTimerCall(_ request: HypercallRequest) -> Bool {
            request.call == 15 || request.call == 24
        }

        private func leave(
            _ index: Int, _ domain: DomainID, _ core: inout HypervisorCore,
            _ machine: inout X86Machine
        ) {
            switch core.domains[index].life {
            case .running:
                let isBlocked = core.domains[index].cpu.isBlocked
                core.enter(isBlocked ? .blocked : .runnable, domain, machine)
            case .shutDown(let reason):
                machine.console.showUnfinished()
                machine.console.begin()
                machine.console.text("domain ")
                machine.console.number(UInt64(domain.number))
                machine.console.text(" shut down, reason ")
                machine.console.number(UInt64(reason))
                machine.console.end()
            case .crashed:
                return
            }
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
            _ domain: DomainID, _ reason: StaticString, _ number: UInt64,
            _ core: inout HypervisorCore, _ machine: inout X86Machine
        ) {
            machine.console.showUnfinished()
            machine.console.begin()
            machine.console.text("domain ")
            machine.console.number(UInt64(domain.number))
            machine.console.text(" crashed: ")
            machine.console.text(reason)
            machine.console.text(" ")
            machine.console.hexadecimal(number)
            machine.console.text(" at ")
            machine.console.hexadecimal(machine.instructionPointer(domain))
            machine.console.end()
            core.crash(domain)
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
