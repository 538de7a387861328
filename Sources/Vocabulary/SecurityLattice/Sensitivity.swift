/// The rank of information: how much harm its disclosure would do.
///
/// Sensitivities are totally ordered. The order has no `<` all the same: a level is only partly
/// ordered, and an operator that means one thing here and nothing there invites the mistake.
public struct Sensitivity: Equatable, Sendable, BitwiseCopyable {
    /// The position in the declared order, 0-based; a larger rank is more sensitive.
    public let rank: UInt16

    /// Creates the sensitivity of a rank, 0-based.
    public init(rank: UInt16) { self.rank = rank }

    /// Creates a sensitivity from its number in a policy database or manifest, which is 1-based.
    ///
    /// - Returns: nil when the value is 0 or above 65,536.
    /// - Trust: any value; nothing traps.
    /// - Source: XenFlask policy database, `mls_level_t.sens`.
    public init?(databaseValue: UInt32) {
        guard databaseValue >= 1, let rank = UInt16(exactly: databaseValue - 1) else { return nil }
        self.rank = rank
    }

    /// The number in a policy database or manifest, 1-based.
    public var databaseValue: UInt32 { UInt32(rank) + 1 }

    /// Returns whether this sensitivity is at least as high as `other`.
    public func dominates(_ other: Sensitivity) -> Bool { rank >= other.rank }
}
