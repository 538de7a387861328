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
    /// Of each ordered pair, in nanoseconds.
    private var intervals: ArenaTable<UInt64>
    /// When the budget of each ordered pair is full again, in nanoseconds of system time.
    private var fullAt: ArenaTable<UInt64>

    /// Makes full budgets of the usual interval for all pairs.
    ///
    /// - Throws: as `BootArena.reserve`.
    public init(domainCount: Int, arena: inout BootArena) throws(BootArenaError) {
        let count = domainCount * domainCount
        let intervals = try arena.reserve(count: count, repeating: EventBudgets.usualInterval)
        let fullAt = try arena.reserve(count: count, repeating: UInt64(0))
        self.domainCount = domainCount
        self.intervals = intervals
        self.fullAt = fullAt
    }

    /// The arena that the budgets take, in bytes.
    public static func arenaSizeInBytes(domainCount: Int) -> Int {
        domainCount * domainCount * 16 + 64
    }

    /// Sets a pair's budget from a rate, at least 1 and at most 1,000,000 events in a second; any
    /// other becomes the next of these.
    @inline(never)
    public mutating func setRate(from sender: Int, to receiver: Int, perSecond rate: UInt64) {
        intervals[sender * domainCount + receiver] = 1_000_000_000 / min(max(rate, 1), 1_000_000)
    }

    /// Pays for one event that `receiver` was told of.
    ///
    /// - Returns: until when the sender has to wait; nil: it need not.
    mutating func pay(from sender: Int, to receiver: Int, now: UInt64) -> UInt64? {
        let pair = sender * domainCount + receiver
        let interval = intervals[pair]
        // WRAPS: nanoseconds fill 64 bits after 584 years.
        let full = max(fullAt[pair], now) &+ interval
        fullAt[pair] = full
        let credit = EventBudgets.burst &* interval
        return full > now &+ credit ? full &- credit : nil
    }
}
