#if hasFeature(Embedded)

    import BootArena
    import ControlFrames
    import Digests
    import EventLog
    import HypervisorCore
    import MachineX86
    import PolicyDatabase
    import ReferenceMonitor
    import SystemManifest
    import TPMDevice

    /// Where the manifest in force is: in the boot bundle, or where a reload has put it.
    struct ManifestPlace: BitwiseCopyable {
        var place: (address: UInt64, size: UInt64)
        var layout: ManifestLayout

        /// The manifest.
        ///
        /// - Precondition: no reload is made as long as it is used.
        @_lifetime(immortal)
        func view() -> SystemManifest {
            SystemManifest(StartInfo.bytes(place), validatedAs: layout)
        }
    }

    /// What a reload takes of the machine.
    struct ReloadReserve: BitwiseCopyable {
        /// What the examination runs on.
        let computation: Computation
        /// Where manifests are kept in turn.
        let first: KeptBytes
        let second: KeptBytes
        var isSecond = false
        /// Whether some processor goes on with the examination now.
        var isInUse = false

        init(capacity: Int, _ memory: inout BootMemory) throws(BootFailure) {
            computation = try Computation(&memory)
            first = try KeptBytes(capacity: capacity, &memory)
            second = try KeptBytes(capacity: capacity, &memory)
        }
    }

    /// Reserves what it takes to replace the policy, if some compartment may load one.
    ///
    /// - Parameter policySize: of the policy's file, in bytes.
    /// - Returns: nil when nobody may.
    /// - Throws: `.machine`, `.arena`.
    func reserveReload(
        _ core: inout HypervisorCore, _ policy: borrowing PolicyDatabase,
        _ manifest: borrowing SystemManifest, policySize: Int,
        _ memory: inout BootMemory
    ) throws(StopReason) -> ReloadReserve? {
        guard manifest.requiredFeatures & ManifestFeature.policyLoading != 0 else { return nil }
        let facts = SystemFacts(
            policy: policy, manifest: manifest, monitor: core.monitor,
            policyDigest: manifest.policyDigest, manifestDigest: SHA384.hash(manifest.bytes))
        // Twice as large as what is in force, and 64 KiB.
        let capacity = 2 * (policySize + manifest.bytes.count) + 65_536
        do throws(BootFailure) {
            let reserve = try ReloadReserve(capacity: capacity, &memory)
            let tables: AlternatingTables<ReferenceMonitor> = try memory.reserveTables(
                size: UInt64(ReloadWork.tableSizeInBytes(policy: policy, manifest: manifest)))
            var arena = try memory.reserveArena(
                size: UInt64(
                    ReloadWork.arenaSizeInBytes(capacity: capacity, manifest: manifest)))
            let work = try work(capacity, facts, manifest, tables, &arena)
            core.allowReload(PolicyReload(work: work))
            return reserve
        } catch { throw .machine(error) }
    }

    @inline(never)
    private func work(
        _ capacity: Int, _ facts: SystemFacts, _ manifest: borrowing SystemManifest,
        _ tables: consuming AlternatingTables<ReferenceMonitor>, _ arena: inout BootArena
    ) throws(BootFailure) -> ReloadWork {
        do throws(BootArenaError) {
            return try ReloadWork(
                capacity: capacity, present: facts, manifest: manifest, tables: tables,
                arena: &arena)
        } catch { throw .outOfMemory }
    }

    extension Kernel {
        // MARK: Examination, without the lock

        /// Has a processor go on with the examination of a policy, if one waits for it and nobody
        /// does.
        ///
        /// - Returns: whether it is to.
        mutating func beginExamining(_ processor: Int) -> Bool {
            guard core.awaitsExamination, let reserve = reload, !reserve.isInUse else {
                return false
            }
            if let work = core.takeReloadWork() {
                SharedKernel.lend(work)
                reserve.computation.begin()
            }
            reload?.isInUse = true
            works[processor].isExamining = true
            return true
        }

        /// A processor comes back from the examination, which has ended or is paused.
        mutating func endExamining(_ processor: Int, hasEnded: Bool) {
            works[processor].isExamining = false
            reload?.isInUse = false
            guard hasEnded, let work = SharedKernel.takeBack() else { return }
            core.returnReloadWork(work)
        }

        // MARK: Under the lock

        /// Does what is to be done of a reload: a measurement, a step of a revocation, a report.
        mutating func settleReload() {
            if let facts = core.reloadToMeasure {
                core.noteReloadMeasured(
                    measure(
                        ReloadMeasurement(
                            policy: facts.policyDigest, manifest: facts.manifestDigest,
                            systemVersion: facts.version)))
            }
            core.continueReload(&machine)
            guard let report = core.takeReloadReport() else { return }
            switch report {
            case .refused(let refusal):
                say("reload refused: \(refusal.reason)", about: core.reload.caller)
            case .done:
                takeManifest()
                let manifest = manifestPlace.view()
                var line: AuditLine = "policy \(core.policySequence) in force, "
                line.add("system version \(manifest.systemVersion), ")
                line.add("revoked: \(core.reload.revokedCount) ")
                line.add("in steps: \(core.reload.steps.count)")
                say(line, about: core.reload.caller)
                reportRevocations(manifest)
            }
        }

        /// Keeps the new manifest. The one before it stays where it is until the next reload.
        private mutating func takeManifest() {
            guard let reserve = reload else { return }
            let kept = reserve.isSecond ? reserve.second : reserve.first
            reload?.isSecond.toggle()
            core.reload.withManifest { bytes, layout in
                kept.store(bytes)
                manifestPlace = ManifestPlace(place: kept.place(size: bytes.count), layout: layout)
            }
            machine.manifest = manifestPlace.place
        }

        /// How many lines say what was taken away.
        private static var shownRevocations: Int { 32 }

        private mutating func reportRevocations(_ manifest: borrowing SystemManifest) {
            for index in 0..<Kernel.shownRevocations {
                guard let revocation = core.reload.revocation(at: index) else { return }
                var line: AuditLine = "revoked \(revocation.name) \(revocation.number) of "
                audit.write(revocation.holder, manifest, &line)
                line.add(" with ")
                audit.write(revocation.other, manifest, &line)
                say(line, about: revocation.holder)
            }
        }
    }

    /// Where a paused computation begins (`Computation`): on its own stack, with interrupts on and
    /// without the lock.
    @c public func casemate_compute() { SharedKernel.examine() }

#endif
