#if hasFeature(Embedded)

    import BootArena
    import ControlFrames
    import Digests
    import EventLog
    import HypervisorCore
    import MachineX86
    import SystemManifest
    import TPMDevice

    /// What is measured and sent while the system runs, and where the modules are that domains are
    /// made of.
    struct RunningRecords: ~Copyable {
        var recorder: Recorder
        var line: ControlLine
        /// Where the boot bundle is.
        let bundle: (address: UInt64, size: UInt64)
        /// The wall clock when system time was 0, in seconds since 1970.
        let wallClockAtStart: UInt64
    }

    /// What was hashed so far of the modules of a domain that is made anew.
    struct ModuleCheck {
        let domain: DomainID
        var hash = SHA384()
        var offset = 0
        /// The kernel's digest, once it was hashed whole.
        var kernel: Digest384?

        init(domain: DomainID) { self.domain = domain }
    }

    /// Domains that start when others are there, that stop, and that are made anew.
    extension Kernel {
        /// How many bytes of a module are hashed in one step.
        private static var stepSize: Int { 1 << 16 }

        /// Deals with the domains that have stopped, and starts those whose turn has come.
        mutating func settleLives(_ manifest: borrowing SystemManifest) {
            var postponed = InlineArray<32, DomainID?>(repeating: nil)
            for position in 0..<32 {
                guard let domain = core.takeStopped() else { break }
                if isOnProcessor(domain) {
                    postponed[position] = domain
                } else {
                    end(domain, manifest)
                }
            }
            for position in 0..<32 {
                if let domain = postponed[position] { core.postponeEnd(of: domain) }
            }
            for _ in 0..<32 {
                guard let domain = core.takeStartable() else { return }
                core.launch(domain, &machine)
                let name = manifest.compartment(at: Int(domain.number) - 1).name
                machine.console.say("started \(name)")
            }
        }

        private func isOnProcessor(_ domain: DomainID) -> Bool {
            for index in works.indices where works[index].runs?.domain == domain { return true }
            return false
        }

        /// Ends what a stopped domain shares, says so, and decides what comes after.
        private mutating func end(_ domain: DomainID, _ manifest: borrowing SystemManifest) {
            let index = Int(domain.number) - 1
            reportEnd(of: domain)
            core.retire(domain, &machine)
            if core.domains[index].life == .destroyed {
                _ = core.beginAnew(domain, .nothing, &machine)
                return
            }
            guard core.hasFailed(domain), core.domains[index].plan.restartLimit > 0 else { return }
            let left = core.restartsLeft(domain)
            var line: AuditLine = "\(manifest.compartment(at: index).name) failed"
            switch core.domains[index].life {
            case .crashed: line.add(": crashed")
            case .shutDown(let reason): line.add(": shutdown reason \(reason)")
            default: break
            }
            let limit = core.domains[index].plan.restartLimit
            if left > 0, core.beginAnew(domain, .restart, &machine) {
                line.add("; it is started again, \(left - 1) restarts are left")
            } else {
                line.add("; it stays down: its limit of \(limit) restarts is used up")
            }
            say(line, about: domain)
        }

        /// Does the next bounded part of making a domain anew, in its own time.
        mutating func build(
            _ domain: DomainID, _ processor: Int, _ manifest: borrowing SystemManifest
        ) {
            let index = Int(domain.number) - 1
            guard case .clearing(let sequel) = core.domains[index].life,
                core.clearSome(domain, &machine)
            else { return }
            if sequel == .nothing {
                core.abandon(domain, &machine)
                works[processor].mustChoose = true
                return say(" is gone", about: domain, manifest)
            }
            if check == nil { check = ModuleCheck(domain: domain) }
            // One domain's modules are hashed at a time; another's turn comes.
            guard var present = check, present.domain == domain else {
                works[processor].mustChoose = true
                return
            }
            let bytes = StartInfo.bytes(records.bundle)
            guard let bundle = BootBundle(validating: bytes) else {
                preconditionFailure("the boot bundle has changed")
            }
            let record = manifest.compartment(at: index)
            let module = present.kernel == nil ? record.kernel : record.initrd
            if let module, let member = bundle.module(at: module) {
                let content = bytes.extracting(member)
                let end = min(content.count, present.offset + Kernel.stepSize)
                present.hash.update(content.extracting(present.offset..<end))
                present.offset = end
                check = present
                guard end == content.count else { return }
                let digest = present.hash.finalize()
                guard digest == manifest.module(at: module).digest else {
                    return refuse(domain, " stays down: a module differs", manifest)
                }
                if present.kernel == nil {
                    var next = ModuleCheck(domain: domain)
                    next.kernel = digest
                    check = next
                    if record.initrd != nil { return }
                    return load(domain, sequel, digest, nil, bundle, manifest)
                }
                return load(domain, sequel, present.kernel ?? digest, digest, bundle, manifest)
            }
        }

        /// Measures what is about to run, loads it, and has it run.
        private mutating func load(
            _ domain: DomainID, _ sequel: Domain.Sequel, _ kernel: Digest384,
            _ initrd: Digest384?, _ bundle: borrowing BootBundle,
            _ manifest: borrowing SystemManifest
        ) {
            let index = Int(domain.number) - 1
            let record = manifest.compartment(at: index)
            let generation = core.domains[index].generation &+ 1
            let event = LifeMeasurement(
                change: sequel == .restart ? .restart : .deploy, name: record.name,
                domainID: UInt32(domain.number), generation: generation, kernel: kernel,
                initrd: initrd)
            guard measure(event) else {
                return refuse(domain, " stays down: not measured", manifest)
            }
            guard
                let plan = guestPlan(
                    index, manifest, bundle, records.bundle.address, manifestPlace.place)
            else {
                return refuse(domain, " stays down: not loaded", manifest)
            }
            do throws(BootFailure) {
                try machine.load(plan, commandLine: record.commandLine)
            } catch {
                return refuse(domain, " stays down: not loaded", manifest)
            }
            check = nil
            assignMemory(of: index, core, &machine, manifest)
            attachServices(of: index, &core, machine, manifest)
            core.start(domain, wallClockSeconds: records.wallClockAtStart, machine)
            core.launch(domain, &machine)
            say("\(record.name) was loaded, life \(generation)", about: domain)
        }

        /// Leaves a domain down that was to be made anew.
        private mutating func refuse(
            _ domain: DomainID, _ why: StaticString, _ manifest: borrowing SystemManifest
        ) {
            check = nil
            core.abandon(domain, &machine)
            say(why, about: domain, manifest)
        }

        /// Carries an order out that the policy permits: it is measured before it takes effect.
        ///
        /// - Returns: false when it could not be measured; nothing changed then.
        mutating func carryOut(
            _ order: LifeOrder, _ manifest: borrowing SystemManifest
        ) -> Bool {
            let index = Int(order.domain.number) - 1
            let isEnd = order.sequel == .nothing
            if isEnd {
                let event = LifeMeasurement(
                    change: .destroy, name: manifest.compartment(at: index).name,
                    domainID: UInt32(order.domain.number),
                    generation: core.domains[index].generation, kernel: nil, initrd: nil)
                guard measure(event) else { return false }
            }
            let name = manifest.compartment(at: index).name
            let giver = manifest.compartment(at: Int(order.giver.number) - 1).name
            say("\(name) is \(isEnd ? "ended" : "deployed") by \(giver)", about: order.giver)
            core.commit(order, &machine)
            return true
        }

        /// Measures an event while the system runs, and sends it on the control line.
        ///
        /// - Returns: false when the TPM or the log did not take it.
        mutating func measure<Event: Measurement & ~Copyable & ~Escapable>(
            _ event: borrowing Event
        ) -> Bool {
            let start = records.recorder.log.count
            do throws(MeasurementError) {
                try records.recorder.measure(event)
            } catch { return false }
            let log = records.recorder.log
            machine.eventLog = log.place
            let event = log.extracting(start..<log.count)
            records.line.send(.laterEvent, event, &machine.console)
            return true
        }

        private mutating func say(
            _ text: StaticString, about domain: DomainID, _ manifest: borrowing SystemManifest
        ) {
            let name = manifest.compartment(at: Int(domain.number) - 1).name
            say("\(name)\(text)", about: domain)
        }

        /// Says something about a domain: on the console, and to the audit service.
        mutating func say(_ line: AuditLine, about domain: DomainID) {
            audit.show(line, &machine.console)
            core.recordLine(line.bytes, about: domain, &machine)
        }

        /// Records a denial, or counts it: on the console, and for the audit service.
        mutating func record(_ denial: Denial, _ manifest: borrowing SystemManifest) {
            let now = machine.clock.now()
            for _ in 0..<32 {
                var line = AuditLine()
                guard let domain = audit.takeDropped(manifest, now: now, &line) else { break }
                machine.console.say("audit: \(line.bytes)", .error)
                core.recordLine(line.bytes, about: domain, &machine)
            }
            var line = AuditLine()
            if audit.describe(denial, manifest, &line) { say(line, about: denial.source) }
        }
    }

#endif
