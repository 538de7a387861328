#if hasFeature(Embedded)

    import CMachine

    /// One processor of the machine: its stacks, its tables, and what it holds of guests.
    public struct PhysicalProcessor: BitwiseCopyable {
        /// Its number, from 0; 0 is the one that booted.
        public let number: Int
        /// Its local APIC's identifier.
        let identifier: UInt32
        /// Two pages of its own, at which its GS points. The second holds the hypervisor's FS, GS,
        /// TR and system-call registers across a world switch.
        ///
        /// - Layout: `u64` 1 while it runs a guest [this processor]; `u64` at 8: 1 when its timer
        ///   has rung [interrupts]; words of the start at 16 and 24; of a computation at 32 and 40;
        ///   GDT at 64, TSS at 128.
        let block: UInt64
        /// Where the processor saves its own state at VMRUN.
        private let saveArea: UInt64
        /// The end of its stack; 0 for the processor that booted, which has one already.
        private let stackTop: UInt64
        /// The ends of the stacks for faults, non-maskable interrupts, machine checks and other
        /// interrupts.
        private let faultStacks: InlineArray<4, UInt64>
        /// What its time-stamp counter is ahead of the first processor's.
        ///
        /// - Units: TSC ticks, modulo 2⁶⁴.
        var skew: UInt64 = 0
        /// The index of the virtual processor whose extended state its registers hold.
        var loaded: Int?
        /// The index of the virtual processor that it runs, or ran last.
        var running: Int?
        /// The number of the domain that it ran last.
        var lastDomain: UInt16 = 0

        private static var stackSize: UInt64 { 131_072 }
        private static var faultStackSize: UInt64 { 8192 }

        /// The identifier of the processor that asks.
        public static var presentIdentifier: UInt32 { LocalAPIC.identifier }

        /// Reserves what a processor needs; every stack ends below in a page that is not mapped.
        ///
        /// - Throws: `.outOfMemory`.
        public init(
            number: Int, identifier: UInt32, _ memory: inout BootMemory
        ) throws(BootFailure) {
            self.number = number
            self.identifier = identifier
            block = try memory.reserve(size: 8192)
            saveArea = try memory.reserve(size: 4096)
            stackTop =
                number == 0
                ? 0
                : try PhysicalProcessor.reserveStack(PhysicalProcessor.stackSize, &memory)
            var stacks = InlineArray<4, UInt64>(repeating: 0)
            for index in stacks.indices {
                stacks[index] = try PhysicalProcessor.reserveStack(
                    PhysicalProcessor.faultStackSize, &memory)
            }
            faultStacks = stacks
        }

        private static func reserveStack(
            _ size: UInt64, _ memory: inout BootMemory
        ) throws(BootFailure) -> UInt64 {
            let start = try memory.reserve(size: size + 4096)
            try HostPages.unmap(start, &memory)
            return start + 4096 + size
        }

        /// Sets up the processor that calls, which must be this one: its tables, its stacks, what
        /// protects it from its own mistakes, and AMD-V.
        public func start(_ common: Processor) {
            installTables(common)
            // MCE, OSXSAVE; SMEP and SMAP where they are: no page of the hypervisor's is a user's.
            let features = machine_cpuid(7, 0).ebx
            var control = machine_cr4() | 1 << 6 | 1 << 18
            if features & 1 << 7 != 0 { control |= 1 << 20 }
            if features & 1 << 20 != 0 { control |= 1 << 21 }
            machine_set_cr4(control)
            machine_xsetbv(common.extendedState)
            let efer: UInt32 = 0xc000_0080
            machine_wrmsr(efer, machine_rdmsr(efer) | 1 << 12)
            machine_wrmsr(0xc001_0117, saveArea)
            machine_wrmsr(0xc000_0101, block)
            machine_vmsave(block + 4096)
        }

        private func installTables(_ common: Processor) {
            let table = block + 64
            let task = block + 128
            for index in faultStacks.indices {
                PhysicalMemory.store64(task + 0x24 + UInt64(index) * 8, faultStacks[index])
            }
            PhysicalMemory.store16(task + 0x66, 104)
            PhysicalMemory.store64(table + 8, 0x00af_9b00_0000_ffff)
            PhysicalMemory.store64(table + 16, 0x00cf_9300_0000_ffff)
            PhysicalMemory.store64(
                table + 24,
                103 | (task & 0xff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56)
            PhysicalMemory.store64(table + 32, task >> 32)
            machine_lgdt(table, 39)
            machine_ltr(0x18)
            machine_lidt(common.interruptTable, 4095)
        }

        // MARK: What others see of it

        /// Whether it runs a guest, or is about to.
        var isInGuest: Bool { machine_acquire(block) == 1 }

        /// Says that it is about to run a guest; when it no longer does, `GuestEntry` says so.
        func setInGuest() { machine_release(block, 1) }

        /// Whether its timer rang since this was last asked.
        func takeTimer() -> Bool { machine_exchange(block + 8, 0) == 1 }

        /// Has it leave its guest, or its wait.
        func kick() { LocalAPIC.send(.kick, to: identifier) }

        // MARK: Coming up

        /// Starts this processor, from another one, and measures what its counter is ahead.
        ///
        /// - Parameter argument: what `casemate_start_processor` is called with.
        /// - Throws: `.processorSilent` when it does not answer within a second.
        public mutating func startFromOther(
            _ clock: Clock, argument: UInt64
        ) throws(BootFailure) {
            machine_set_next_processor(argument, stackTop)
            LocalAPIC.send(.initialize, to: identifier)
            clock.wait(microseconds: 10_000)
            for _ in 0..<2 {
                LocalAPIC.send(.startup(page: Trampoline.page), to: identifier)
                let end = clock.now() + 500_000_000
                while clock.now() < end {
                    if machine_acquire(block + 16) == 1 {
                        skew = measureSkew()
                        machine_release(block + 16, PhysicalProcessor.lastRound + 1)
                        return
                    }
                    machine_pause()
                }
            }
            throw .processorSilent
        }

        private static var lastRound: UInt64 { 18 }

        /// Asks for the other's counter a few times, between two looks at one's own: the difference
        /// is known to lie between two bounds, and is 0 unless they say otherwise.
        private func measureSkew() -> UInt64 {
            var low = Int64.min
            var high = Int64.max
            for round in 3...PhysicalProcessor.lastRound {
                let before = machine_rdtsc()
                machine_release(block + 16, round)
                for _ in 0..<100_000_000 {
                    if machine_acquire(block + 24) >> 63 == round & 1 { break }
                    machine_pause()
                }
                let after = machine_rdtsc()
                // WRAPS: 63 bits of ticks last for a century; their differences are small.
                let theirs = machine_acquire(block + 24) & ~(1 << 63)
                low = max(low, Int64(bitPattern: theirs &- after))
                high = min(high, Int64(bitPattern: theirs &- before))
            }
            if low <= 0 && high >= 0 { return 0 }
            return UInt64(bitPattern: low / 2 &+ high / 2)
        }

        /// The other side of `startFromOther`, on the processor itself. The top bit of what it
        /// writes says which round it answers.
        public func answerStart() {
            LocalAPIC.start()
            machine_release(block + 16, 1)
            var answered: UInt64 = 1
            while answered <= PhysicalProcessor.lastRound {
                let round = machine_acquire(block + 16)
                if round != answered, round <= PhysicalProcessor.lastRound {
                    machine_release(block + 24, machine_rdtsc() & ~(1 << 63) | round << 63)
                }
                answered = round
                machine_pause()
            }
        }
    }

    /// The page below 1 MiB at which processors start.
    public enum Trampoline {
        /// The page's number.
        static var page: UInt32 { 8 }

        /// Puts the code in place.
        public static func place() {
            PhysicalMemory.copy(
                to: UInt64(page) << 12, from: machine_trampoline(),
                size: machine_trampoline_size())
        }

        /// Takes the code away.
        public static func remove() { PhysicalMemory.zero(UInt64(page) << 12, size: 4096) }
    }

    /// The lock that one processor holds while it is in the hypervisor: whoever asks first is
    /// served first.
    public enum KernelLock {
        private static var next: UInt64 { machine_word(0) }
        private static var served: UInt64 { machine_word(1) }

        /// Waits for the lock, and takes it.
        public static func take() {
            // WRAPS: tickets run freely modulo 2^64.
            let ticket = machine_fetch_add(next, 1)
            while machine_acquire(served) != ticket { machine_pause() }
        }

        /// Passes the lock on. Only its holder may.
        public static func leave() {
            // WRAPS: as above. Nobody else writes this word.
            machine_release(served, machine_acquire(served) &+ 1)
        }

        /// Where all processors find what they share, once it is there; 0 until then.
        public static var shared: UInt64 {
            get { machine_acquire(machine_word(2)) }
            set { machine_release(machine_word(2), newValue) }
        }

        /// Where what is lent to a computation is; 0 until then.
        public static var lent: UInt64 {
            get { machine_acquire(machine_word(4)) }
            set { machine_release(machine_word(4), newValue) }
        }
    }

#endif
