#if hasFeature(Embedded)

    /// The machine's first I/O interrupt controller (Intel 82093AA, which chipsets still follow),
    /// where every PC has it.
    ///
    /// All lines are level-triggered, those of PCI, from 16 on, active low: a device has to hold
    /// its line until it is served. Each has the vector of its number.
    enum InterruptController {
        private static var base: UInt64 { 0xfec0_0000 }
        /// How many lines it has.
        static var lineCount: Int { 24 }
        /// The vector of the first line.
        static var firstVector: Int { 0x60 }

        /// Opens a line to the processor with this identifier, or shuts it.
        static func set(_ line: Int, isOpen: Bool, for identifier: UInt32) {
            let register = UInt32(0x10 + 2 * line)
            let polarity: UInt32 = line < 16 ? 0 : 1 << 13
            write(register + 1, identifier << 24)
            write(
                register,
                UInt32(firstVector + line) | polarity | 1 << 15 | (isOpen ? 0 : 1 << 16))
        }

        /// Shuts all lines: firmware may have left some open.
        static func shutAll() {
            for line in 0..<lineCount { set(line, isOpen: false, for: LocalAPIC.identifier) }
        }

        private static func write(_ register: UInt32, _ value: UInt32) {
            PhysicalMemory.store32(base, register)
            PhysicalMemory.store32(base + 16, value)
        }
    }

#endif
