package import PolicyDatabaseModel

/// Everything that a source says, by names: what `StatementReader` fills and `PolicyBuilder` makes
/// records of.
///
/// Declarations get their numbers as they are read; what refers to them is looked up when all is
/// read, since the language lets types and roles be used before they are declared.
package struct SourcePolicy {
    package init() {}

    package var names = NameTable()
    package var sets = SetTable()

    package var commons: [PermissionHolder] = []
    package var classes: [PermissionHolder] = []
    package var classNumbers = Numbering()
    package var initialIdentifiers = Numbering()
    package var types = TypeDeclarations()
    package var roles = Numbering()
    package var roleAttributes = Numbering()
    package var roleTypes: [(role: Name, types: SetID, block: UInt32)] = []
    package var roleMemberships: [(role: Name, attribute: Name, block: UInt32, offset: Int)] = []
    package var users: [UserDeclaration] = []
    package var booleans = Numbering()
    /// For each Boolean whether it is true, and whether it is a tunable.
    package var booleanStates: [(isTrue: Bool, isTunable: Bool)] = []
    package var levels = LevelDeclarations()

    package var defaults: [DefaultRule] = []
    package var rules = RuleList()
    /// What is taken away from `allow`, before `neverallow` and bounds are checked.
    package var denials: [Rule] = []
    package var namedTransitions: [NamedTransition] = []
    package var extendedRules: [ExtendedRule] = []
    package var roleTransitions: [RoleTransition] = []
    package var roleAllows: [(from: SetID, to: SetID, block: UInt32)] = []
    package var rangeTransitions: [RangeTransition] = []
    package var constraints: [Constraint] = []
    package var conditionals: [Conditional] = []
    /// Block 0 is what stands in no `optional`.
    package var blocks = [Block(parent: 0, elseOf: nil)]
    package var permissive: [(type: Name, block: UInt32, offset: Int)] = []
    package var capabilities: [(name: Name, offset: Int)] = []
    package var bounds: [(parent: Name, child: Name, offset: Int)] = []
    package var roleBounds: [(parent: Name, child: Name, offset: Int)] = []
    package var userBounds: [(parent: Name, child: Name, offset: Int)] = []
    /// Labels and ranges that are declared and need not be used.
    package var checkedContexts: [ContextText] = []
    package var checkedRanges: [RangeText] = []
    package var labels = Labels()
}

/// Names with numbers, from 1, in the order of declaration.
package struct Numbering {
    package init() {}

    /// The names; number *n* is at place *n* - 1.
    package private(set) var names: [Name] = []
    /// Numbers by name; 0 for none.
    private var numbers: [UInt32] = []

    /// Returns the number of a name; nil when it was not declared.
    package subscript(name: Name) -> UInt32? {
        guard name.place < numbers.count, numbers[name.place] > 0 else { return nil }
        return numbers[name.place]
    }

    /// Declares a name and returns its number, or nil if it was declared before.
    @discardableResult
    package mutating func declare(_ name: Name) -> UInt32? {
        guard self[name] == nil else { return nil }
        names.append(name)
        set(name, UInt32(names.count))
        return UInt32(names.count)
    }

    /// Gives another name the number of a declared one; false if it is declared.
    package mutating func alias(_ name: Name, to number: UInt32) -> Bool {
        guard self[name] == nil else { return false }
        set(name, number)
        return true
    }

    private mutating func set(_ name: Name, _ number: UInt32) {
        if numbers.count <= name.place {
            numbers.append(
                contentsOf: repeatElement(0, count: max(64, name.place + 1 - numbers.count)))
        }
        numbers[name.place] = number
    }
}

/// A class or common, and its permissions.
package struct PermissionHolder {
    package var name: Name
    /// The index of the common that the class has its first permissions from.
    package var common: Int?
    package var own: [Name] = []
    /// Whether permissions were given: a class gets them in a second statement.
    package var isComplete = false
    /// Where it is declared, in bytes.
    package var offset: Int

    package init(
        name: Name, common: Int? = nil, own: [Name] = [], isComplete: Bool = false, offset: Int
    ) {
        self.name = name
        self.common = common
        self.own = own
        self.isComplete = isComplete
        self.offset = offset
    }
}

