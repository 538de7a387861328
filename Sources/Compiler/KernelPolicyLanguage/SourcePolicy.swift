import PolicyDatabaseModel

/// Everything that a source says, by names: what `StatementReader` fills and `PolicyBuilder` makes
/// records of.
///
/// Declarations get their numbers as they are read; what refers to them is looked up when all is
/// read, since the language lets types and roles be used before they are declared.
struct SourcePolicy {
    var names = NameTable()
    var sets = SetTable()

    var commons: [PermissionHolder] = []
    var classes: [PermissionHolder] = []
    var classNumbers = Numbering()
    var initialIdentifiers = Numbering()
    var types = TypeDeclarations()
    var roles = Numbering()
    var roleAttributes = Numbering()
    var roleTypes: [(role: Name, types: SetID, block: UInt32)] = []
    var roleMemberships: [(role: Name, attribute: Name, block: UInt32)] = []
    var users: [UserDeclaration] = []
    var booleans = Numbering()
    /// For each Boolean whether it is true, and whether it is a tunable.
    var booleanStates: [(isTrue: Bool, isTunable: Bool)] = []
    var levels = LevelDeclarations()

    var defaults: [DefaultRule] = []
    var rules: [Rule] = []
    var namedTransitions: [NamedTransition] = []
    var extendedRules: [ExtendedRule] = []
    var roleTransitions: [RoleTransition] = []
    var roleAllows: [(from: SetID, to: SetID, block: UInt32)] = []
    var rangeTransitions: [RangeTransition] = []
    var constraints: [Constraint] = []
    var conditionals: [Conditional] = []
    /// Block 0 is what stands in no `optional`.
    var blocks = [Block(parent: 0, elseOf: nil)]
    var permissive: [(type: Name, block: UInt32)] = []
    var capabilities: [Name] = []
    var bounds: [(parent: Name, child: Name)] = []
    var labels = Labels()
}

/// Names with numbers, from 1, in the order of declaration.
struct Numbering {
    /// The names; number *n* is at place *n* - 1.
    private(set) var names: [Name] = []
    /// Numbers by name; 0 for none.
    private var numbers: [UInt32] = []

    /// Returns the number of a name; nil when it was not declared.
    subscript(name: Name) -> UInt32? {
        guard name.place < numbers.count, numbers[name.place] > 0 else { return nil }
        return numbers[name.place]
    }

    /// Declares a name and returns its number, or nil if it was declared before.
    @discardableResult
    mutating func declare(_ name: Name) -> UInt32? {
        guard self[name] == nil else { return nil }
        names.append(name)
        set(name, UInt32(names.count))
        return UInt32(names.count)
    }

