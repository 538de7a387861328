#if hasFeature(Embedded)

    import CMachine
    public import TPMDevice

    /// The TPM's registers, memory-mapped at FED4_0000, locality 0.
    public struct TPMWindow: TPMRegisters {
        private static var base: UInt64 { 0xfed4_0000 }

        /// How many ticks of the time-stamp counter a millisecond has.
        public let ticksPerMillisecond: UInt64

        /// Takes the clock's measure of the counter.
        public init(clock: Clock) {
            ticksPerMillisecond = clock.frequency / 1000
        }

        private func place(_ offset: UInt32) -> UInt64 {
            precondition(offset < 0x1000, "an offset leaves locality 0")
            return TPMWindow.base + UInt64(offset)
        }

        /// Reads one byte.
        public mutating func read8(_ offset: UInt32) -> UInt8 {
            PhysicalMemory.load8(place(offset))
        }

        /// Reads four bytes.
        public mutating func read32(_ offset: UInt32) -> UInt32 {
            PhysicalMemory.load32(place(offset))
        }

        /// Writes one byte.
        public mutating func write8(_ offset: UInt32, _ value: UInt8) {
            PhysicalMemory.store8(place(offset), value)
        }

        /// Writes four bytes.
        public mutating func write32(_ offset: UInt32, _ value: UInt32) {
            PhysicalMemory.store32(place(offset), value)
        }

        /// The time-stamp counter.
        public mutating func tick() -> UInt64 { machine_rdtsc() }
    }

#endif
