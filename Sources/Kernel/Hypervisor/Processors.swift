#if hasFeature(Embedded)

    import BootArena
    import HypervisorCore
    import MachineX86
    import SystemManifest

    /// Finds the processors that the system runs on: the one that boots, and of every other core
    /// one. What they need is reserved; none is started but the one that runs already.
    ///
    /// - Throws: `.machine`, `.arena`.
    func findProcessors(
        _ common: Processor, _ startInfo: UInt64, _ memory: inout BootMemory
    ) throws(StopReason) -> ArenaTable<PhysicalProcessor> {
        let tables = FirmwareTables(StartInfo.firmwareTables(startInfo))
        var count = 1
        for index in 0..<tables.count
        where tables.isUsed(index, common) && count < FirmwareTables.processorLimit {
            count += 1
        }
        let first = try makeProcessor(0, PhysicalProcessor.presentIdentifier, &memory)
        var processors = try reserveTable(count: count, repeating: first, &memory)
        var next = 1
        for index in 0..<tables.count where tables.isUsed(index, common) && next < count {
            processors[next] = try makeProcessor(next, tables.identifiers[index], &memory)
            next += 1
        }
        // The processor that runs already is one of them.
        processors[0].start(common)
        return processors
    }

    private func makeProcessor(
        _ number: Int, _ identifier: UInt32, _ memory: inout BootMemory
    ) throws(StopReason) -> PhysicalProcessor {
        try onMachine { () throws(BootFailure) in
            try PhysicalProcessor(number: number, identifier: identifier, &memory)
        }
    }

    /// What a processor is given when it comes up.
    struct StartingProcessor: BitwiseCopyable {
        var record: PhysicalProcessor
        let common: Processor
    }

    /// Starts all processors but the one that does this, one after the other. Each sets itself up
    /// and waits for the kernel.
    ///
    /// - Throws: `.machine` when one does not answer.
    func startProcessors(_ platform: inout Platform) throws(StopReason) {
        Trampoline.place()
        for number in 1..<max(1, platform.processors.count) {
            var starting = StartingProcessor(
                record: platform.processors[number], common: platform.processor)
            do throws(BootFailure) {
                try SharedKernel.start(&starting, platform.clock)
            } catch { throw .machine(error) }
            platform.processors[number] = starting.record
        }
        Trampoline.remove()
        platform.console.say("processors: \(platform.processors.count)")
    }

    /// Where a processor comes up: long mode, a stack of its own, interrupts off.
    ///
    /// - Parameter address: of the `StartingProcessor` that it is.
    @c public func casemate_start_processor(_ address: UInt64) {
        let starting = SharedKernel.startingProcessor(at: address)
        starting.record.start(starting.common)
        starting.record.answerStart()
        while !SharedKernel.isPublished { Processor.pause() }
        work(as: starting.record.number)
    }

#endif