/// Types and attributes, which share one row of numbers, and their other names.
package struct TypeDeclarations {
    package init() {}

    package var numbering = Numbering()
    /// For each number whether it is an attribute.
    package var isAttribute: [Bool] = []
    package var aliases: [(name: Name, type: Name)] = []
    /// Which types are in which attributes.
    package var memberships: [(type: Name, attribute: Name, block: UInt32, offset: UInt32)] = []
}

/// Sensitivities and categories.
package struct LevelDeclarations {
    package init() {}

    /// In the order of declaration; `dominance` says how they are ordered.
    package var sensitivities: [Name] = []
    /// Where each of them is declared, in bytes.
    package var sensitivityOffsets: [Name: Int] = [:]
    package var sensitivityAliases: [(alias: Name, of: Name)] = []
    /// Lowest first, once there was a `dominance` statement.
    package var order = Numbering()
    package var categories = Numbering()
    package var categoryAliases: [(alias: Name, of: Name)] = []
    package var levels: [LevelText] = []
}

/// A level as the source writes it.
package struct LevelText {
    package var sensitivity: Name
    /// Names of categories; `c0.c3`, one word, stands for those from `c0` to `c3`.
    package var categories: [Name] = []
    package var offset: Int

    package init(
        sensitivity: Name, categories: [Name] = [], offset: Int
    ) {
        self.sensitivity = sensitivity
        self.categories = categories
        self.offset = offset
    }
}

/// A range as the source writes it; without a high level it is one level.
package struct RangeText {
    package var low: LevelText
    package var high: LevelText?

    package init(
        low: LevelText, high: LevelText? = nil
    ) {
        self.low = low
        self.high = high
    }
}

/// A label as the source writes it.
package struct ContextText {
    package var user: Name
    package var role: Name
    package var type: Name
    package var range: RangeText?
    package var offset: Int

    package init(
        user: Name, role: Name, type: Name, range: RangeText? = nil, offset: Int
    ) {
        self.user = user
        self.role = role
        self.type = type
        self.range = range
        self.offset = offset
    }
}

/// A user.
package struct UserDeclaration {
    package var name: Name
    package var roles: SetID
    package var level: LevelText?
    package var range: RangeText?
    package var offset: Int

    package init(
        name: Name, roles: SetID, level: LevelText? = nil, range: RangeText? = nil, offset: Int
    ) {
        self.name = name
        self.roles = roles
        self.level = level
        self.range = range
        self.offset = offset
    }
}

/// Whose user, role, type or range new objects get.
package struct DefaultRule {
    package enum Part { case user, role, type, range }
    package var part: Part
    package var classes: SetID
    /// As the format has it.
    package var value: UInt32

    package init(
        part: Part, classes: SetID, value: UInt32
    ) {
        self.part = part
        self.classes = classes
        self.value = value
    }
}

/// An access rule, or a rule about types.
package struct Rule {
    package enum Kind: UInt8 {
        case allow, auditAllow, auditDeny, doNotAudit, neverAllow
        case transition, member, change

        package var isAboutTypes: Bool { rawValue >= Kind.transition.rawValue }
    }
    package var source: SetID
    package var target: SetID
    package var classes: SetID
    /// The permissions; of a rule about types the set of one name, the type.
    package var permissions: SetID
    /// In bytes.
    package var offset: UInt32
    /// The `optional` block.
    package var block: UInt32
    /// The branch times eight, and the kind.
    private var branchAndKind: Int32

    package init(
        source: SetID, target: SetID, classes: SetID, permissions: SetID, offset: UInt32,
        block: UInt32, branch: Int32, kind: Kind
    ) {
        (self.source, self.target) = (source, target)
        (self.classes, self.permissions) = (classes, permissions)
        (self.offset, self.block) = (offset, block)
        branchAndKind = branch &* 8 | Int32(kind.rawValue)
    }

    /// Two times the conditional, one more in its `else`; -1: in none.
    package var branch: Int32 { branchAndKind >> 3 }

    /// What the rule does.
    package var kind: Kind {
        Kind(rawValue: UInt8(truncatingIfNeeded: branchAndKind & 7)) ?? .allow
    }
}

