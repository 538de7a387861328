public import BootArena

/// How many events one compartment may cause at another, so that a storm is paid for by who
/// sends it: beyond its budget a sender waits. No event is lost, and the receiver is interrupted no
/// oftener than the budget says.
///
/// The budget of an ordered pair fills by one event in each interval and holds `burst` of them.
///
/// - Invariant: *(bounded)* in any time t, a pair tells its receiver of at most `burst` + 1 + t
///   divided by its interval events.
public struct EventBudgets: ~Copyable {
    /// How many events a full budget holds.
    public static var burst: UInt64 { 64 }
    /// The interval of a pair for which the manifest names no rate: 10,000 events in a second.
    /// - Units: nanoseconds.
    public static var usualInterval: UInt64 { 100_000 }

    private let domainCount: Int
    /// The budget of an ordered pair.
    private struct Budget: BitwiseCopyable {
        /// In nanoseconds.
        var interval = EventBudgets.usualInterval
        /// When it is full again, in nanoseconds of system time.
        var fullAt: UInt64 = 0
    }

    private var budgets: ArenaTable<Budget>

    /// Makes full budgets of the usual interval for all pairs.
    ///
    /// - Throws: as `BootArena.reserve`.
    public init(domainCount: Int, arena: inout BootArena) throws(BootArenaError) {
        budgets = try arena.reserve(count: domainCount * domainCount, repeating: Budget())
        self.domainCount = domainCount
    }

    /// The arena that the budgets take, in bytes.
    public static func arenaSizeInBytes(domainCount: Int) -> Int {
        domainCount * domainCount * 16 + 64
    }

    /// Sets a pair's budget from a rate, at least 1 and at most 1,000,000 events in a second; any
    /// other becomes the next of these.
    @inline(never)
    public mutating func setRate(from sender: Int, to receiver: Int, perSecond rate: UInt64) {
        let interval = 1_000_000_000 / min(max(rate, 1), 1_000_000)
        budgets[sender * domainCount + receiver].interval = interval
    }

    /// Pays for one event that `receiver` was told of.
    ///
    /// - Returns: until when the sender has to wait; nil: it need not.
    mutating func pay(from sender: Int, to receiver: Int, now: UInt64) -> UInt64? {
        let pair = sender * domainCount + receiver
        let interval = budgets[pair].interval
        // WRAPS: nanoseconds fill 64 bits after 584 years.
        let full = max(budgets[pair].fullAt, now) &+ interval
        budgets[pair].fullAt = full
        let credit = EventBudgets.burst &* interval
        return full > now &+ credit ? full &- credit : nil
    }
}
