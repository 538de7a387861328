#if hasFeature(Embedded)

    import CMachine

    /// What a PVH loader passes (Xen public `arch-x86/hvm/start_info.h`): here it is the hypervisor
    /// that is started by the protocol which it also offers its guests.
    public enum StartInfo {
        /// The one module: the boot bundle.
        ///
        /// - Returns: its machine address and size in bytes; size 0 when there is not exactly one.
        public static func module(_ address: UInt64) -> (address: UInt64, size: UInt64) {
            guard isValid(address), PhysicalMemory.load32(address + 12) == 1 else { return (0, 0) }
            let list = PhysicalMemory.load64(address + 16)
            return (PhysicalMemory.load64(list), PhysicalMemory.load64(list + 8))
        }

        private static func isValid(_ address: UInt64) -> Bool {
            PhysicalMemory.load32(address) == 0x336e_c578 && PhysicalMemory.load32(address + 4) >= 1
        }

        /// The bytes of a module.
        @_lifetime(immortal)
        public static func bytes(_ module: (address: UInt64, size: UInt64)) -> Span<UInt8> {
            PhysicalMemory.bytes(at: module.address, count: Int(module.size))
        }

        /// The command line, or the first 4,095 bytes of it.
        @_lifetime(immortal)
        public static func commandLine(_ address: UInt64) -> Span<UInt8> {
            let start = isValid(address) ? PhysicalMemory.load64(address + 24) : 0
            guard start >= 4096, start <= PhysicalMemory.limit - 4096 else { return Span() }
            var count = 0
            while count < 4095, PhysicalMemory.load8(start + UInt64(count)) != 0 { count += 1 }
            return PhysicalMemory.bytes(at: start, count: count)
        }

        /// Where the loader says that ACPI's tables begin (`rsdp_paddr`); 0 when it does not.
        public static func firmwareTables(_ address: UInt64) -> UInt64 {
            isValid(address) ? PhysicalMemory.load64(address + 32) : 0
        }

        /// The RAM from 2 MiB, below which the hypervisor is, to 512 GiB that the module is not in.
        /// What is above 4 GiB is mapped.
        ///
        /// - Throws: `.badStartInfo` when there is no memory map or no module; `.outOfMemory` when
        ///   what is below 4 GiB has no room for the tables of what is above.
        public static func memory(_ address: UInt64) throws(BootFailure) -> BootMemory {
            let module = module(address)
            let (moduleEnd, overflow) = module.address.addingReportingOverflow(module.size)
            guard module.size > 0, !overflow else { throw .badStartInfo }
            let count = PhysicalMemory.load32(address + 48)
            guard count > 0, count <= 128 else { throw .badStartInfo }
            var memory = BootMemory()
            // What is mapped already comes first. No range begins before the one ahead of it ends.
            var next: UInt64 = 1 << 21
            for pass in 0..<2 {
                let limit = pass == 0 ? PhysicalMemory.limit : PhysicalMemory.end
                for index in 0..<UInt64(count) {
                    let entry = PhysicalMemory.load64(address + 40) + index * 24
                    guard PhysicalMemory.load32(entry + 16) == 1 else { continue }
                    let start = max(PhysicalMemory.load64(entry), next)
                    // WRAPS: an end that is too high for a number is before the start.
                    let end = min(
                        PhysicalMemory.load64(entry) &+ PhysicalMemory.load64(entry + 8), limit)
                    let pieces: InlineArray<2, (start: UInt64, end: UInt64)> = [
                        (start, min(end, module.address)), (max(start, moduleEnd), end),
                    ]
                    for position in pieces.indices {
                        let piece = pieces[position]
                        if pass == 0 {
                            memory.add(piece.start, piece.end)
                        } else {
                            try HostPages.map(piece.start, piece.end, &memory)
                        }
                    }
                    next = max(next, end)
                }
                next = PhysicalMemory.limit
            }
            guard memory.freeBytes > 0 else { throw .badStartInfo }
            return memory
        }
    }

#endif
