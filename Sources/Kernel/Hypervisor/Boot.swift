#if hasFeature(Embedded)

    import BootArena
    import ControlFrames
    import Digests
    import EventLog
    import HypervisorCore
    import MachineX86
    import PolicyDatabase
    import ReferenceMonitor
    import SecurityLattice
    import SystemManifest
    import TPMDevice

    /// The TPM and the log, together.
    typealias Recorder = MeasurementRecorder<TPMWindow>

    /// What is there before any file of the system was looked at.
    struct Platform: ~Copyable {
        var memory: BootMemory
        let processor: Processor
        var processors: ArenaTable<PhysicalProcessor>
        let clock: Clock
        var console: ConsoleLog
        var line: ControlLine
        /// Where the boot bundle is.
        let bundle: (address: UInt64, size: UInt64)
    }

    /// Sets the processor, the clock and the serial lines up.
    ///
    /// - Throws: `.machine`, `.arena`.
    private func makePlatform(_ startInfo: UInt64) throws(StopReason) -> Platform {
        // First of all: what the loader left is not kept.
        let level = LogLevel(commandLine: StartInfo.commandLine(startInfo)) ?? .info
        var memory = try onMachine { () throws(BootFailure) in try StartInfo.memory(startInfo) }
        let processor = try onMachine { () throws(BootFailure) in try Processor(&memory) }
        let lines = try reserveTable(count: 32, repeating: ConsoleLog.Line(), &memory)
        let clock = Clock()
        let processors = try findProcessors(processor, startInfo, &memory)
        return Platform(
            memory: memory, processor: processor, processors: processors, clock: clock,
            console: ConsoleLog(port: .first, lines: lines, level: level), line: ControlLine(),
            bundle: StartInfo.module(startInfo))
    }

    /// Does a part of the start; what the machine lacks for it is a reason to stop.
    ///
    /// - Throws: `.machine`.
    func onMachine<Value: ~Copyable>(
        _ part: () throws(BootFailure) -> Value
    ) throws(StopReason) -> Value {
        do throws(BootFailure) { return try part() } catch { throw .machine(error) }
    }

    /// One table in an arena of its own, for what is needed before the system is known.
    ///
    /// - Throws: `.machine`, `.arena`.
    func reserveTable<Element: BitwiseCopyable>(
        count: Int, repeating element: Element, _ memory: inout BootMemory
    ) throws(StopReason) -> ArenaTable<Element> {
        let size = UInt64(MemoryLayout<Element>.stride * count + 64)
        var arena = try onMachine { () throws(BootFailure) in
            try memory.reserveArena(size: size)
        }
        return try reserveTable(count: count, repeating: element, in: &arena)
    }

    /// One table in an arena.
    ///
    /// - Throws: `.arena`.
    func reserveTable<Element: BitwiseCopyable>(
        count: Int, repeating element: Element, in arena: inout BootArena
    ) throws(StopReason) -> ArenaTable<Element> {
        do throws(BootArenaError) {
            return try arena.reserve(count: count, repeating: element)
        } catch { throw .arena(error) }
    }

    /// From the first instruction to the run loop, which does not return.
    ///
    /// The order is the security argument: policy and manifest are measured before they are read,
    /// every module is measured before any compartment runs, and a stop after the TPM works is
    /// measured too.
    ///
    /// - Throws: what happened before there was a TPM to say it to.
    func boot(_ startInfo: UInt64) throws(StopReason) {
        var platform = try makePlatform(startInfo)
        platform.console.line("Casemate, a separation kernel")
        reportCrash(&platform.console)
        let (free, frequency) = (platform.memory.freeBytes >> 20, platform.clock.frequency)
        platform.console.say("memory: \(free) MiB free; clock: \(frequency) Hz", .debug)
        try stopBusMasters(&platform.console)
        let logMemory: ArenaTable<UInt8> = try reserveTable(
            count: 1 << 20, repeating: 0, &platform.memory)
        var recorder = try startRecorder(platform.clock, logMemory)
        platform.console.line(
            recorder.family == .onePointTwo
                ? "measurement: TPM 1.2 started" : "measurement: TPM 2.0 started")
        takeFirmwareLog(startInfo, &platform.console, &recorder)
        do throws(StopReason) {
            try startSystem(&platform, &recorder)
        } catch {
            stop(error, &platform, &recorder)
        }
    }

    /// Has no device read or write memory by itself: there is nothing that would confine it.
    ///
    /// - Throws: `.busMaster` when one goes on.
    private func stopBusMasters(_ console: inout ConsoleLog) throws(StopReason) {
        let (count, unstopped) = PCIFunctions.stopBusMasters()
        guard unstopped == 0 else { throw .busMaster }
        console.say("PCI: no bus master among functions: \(count)")
    }

    /// Says how the last run ended, if it ended in a panic.
    private func reportCrash(_ console: inout ConsoleLog) {
        guard let (record, text, length) = CrashRecord.take() else { return }
        var line: AuditLine =
            "the last run ended in a panic: \(text.span.extracting(first: length))"
        for index in record.numbers.indices {
            line.add(", \(CrashRecord.names[index]) \(hexadecimal: record.numbers[index])")
        }
        console.say(line, .warning)
    }

    /// Puts what firmware and boot loader have measured before our own measurements in the log, and
    /// says how much it is. A log that cannot be taken is no reason to stop: the registers are what
    /// they are, and a verifier that wants them explained refuses the machine.
    private func takeFirmwareLog(
        _ startInfo: UInt64, _ console: inout ConsoleLog, _ recorder: inout Recorder
    ) {
        guard FirmwareLog.isExpected else { return }
        let bytes = FirmwareLog.bytes(StartInfo.firmwareTables(startInfo))
        do throws(EventLogError) {
            guard bytes.count > 0 else { throw .truncated }
            let count = try recorder.takeOver(try FirmwareEventLog(bytes))
            console.say("firmware: \(count) events of its log taken")
        } catch {
            console.say(
                "firmware: \(bytes.count > 0 ? error.reason : "it has no event log")", .warning)
        }
    }

    private func startRecorder(
        _ clock: Clock, _ memory: consuming ArenaTable<UInt8>
    ) throws(StopReason) -> Recorder {
        do throws(MeasurementError) {
            return try Recorder(registers: TPMWindow(clock: clock), log: memory)
        } catch { throw .measurement(error) }
    }

    /// Says why the machine stops: in PCR 12, on COM2 and on the console. The caller stops it.
    func stop(
        _ reason: StopReason, _ platform: inout Platform, _ recorder: inout Recorder
    ) {
        var bytes = InlineArray<96, UInt8>(repeating: 0)
        let length = min(reason.text.byteCount, 96)
        for index in 0..<length { bytes[index] = reason.text.byte(at: index) }
        let text = bytes.span.extracting(first: length)
        do throws(MeasurementError) {
            try recorder.measure(StopMeasurement(reason: text))
        } catch {
            platform.console.line("the stop could not be measured", .error)
        }
        platform.line.send(.eventLog, recorder.log, &platform.console)
        platform.line.send(.stopped, text, &platform.console)
        platform.console.say("stopped: \(text)", .error)
    }

    /// Measures, validates, builds and runs the system of the boot bundle.
    ///
    /// - Throws: every reason to stop; nothing of the system ran then.
    func startSystem(
        _ platform: inout Platform, _ recorder: inout Recorder
    ) throws(StopReason) {
        let bytes = StartInfo.bytes(platform.bundle)
        guard let bundle = BootBundle(validating: bytes) else { throw .machine(.badBundle) }
        let policyBytes = bytes.extracting(bundle.policy)
        let manifestBytes = bytes.extracting(bundle.manifest)
        let policyDigest = SHA384.hash(policyBytes)
        try measure(PolicyMeasurement(policyDigest), &recorder)
        try measure(ManifestMeasurement(SHA384.hash(manifestBytes)), &recorder)

        let manifest: SystemManifest
        do throws(SystemManifestError) {
            manifest = try SystemManifest(validating: manifestBytes)
        } catch { throw .refused(.manifest(error)) }
        guard manifest.policyDigest == policyDigest else {
            throw .refused(.policyDiffers)
        }
        guard manifest.compartmentCount <= 32, manifest.moduleCount <= 64 else {
            throw .systemTooLarge
        }
        let policy: PolicyDatabase
        do throws(PolicyDatabaseError) {
            policy = try PolicyDatabase(validating: policyBytes)
        } catch { throw .refused(.policy(error)) }
        platform.console.line("policy and manifest: valid, and bound to one another")

        var arena = try systemArena(policy, manifest, &platform.memory)
        let monitor = try makeMonitor(policy, manifest, &arena)
        platform.console.line("flow certificate: replayed against the loaded policy")
        try measureCompartments(manifest, bundle, bytes, &platform, &recorder)
        platform.line.send(.eventLog, recorder.log, &platform.console)
        let system = try buildSystem(
            policy, policySize: policyBytes.count, manifest, bundle, monitor: monitor, &arena,
            &platform)
        try startProcessors(&platform)
        let place = (
            address: platform.bundle.address + UInt64(bundle.manifest.offset),
            size: UInt64(bundle.manifest.size)
        )
        run(system, manifest, platform, recorder, place)
    }

    /// - Throws: `.measurement`.
    func measure<Event: Measurement & ~Copyable & ~Escapable>(
        _ event: borrowing Event, _ recorder: inout Recorder
    ) throws(StopReason) {
        do throws(MeasurementError) {
            try recorder.measure(event)
        } catch { throw .measurement(error) }
    }

    /// The arena of the tables whose sizes the policy and the manifest decide.
    ///
    /// - Throws: `.machine`.
    func systemArena(
        _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest,
        _ memory: inout BootMemory
    ) throws(StopReason) -> BootArena {
        let count = manifest.compartmentCount
        let size =
            ReferenceMonitor.arenaSizeInBytes(policy: policy, manifest: manifest)
            + count * (MemoryLayout<Domain>.stride + MemoryLayout<GuestSpace>.stride + 128)
            + count * 8 * MemoryLayout<Guest>.stride + 4096
            + GrantTables.arenaSizeInBytes(domainCount: count, handleCount: grantHandleCount)
            + FrameLedger.arenaSizeInBytes(domainCount: count)
            + EventBudgets.arenaSizeInBytes(domainCount: count) + AuditRing.capacity
            + HypervisorCore.boundsSizeInBytes(domainCount: count)
            // What the certificate is checked with.
            + count * (MemoryLayout<SecurityRange>.stride + (count + 31) / 32 * 4)
        return try onMachine { () throws(BootFailure) in
            try memory.reserveArena(size: UInt64(size))
        }
    }

    /// - Throws: `.refused`.
    func makeMonitor(
        _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest,
        _ arena: inout BootArena
    ) throws(StopReason) -> ReferenceMonitor {
        do throws(ReloadRefusal) {
            return try certifiedMonitor(policy, manifest, &arena)
        } catch { throw .refused(error) }
    }

    extension Span<UInt8> {
        /// The bytes of a member of the bundle.
        @_lifetime(copy self)
        func extracting(_ member: BootBundle.Member) -> Span<UInt8> {
            extracting(member.offset..<member.offset + member.size)
        }
    }

#endif
