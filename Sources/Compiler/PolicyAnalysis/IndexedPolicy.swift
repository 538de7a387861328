package import PolicyDatabaseModel

/// A binary policy with its names and sets at hand: what every question is asked of.
///
/// For: searching, flows, transitions, decisions and comparisons of policies for Xen and Linux.
/// Not for: deciding in a kernel; `PolicyDatabase` does that.
///
/// - Invariant (total): every number of a rule, set, constraint or label names a symbol; so no
///   question can trap. A policy for which that is not so is refused.
/// - Units: indexes count from 0; the file's numbers count from 1.
package struct IndexedPolicy: Sendable {
    /// The records.
    package let file: PolicyFile
    /// The names of types and attributes, by index.
    package internal(set) var typeNames: [String] = []
    /// Which of them are attributes.
    package internal(set) var isAttribute: [Bool] = []
    /// The other names of types, by index, sorted.
    package internal(set) var aliases: [Int: [String]] = [:]
    /// The type that a type is bounded by, by index.
    package internal(set) var bounds: [Int: Int] = [:]
    /// For each type the attributes that contain it, rising; without itself.
    package internal(set) var attributes: [[Int]] = []
    /// For each attribute its types.
    package internal(set) var members: [Int: TypeSet] = [:]
    /// The classes, by index.
    package internal(set) var classes: [ObjectClassEntry] = []
    /// The names of roles, by index.
    package internal(set) var roleNames: [String] = []
    /// The types of each role.
    package internal(set) var roleTypes: [TypeSet] = []
    /// The names of users, by index.
    package internal(set) var userNames: [String] = []
    /// The roles of each user, as indexes.
    package internal(set) var userRoles: [[Int]] = []
    /// The ranges of each user.
    package internal(set) var userRanges: [LevelRange] = []
    /// The Booleans, by index: name and state.
    package internal(set) var booleans: [(name: String, state: Bool)] = []
    /// The names of sensitivities, by index.
    package internal(set) var sensitivityNames: [String] = []
    /// The names of categories, by index.
    package internal(set) var categoryNames: [String] = []
    /// The access rules, the conditional ones after the others, in the file's order.
    package internal(set) var rules: [IndexedRule] = []
    /// The operations of extended rules; `data` of such a rule is an index here.
    package internal(set) var operations: [PolicyFile.OperationSet] = []
    var typeIndexes: [String: Int] = [:]

    /// How many types and attributes there are.
    package var typeCount: Int { typeNames.count }

    /// Indexes a policy.
    ///
    /// - Throws: `.unknownNumber` when a record names what is not there; `.policyTooLarge` when
    ///   there are more than 65,535 symbols of a kind, or attributes and types whose product is
    ///   above 2^29.
    /// - Complexity: linear in the file, and in attributes times types.
    package init(_ file: PolicyFile) throws(PolicyAnalysisError) {
        self.file = file
        try indexTypes()
        try indexClasses()
        try indexOthers()
        try indexRules()
        try checkLabels()
    }
}

/// A class of objects.
package struct ObjectClassEntry: Sendable {
    /// The name.
    package var name = ""
    /// The common that it inherits; empty for none.
    package var common = ""
    /// The permissions by bit; nil where a bit has none.
    package var permissions: [String?] = Array(repeating: nil, count: 32)
    /// Which bits have a permission.
    package var mask: UInt32 = 0
    /// How many of the permissions are the common's.
    package var commonCount = 0
    /// What must be true for permissions.
    package var constraints: [PolicyFile.ConstraintRecord] = []
    /// What must be true for a change of label.
    package var transitionConstraints: [PolicyFile.ConstraintRecord] = []
    /// The record; nil for a number that no class has.
    package var record: PolicyFile.ClassRecord?

    /// The bit of a permission.
    package func bit(_ permission: String) -> UInt32? {
        permissions.firstIndex(of: permission).map { 1 << UInt32($0) }
    }

    /// The names of the permissions of a vector, in alphabetical order.
    package func names(_ vector: UInt32) -> [String] {
        var names: [String] = []
        var rest = vector & mask
        while rest != 0 {
            if let name = permissions[rest.trailingZeroBitCount] { names.append(name) }
            rest &= rest - 1
        }
        return names.sorted()
    }
}

/// An access rule, by indexes.
package struct IndexedRule: Equatable, Sendable {
    /// The type or attribute that acts.
    package var source: Int32
    /// The type or attribute that is acted on.
    package var target: Int32
    /// The class.
    package var objectClass: Int32
    /// What the rule does.
    package var kind: PolicyFile.AccessRuleKind
    /// The conditional that it stands in, by index; -1 for none.
    package var conditional: Int32
    /// Whether it stands where the conditional's expression is true.
    package var branch: Bool
    /// The permissions as bits, the type's index, or an index among the operations.
    package var data: UInt32
}
