import KernelPolicyLanguage
import PolicyDatabaseModel

/// Says in whole names what the statements of a policy say where they stand.
///
/// In rounds: a statement of an `optional` that names what is not there disables the `optional`,
/// and all is done again without it, until nothing is disabled any more.
struct Lowering {
    var structure: Structure
    let tree: SourceTree
    var policy = SourcePolicy()
    var failures: [SourceFailure] = []
    /// Whether only statements of `optional` are looked at, to see which are disabled.
    let isTrial: Bool
    /// Whether an `optional` was disabled in this round.
    var hasDisabled = false
    /// For each container whether it is in a disabled `optional`.
    let isOff: [Bool]
    /// Places and containers of what is worked out where it is used.
    var definitions: [(place: Int, container: Int)] = []
    /// Other names: the whole name, what it is another name of, and where it is declared.
    var aliases: [(name: Name, actual: Symbol?, list: Int)] = []
    var classes: [ObjectClass] = []
    var commons: [(name: Name, permissions: [Name])] = []
    var classMaps: [ClassMap] = []
    /// For each named set of permissions what it is made of.
    var classPermissions: [[(place: Int, container: Int)]] = []
    /// Classes with sets of permissions that they have.
    var checkedPermissions: Set<UInt64> = []
    /// For each attribute of types, roles and users, by its name, what it is made of.
    var members: [AttributeKey: [(place: Int, container: Int)]] = [:]
    var memberBits: [AttributeKey: BitRow] = [:]
    /// Attributes that are being worked out.
    var pendingMembers: Set<AttributeKey> = []
    var users = Numbering()
    var userParts: [UserParts] = []
    var userAttributes = Numbering()
    var sensitivities: [Declared] = []
    var categories: [Declared] = []
    var identifiers: [Declared] = []
    var orders = Orders()
    /// For each sensitivity its categories.
    var levelCategories: [Name: BitRow] = [:]
    var unknownHandling: PolicyFile.UnknownHandling?
    var isMultilevel: Bool?
    /// What was labelled, to find labels that contradict.
    var labelled: [String: String] = [:]
    /// The labels of files, for `file_contexts`.
    var fileLabels: [FileLabel] = []
    var warnings: [String] = []
    /// Who may have `object_r`, and the types that it goes with: in the policy everything does.
    var objectUsers: Set<Name> = []
    var objectTypes: [Symbol] = []
    /// Labels with `object_r`, to be checked when that is known.
    var objectContexts: [(user: Name, type: Name, list: Int)] = []
    /// How many expressions, and named things in them, are being worked out.
    private var depth = 0
    /// How many the expression took that is being worked out.
    var work = 0

    /// A whole name, and where it is declared.
    struct Declared {
        let name: Name
        let list: Int
    }

    /// An attribute: types, roles and users have each their own.
    struct AttributeKey: Hashable {
        let space: Namespace
        let name: Name
    }

    /// A class, and its permissions without those of its common.
    struct ObjectClass {
        let name: Name
        var common: Int?
        let own: [Name]
        let list: Int
    }

    /// A class that stands for permissions of others.
    struct ClassMap {
        let name: Name
        let permissions: [Name]
        /// For each permission what it stands for.
        var mappings: [[(place: Int, container: Int)]]
    }

    /// What statements say of a user.
    struct UserParts {
        let list: Int
        var roles: [Symbol] = []
        var level: LevelText?
        var range: RangeText?
        var hasLevel = false
        var hasRange = false
    }

    init(_ structure: Structure, isTrial: Bool) {
        self.structure = structure
        self.isTrial = isTrial
        tree = structure.tree
        var isOff = Array(repeating: false, count: structure.containers.count)
        for (index, container) in structure.containers.enumerated().dropFirst() {
            isOff[index] = isOff[container.parent] || container.isDisabled
        }
        self.isOff = isOff
    }

    func text(_ name: Name) -> String { structure.names.text(name) }

    func failure(
        _ reason: KernelPolicyError.Reason, _ message: String, _ list: Int
    ) -> SourceFailure {
        SourceFailure(reason, message, at: tree.offset(list))
    }

    /// Does a statement; one that fails for what is not there disables its `optional`.
    mutating func attempt(
        _ container: Int, _ step: (inout Lowering) throws(SourceFailure) -> Void
    ) {
        guard failures.count < KernelPolicyRefusal.most else { return }
        work = 0
        do throws(SourceFailure) {
            try step(&self)
        } catch {
            let optional = structure.containers[container].optional
            if optional >= 0, error.reason == .undeclared || error.reason == .noPermission {
                structure.containers[optional].isDisabled = true
                hasDisabled = true
            } else {
                failures.append(error)
            }
        }
    }

