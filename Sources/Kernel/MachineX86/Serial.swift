#if hasFeature(Embedded)

    import CMachine

    /// A 16550 serial port, polled.
    public struct SerialPort: BitwiseCopyable {
        /// How long a byte waits, in ticks of the time-stamp counter: two seconds and more. A
        /// port that is not emulated needs a millisecond; who reads from an emulated one may be
        /// stopped for longer.
        private static var patience: UInt64 { 1 << 33 }

        private let base: UInt16
        /// Whether the last byte was not taken in time. Then none waits until one is.
        private var isStuck = false
        /// How many bytes were not taken in time, and not told of.
        private var lostCount: UInt64 = 0

        /// COM1: log and consoles.
        public static var first: SerialPort { SerialPort(base: 0x3f8) }
        /// COM2: control frames.
        public static var second: SerialPort { SerialPort(base: 0x2f8) }

        /// Sets 115,200 baud, 8 bits, no parity, FIFO on, no interrupts.
        public func start() {
            machine_out8(base + 1, 0)
            machine_out8(base + 3, 0x80)
            machine_out8(base, 1)
            machine_out8(base + 1, 0)
            machine_out8(base + 3, 3)
            machine_out8(base + 2, 7)
            machine_out8(base + 4, 3)
        }

        private init(base: UInt16) { self.base = base }

        /// Sends one byte; gives it up, and counts it, when the port does not take it in time.
        @inline(never) public mutating func write(_ byte: UInt8) {
            guard waits(for: 0x20) else {
                lostCount += 1
                return
            }
            machine_out8(base, byte)
        }

        /// Waits, for a bounded time, until all bytes have left.
        public mutating func drain() { _ = waits(for: 0x40) }

        /// Returns how many bytes were given up since it was last asked.
        public mutating func takeLostCount() -> UInt64 {
            defer { lostCount = 0 }
            return lostCount
        }

        /// Waits until a bit of the line's status is set; false when that takes too long.
        @inline(never) private mutating func waits(for bit: UInt8) -> Bool {
            let start = machine_rdtsc()
            while machine_in8(base + 5) & bit == 0 {
                isStuck = isStuck || machine_rdtsc() &- start > SerialPort.patience
                if isStuck { return false }
            }
            isStuck = false
            return true
        }

        /// The port's registers among the I/O ports.
        public var registers: ClosedRange<UInt64> { UInt64(base)...UInt64(base) + 7 }

        /// The next byte received, if there is one.
        public func read() -> UInt8? {
            machine_in8(base + 5) & 1 != 0 ? machine_in8(base) : nil
        }
    }

#endif