/// Rules in the order of the source, in pieces: a million of them are never moved to grow.
package struct RuleList: Sequence {
    package init() {}

    private static let pieceSize = 1 << 13
    private var pieces: [[Rule]] = []

    package mutating func append(_ rule: Rule) {
        if pieces.last.map({ $0.count == RuleList.pieceSize }) ?? true {
            pieces.append([])
            pieces[pieces.count - 1].reserveCapacity(RuleList.pieceSize)
        }
        pieces[pieces.count - 1].append(rule)
    }

    package func makeIterator() -> FlattenSequence<[[Rule]]>.Iterator {
        pieces.joined().makeIterator()
    }
}

/// A type transition for files of one name.
package struct NamedTransition {
    package var source: SetID
    package var target: SetID
    package var classes: SetID
    package var type: Name
    package var fileName: String
    package var offset: Int
    package var block: UInt32

    package init(
        source: SetID, target: SetID, classes: SetID, type: Name, fileName: String, offset: Int,
        block: UInt32
    ) {
        self.source = source
        self.target = target
        self.classes = classes
        self.type = type
        self.fileName = fileName
        self.offset = offset
        self.block = block
    }
}

/// A rule about the operations of a permission.
package struct ExtendedRule {
    package enum Kind { case allow, auditAllow, doNotAudit, neverAllow }
    package var kind: Kind
    package var source: SetID
    package var target: SetID
    package var classes: SetID
    /// From the first to the last, as written, and whether everything else is meant.
    package var operations: [ClosedRange<UInt16>]
    package var isComplement: Bool
    package var offset: Int
    package var block: UInt32
    package var branch: Int32

    package init(
        kind: Kind, source: SetID, target: SetID, classes: SetID,
        operations: [ClosedRange<UInt16>], isComplement: Bool, offset: Int, block: UInt32,
        branch: Int32
    ) {
        self.kind = kind
        self.source = source
        self.target = target
        self.classes = classes
        self.operations = operations
        self.isComplement = isComplement
        self.offset = offset
        self.block = block
        self.branch = branch
    }
}

package struct RoleTransition {
    package var roles: SetID
    package var types: SetID
    package var classes: SetID?
    package var role: Name
    package var offset: Int
    package var block: UInt32

    package init(
        roles: SetID, types: SetID, classes: SetID? = nil, role: Name, offset: Int, block: UInt32
    ) {
        self.roles = roles
        self.types = types
        self.classes = classes
        self.role = role
        self.offset = offset
        self.block = block
    }
}

package struct RangeTransition {
    package var source: SetID
    package var target: SetID
    package var classes: SetID?
    package var range: RangeText
    package var offset: Int
    package var block: UInt32

    package init(
        source: SetID, target: SetID, classes: SetID? = nil, range: RangeText, offset: Int,
        block: UInt32
    ) {
        self.source = source
        self.target = target
        self.classes = classes
        self.range = range
        self.offset = offset
        self.block = block
    }
}

/// Permissions that are withheld where an expression is false.
package struct Constraint {
    package var classes: SetID
    /// nil: a rule about changes of labels.
    package var permissions: SetID?
    package var terms: [ConstraintTermText]
    package var offset: Int

    package init(
        classes: SetID, permissions: SetID? = nil, terms: [ConstraintTermText], offset: Int
    ) {
        self.classes = classes
        self.permissions = permissions
        self.terms = terms
        self.offset = offset
    }
}