    /// Does every statement, or leaves what is wrong in `failures`.
    mutating func run() {
        let objectRole = structure.names.name("object_r")
        policy.roles.declare(objectRole)
        let options = options
        each(where: { Declaration.of($0, options) != nil }) {
            (it, list, word, container) throws(SourceFailure) in
            try it.declare(list, word, container)
        }
        let isAlias: (Word) -> Bool = {
            [.typealiasactual, .sensitivityaliasactual, .categoryaliasactual].contains($0)
        }
        each(where: isAlias) { (it, list, word, container) throws(SourceFailure) in
            try it.early(list, word, container)
        }
        each(where: { Word.early.contains($0) && !isAlias($0) }) {
            (it, list, word, container) throws(SourceFailure) in
            try it.early(list, word, container)
        }
        attempt(0) { (it) throws(SourceFailure) in try it.finishOrders() }
        attempt(0) { (it) throws(SourceFailure) in try it.finishAliases() }
        guard failures.isEmpty else { return }
        addConditionals()
        each(where: { !Word.early.contains($0) && Declaration.of($0, options) == nil }) {
            (it, list, word, container) throws(SourceFailure) in
            guard !it.isTrial || it.structure.containers[container].optional >= 0 else { return }
            try it.late(list, word, container)
        }
        guard failures.isEmpty, !isTrial else { return }
        attempt(0) { (it) throws(SourceFailure) in try it.finishTypes() }
        attempt(0) { (it) throws(SourceFailure) in try it.finishUsers() }
        attempt(0) { (it) throws(SourceFailure) in try it.checkDefinitions() }
        attempt(0) { (it) throws(SourceFailure) in try it.checkObjectContexts() }
        attempt(0) { (it) throws(SourceFailure) in try it.finishLevels() }
        policy.names = structure.names
    }

    private mutating func each(
        where isWanted: (Word) -> Bool,
        _ body: (inout Lowering, Int, Word, Int) throws(SourceFailure) -> Void
    ) {
        for statement in structure.statements {
            let (list, container) = (Int(statement.place), Int(statement.container))
            guard !isOff[container], let word = tree.head(list), isWanted(word) else {
                continue
            }
            attempt(container) { (it) throws(SourceFailure) in
                try body(&it, list, word, container)
            }
        }
    }

    // MARK: Looking up

    /// Returns what a name stands for, through other names.
    mutating func find(
        _ name: Name, _ space: Namespace, _ what: String, _ container: Int, _ list: Int
    ) throws(SourceFailure) -> Symbol {
        guard let found = structure.find(name, space, from: container) else {
            throw failure(.undeclared, "no \(what) `\(text(name))` is declared", list)
        }
        switch found.kind {
        case .typeAlias, .sensitivityAlias, .categoryAlias:
            return try actual(found, name, list)
        default: return found
        }
    }

    private func actual(
        _ alias: Symbol, _ name: Name, _ list: Int
    ) throws(SourceFailure) -> Symbol {
        var found = alias
        for _ in 0...aliases.count {
            guard [.typeAlias, .sensitivityAlias, .categoryAlias].contains(found.kind) else {
                return found
            }
            guard let next = aliases[found.index].actual else {
                throw failure(
                    .undeclared, "`\(text(name))` is another name of nothing", list)
            }
            found = next
        }
        throw failure(.limit, "`\(text(name))` is another name of itself", list)
    }

    /// Returns the atom at a place of a list.
    func atom(_ place: Int, _ what: String, _ list: Int) throws(SourceFailure) -> Name {
        guard let name = tree.bare(place) else {
            throw failure(.syntax, "\(what) is missing here", list)
        }
        return name
    }

    /// Returns the things of a statement, which must be so many with the statement's word.
    func items(
        _ list: Int, _ counts: ClosedRange<Int>
    ) throws(SourceFailure) -> [Int] {
        let items = tree.items(list)
        guard counts.contains(items.count) else {
            let word = tree.word(items[0])?.rawValue ?? ""
            throw failure(
                .syntax,
                "`\(word)` has \(items.count - 1) parts, which are too "
                    + (items.count < counts.lowerBound ? "few" : "many"), list)
        }
        return items
    }

    /// Returns the place and the container of what is worked out where it is used.
    func definition(_ symbol: Symbol) -> (place: Int, container: Int) {
        symbol.value >> 31 == 1
            ? structure.writtenOut[Int(symbol.value & 0x7fff_ffff)] : definitions[symbol.index]
    }

    /// How deep parentheses, and names that stand for some, may be nested together.
    static let mostDepth = 2 * SourceTree.mostNesting

    /// How many expressions, and named things in them, one expression may stand for: names that
    /// stand for others twice, and these again, double what they stand for with each step.
    /// Attributes do not count: what one stands for is worked out once.
    static let mostWork = 20_000

    /// Counts what an expression stands for.
    ///
    /// - Throws: `.limit` when it is too much.
    mutating func spend(_ list: Int) throws(SourceFailure) {
        work += 1
        guard work <= Lowering.mostWork else {
            throw failure(.limit, "the names in this statement stand for too much", list)
        }
    }

    /// Does what may refer to itself; refuses when it goes on too long.
    mutating func nested<Result>(
        _ list: Int, _ body: (inout Lowering) throws(SourceFailure) -> Result
    ) throws(SourceFailure) -> Result {
        if depth == 0 { work = 0 }
        try spend(list)
        depth += 1
        defer { depth -= 1 }
        guard depth <= Lowering.mostDepth else {
            throw failure(.limit, "what is named here refers to itself, or nests too deeply", list)
        }
        return try body(&self)
    }
}
