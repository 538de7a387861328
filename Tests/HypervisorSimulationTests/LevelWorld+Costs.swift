import HypervisorCore
import TestSupport

/// Hypercalls that take time.
extension LevelWorld {
    /// What hypercalls take, and who has the kernel's lock meanwhile. No call is interrupted: one
    /// that begins before the end of its slot goes on to its end, and the next slot begins late.
    struct Costs {
        /// The longest that a call takes, in nanoseconds.
        static let longest: UInt64 = 20_000
        /// Low domains make their calls at multiples of this, in nanoseconds; each slot begins at
        /// one, and none of them is reached by a call of the slot before.
        static let grid: UInt64 = 25_000

        /// Whether the schedule forgets when its frame began, and goes on where it was late.
        let slips: Bool
        /// How late the schedule is for good.
        private(set) var slipped: UInt64 = 0
        /// Until when somebody has the lock.
        private(set) var lockedUntil: UInt64 = 0
        /// How many calls of high domains went on beyond the end of their slot.
        private(set) var overrunCount = 0

        init(slips: Bool = false) { self.slips = slips }

        fileprivate mutating func lock(until end: UInt64, slotEnd: UInt64, isHigh: Bool) {
            lockedUntil = end
            guard isHigh, end > slotEnd else { return }
            overrunCount += 1
            if slips { slipped += end - slotEnd }
        }

        /// Takes out of a domain's memory what tells when it came to a processor: the time records
        /// of its processors, and what it is told of how their time was spent.
        static func blank(_ bytes: inout [UInt8]) {
            let records = 16 * 4096
            let ranges = [
                0x1900..<0x1980, records + 32..<records + 64, records + 96..<records + 128,
            ]
            for place in ranges.joined() { bytes[place] = 0 }
        }
    }

    /// Has a call take its time.
    ///
    /// - Returns: when it ends; nil: calls take no time, or there was none.
    mutating func lock(_ cpu: VirtualCPUID, slotEnd: UInt64) -> UInt64? {
        let domain = cpu.domain.number
        guard costs != nil, isBusy || LevelWorld.low.contains(domain) else { return nil }
        let end = simulation.memory.now + 1 + UInt64(random(Int(Costs.longest), of: domain))
        let isHigh = !LevelWorld.low.contains(domain)
        costs?.lock(until: end, slotEnd: slotEnd, isHigh: isHigh)
        return end
    }

    /// When a domain makes its next call. Where calls take time low ones make theirs at moments of
    /// a grid, so that they do the same whether they came to the processor in time or late;
    /// which of a domain's processors comes first may depend on that, so nothing is drawn.
    mutating func nextCall(_ cpu: VirtualCPUID) -> UInt64 {
        let now = simulation.memory.now
        guard costs != nil, LevelWorld.low.contains(cpu.domain.number) else {
            return now + pause(cpu)
        }
        let moment = (now - origin) / Costs.grid
        let mixed =
            (moment &* 8 &+ UInt64(cpu.number) &+ UInt64(cpu.domain.number) << 32)
            &* 0x9E37_79B9_7F4A_7C15
        return origin + (moment + 1 + mixed >> 63) * Costs.grid
    }
}
