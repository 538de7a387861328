#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import SystemManifest

    /// What a guest's exits lead to.
    extension Kernel {
        /// Deals with why a virtual processor stopped running. What one of a domain that has
        /// stopped meanwhile asked for is not done.
        mutating func answerExit(
            of runs: VirtualCPUID, _ processor: Int
        ) {
            let index = Int(runs.domain.number) - 1
            let exit = machine.finish(runs)
            guard core.domains[index].life == .running else { return }
            switch exit {
            case .hypercall:
                let request = machine.request
                var result = core.hypercall(request, from: runs, machine: &machine)
                if let order = core.takeOrder(), !carryOut(order, manifestPlace.view()) {
                    result = .finished(XenError.notSupported.result)
                }
                if let order = core.takeTPMOrder() { result = carryOut(order, for: runs.domain) }
                machine.completeHypercall(request, result)
                if machine.hasDenial { reportDenials() }
                // A policy that waits is examined in its caller's time.
                works[processor].wantsToExamine = request.call == 27 && core.awaitsExamination
                if request.call == 29 && request.arguments[0] == 0 {
                    works[processor].mustChoose = true
                }
            case .halted:
                if !machine.hasWaitingVector(runs) { core.block(runs, machine) }
            case .stopped:
                core.takeDown(runs)
            case .interprocessor(let targets):
                for number in 0..<8 where targets >> UInt8(number) & 1 == 1 {
                    core.interrupt(VirtualCPUID(domain: runs.domain, number: number))
                }
            case .startup(let number, let page):
                let started = VirtualCPUID(domain: runs.domain, number: number)
                if core.bringUp(started) { machine.startUp(started, page: page) }
            case .resumable, .interrupted:
                break
            case .machineCheck:
                Emergency.panic("machine check while a guest ran")
            case .failed(let reason, let number):
                crash(runs, reason, number)
            }
        }

        private mutating func reportDenials() {
            for _ in 0..<8 {
                guard let denial = machine.takeDenial() else { return }
                record(denial, manifestPlace.view())
            }
        }

        /// A domain whose state cannot be used is stopped; the others go on.
        private mutating func crash(
            _ runs: VirtualCPUID, _ reason: StaticString, _ number: UInt64
        ) {
            machine.console.showUnfinished()
            var line: AuditLine = "domain \(runs.domain.number) crashed: \(reason) "
            line.add("\(hexadecimal: number) at ")
            line.add("\(hexadecimal: machine.instructionPointer(runs))")
            machine.console.say(line, .error)
            core.crash(runs.domain)
        }

        mutating func reportEnd(of domain: DomainID) {
            let index = Int(domain.number) - 1
            guard case .shutDown(let reason) = core.domains[index].life else { return }
            machine.console.showUnfinished()
            machine.console.say("domain \(domain.number) shut down, reason \(reason)")
            reportExits(domain)
        }

        /// Says once that nothing is left to run, and ends the emulator, if there is one.
        mutating func reportEnd() {
            guard !hasEnded else { return }
            hasEnded = true
            machine.console.line("every compartment has stopped")
            Processor.leaveEmulator(code: 0)
        }

        /// What the domain's life cost, for whoever compares hypervisors.
        private mutating func reportExits(_ domain: DomainID) {
            let counts = machine.exitCounts(domain)
            var line: AuditLine = "domain \(domain.number) exits:"
            for index in ExitCounts.names.indices {
                line.add("\(index == 0 ? " " : ", ")\(counts[index]) \(ExitCounts.names[index])")
            }
            machine.console.say(line)
            reportTime(domain)
        }

        /// How long the domain's processors ran, together, of the time since the machine started.
        private mutating func reportTime(_ domain: DomainID) {
            let index = Int(domain.number) - 1
            var ran: UInt64 = 0
            for number in 0..<core.domains[index].cpuCount {
                ran += core.domains[index].cpus[number].runstateTimes[0]
            }
            let since = (machine.clock.now() - startedAt) / 1_000
            machine.console.say(
                "domain \(domain.number) ran \(ran / 1_000) us of \(since) us since the start")
        }
    }

#endif
