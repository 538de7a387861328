#if hasFeature(Embedded)

    /// The machine's free memory while the machine is being built: handed out once, zeroed, never
    /// taken back.
    ///
    /// It is in several ranges. What is reserved lies in the first of them that has room.
    ///
    /// - Units: addresses and sizes in bytes.
    public struct BootMemory: ~Copyable {
        private var ranges = InlineArray<16, (start: UInt64, end: UInt64)>(repeating: (0, 0))

        /// What is left.
        public var freeBytes: UInt64 {
            var sum: UInt64 = 0
            for index in ranges.indices { sum += ranges[index].end - ranges[index].start }
            return sum
        }

        /// Adds a range of RAM that nothing uses, behind the others; when there are too many, in
        /// place of the smallest, if that is smaller.
        ///
        /// - Parameter end: at most `PhysicalMemory.end`.
        @inline(never) mutating func add(_ start: UInt64, _ end: UInt64) {
            guard start < end else { return }
            let new = (start: (start + 4095) & ~4095, end: end & ~4095)
            guard new.start < new.end else { return }
            var smallest = 0
            for index in ranges.indices {
                let range = ranges[index]
                if range.end - range.start < ranges[smallest].end - ranges[smallest].start {
                    smallest = index
                }
            }
            let other = ranges[smallest]
            if new.end - new.start > other.end - other.start { ranges[smallest] = new }
        }

        /// Reserves zeroed memory, in one piece.
        ///
        /// - Parameters:
        ///   - size: rounded up to whole frames.
        ///   - alignment: a power of two, at least 4,096.
        /// - Throws: `.outOfMemory` when it does not fit; nothing changed then.
        public mutating func reserve(
            size: UInt64, alignment: UInt64 = 4096
        ) throws(BootFailure) -> UInt64 {
            guard size <= 1 << 40 else { throw .outOfMemory }
            let size = (size + 4095) & ~4095
            for index in ranges.indices {
                let (start, end) = ranges[index]
                let first = (start + alignment - 1) & ~(alignment - 1)
                guard first <= end, size <= end - first else { continue }
                ranges[index].start = first + size
                PhysicalMemory.zero(first, size: size)
                return first
            }
            throw .outOfMemory
        }
    }

    /// Why the machine could not be built. Each stops the machine.
    public enum BootFailure: Error, Equatable {
        /// - `outOfMemory`: the machine has too little memory for the system.
        /// - `noVirtualization`: the processor has no AMD-V, or it is switched off.
        /// - `noNestedPaging`: AMD-V without nested paging.
        /// - `unsteadyCounter`: the processor's time-stamp counter changes its rate.
        /// - `badStartInfo`: what was passed at start is not a PVH start info with one module.
        case outOfMemory, noVirtualization, noNestedPaging, unsteadyCounter, badStartInfo
        /// - `badBundle`: the boot bundle is not the archive that `docs/abi/boot-bundle.md`
        ///   describes.
        /// - `badKernel`: a guest's kernel is not an ELF image for x86-64 with a PVH entry.
        /// - `processorSilent`: a processor that the firmware names does not start.
        /// - `tooManyProcessors`: more virtual processors than the processor has address space
        ///   identifiers.
        /// - `guestTooSmall`: a guest's kernel, initrd and command line do not fit its memory.
        case badBundle, badKernel, processorSilent, tooManyProcessors, guestTooSmall
        /// - `badMultiboot`: what a Multiboot2 loader passed is malformed, or has not one module.
        /// - `noBootServices`: the loader ended the firmware's boot services itself.
        /// - `badFirmware`: a table of the firmware is malformed, or lies above 4 GiB.
        /// - `firmwareStays`: the firmware does not end its boot services.
        /// - `lowMemoryInUse`: the firmware keeps the pages below 2 MiB that the hypervisor cannot
        ///   do without.
        case badMultiboot, noBootServices, badFirmware, firmwareStays, lowMemoryInUse

        /// For the console and PCR 12.
        public var reason: StaticString {
            switch self {
            case .outOfMemory: "machine: too little memory for the system"
            case .noVirtualization: "machine: no AMD-V"
            case .noNestedPaging: "machine: AMD-V without nested paging"
            case .unsteadyCounter: "machine: the time-stamp counter changes its rate"
            case .badStartInfo: "boot: no start info with one module"
            case .badBundle: "boot: the boot bundle is malformed"
            case .badKernel: "guest: the kernel is no ELF image with a PVH entry"
            case .processorSilent: "machine: a processor does not start"
            case .tooManyProcessors: "machine: too few address space identifiers"
            case .guestTooSmall: "guest: kernel and initrd do not fit the memory"
            case .badMultiboot: "boot: not Multiboot2 with one module"
            case .noBootServices: "boot: the loader ended the firmware's boot services"
            case .badFirmware: "boot: a firmware table is malformed, or above 4 GiB"
            case .firmwareStays: "boot: the firmware does not end its boot services"
            case .lowMemoryInUse: "boot: the firmware keeps memory below 2 MiB"
            }
        }
    }

#endif
