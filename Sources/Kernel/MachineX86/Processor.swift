#if hasFeature(Embedded)

    import CMachine

    /// The processor's own set-up: exceptions, interrupt stack, and AMD-V.
    public struct Processor: BitwiseCopyable {
        /// The page that holds the hypervisor's own FS, GS, TR and system-call registers across a
        /// world switch.
        let hostBlock: UInt64
        /// The extended state that guests may use (bits of XCR0), and the size of its save area.
        let extendedState: UInt64
        let extendedStateSize: UInt64
        /// How many address space identifiers there are, the host's (0) included.
        let addressSpaceCount: UInt64

        /// Sets the processor up.
        ///
        /// - Throws: `.noVirtualization`, `.noNestedPaging`, `.outOfMemory`.
        public init(_ memory: inout BootMemory) throws(BootFailure) {
            try Processor.installExceptions(&memory)
            try Processor.protectImage(&memory)
            guard machine_cpuid(0x8000_0001, 0).ecx & 4 != 0,
                machine_rdmsr(0xc001_0114) & 0x10 == 0
            else { throw .noVirtualization }
            guard machine_cpuid(0x8000_000a, 0).edx & 1 != 0 else { throw .noNestedPaging }
            addressSpaceCount = UInt64(machine_cpuid(0x8000_000a, 0).ebx)
            let efer: UInt32 = 0xc000_0080
            machine_wrmsr(efer, machine_rdmsr(efer) | 1 << 12)
            machine_wrmsr(0xc001_0117, try memory.reserve(size: 4096))
            hostBlock = try memory.reserve(size: 4096)
            machine_vmsave(hostBlock)
            // XSAVE, so that a guest's extended state can be kept; x87 and SSE at least.
            if machine_cpuid(1, 0).ecx & 1 << 26 != 0 {
                machine_set_cr4(machine_cr4() | 1 << 18)
                extendedState = UInt64(machine_cpuid(0xd, 0).eax) & 7
                machine_xsetbv(extendedState)
                extendedStateSize = UInt64(machine_cpuid(0xd, 0).ebx)
            } else {
                throw .noVirtualization
            }
        }

        /// Maps everything as data, not executable, but for the image's text; read-only what is not
        /// written; and nothing at page 0 and below the stacks. The image lies within the first
        /// 2 MiB, which get 4 KiB pages.
        private static func protectImage(_ memory: inout BootMemory) throws(BootFailure) {
            let noExecute: UInt64 = 1 << 63
            let table = try memory.reserve(size: 4096)
            precondition(machine_image_end() <= 1 << 21, "the image leaves the first 2 MiB")
            for page in 0..<UInt64(512) {
                let address = page << 12
                var entry = address | 3 | noExecute
                if address >= machine_image_start(), address < machine_rodata_start() {
                    entry = address | 1
                } else if address >= machine_rodata_start(), address < machine_data_start() {
                    entry = address | 1 | noExecute
                }
                let isGuard =
                    address == 0 || address == machine_stack_guard()
                    || address == machine_fault_stack_guard()
                PhysicalMemory.store64(table + page * 8, isGuard ? 0 : entry)
            }
            let directories = machine_directories()
            for index in 1..<UInt64(2048) {
                let place = directories + index * 8
                PhysicalMemory.store64(place, PhysicalMemory.load64(place) | noExecute)
            }
            PhysicalMemory.store64(directories, table | 3)
            machine_set_cr3(machine_cr3())
        }

        /// One gate for each exception, on its own stack, and the timer's and spurious interrupts.
        private static func installExceptions(_ memory: inout BootMemory) throws(BootFailure) {
            let table = try memory.reserve(size: 4096)
            let task = try memory.reserve(size: 4096)
            for vector in 0..<32 {
                let entry = machine_exception_entry(UInt32(vector))
                setGate(table, vector, entry, stack: 1)
            }
            setGate(table, Int(Clock.timerVector), machine_timer_entry(), stack: 0)
            setGate(table, 0xff, machine_spurious_entry(), stack: 0)
            PhysicalMemory.store64(task + 0x24, machine_fault_stack_top())
            PhysicalMemory.store16(task + 0x66, 104)
            let low =
                UInt64(103) | (task & 0xff_ffff) << 16 | 0x89 << 40 | (task >> 24 & 0xff) << 56
            machine_set_gdt_entry(3, low)
            machine_set_gdt_entry(4, task >> 32)
            machine_ltr(0x18)
            machine_lidt(table, 4095)
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

        /// Stops for ever.
        public static func halt() -> Never { machine_halt() }

        /// Ends the emulator with `code`·2 + 1, if it has the device for it (QEMU's
        /// `isa-debug-exit` at 0xf4); does nothing on a real machine.
        public static func leaveEmulator(code: UInt8) { machine_out8(0xf4, code) }
    }

#endif
