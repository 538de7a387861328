#if hasFeature(Embedded)

    /// The processors that the firmware names: in ACPI's MADT (ACPI 6.4, 5.2.12), or else in the
    /// older table of the MultiProcessor Specification 1.4, chapter 4. QEMU's loader may have put
    /// the boot bundle where SeaBIOS had put ACPI's tables; the other is in the F segment.
    ///
    /// - Trust: the tables are the firmware's. They are read once, within bounds; one that makes no
    ///   sense names nobody, and the machine runs on the processor that booted.
    public struct FirmwareTables: BitwiseCopyable {
        /// The most processors that the hypervisor runs on.
        public static var processorLimit: Int { 32 }

        /// The identifiers of the processors' local APICs, of which the first `count` count.
        public private(set) var identifiers = InlineArray<32, UInt32>(repeating: 0)
        /// How many of them there are.
        public private(set) var count = 0
        /// Where the firmware's event log is, and how long its area is; size 0: there is none.
        private(set) var log: (address: UInt64, size: UInt64) = (4096, 0)

        /// Reads what is found from `pointer`, the machine address of the RSDP.
        public init(_ pointer: UInt64) {
            readACPI(pointer)
            if count == 0 { readMultiprocessorTable() }
        }

        private mutating func readACPI(_ pointer: UInt64) {
            guard FirmwareTables.isMapped(pointer, 36), pointer >= 4096,
                PhysicalMemory.load64(pointer) == 0x2052_5450_2044_5352
            else { return }
            let extended =
                PhysicalMemory.load8(pointer + 15) >= 2 ? PhysicalMemory.load64(pointer + 24) : 0
            if extended != 0 {
                readRoot(extended, entrySize: 8)
            } else {
                readRoot(UInt64(PhysicalMemory.load32(pointer + 16)), entrySize: 4)
            }
        }

        private static func isMapped(_ address: UInt64, _ size: UInt64) -> Bool {
            address < PhysicalMemory.limit && size <= PhysicalMemory.limit - address
        }

        /// The length of a table whose header and body can be read, and whose checksum is right.
        private static func length(_ table: UInt64) -> UInt64? {
            guard table >= 4096, isMapped(table, 36) else { return nil }
            let length = UInt64(PhysicalMemory.load32(table + 4))
            guard length >= 36, length <= 65_536, isMapped(table, length) else { return nil }
            return sum(table, length) == 0 ? length : nil
        }

        private static func sum(_ start: UInt64, _ size: UInt64) -> UInt8 {
            var sum: UInt8 = 0
            // WRAPS: checksums are defined modulo 256.
            for offset in 0..<size { sum = sum &+ PhysicalMemory.load8(start + offset) }
            return sum
        }

        private mutating func readRoot(_ table: UInt64, entrySize: UInt64) {
            guard let length = FirmwareTables.length(table) else { return }
            for index in 0..<(length - 36) / entrySize {
                let place = table + 36 + index * entrySize
                let entry =
                    entrySize == 8
                    ? PhysicalMemory.load64(place) : UInt64(PhysicalMemory.load32(place))
                guard let size = FirmwareTables.length(entry) else { continue }
                switch PhysicalMemory.load32(entry) {
                case 0x4349_5041: readProcessors(entry, size)
                case 0x4150_4354 where size >= 50: noteLog(entry, sizeAt: 38, addressAt: 42)
                case 0x324d_5054 where size >= 76: noteLog(entry, sizeAt: 64, addressAt: 68)
                default: break
                }
            }
        }

        /// Takes the area that a TCPA (client) or TPM2 table names, if it is the first with a log
        /// in it (TCG ACPI Specification 1.4, 7 and 8): emulators add empty ones.
        @inline(never)
        private mutating func noteLog(_ table: UInt64, sizeAt: UInt64, addressAt: UInt64) {
            let size = min(UInt64(PhysicalMemory.load32(table + sizeAt)), 262_144)
            let address = PhysicalMemory.load64(table + addressAt)
            guard log.size == 0, size >= 32, address >= 4096,
                FirmwareTables.isMapped(address, size)
            else { return }
            // The first record's type: an area that was never written has 0, or all ones.
            let type = PhysicalMemory.load32(address + 4)
            if type != 0, type != .max { log = (address, size) }
        }

        /// Takes the entries of enabled local APICs: types 0 and 9.
        private mutating func readProcessors(_ table: UInt64, _ length: UInt64) {
            var offset: UInt64 = 44
            while offset + 8 <= length {
                let type = PhysicalMemory.load8(table + offset)
                let size = UInt64(PhysicalMemory.load8(table + offset + 1))
                guard size >= 8 || size >= 2 && type != 0 && type != 9 else { return }
                if type == 0, PhysicalMemory.load32(table + offset + 4) & 1 == 1 {
                    add(UInt32(PhysicalMemory.load8(table + offset + 3)))
                } else if type == 9, size >= 16, offset + 16 <= length,
                    PhysicalMemory.load32(table + offset + 8) & 1 == 1
                {
                    add(PhysicalMemory.load32(table + offset + 4))
                }
                offset += size
            }
        }

        /// Looks for the floating pointer in the F segment, and takes the processor entries (type
        /// 0, 20 bytes), which come first.
        private mutating func readMultiprocessorTable() {
            for pointer in stride(from: UInt64(0xf0000), to: 0x10_0000, by: 16)
            where PhysicalMemory.load32(pointer) == 0x5f50_4d5f
                && FirmwareTables.sum(pointer, 16) == 0
            {
                let table = UInt64(PhysicalMemory.load32(pointer + 4))
                guard table >= 4096, FirmwareTables.isMapped(table, 65_536),
                    PhysicalMemory.load32(table) == 0x504d_4350
                else { return }
                let length = UInt64(PhysicalMemory.load16(table + 4))
                guard length >= 44, FirmwareTables.sum(table, length) == 0 else { return }
                var offset: UInt64 = 44
                while offset + 20 <= length, PhysicalMemory.load8(table + offset) == 0 {
                    if PhysicalMemory.load8(table + offset + 3) & 1 == 1 {
                        add(UInt32(PhysicalMemory.load8(table + offset + 1)))
                    }
                    offset += 20
                }
                return
            }
        }

        /// Keeps an identifier that the APIC's registers in memory can name, once.
        @inline(never) private mutating func add(_ identifier: UInt32) {
            guard identifier < 255, count < FirmwareTables.processorLimit else { return }
            for index in 0..<count where identifiers[index] == identifier { return }
            identifiers[count] = identifier
            count += 1
        }

        /// Whether the processor with this identifier is to run: the one that boots, and of every
        /// other core the first thread. Its siblings stay off, as they would share its caches and
        /// predictors with another compartment.
        public func isUsed(_ index: Int, _ processor: Processor) -> Bool {
            let mask = ~(processor.threadsPerCore - 1)
            let own = LocalAPIC.identifier
            let identifier = identifiers[index]
            return identifier & mask == identifier && identifier & mask != own & mask
        }
    }

#endif
