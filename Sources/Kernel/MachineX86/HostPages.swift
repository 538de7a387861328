#if hasFeature(Embedded)

    import CMachine

    /// The hypervisor's own page tables, which all processors share: memory at its own addresses.
    /// Nothing in them changes once a second processor runs.
    enum HostPages {
        private static var noExecute: UInt64 { 1 << 63 }

        /// Maps everything as data, not executable, but for the image's text; read-only what is not
        /// written; and nothing at page 0 and below the boot stack. The image lies within the first
        /// 2 MiB, which get 4 KiB pages.
        static func protectImage(_ memory: inout BootMemory) throws(BootFailure) {
            let table = try memory.reserve(size: 4096)
            precondition(machine_image_end() <= 0x20_0000, "the image is too long")
            for page in 0..<UInt64(512) {
                let address = page << 12
                var entry = address | 3 | noExecute
                if address >= machine_image_start(), address < machine_rodata_start() {
                    entry = address | 1
                } else if address >= machine_rodata_start(), address < machine_data_start() {
                    entry = address | 1 | noExecute
                }
                let isGuard = address == 0 || address == machine_stack_guard()
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

        /// The directory of the GiB that an address is in; 0: nothing is mapped there.
        private static func directory(_ address: UInt64) -> UInt64 {
            PhysicalMemory.load64(machine_directory_pointers() + (address >> 30) * 8) & ~0xfff
        }

        /// Maps free memory above 4 GiB as data, the whole 2 MiB pages of it, and adds those to
        /// what there is.
        ///
        /// - Parameter end: at most `PhysicalMemory.end`.
        /// - Throws: `.outOfMemory`, when there is none for the tables: 4 KiB for each GiB.
        @inline(never) static func map(
            _ start: UInt64, _ end: UInt64, _ memory: inout BootMemory
        ) throws(BootFailure) {
            guard start < end else { return }
            let (first, end) = ((start + 0x1f_ffff) & ~0x1f_ffff, end & ~0x1f_ffff)
            for address in stride(from: first, to: end, by: 0x20_0000) {
                if directory(address) == 0 {
                    PhysicalMemory.store64(
                        machine_directory_pointers() + (address >> 30) * 8,
                        try memory.reserve(size: 4096) | 3)
                }
                PhysicalMemory.store64(
                    directory(address) + (address >> 21 & 511) * 8, address | 0x83 | noExecute)
            }
            memory.add(first, end)
        }

        /// Takes a page out of the map, so that touching it faults.
        ///
        /// - Throws: `.outOfMemory`, when the 2 MiB page that it is in cannot be split.
        static func unmap(_ address: UInt64, _ memory: inout BootMemory) throws(BootFailure) {
            let place = directory(address) + (address >> 21 & 511) * 8
            var entry = PhysicalMemory.load64(place)
            if entry & 1 << 7 != 0 {
                let table = try memory.reserve(size: 4096)
                let first = address & ~0x1f_ffff
                for page in 0..<UInt64(512) {
                    PhysicalMemory.store64(table + page * 8, first + page << 12 | 3 | noExecute)
                }
                entry = table | 3
                PhysicalMemory.store64(place, entry)
            }
            PhysicalMemory.store64((entry & ~0xfff) + (address >> 12 & 511) * 8, 0)
            machine_set_cr3(machine_cr3())
        }
    }

#endif
