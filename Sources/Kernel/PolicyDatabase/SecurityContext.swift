public import SecurityLattice

/// A label: user, role, type and levels, in the numbers of one policy (from 1).
public struct SecurityContext: Equatable, Sendable, BitwiseCopyable {
    /// The user's number.
    public let user: UInt32
    /// The role's number; 1 is `object_r`, the role of everything that does not act.
    public let role: UInt32
    /// The type's number.
    public let type: UInt32
    /// The levels, low to high.
    public let range: SecurityRange

    /// Creates a context; only a policy can say whether it is valid.
    public init(user: UInt32, role: UInt32, type: UInt32, range: SecurityRange) {
        self.user = user
        self.role = role
        self.type = type
        self.range = range
    }
}

/// The number of the role `object_r`, which every policy has.
public let objectRole: UInt32 = 1
