extension PolicyDatabaseModel {
    /// What a rule does with what it names.
    public enum RuleKind: UInt16, Sendable, CaseIterable {
        /// Grants permissions.
        case allowed = 1
        /// Asks for granted permissions to be recorded.
        case auditAllowed = 2
        /// Says which denials are to be recorded.
        case auditDenied = 4
        /// Gives new objects a type.
        case transition = 16
        /// Gives members of polyinstantiated objects a type.
        case member = 32
        /// Gives relabelled objects a type.
        case change = 64
    }

    /// What an access rule is about. Two rules never share a key.
    public struct AccessRuleKey: Hashable, Sendable {
        /// The type or attribute that acts.
        public var source: UInt32
        /// The type or attribute that is acted on.
        public var target: UInt32
        /// The class of the object.
        public var objectClass: UInt32
        /// What the rule does.
        public var kind: RuleKind

        /// Creates a key.
        public init(source: UInt32, target: UInt32, objectClass: UInt32, kind: RuleKind) {
            self.source = source
            self.target = target
            self.objectClass = objectClass
            self.kind = kind
        }

        /// The place among all keys, as `PolicyDatabase` orders them.
        var order: (UInt32, UInt32) {
            (source | target << 16, objectClass | UInt32(kind.rawValue) << 16)
        }
    }

    /// What a range transition is about.
    public struct RangeTransitionKey: Hashable, Sendable {
        /// The type that creates.
        public var source: UInt32
        /// The type in relation to which it creates.
        public var target: UInt32
        /// The class of the new object.
        public var objectClass: UInt32

        /// Creates a key.
        public init(source: UInt32, target: UInt32, objectClass: UInt32) {
            self.source = source
            self.target = target
            self.objectClass = objectClass
        }
    }

    /// Access rules that hold while an expression over Booleans is true, and others while not.
    public struct Conditional: Equatable, Sendable {
        /// The expression.
        public var expression: BooleanExpression
        /// The rules while it is true.
        public var whenTrue: [AccessRuleKey: UInt32]
        /// The rules while it is false.
        public var whenFalse: [AccessRuleKey: UInt32]

        /// Creates a conditional.
        public init(
            expression: BooleanExpression, whenTrue: [AccessRuleKey: UInt32],
            whenFalse: [AccessRuleKey: UInt32] = [:]
        ) {
            self.expression = expression
            self.whenTrue = whenTrue
            self.whenFalse = whenFalse
        }
    }

    /// An expression over Booleans, by their numbers.
    public indirect enum BooleanExpression: Equatable, Sendable {
        /// A Boolean.
        case boolean(UInt32)
        /// The opposite.
        case not(BooleanExpression)
        /// Either or both.
        case or(BooleanExpression, BooleanExpression)
        /// Both.
        case and(BooleanExpression, BooleanExpression)
        /// Either, not both.
        case exclusiveOr(BooleanExpression, BooleanExpression)
    }

    /// The role that a domain gets in relation to a type.
    public struct RoleTransition: Equatable, Sendable {
        /// The role that acts.
        public var role: UInt32
        /// The type in relation to which it acts.
        public var type: UInt32
        /// The class of the new object.
        public var objectClass: UInt32
        /// The role of the new object.
        public var newRole: UInt32

        /// Creates a role transition.
        public init(role: UInt32, type: UInt32, objectClass: UInt32, newRole: UInt32) {
            self.role = role
            self.type = type
            self.objectClass = objectClass
            self.newRole = newRole
        }
    }

    /// Two roles between which a domain may change.
    public struct RoleAllow: Equatable, Sendable {
        /// The role before.
        public var role: UInt32
        /// The role after.
        public var newRole: UInt32

        /// Creates a pair.
        public init(role: UInt32, newRole: UInt32) {
            self.role = role
            self.newRole = newRole
        }
    }

    /// What must be true of source and target. It is written in postfix, at most 5 deep.
    public indirect enum ConstraintExpression: Equatable, Sendable {
        /// The opposite.
        case not(ConstraintExpression)
        /// Both.
        case and(ConstraintExpression, ConstraintExpression)
        /// Either or both.
        case or(ConstraintExpression, ConstraintExpression)
        /// Two levels compared.
        case levels(LevelPair, Comparison)
        /// The users of source and target compared: `.equal` or `.notEqual`.
        case users(Comparison)
        /// The roles of source and target compared.
        case roles(Comparison)
        /// The types of source and target compared: `.equal` or `.notEqual`.
        case types(Comparison)
        /// Whether a user, role or type is among those given: `.equal`, or not: `.notEqual`.
        case names(NamePlace, [UInt32], Comparison)
    }

    /// Which levels are compared.
    public enum LevelPair: UInt32, Sendable, CaseIterable {
        /// `l1` and `l2`.
        case lowSourceLowTarget = 32
        /// `l1` and `h2`.
        case lowSourceHighTarget = 64
        /// `h1` and `l2`.
        case highSourceLowTarget = 128
        /// `h1` and `h2`.
        case highSourceHighTarget = 256
        /// `l1` and `h1`.
        case lowSourceHighSource = 512
        /// `l2` and `h2`.
        case lowTargetHighTarget = 1024
    }

    /// How two things are compared.
    public enum Comparison: UInt32, Sendable, CaseIterable {
        /// They are the same.
        case equal = 1
        /// They differ.
        case notEqual = 2
        /// The first dominates the second.
        case dominates = 3
        /// The second dominates the first.
        case dominatedBy = 4
        /// Neither dominates the other.
        case incomparable = 5
    }

    /// What a set of names is about.
    public enum NamePlace: UInt32, Sendable, CaseIterable {
        /// `u1`.
        case sourceUser = 1
        /// `r1`.
        case sourceRole = 2
        /// `t1`.
        case sourceType = 4
        /// `u2`.
        case targetUser = 9
        /// `r2`.
        case targetRole = 10
        /// `t2`.
        case targetType = 12

        /// Whether the names are those of types.
        var namesTypes: Bool { self == .sourceType || self == .targetType }
    }
}
