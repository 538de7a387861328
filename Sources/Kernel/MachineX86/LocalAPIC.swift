#if hasFeature(Embedded)

    import CMachine

    /// The local APIC of the processor that asks, through its registers in memory (AMD64 APM
    /// volume 2, chapter 16).
    enum LocalAPIC {
        private static var base: UInt64 { 0xfee0_0000 }
        /// The vector of the timer's interrupt.
        static var timerVector: UInt32 { 0x50 }
        /// The vector by which one processor has another look at what changed.
        static var kickVector: UInt32 { 0x51 }

        /// Switches it on, with the timer stopped and divided by 1.
        static func start() {
            PhysicalMemory.store32(base + 0xf0, 0x1ff)
            PhysicalMemory.store32(base + 0x80, 0)
            PhysicalMemory.store32(base + 0x3e0, 0xb)
            PhysicalMemory.store32(base + 0x320, 1 << 16)
        }

        /// Ends the interrupt of the highest priority that it holds.
        static func acknowledge() { PhysicalMemory.store32(base + 0xb0, 0) }

        /// Its identifier.
        static var identifier: UInt32 { PhysicalMemory.load32(base + 0x20) >> 24 }

        /// Has the timer count down from `ticks`, once.
        static func count(_ ticks: UInt32, interrupting: Bool) {
            PhysicalMemory.store32(base + 0x320, interrupting ? timerVector : 1 << 16)
            PhysicalMemory.store32(base + 0x380, ticks)
        }

        /// What the timer has left to count.
        static var ticksLeft: UInt32 { PhysicalMemory.load32(base + 0x390) }

        /// What one processor can send another.
        enum Command {
            /// The kick's interrupt.
            case kick
            /// A non-maskable interrupt.
            case nonMaskable
            /// INIT.
            case initialize
            /// A startup interrupt, with the page to start at.
            case startup(page: UInt32)

            var bits: UInt32 {
                switch self {
                case .kick: 0x4000 | kickVector
                case .nonMaskable: 0x4400
                case .initialize: 0x4500
                case .startup(let page): 0x4600 | page
                }
            }
        }

        /// Sends a command to the processor with this identifier, and waits until it is accepted;
        /// bounded.
        static func send(_ command: Command, to identifier: UInt32) {
            PhysicalMemory.store32(base + 0x310, identifier << 24)
            PhysicalMemory.store32(base + 0x300, command.bits)
            waitUntilAccepted()
        }

        /// Sends a command to all other processors.
        static func sendToOthers(_ command: Command) {
            PhysicalMemory.store32(base + 0x300, command.bits | 3 << 18)
            waitUntilAccepted()
        }

        private static func waitUntilAccepted() {
            for _ in 0..<1_000_000 where PhysicalMemory.load32(base + 0x300) & 1 << 12 == 0 {
                return
            }
        }
    }

#endif
