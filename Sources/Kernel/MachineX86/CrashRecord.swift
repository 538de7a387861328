#if hasFeature(Embedded)

    import CMachine

    /// The last words of a machine, in a page that a reset leaves alone, and the firmware and the
    /// boot loader after it: the next boot prints them.
    ///
    /// - Layout: `u64` magic, `u64` checksum over what follows, `u64` processor, `u64` exception
    ///   number, `u64` error code, `u64` instruction, `u64` stack, `u64` address, `u64` ticks of
    ///   the time-stamp counter, `u64` length of the text, then the text, at most 256 bytes of
    ///   ASCII.
    public struct CrashRecord: BitwiseCopyable {
        /// Its page, in the lowest 640 KiB. Pages above 1 MiB do not last: OVMF and GRUB lie there
        /// before the image does.
        static var address: UInt64 { 0x9_d000 }
        private static var magic: UInt64 { 0x3148_5341_5243_5343 }
        private static var size: UInt64 { 80 + 256 }

        /// The numbers, in the order of the layout, from the processor on.
        public var numbers = InlineArray<7, UInt64>(repeating: 0)

        /// The words for the numbers.
        public static var names: InlineArray<7, StaticString> {
            [
                "processor", "exception", "error code", "instruction", "stack", "address",
                "ticks since reset",
            ]
        }

        /// A record of zeros.
        public init() {}

        private static func checksum() -> UInt64 {
            // FNV-1a, 64 bits.
            var sum: UInt64 = 0xcbf2_9ce4_8422_2325
            for offset in 16..<size {
                // WRAPS: the hash is defined modulo 2^64.
                sum = (sum ^ UInt64(PhysicalMemory.load8(address + offset))) &* 0x100_0000_01b3
            }
            return sum
        }

        /// Leaves the record for the next boot.
        public func leave(_ reason: StaticString) {
            let address = CrashRecord.address
            PhysicalMemory.zero(address, size: 4096)
            for index in numbers.indices {
                PhysicalMemory.store64(address + 16 + UInt64(index) * 8, numbers[index])
            }
            let length = min(reason.byteCount, 256)
            PhysicalMemory.store64(address + 72, UInt64(length))
            for index in 0..<length {
                PhysicalMemory.store8(address + 80 + UInt64(index), reason.byte(at: index))
            }
            PhysicalMemory.store64(address + 8, CrashRecord.checksum())
            PhysicalMemory.store64(address, CrashRecord.magic)
        }

        /// Takes the record that the last boot left, if there is a whole one; it is gone then.
        ///
        /// - Returns: its numbers, and its text within the page.
        public static func take() -> (record: CrashRecord, text: InlineArray<256, UInt8>, Int)? {
            guard PhysicalMemory.load64(address) == magic,
                PhysicalMemory.load64(address + 8) == checksum()
            else { return nil }
            var record = CrashRecord()
            for index in record.numbers.indices {
                record.numbers[index] = PhysicalMemory.load64(address + 16 + UInt64(index) * 8)
            }
            var text = InlineArray<256, UInt8>(repeating: 0)
            let length = Int(min(PhysicalMemory.load64(address + 72), 256))
            for index in 0..<length {
                text[index] = PhysicalMemory.load8(address + 80 + UInt64(index))
            }
            PhysicalMemory.zero(address, size: 4096)
            return (record, text, length)
        }
    }

    /// How a processor stops the others, once and for all.
    public enum Panic {
        private static var flag: UInt64 { machine_word(3) }

        /// Makes the caller the one who speaks, and stops the others.
        ///
        /// - Returns: false when another was first.
        public static func begin() -> Bool {
            guard machine_exchange(flag, 1) == 0 else { return false }
            LocalAPIC.sendToOthers(.nonMaskable)
            return true
        }

        /// Whether a processor has begun.
        public static var hasBegun: Bool { machine_acquire(flag) != 0 }

        /// The local APIC's identifier of the processor that asks.
        public static var processor: UInt64 { UInt64(LocalAPIC.identifier) }

        /// The time-stamp counter.
        public static var ticks: UInt64 { machine_rdtsc() }
    }

#endif