/// One operand or operator, in postfix order; numbers as `PolicyFile.ConstraintTerm` has them.
package struct ConstraintTermText {
    package var kind: UInt32
    package var attribute: UInt32 = 0
    package var comparison: UInt32 = 0
    package var names: SetID?

    package init(
        kind: UInt32, attribute: UInt32 = 0, comparison: UInt32 = 0, names: SetID? = nil
    ) {
        self.kind = kind
        self.attribute = attribute
        self.comparison = comparison
        self.names = names
    }
}

/// Rules that hold while an expression over Booleans is true, and others while not.
package struct Conditional {
    /// In postfix order; numbers as `PolicyFile.ConditionalTerm` has them.
    package var terms: [(kind: UInt32, boolean: Name?)]
    package var offset: Int
    package var block: UInt32

    package init(
        terms: [(kind: UInt32, boolean: Name?)], offset: Int, block: UInt32
    ) {
        self.terms = terms
        self.offset = offset
        self.block = block
    }
}

/// An `optional` block, and what it requires.
package struct Block {
    package enum Kind {
        case type, attribute, role, roleAttribute, user, bool, sensitivity, category
    }
    /// The block around it.
    package var parent: UInt32
    /// The block whose `else` it is.
    package var elseOf: UInt32?
    package var required: [(kind: Kind, name: Name, offset: Int)] = []
    package var requiredPermissions: [(class: Name, permissions: SetID)] = []

    package init(
        parent: UInt32, elseOf: UInt32? = nil,
        required: [(kind: Kind, name: Name, offset: Int)] = [],
        requiredPermissions: [(class: Name, permissions: SetID)] = []
    ) {
        self.parent = parent
        self.elseOf = elseOf
        self.required = required
        self.requiredPermissions = requiredPermissions
    }
}

/// The labels of what no subject makes.
package struct Labels {
    package init() {}

    package var initialIdentifiers: [(name: Name, context: ContextText)] = []
    package var fileSystems: [(name: String, context: ContextText, content: ContextText)] = []
    package var fileSystemUses: [(behavior: UInt32, name: String, context: ContextText)] = []
    package var genericFileSystems: [GenericPath] = []
    package var networkPorts: [NetworkPort] = []
    package var networkInterfaces: [(name: String, context: ContextText, content: ContextText)] = []
    package var nodes: [(address: UInt32, mask: UInt32, context: ContextText)] = []
    package var wideNodes:
        [(address: PolicyFile.WideAddress, mask: PolicyFile.WideAddress, context: ContextText)] = []
    package var infinibandKeys:
        [(prefix: PolicyFile.WideAddress, first: UInt32, last: UInt32, context: ContextText)] = []
    package var infinibandPorts: [(device: String, port: UInt32, context: ContextText)] = []
    package var interrupts: [(number: UInt32, context: ContextText)] = []
    package var ports: [(first: UInt32, last: UInt32, context: ContextText)] = []
    package var frames: [(first: UInt64, last: UInt64, context: ContextText)] = []
    package var pciDevices: [(number: UInt32, context: ContextText)] = []
    package var deviceTreePaths: [(path: String, context: ContextText)] = []

    package struct GenericPath {
        package var fileSystem: String
        package var path: String
        /// The class's name; nil: any.
        package var objectClass: String?
        package var context: ContextText

        package init(
            fileSystem: String, path: String, objectClass: String? = nil, context: ContextText
        ) {
            self.fileSystem = fileSystem
            self.path = path
            self.objectClass = objectClass
            self.context = context
        }
    }

    package struct NetworkPort {
        package var networkProtocol: UInt32
        package var first: UInt32
        package var last: UInt32
        package var context: ContextText

        package init(
            networkProtocol: UInt32, first: UInt32, last: UInt32, context: ContextText
        ) {
            self.networkProtocol = networkProtocol
            self.first = first
            self.last = last
            self.context = context
        }
    }
}
