#if hasFeature(Embedded)

    import HypervisorCore

    /// A guest's nested page tables (AMD64 APM volume 2, 15.25): what guest-physical memory is.
    ///
    /// 4 KiB entries only, so that a single frame can be taken away. All tables come from a pool of
    /// the guest's own, because nothing is allocated once guests run; if a guest is made anew, its
    /// tables are, too.
    ///
    /// - Invariant: *(leaves)* behind the root lie the tables of the lowest level for frames below
    ///   `leafFrames`, in their order: the entry of such a frame is found without a walk.
    struct NestedTables: BitwiseCopyable {
        /// Address of the root table, for the control block; the pool's first.
        let root: UInt64
        private let leafFrames: UInt64
        private var poolNext: UInt64
        private let poolEnd: UInt64

        private static var present: UInt64 { 1 }
        private static var writable: UInt64 { 2 }
        private static var user: UInt64 { 4 }
        private static var noExecute: UInt64 { 1 << 63 }
        /// One of the bits that the processor leaves to software: the frame is another domain's.
        private static var foreign: UInt64 { 1 << 9 }
        private static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }

        /// How many tables a guest's later mappings may take: 64 for the 128 MiB in which Linux
        /// makes room for what others grant it, 8 for devices, and a few for the rest.
        private static var reserveTables: UInt64 { 88 }

        /// Makes empty tables, with room for a guest's memory, its firmware's pages and what it
        /// maps later.
        ///
        /// - Throws: `.outOfMemory`.
        init(frameCount: UInt64, _ memory: inout BootMemory) throws(BootFailure) {
            var count = NestedTables.reserveTables + 8
            var covered = frameCount
            for _ in 0..<3 {
                covered = (covered + 511) / 512
                count += covered
            }
            root = try memory.reserve(size: count * 4096)
            poolEnd = root + count * 4096
            leafFrames = (frameCount + 511) & ~511
            poolNext = root + 4096 + leafFrames * 8
        }

        /// Forgets all mappings, and takes all tables back.
        mutating func clear() {
            PhysicalMemory.zero(root, size: poolNext - root)
            poolNext = leaf(leafFrames)
            // INVARIANT (leaves): kept here, and by nobody's replacing one.
            for first in stride(from: 0, to: leafFrames, by: 512) {
                let frame = GuestFrame(number: first)
                let slot = table(frame, level: 1) + NestedTables.index(frame, level: 1) * 8
                PhysicalMemory.store64(slot, leaf(first) | 7)
            }
        }

        /// Where the entry of a frame below `leafFrames` is.
        private func leaf(_ number: UInt64) -> UInt64 { root + 4096 + number * 8 }

        private static func index(_ frame: GuestFrame, level: Int) -> UInt64 {
            (frame.number >> UInt64(9 * level)) & 511
        }

        /// Maps a frame of the guest's own while it is built.
        mutating func map(
            _ frame: GuestFrame, to machineFrame: MachineFrame, executable: Bool,
            writable: Bool = true
        ) {
            let access = NestedTables.user | (writable ? NestedTables.writable : 0)
            let entry = machineFrame.number << 12 | access
            set(frame, entry | (executable ? 0 : NestedTables.noExecute))
        }

        /// The entry of a frame; 0 when nothing is mapped.
        @inline(__always) func entry(_ frame: GuestFrame) -> UInt64 {
            frame.number < leafFrames
                ? PhysicalMemory.load64(leaf(frame.number))
                : find(frame).map { PhysicalMemory.load64($0) } ?? 0
        }

        /// Where the entry of a frame is; nil: there is no table for it.
        @inline(never) private func find(_ frame: GuestFrame) -> UInt64? {
            guard frame.number < 1 << 36 else { return nil }
            var table = root
            for level in stride(from: 3, to: 0, by: -1) {
                let slot = table + NestedTables.index(frame, level: level) * 8
                let entry = PhysicalMemory.load64(slot)
                guard entry & NestedTables.present != 0 else { return nil }
                table = entry & NestedTables.addressMask
            }
            return table + NestedTables.index(frame, level: 0) * 8
        }

        /// The machine frame that is mapped at `frame`.
        @inline(__always) func machineFrame(_ frame: GuestFrame) -> MachineFrame? {
            let entry = entry(frame)
            guard entry & NestedTables.present != 0 else { return nil }
            return MachineFrame(number: (entry & NestedTables.addressMask) >> 12)
        }

        /// Whether `mapLate` will find the tables it needs. Frames at or above 2³⁰ (4 TiB) are
        /// refused: no guest needs them, and the tables are few.
        func canMapLate(_ frame: GuestFrame) -> Bool {
            guard frame.number < 1 << 30 else { return false }
            var table = root
            var missing: UInt64 = 0
            for level in stride(from: 3, to: 0, by: -1) {
                if missing > 0 {
                    missing += 1
                    continue
                }
                let slot = table + NestedTables.index(frame, level: level) * 8
                let entry = PhysicalMemory.load64(slot)
                if entry & NestedTables.present == 0 {
                    missing = 1
                } else {
                    table = entry & NestedTables.addressMask
                }
            }
            return missing * 4096 <= poolEnd - poolNext
        }

        /// Whether a frame of another domain, or a device's, is or may come to be at `frame`.
        func isForeign(_ frame: GuestFrame) -> Bool { entry(frame) & NestedTables.foreign != 0 }

        /// Maps a frame of another domain; code in it cannot be executed.
        ///
        /// - Precondition: `canMapLate` said so.
        mutating func mapForeign(
            _ frame: GuestFrame, to machineFrame: MachineFrame, writable: Bool
        ) {
            let access = NestedTables.user | (writable ? NestedTables.writable : 0)
            set(
                frame,
                machineFrame.number << 12 | access | NestedTables.foreign | NestedTables.noExecute)
        }

        /// Maps a frame of a device's I/O memory where the machine has it, uncached; or takes it
        /// away, and keeps its place.
        mutating func setDevice(_ number: UInt64, isPermitted: Bool) {
            let access = 0x18 | NestedTables.user | NestedTables.writable | NestedTables.present
            let place =
                table(GuestFrame(number: number), level: 0) + (number & 511) * 8
            PhysicalMemory.store64(
                place,
                number << 12 | NestedTables.foreign | NestedTables.noExecute
                    | (isPermitted ? access : 0))
        }

        /// Takes a foreign frame out of the tables.
        ///
        /// - Precondition: `isForeign` said so.
        func unmapForeign(_ frame: GuestFrame) {
            guard let place = find(frame), isForeign(frame) else {
                preconditionFailure("no foreign frame is mapped there")
            }
            PhysicalMemory.store64(place, 0)
        }

        /// Maps a data frame of the domain's own while guests run.
        ///
        /// - Precondition: `canMapLate` said so.
        mutating func mapLate(_ frame: GuestFrame, to machineFrame: MachineFrame) {
            map(frame, to: machineFrame, executable: false)
        }

        private mutating func set(_ frame: GuestFrame, _ entry: UInt64) {
            let slot = table(frame, level: 0) + NestedTables.index(frame, level: 0) * 8
            PhysicalMemory.store64(slot, entry | NestedTables.present)
        }

        /// The table of a level that a frame's entry is in or behind; what is missing is made.
        private mutating func table(_ frame: GuestFrame, level last: Int) -> UInt64 {
            var table = root
            for level in stride(from: 3, to: last, by: -1) {
                let slot = table + NestedTables.index(frame, level: level) * 8
                let upper = PhysicalMemory.load64(slot)
                if upper & NestedTables.present != 0 {
                    table = upper & NestedTables.addressMask
                } else {
                    precondition(poolNext < poolEnd, "the pool of page tables is empty")
                    table = poolNext
                    poolNext += 4096
                    PhysicalMemory.store64(slot, table | 7)
                }
            }
            return table
        }
    }

#endif
