#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import SystemManifest
    import TPMDevice

    /// Runs the system, on all processors, until every domain has stopped.
    ///
    /// - Precondition: the other processors have started, and wait for the kernel.
    func run(
        _ system: consuming System, _ manifest: borrowing SystemManifest,
        _ platform: consuming Platform, _ recorder: consuming Recorder,
        _ manifestPlace: (address: UInt64, size: UInt64)
    ) -> Never {
        var platform = platform
        if ownsControlLine(manifest) { platform.line.handOver(&platform.console) }
        var core = system.core
        let now = platform.clock.now()
        let startedAt = Clock.wallClockSeconds() - now / 1_000_000_000
        let scheduler = Scheduler(
            plan: schedulePlan(manifest), processorCount: platform.processors.count, now: now)
        var machine = X86Machine(
            processor: platform.processor, clock: platform.clock, console: platform.console,
            spaces: system.spaces, guests: system.guests, processors: platform.processors)
        let records = RunningRecords(
            recorder: recorder, line: platform.line, bundle: platform.bundle,
            wallClockAtStart: startedAt)
        for index in core.domains.indices {
            core.start(core.domains[index].id, wallClockSeconds: startedAt, machine)
        }
        attachServices(&core, &machine, manifest)
        machine.console.line("compartments: running")
        let place = ManifestPlace(place: manifestPlace, layout: manifest.layout)
        machine.manifest = place.place
        machine.eventLog = records.recorder.log.place
        let began = machine.clock.now()
        SharedKernel.publish(
            Kernel(
                core: core, machine: machine, scheduler: scheduler, records: records,
                startedAt: began, manifestPlace: place, reload: system.reload)
        ) {
            work(as: 0)
        }
    }

    /// What the manifest says about time. A compartment that it says nothing about has an ordinary
    /// fair share; with one that has a slot, the compiler sees that all have.
    private func schedulePlan(_ manifest: borrowing SystemManifest) -> SchedulePlan {
        var shares = InlineArray<32, SchedulePlan.Share>(repeating: SchedulePlan.Share())
        var kind = SchedulePlan.Kind.fair
        for index in 0..<manifest.compartmentCount {
            switch manifest.compartment(at: index).schedule {
            case .automatic: break
            case .fixed(let slot):
                kind = .fixed
                shares[index] = SchedulePlan.Share(slot: UInt64(slot) * 1_000)
            case .fair(let weight, let cap):
                shares[index] = SchedulePlan.Share(
                    weight: UInt64(weight), cap: cap == 0 ? nil : UInt64(cap))
            }
        }
        var plan = SchedulePlan(kind: kind, domainCount: manifest.compartmentCount)
        plan.shares = shares
        return plan
    }

    /// One processor's life.
    func work(as processor: Int) -> Never {
        var hasExamined = false
        while true {
            let turn = SharedKernel.with { kernel in
                kernel.turn(processor, hasExamined: hasExamined)
            }
            switch turn {
            case .run(let entry): entry.run()
            case .goOn: break
            case .examine(let computation): hasExamined = computation.goOn()
            case .wait: Processor.waitForInterrupt()
            case .end:
                SharedKernel.with { kernel in kernel.reportEnd() }
                Processor.halt()
            }
        }
    }

#endif
