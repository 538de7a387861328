/// A point of the lattice: how sensitive information is, and what it is about.
///
/// Levels are partly ordered by `dominates`; two of them may be incomparable. Hence no
/// `Comparable` and no `<`: on a partial order "not less" does not mean "greater or equal".
///
/// - Invariant: (lattice) `dominates` is reflexive, antisymmetric and transitive; `join` is the
///   least level that dominates both, `meet` the greatest that both dominate. Tested exhaustively.
/// - Source: D. E. Denning, "A Lattice Model of Secure Information Flow", CACM 19(5), 1976.
public struct SecurityLevel: Equatable, Sendable, BitwiseCopyable {
    /// How sensitive the information is.
    public let sensitivity: Sensitivity
    /// What it is about.
    public let categories: CategorySet

    /// Creates the level of a sensitivity and its categories.
    public init(_ sensitivity: Sensitivity, _ categories: CategorySet = .empty) {
        self.sensitivity = sensitivity
        self.categories = categories
    }

    /// Returns whether who is cleared for this level may know everything at `other`.
    @inline(never) public func dominates(_ other: SecurityLevel) -> Bool {
        sensitivity.dominates(other.sensitivity)
            && categories.isSuperset(of: other.categories)
    }

    /// Returns whether neither level dominates the other.
    public func isIncomparable(to other: SecurityLevel) -> Bool {
        !dominates(other) && !other.dominates(self)
    }

    /// Returns the least level that dominates both: that of information made from both.
    public func join(_ other: SecurityLevel) -> SecurityLevel {
        SecurityLevel(
            sensitivity.dominates(other.sensitivity) ? sensitivity : other.sensitivity,
            categories.union(other.categories))
    }

    /// Returns the greatest level that both dominate: that of what both may know.
    public func meet(_ other: SecurityLevel) -> SecurityLevel {
        SecurityLevel(
            sensitivity.dominates(other.sensitivity) ? other.sensitivity : sensitivity,
            categories.intersection(other.categories))
    }
}
