#if hasFeature(Embedded)

    import CMachine

    /// What all processors of the machine have in common: their features, the interrupt table and
    /// the page tables. `PhysicalProcessor` is one of them.
    public struct Processor: BitwiseCopyable {
        /// The extended state that guests may use (bits of XCR0), and the size of its save area.
        let extendedState: UInt64
        let extendedStateSize: UInt64
        /// How many address space identifiers there are, the host's (0) included.
        let addressSpaceCount: UInt64
        /// Where the interrupt table is.
        let interruptTable: UInt64
        /// Whether indirect branch predictions can be forgotten (`IBPB`, MSR 49).
        let hasPredictorBarrier: Bool
        /// How the control block has a guest's translations forgotten: its own (3), or all (1)
        /// where the processor cannot tell them apart.
        let flushCommand: UInt8
        /// How many processors of one core share its caches and predictors, a power of two.
        public let threadsPerCore: UInt32

        /// Looks at the processor that boots, and makes what all share.
        ///
        /// - Throws: `.noVirtualization`, `.noNestedPaging`, `.unsteadyCounter`, `.outOfMemory`.
        public init(_ memory: inout BootMemory) throws(BootFailure) {
            interruptTable = try Processor.makeInterruptTable(&memory)
            try HostPages.protectImage(&memory)
            guard machine_cpuid(0x8000_0001, 0).ecx & 4 != 0,
                machine_rdmsr(0xc001_0114) & 0x10 == 0,
                // XSAVE, so that a guest's extended state can be kept.
                machine_cpuid(1, 0).ecx & 1 << 26 != 0
            else { throw .noVirtualization }
            guard machine_cpuid(0x8000_000a, 0).edx & 1 != 0 else { throw .noNestedPaging }
            // A counter that keeps its rate, or a machine that is emulated, and does not say so.
            guard
                machine_cpuid(0x8000_0007, 0).edx & 1 << 8 != 0
                    || machine_cpuid(1, 0).ecx & 1 << 31 != 0
            else { throw .unsteadyCounter }
            addressSpaceCount = UInt64(machine_cpuid(0x8000_000a, 0).ebx)
            hasPredictorBarrier = machine_cpuid(0x8000_0008, 0).ebx & 1 << 12 != 0
            flushCommand = machine_cpuid(0x8000_000a, 0).edx & 1 << 6 != 0 ? 3 : 1
            threadsPerCore = Processor.countThreads()
            machine_set_cr4(machine_cr4() | 1 << 18)
            extendedState = UInt64(machine_cpuid(0xd, 0).eax) & 7
            machine_xsetbv(extendedState)
            extendedStateSize = UInt64(machine_cpuid(0xd, 0).ebx)
        }

        /// The threads of a core (CPUID 8000_001E), rounded up to a power of two.
        private static func countThreads() -> UInt32 {
            guard machine_cpuid(0x8000_0000, 0).eax >= 0x8000_001e,
                machine_cpuid(0x8000_0001, 0).ecx & 1 << 22 != 0
            else { return 1 }
            let count = machine_cpuid(0x8000_001e, 0).ebx >> 8 & 0xff
            return count == 0 ? 1 : 1 << UInt32(32 - count.leadingZeroBitCount)
        }

        /// One gate for each exception, and the interrupts. Faults, the non-maskable interrupt and
        /// the machine check have a stack each, so that one can strike while another is handled.
        private static func makeInterruptTable(
            _ memory: inout BootMemory
        ) throws(BootFailure) -> UInt64 {
            let table = try memory.reserve(size: 4096)
            for vector in 0..<32 {
                let stack: UInt64 = vector == 2 ? 2 : (vector == 18 ? 3 : 1)
                setGate(table, vector, machine_exception_entry(UInt32(vector)), stack: stack)
            }
            setGate(table, Int(LocalAPIC.timerVector), machine_timer_entry(), stack: 4)
            setGate(table, Int(LocalAPIC.kickVector), machine_kick_entry(), stack: 4)
            setGate(table, 0xff, machine_spurious_entry(), stack: 4)
            for line in 0..<InterruptController.lineCount {
                let vector = InterruptController.firstVector + line
                setGate(table, vector, machine_line_entry(UInt32(line)), stack: 4)
            }
            return table
        }

        private static func setGate(
            _ table: UInt64, _ vector: Int, _ entry: UInt64, stack: UInt64
        ) {
            let place = table + UInt64(vector) * 16
            let low =
                entry & 0xffff | 0x08 << 16 | stack << 32 | 0x8e << 40 | (entry >> 16 & 0xffff)
                << 48
            PhysicalMemory.store64(place, low)
            PhysicalMemory.store64(place + 8, entry >> 32)
        }

        /// Waits, with interrupts on, for one.
        public static func waitForInterrupt() { machine_wait_for_interrupt() }

        /// Takes the interrupts that are pending.
        public static func takeInterrupts() { machine_take_interrupts() }

        /// Says that the processor waits for another one.
        public static func pause() { machine_pause() }

        /// Stops for ever.
        public static func halt() -> Never { machine_halt() }

        /// Ends the emulator with `code`·2 + 1, if it has the device for it (QEMU's
        /// `isa-debug-exit` at 0xf4); does nothing on a real machine.
        public static func leaveEmulator(code: UInt8) { machine_out8(0xf4, code) }
    }

#endif