    /// Gives another name the number of a declared one; false if it is declared.
    mutating func alias(_ name: Name, to number: UInt32) -> Bool {
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
struct PermissionHolder {
    var name: Name
    /// The index of the common that the class has its first permissions from.
    var common: Int?
    var own: [Name] = []
    /// Whether permissions were given: a class gets them in a second statement.
    var isComplete = false
}

/// Types and attributes, which share one row of numbers, and their other names.
struct TypeDeclarations {
    var numbering = Numbering()
    /// For each number whether it is an attribute.
    var isAttribute: [Bool] = []
    var aliases: [(name: Name, type: Name)] = []
    /// Which types are in which attributes.
    var memberships: [(type: Name, attribute: Name, block: UInt32)] = []
}

/// Sensitivities and categories.
struct LevelDeclarations {
    /// In the order of declaration; `dominance` says how they are ordered.
    var sensitivities: [Name] = []
    var sensitivityAliases: [(alias: Name, of: Name)] = []
    /// Lowest first, once there was a `dominance` statement.
    var order = Numbering()
    var categories = Numbering()
    var categoryAliases: [(alias: Name, of: Name)] = []
    var levels: [LevelText] = []
}

/// A level as the source writes it.
struct LevelText {
    var sensitivity: Name
    /// Names of categories; `c0.c3`, one word, stands for those from `c0` to `c3`.
    var categories: [Name] = []
    var offset: Int
}

/// A range as the source writes it; without a high level it is one level.
struct RangeText {
    var low: LevelText
    var high: LevelText?
}

/// A label as the source writes it.
struct ContextText {
    var user: Name
    var role: Name
    var type: Name
    var range: RangeText?
    var offset: Int
}

/// A user.
struct UserDeclaration {
    var name: Name
    var roles: SetID
    var level: LevelText?
    var range: RangeText?
    var offset: Int
}

/// Whose user, role, type or range new objects get.
struct DefaultRule {
    enum Part { case user, role, type, range }
    var part: Part
    var classes: SetID
    /// As the format has it.
    var value: UInt32
}

/// An access rule, or a rule about types.
struct Rule {
    enum Kind: UInt8 {
        case allow, auditAllow, auditDeny, doNotAudit, neverAllow
        case transition, member, change

        var isAboutTypes: Bool { rawValue >= Kind.transition.rawValue }
    }
    var source: SetID
    var target: SetID
    var classes: SetID
    /// The permissions; of a rule about types the set of one name, the type.
    var permissions: SetID
    /// In bytes.
    var offset: UInt32
    /// The `optional` block.
    var block: UInt32
    /// Two times the conditional, one more in its `else`; -1: in none.
    var branch: Int32
    var kind: Kind
}

/// A type transition for files of one name.
struct NamedTransition {
    var source: SetID
    var target: SetID
    var classes: SetID
    var type: Name
    var fileName: String
    var offset: Int
    var block: UInt32
}

/// A rule about the operations of a permission.
struct ExtendedRule {
    enum Kind { case allow, auditAllow, doNotAudit, neverAllow }
    var kind: Kind
    var source: SetID
    var target: SetID
    var classes: SetID
    /// From the first to the last, as written, and whether everything else is meant.
    var operations: [ClosedRange<UInt16>]
    var isComplement: Bool
    var offset: Int
    var block: UInt32
    var branch: Int32
}

struct RoleTransition {
    var roles: SetID
    var types: SetID
    var classes: SetID?
    var role: Name
    var offset: Int
    var block: UInt32
}

struct RangeTransition {
    var source: SetID
    var target: SetID
    var classes: SetID?
    var range: RangeText
    var offset: Int
    var block: UInt32
}

/// Permissions that are withheld where an expression is false.
struct Constraint {
    var classes: SetID
    /// nil: a rule about changes of labels.
    var permissions: SetID?
    var terms: [ConstraintTermText]
    var offset: Int
}

/// One operand or operator, in postfix order; numbers as `PolicyFile.ConstraintTerm` has them.
struct ConstraintTermText {
    var kind: UInt32
    var attribute: UInt32 = 0
    var comparison: UInt32 = 0
    var names: SetID?
}

/// Rules that hold while an expression over Booleans is true, and others while not.
struct Conditional {
    /// In postfix order; numbers as `PolicyFile.ConditionalTerm` has them.
    var terms: [(kind: UInt32, boolean: Name?)]
    var offset: Int
    var block: UInt32
}

/// An `optional` block, and what it requires.
struct Block {
    enum Kind { case type, attribute, role, roleAttribute, user, bool, sensitivity, category }
    /// The block around it.
    var parent: UInt32
    /// The block whose `else` it is.
    var elseOf: UInt32?
    var required: [(kind: Kind, name: Name, offset: Int)] = []
    var requiredPermissions: [(class: Name, permissions: SetID)] = []
}

/// The labels of what no subject makes.
struct Labels {
    var initialIdentifiers: [(name: Name, context: ContextText)] = []
    var fileSystems: [(name: String, context: ContextText, content: ContextText)] = []
    var fileSystemUses: [(behavior: UInt32, name: String, context: ContextText)] = []
    var genericFileSystems: [GenericPath] = []
    var networkPorts: [NetworkPort] = []
    var networkInterfaces: [(name: String, context: ContextText, content: ContextText)] = []
    var nodes: [(address: UInt32, mask: UInt32, context: ContextText)] = []
    var wideNodes:
        [(address: PolicyFile.WideAddress, mask: PolicyFile.WideAddress, context: ContextText)] = []
    var infinibandKeys:
        [(prefix: PolicyFile.WideAddress, first: UInt32, last: UInt32, context: ContextText)] = []
    var infinibandPorts: [(device: String, port: UInt32, context: ContextText)] = []
    var interrupts: [(number: UInt32, context: ContextText)] = []
    var ports: [(first: UInt32, last: UInt32, context: ContextText)] = []
    var frames: [(first: UInt64, last: UInt64, context: ContextText)] = []
    var pciDevices: [(number: UInt32, context: ContextText)] = []
    var deviceTreePaths: [(path: String, context: ContextText)] = []

    struct GenericPath {
        var fileSystem: String
        var path: String
        /// The class's name; nil: any.
        var objectClass: String?
        var context: ContextText
    }

    struct NetworkPort {
        var networkProtocol: UInt32
        var first: UInt32
        var last: UInt32
        var context: ContextText
    }
}
