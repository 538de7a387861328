/// The levels that a compartment works at, from `low` to `high`.
///
/// - Invariant: (range) `high` dominates `low`: the initialiser is the only way to a range.
public struct SecurityRange: Equatable, Sendable, BitwiseCopyable {
    /// The level that the compartment works at unless it says otherwise.
    public let low: SecurityLevel
    /// The clearance: it dominates everything that the compartment may come to know.
    public let high: SecurityLevel

    /// Creates a range.
    ///
    /// - Returns: nil when `high` does not dominate `low`.
    public init?(low: SecurityLevel, high: SecurityLevel) {
        guard high.dominates(low) else { return nil }
        self.low = low
        self.high = high
    }

    /// Creates the range of a single level.
    public init(_ level: SecurityLevel) {
        low = level
        high = level
    }

    /// Whether the range holds one level only.
    public var isSingleLevel: Bool { low == high }

    /// Returns whether `level` lies between `low` and `high`, both included.
    public func contains(_ level: SecurityLevel) -> Bool {
        level.dominates(low) && high.dominates(level)
    }
}
