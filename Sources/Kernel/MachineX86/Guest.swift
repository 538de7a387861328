#if hasFeature(Embedded)

    import CMachine
    public import HypervisorCore

    /// What the machine keeps of a domain: its memory, and what its processors share.
    public struct GuestSpace: BitwiseCopyable {
        /// What its guest-physical addresses mean.
        var addresses: GuestAddresses
        /// The pages that it shares with the hypervisor.
        let pages: SharedPages
        /// The page of its ACPI tables.
        let firmwarePage: UInt64
        /// A page of ones, which it cannot write.
        let onesPage: UInt64
        /// Which I/O ports and which registers its processors may touch without leaving it: a bit
        /// that is 0 permits.
        let portPermissions: UInt64
        let registerPermissions: UInt64
        /// Where its first processor is among the machine's, and how many it has.
        var firstProcessor: Int
        let processorCount: Int
        /// How often its processors stopped running, and why.
        var exits = ExitCounts()
        /// How often its tables changed what they had said before.
        var generation: UInt64 = 0

        /// The domain's memory, for the ledger of frames.
        public var memory: OwnedFrames {
            OwnedFrames(
                first: MachineFrame(number: addresses.start >> 12), count: addresses.size >> 12)
        }

        /// Lets the domain's processors use a device's ports or memory without leaving it, or no
        /// longer.
        ///
        /// - Precondition: it is not reserved (`DeviceRangeKind.isReserved`).
        public mutating func set(_ device: DeviceRange, isPermitted: Bool) {
            if let ports = device.ports {
                for port in ports {
                    let place = portPermissions + port >> 3
                    let bit: UInt8 = 1 << UInt8(port & 7)
                    let others = PhysicalMemory.load8(place) & ~bit
                    PhysicalMemory.store8(place, isPermitted ? others : others | bit)
                }
            }
            if let frames = device.frames {
                for frame in frames { addresses.tables.setDevice(frame, isPermitted: isPermitted) }
            }
        }
    }

    /// What a guest's physical addresses mean.
    struct GuestAddresses: BitwiseCopyable {
        var tables: NestedTables
        /// Where its memory starts and how long it is; contiguous.
        let start: UInt64
        let size: UInt64

        /// Whether `frame` is memory that the domain owns.
        func owns(_ frame: MachineFrame) -> Bool {
            // WRAPS: what lies before the start wraps to behind every end.
            frame.number &- start >> 12 < size >> 12
        }

        /// The machine address of guest-physical memory that the domain owns and has mapped.
        @inline(never) func translate(_ address: GuestPhysicalAddress) -> UInt64? { look(address) }

        /// The same, where it matters how fast.
        @inline(__always) func look(_ address: GuestPhysicalAddress) -> UInt64? {
            guard let frame = tables.machineFrame(address.frame), owns(frame) else { return nil }
            return frame.number << 12 | address.value & 0xfff
        }
    }

    /// Where the state of a virtual processor is while it does not run.
    struct GuestState: BitwiseCopyable {
        let control: ControlBlock
        /// Where the registers are that VMRUN does not load: 14 words, in the order of svm.S.
        let registers: UInt64
        /// Its number in its domain, which is also its local APIC's identifier.
        let number: Int

        /// The registers' places in the save area.
        enum Register: UInt64 {
            case rbx = 0
            case rcx = 1
            case rdx = 2
            case rsi = 3
            case rdi = 4
            case r10 = 8
        }

        subscript(register: Register) -> UInt64 {
            get { PhysicalMemory.load64(registers + register.rawValue * 8) }
            nonmutating set { PhysicalMemory.store64(registers + register.rawValue * 8, newValue) }
        }

        /// Writes a 32-bit result pair, as CPUID and RDMSR do: the upper halves become 0.
        func setResult(rax: UInt32, rdx: UInt32) {
            control[.rax] = UInt64(rax)
            self[.rdx] = UInt64(rdx)
        }

        /// What the processor is to forget of translations when it next enters the guest.
        func setFlush(_ command: UInt8) {
            PhysicalMemory.store8(control.address + 0x5c, command)
        }
    }

    /// What the machine keeps of a virtual processor: its control block and registers.
    public struct Guest: BitwiseCopyable {
        let state: GuestState
        /// Save area of its extended state, 64-byte aligned.
        let extendedArea: UInt64
        /// Its XCR0, within what the processor offers.
        var extendedControl: UInt64
        /// Its `TSC_AUX` (MSR C000_0103).
        var auxiliary: UInt64
        /// The vectors that it was sent and that wait to be taken.
        var vectors: InlineArray<4, UInt64>
        /// Its task priority, as it last wrote it.
        var taskPriority: UInt64
        /// Its debug address registers.
        var debug = InlineArray<4, UInt64>(repeating: 0)
        /// The physical processor that it ran on last, by number.
        var lastProcessor: Int?
        /// The generation of its space's tables that it last ran with.
        var generation: UInt64 = 0

        var control: ControlBlock { state.control }

        /// The state after a startup interrupt (AMD64 APM volume 2, 15.22): real mode at `page`.
        mutating func setRealMode(page: UInt8) {
            control.set(
                .cs, selector: UInt16(page) << 8, attributes: 0x9b, limit: 0xffff,
                base: UInt64(page) << 12)
            let data: InlineArray<5, ControlBlock.Segment> = [.ds, .es, .ss, .fs, .gs]
            for index in data.indices {
                control.set(data[index], selector: 0, attributes: 0x93, limit: 0xffff)
            }
            control[.efer] = 1 << 12
            control[.cr0] = 0x10
            control[.cr3] = 0
            control[.cr4] = 0
            control[.rflags] = 2
            control[.rip] = 0
            control[.rsp] = 0
            control[.rax] = 0
            for offset in 0..<UInt64(14) { PhysicalMemory.store64(state.registers + offset * 8, 0) }
            extendedControl = 1
            vectors = InlineArray(repeating: 0)
            taskPriority = 0
        }

        /// Remembers a vector until the guest can take it. Vectors below 16 are not interrupts.
        mutating func raise(_ vector: UInt64) {
            guard vector >= 16, vector < 256 else { return }
            vectors[Int(vector >> 6)] |= 1 << (vector & 63)
        }

        /// Whether no vector waits.
        var isQuiet: Bool { vectors[0] | vectors[1] | vectors[2] | vectors[3] == 0 }

        /// The highest vector that waits.
        var highestVector: UInt64? {
            for word in stride(from: 3, through: 0, by: -1) where vectors[word] != 0 {
                return UInt64(word * 64 + 63 - vectors[word].leadingZeroBitCount)
            }
            return nil
        }
    }

    /// One stay of a guest on a processor: what runs without the kernel's lock.
    public struct GuestEntry: BitwiseCopyable {
        private let control: UInt64
        private let registers: UInt64
        private let block: UInt64

        init(_ state: GuestState, on processor: UInt64) {
            control = state.control.address
            registers = state.registers
            block = processor
        }

        /// Runs the guest until it exits, and takes the interrupts that wait.
        public func run() {
            svm_run(control, registers, block + 4096)
            // ORDER: the guest's last access was before this. It no longer runs a guest.
            machine_release(block, 0)
            Processor.takeInterrupts()
        }
    }

    /// How often a domain left guest mode, by reason: what its progress cost.
    public struct ExitCounts: BitwiseCopyable {
        private var counts = InlineArray<8, UInt64>(repeating: 0)

        /// The reasons, with the words for them.
        public static var names: InlineArray<8, StaticString> {
            [
                "hypercall", "port", "MSR", "CPUID", "halt", "interrupt", "interrupt window",
                "other",
            ]
        }

        /// How often, by the index of `names`.
        public subscript(index: Int) -> UInt64 { counts[index] }

        /// Counts one exit by its code.
        mutating func add(_ code: UInt64) {
            let index =
                switch code {
                case 0x81: 0
                case 0x7b: 1
                case 0x7c: 2
                case 0x72: 3
                case 0x78: 4
                case 0x60, 0x61: 5
                case 0x64: 6
                default: 7
                }
            // WRAPS: 2^64 exits take longer than any machine lasts.
            counts[index] &+= 1
        }
    }

    /// Why a guest stopped running, when the machine could not deal with it alone.
    public enum GuestExit: BitwiseCopyable {
        /// It made a hypercall: `request`, and the result goes to `completeHypercall`.
        case hypercall
        /// It waits for an event.
        case halted
        /// It halted with interrupts off: nothing can wake it.
        case stopped
        /// It sent an interrupt to the processors whose bits are set, by number.
        case interprocessor(targets: UInt8)
        /// It sent a startup interrupt to processor `number`, with the page to start at.
        case startup(number: Int, page: UInt8)
        /// An interrupt of the machine.
        case interrupted
        /// Something that the machine has dealt with; the guest can go on.
        case resumable
        /// The machine found an error in itself while the guest ran.
        case machineCheck
        /// It cannot go on: why, and a number that says more.
        case failed(StaticString, UInt64)
    }

#endif
