#if hasFeature(Embedded)

    import CMachine
    public import HypervisorCore

    /// System time from the time-stamp counter, and the local APIC's timer, both measured against
    /// the PIT once (Intel 8254, channel 2, 1,193,182 Hz).
    public struct Clock: BitwiseCopyable {
        /// The counter when time began.
        private let origin: UInt64
        private let multiplier: UInt32
        private let shift: Int8
        /// TSC ticks for each second.
        public let frequency: UInt64
        private let timerTicksPerMillisecond: UInt64

        /// What the processor that asks has its counter ahead of the first processor's.
        var skew: UInt64 = 0

        /// Switches the local APIC on, all other interrupts off, and measures both counters for
        /// 50 ms.
        public init() {
            machine_out8(0x21, 0xff)
            machine_out8(0xa1, 0xff)
            LocalAPIC.start()
            InterruptController.shutAll()
            LocalAPIC.count(.max, interrupting: false)
            let before = machine_rdtsc()
            Clock.waitForPIT(ticks: 59_659)
            let after = machine_rdtsc()
            let left = LocalAPIC.ticksLeft
            timerTicksPerMillisecond = max(1, UInt64(UInt32.max - left) / 50)
            frequency = max(1_000_000, (after &- before) * 20)
            origin = after
            (multiplier, shift) = Clock.scale(frequency)
        }

        /// Waits until channel 2 has counted `ticks` down. Bounded: a PIT that never says so ends
        /// the wait after a number of polls.
        private static func waitForPIT(ticks: UInt16) {
            machine_out8(0x61, (machine_in8(0x61) & ~2) | 1)
            machine_out8(0x43, 0xb0)
            machine_out8(0x42, UInt8(truncatingIfNeeded: ticks))
            machine_out8(0x42, UInt8(truncatingIfNeeded: ticks >> 8))
            for _ in 0..<10_000_000 where machine_in8(0x61) & 0x20 != 0 { return }
        }

        /// The multiplier and shift of `TimeRecord` for a counter of `frequency` Hz.
        private static func scale(_ frequency: UInt64) -> (UInt32, Int8) {
            var scaled = frequency
            var shift: Int8 = 0
            while scaled > 2_000_000_000 {
                scaled >>= 1
                shift -= 1
            }
            while scaled <= 1_000_000_000 {
                scaled <<= 1
                shift += 1
            }
            return (UInt32(truncatingIfNeeded: (1_000_000_000 << 32) / scaled), shift)
        }

        private func nanoseconds(_ ticks: UInt64) -> UInt64 {
            let shifted = shift >= 0 ? ticks << UInt64(shift) : ticks >> UInt64(-shift)
            let product = shifted.multipliedFullWidth(by: UInt64(multiplier))
            return product.high << 32 | product.low >> 32
        }

        /// Nanoseconds since `origin`. All processors agree.
        public func now() -> UInt64 { nanoseconds(machine_rdtsc() &- skew &- origin) }

        /// Waits, doing nothing.
        func wait(microseconds: UInt64) {
            let end = now() + microseconds * 1_000
            while now() < end { machine_pause() }
        }

        /// The record that lets a guest compute the same. Guests read the first processor's counter
        /// wherever they run, by way of their control block's offset.
        func record() -> TimeRecord {
            let counter = machine_rdtsc() &- skew
            return TimeRecord(
                tscTimestamp: counter, systemTime: nanoseconds(counter &- origin),
                tscToSystemMultiplier: multiplier, tscShift: shift)
        }

        /// Arms the timer's interrupt, once.
        ///
        /// - Units: nanoseconds from now; at least a microsecond and at most a second are used.
        public func arm(nanoseconds: UInt64) {
            let bounded = min(max(nanoseconds, 1_000), 1_000_000_000)
            let ticks = bounded * timerTicksPerMillisecond / 1_000_000
            LocalAPIC.count(
                UInt32(truncatingIfNeeded: min(max(ticks, 1), 0xffff_ffff)), interrupting: true)
        }

        /// Seconds since 1970 of the machine's real-time clock (MC146818, in UTC); 0 when it makes
        /// no sense.
        public static func wallClockSeconds() -> UInt64 {
            for _ in 0..<100_000 where rtc(0x0a) & 0x80 == 0 { break }
            let binary = rtc(0x0b) & 4 != 0
            func field(_ register: UInt8) -> UInt64 {
                let value = UInt64(rtc(register))
                return binary ? value : (value >> 4) * 10 + (value & 15)
            }
            let (year, month, day) = (2000 + field(9), field(8), field(7))
            guard month >= 1, month <= 12, day >= 1, day <= 31 else { return 0 }
            let shifted = month > 2 ? year : year - 1
            let days =
                365 * shifted + shifted / 4 - shifted / 100 + shifted / 400
                + (153 * ((month + 9) % 12) + 2) / 5 + day - 1
            return (days - 719_468) * 86_400 + field(4) * 3_600 + field(2) * 60 + field(0)
        }

        private static func rtc(_ register: UInt8) -> UInt8 {
            machine_out8(0x70, register | 0x80)
            return machine_in8(0x71)
        }
    }

#endif
