public import PolicyDatabase
public import SecurityLattice

/// A policy as data that a compiler builds and changes: the rich side of `PolicyDatabase`.
///
/// For: lowering, and tests that need policies with a certain property. Numbers are positions,
/// counted from 1, as in the file: `types[0]` is type 1. Not for: deciding; write it with
/// `encoded(version:)` and ask a `PolicyDatabase`, which also checks everything.
///
/// - Invariant (deterministic): equal models have equal files. Rules stand in a set and are written
///   in rising order, whatever order they were given in.
public struct PolicyDatabaseModel: Equatable, Sendable {
    /// The classes of objects.
    public var classes: [Class] = []
    /// The roles; the first must be `object_r`.
    public var roles: [Role] = []
    /// The types and attributes.
    public var types: [TypeSymbol] = []
    /// The users.
    public var users: [User] = []
    /// The Booleans that conditionals ask.
    public var booleans: [Boolean] = []
    /// The sensitivities, lowest first.
    public var sensitivities: [NamedSensitivity] = []
    /// The categories.
    public var categories: [NamedCategory] = []
    /// The access rules: what each key says.
    public private(set) var accessRules: [AccessRuleKey: UInt32] = [:]
    /// The conditional access rules.
    public var conditionals: [Conditional] = []
    /// The role transitions.
    public var roleTransitions: [RoleTransition] = []
    /// The pairs of roles between which a domain may change.
    public var roleAllows: [RoleAllow] = []
    /// The range transitions: the levels that new objects get.
    public private(set) var rangeTransitions: [RangeTransitionKey: SecurityRange] = [:]
    /// The contexts of initial SIDs, by number.
    public var initialContexts: [UInt32: SecurityContext] = [:]
    /// The contexts of devices.
    public var deviceContexts: [DeviceContext] = []

    /// Creates a policy without anything in it.
    public init() {}

    /// Adds permissions to those that `source` has on `target`.
    public mutating func allow(
        _ source: UInt32, _ target: UInt32, _ permissions: [Permission]
    ) {
        for permission in permissions {
            let key = AccessRuleKey(
                source: source, target: target,
                objectClass: UInt32(permission.objectClass.number), kind: .allowed)
            accessRules[key, default: 0] |= permission.mask
        }
    }

    /// Makes `type` that of objects of a class which `source` creates in relation to `target`.
    public mutating func transition(
        _ source: UInt32, _ target: UInt32, _ objectClass: ObjectClass, to type: UInt32
    ) {
        set(
            AccessRuleKey(
                source: source, target: target, objectClass: UInt32(objectClass.number),
                kind: .transition), type)
    }

    /// Makes `range` that of objects of a class which `source` creates in relation to `target`.
    public mutating func rangeTransition(
        _ source: UInt32, _ target: UInt32, _ objectClass: ObjectClass, to range: SecurityRange
    ) {
        let key = RangeTransitionKey(
            source: source, target: target, objectClass: UInt32(objectClass.number))
        rangeTransitions[key] = range
    }

    /// Makes `range` that of new objects, by the numbers of a rule.
    public mutating func setRange(_ key: RangeTransitionKey, _ range: SecurityRange) {
        rangeTransitions[key] = range
    }

    /// Takes out all access rules and range transitions.
    public mutating func removeRules() {
        accessRules = [:]
        rangeTransitions = [:]
    }

    /// Sets what a rule says, replacing what it said.
    public mutating func set(_ key: AccessRuleKey, _ data: UInt32) {
        accessRules[key] = data
    }
}

extension PolicyDatabaseModel {
    /// A class of objects: its permissions in order, and what limits them.
    public struct Class: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The permissions; the position is the bit.
        public var permissions: [String]
        /// The constraints.
        public var constraints: [Constraint]

        /// Creates a class.
        public init(name: String, permissions: [String], constraints: [Constraint] = []) {
            self.name = name
            self.permissions = permissions
            self.constraints = constraints
        }
    }

    /// Permissions that are withheld where an expression is false.
    public struct Constraint: Equatable, Sendable {
        /// The permissions, as bits.
        public var permissions: UInt32
        /// What must be true.
        public var expression: ConstraintExpression

        /// Creates a constraint.
        public init(permissions: UInt32, expression: ConstraintExpression) {
            self.permissions = permissions
            self.expression = expression
        }
    }

    /// A role and the types that may have it.
    public struct Role: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The roles that it dominates, itself among them.
        public var dominates: [UInt32]
        /// The types that may have it.
        public var types: [UInt32]

        /// Creates a role.
        public init(name: String, dominates: [UInt32], types: [UInt32]) {
            self.name = name
            self.dominates = dominates
            self.types = types
        }
    }

    /// A type, or an attribute: a set of types.
    public struct TypeSymbol: Equatable, Sendable {
        /// The name.
        public var name: String
        /// Other names.
        public var aliases: [String]
        /// Whether it is an attribute.
        public var isAttribute: Bool
        /// The attributes of a type.
        public var attributes: [UInt32]

        /// Creates a type.
        public init(
            name: String, aliases: [String] = [], isAttribute: Bool = false,
            attributes: [UInt32] = []
        ) {
            self.name = name
            self.aliases = aliases
            self.isAttribute = isAttribute
            self.attributes = attributes
        }
    }

    /// A user: who may have which roles and levels.
    public struct User: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The roles.
        public var roles: [UInt32]
        /// The levels.
        public var range: SecurityRange

        /// Creates a user.
        public init(name: String, roles: [UInt32], range: SecurityRange) {
            self.name = name
            self.roles = roles
            self.range = range
        }
    }

    /// A Boolean and its state.
    public struct Boolean: Equatable, Sendable {
        /// The name.
        public var name: String
        /// The state.
        public var state: Bool

        /// Creates a Boolean.
        public init(name: String, state: Bool) {
            self.name = name
            self.state = state
        }
    }

    /// A sensitivity and the categories that may go with it.
    public struct NamedSensitivity: Equatable, Sendable {
        /// The name.
        public var name: String
        /// Other names.
        public var aliases: [String]
        /// The categories.
        public var categories: CategorySet

        /// Creates a sensitivity.
        public init(name: String, aliases: [String] = [], categories: CategorySet) {
            self.name = name
            self.aliases = aliases
            self.categories = categories
        }
    }

    /// A category.
    public struct NamedCategory: Equatable, Sendable {
        /// The name.
        public var name: String
        /// Other names.
        public var aliases: [String]

        /// Creates a category.
        public init(name: String, aliases: [String] = []) {
            self.name = name
            self.aliases = aliases
        }
    }
}
