#if hasFeature(Embedded)

    import CMachine

    /// A 16550 serial port, polled.
    public struct SerialPort: BitwiseCopyable {
        private let base: UInt16

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

        /// Sends one byte; gives up when the port does not take it within a bounded wait.
        public func write(_ byte: UInt8) {
            for _ in 0..<1_000_000 where machine_in8(base + 5) & 0x20 != 0 {
                machine_out8(base, byte)
                return
            }
        }

        /// Waits, for a bounded time, until all bytes have left.
        public func drain() {
            for _ in 0..<1_000_000 where machine_in8(base + 5) & 0x40 != 0 { return }
        }

        /// The port's registers among the I/O ports.
        public var registers: ClosedRange<UInt16> { base...base + 7 }

        /// The next byte received, if there is one.
        public func read() -> UInt8? {
            machine_in8(base + 5) & 1 != 0 ? machine_in8(base) : nil
        }
    }

#endif
