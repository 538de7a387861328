import PolicyDatabaseModel

/// What a flow graph is made of besides the policy.
package struct FlowOptions: Sendable {
    /// Which permissions let information flow.
    package var map = PermissionMap.standard
    /// The least weight of a permission that counts.
    package var leastWeight = 1
    /// The states of the Booleans; nil: whatever they are, so the rules of both branches count.
    package var booleans: [Bool]?
    /// Which levels are considered.
    package var levels = LevelChoice.ignored
    /// The permissions that count, by name; nil: all.
    package var permissions: Set<String>?

    /// Creates options for all permissions and all states.
    package init() {}

    /// How levels are considered.
    package enum LevelChoice: Equatable, Sendable {
        /// Any type at any level: a constraint counts where no level could pass it.
        case ignored
        /// The levels that things of each type can have, as the policy's labels, users and
        /// transitions say.
        case derived
        /// These, for every type.
        case given([LevelRange])
    }
}

/// From which types at which levels information flows directly to which.
///
/// Nodes are types, or with levels considered pairs of a type and a level; an edge is there when
/// a rule lets the information flow and the constraints leave it. All edges are bits of one matrix:
/// a policy of 4,500 types takes 2.5 MB.
///
/// - Invariant: the bit of a node with itself is not set.
package struct FlowGraph: Sendable {
    /// The policy.
    package let policy: IndexedPolicy
    /// The levels that are considered; one nil when none are.
    package let levels: [LevelRange?]
    /// The permissions that the map does not know, as `class:permission`.
    package let unknownPermissions: [String]
    /// The rules that let information flow.
    private(set) var rules: [FlowRule] = []
    /// The nodes that there are.
    package private(set) var nodes: TypeSet
    /// The rows of the matrix, each `rowWords` words.
    var matrix: [UInt64]
    /// How many words a row has.
    let rowWords: Int
    /// How many words the types of one level take.
    let blockWords: Int
    private let masks: DirectionMasks
    private var filters: [ConstraintFilter?] = []

    /// A rule and the permissions of it that read and write.
    struct FlowRule: Sendable {
        let rule: IndexedRule
        let reads: UInt32
        let writes: UInt32
    }

    /// The most nodes of a graph: the matrix then has 128 MiB.
    private static let mostNodes = 32_768

    /// Builds the graph.
    ///
    /// - Throws: `.policyTooLarge` when it would have more than 32,768 nodes.
    package init(_ policy: IndexedPolicy, _ options: FlowOptions) throws(PolicyAnalysisError) {
        self.policy = policy
        masks = DirectionMasks(policy, options)
        unknownPermissions = masks.unknown
        blockWords = (policy.typeCount + 63) / 64
        var possible: [TypeSet] = []
        switch options.levels {
        case .derived where policy.file.isMultilevel:
            let derivation = LevelDerivation(policy)
            levels = derivation.levels
            possible = derivation.types
        case .given(let given) where policy.file.isMultilevel && !given.isEmpty:
            levels = given
            possible = given.map { _ in TypeSet(all: policy.typeCount) }
        default:
            levels = [nil]
            possible = [TypeSet(all: policy.typeCount)]
        }
        rowWords = blockWords * levels.count
        guard rowWords * 64 <= Self.mostNodes else {
            throw PolicyAnalysisError(
                .policyTooLarge,
                "\(policy.typeCount) types at \(levels.count) levels are too many for a flow graph")
        }
        nodes = TypeSet(size: rowWords * 64)
        matrix = Array(repeating: 0, count: rowWords * rowWords * 64)
        for (level, types) in possible.enumerated() {
            types.forEach { type in
                if !policy.isAttribute[type] { nodes.insert(level * blockWords * 64 + type) }
            }
        }
        chooseRules(options)
        filters = policy.classes.map { ConstraintFilter($0, in: policy, levels: levels) }
        connect()
        tidy()
    }

    private mutating func chooseRules(_ options: FlowOptions) {
        let holds = policy.file.conditionals.indices.map { index in
            options.booleans.map { policy.value(of: index, $0) }
        }
        for rule in policy.rules where rule.kind == .allowed {
            if rule.conditional >= 0, let value = holds[Int(rule.conditional)],
                value != rule.branch
            {
                continue
            }
            let reads = rule.data & masks.read[Int(rule.objectClass)]
            let writes = rule.data & masks.write[Int(rule.objectClass)]
            if reads | writes != 0 {
                rules.append(FlowRule(rule: rule, reads: reads, writes: writes))
            }
        }
    }

    // MARK: Building

    /// Joins what flows out of each symbol, and gives it to the symbol's types.
    private mutating func connect() {
        // What constraints do not limit; and what they do, by who it is from.
        var plain: [TypeSet?] = Array(repeating: nil, count: policy.typeCount)
        var limited: [LimitedKey: TypeSet] = [:]
        for rule in rules {
            let (source, target) = (Int(rule.rule.source), Int(rule.rule.target))
            let objectClass = Int(rule.rule.objectClass)
            for (mask, isWrite) in [(rule.writes, true), (rule.reads, false)] where mask != 0 {
                let (from, to) = isWrite ? (source, target) : (target, source)
                if filters[objectClass]?.limits(mask) ?? false {
                    let key = LimitedKey(
                        from: from, objectClass: objectClass, mask: mask, isWrite: isWrite)
                    var types = limited.removeValue(forKey: key) ?? TypeSet(size: policy.typeCount)
                    add(to, to: &types)
                    limited[key] = types
                } else {
                    if plain[from] == nil { plain[from] = TypeSet(size: policy.typeCount) }
                    if let members = policy.members[to] {
                        plain[from]?.formUnion(members)
                    } else {
                        plain[from]?.insert(to)
                    }
                }
            }
        }
        for type in policy.plainTypes {
            var reached = TypeSet(size: policy.typeCount)
            for symbol in policy.symbols(of: type) {
                if let types = plain[symbol] { reached.formUnion(types) }
            }
            guard !reached.isEmpty else { continue }
            for level in levels.indices {
                for other in levels.indices { add(reached, from: type, level, at: other) }
            }
        }
        for (key, types) in limited { connect(key, types) }
    }

    private func add(_ symbol: Int, to types: inout TypeSet) {
        if let members = policy.members[symbol] {
            types.formUnion(members)
        } else {
            types.insert(symbol)
        }
    }

    private struct LimitedKey: Hashable {
        let from: Int
        let objectClass: Int
        let mask: UInt32
        let isWrite: Bool
    }

    /// Connects what constraints limit: from each type of a symbol to the types that pass.
    private mutating func connect(_ key: LimitedKey, _ reached: TypeSet) {
        guard let filter = filters[key.objectClass] else { return }
        let givers = policy.types(of: key.from)
        let (givingGroups, takingGroups) =
            key.isWrite ? (filter.sources, filter.targets) : (filter.targets, filter.sources)
        for (giving, group) in givingGroups.enumerated() {
            var from = group
            from.formIntersection(givers)
            guard !from.isEmpty else { continue }
            for level in levels.indices {
                for other in levels.indices {
                    var to = TypeSet(size: policy.typeCount)
                    for (taking, group) in takingGroups.enumerated() {
                        let passes =
                            key.isWrite
                            ? filter.passes(key.mask, giving, level, taking, other)
                            : filter.passes(key.mask, taking, other, giving, level)
                        if passes { to.formUnion(group) }
                    }
                    to.formIntersection(reached)
                    guard !to.isEmpty else { continue }
                    for type in from.numbers { add(to, from: type, level, at: other) }
                }
            }
        }
    }

    private mutating func add(_ types: TypeSet, from type: Int, _ level: Int, at other: Int) {
        let first = node(type, level) * rowWords + other * blockWords
        for index in types.words.indices { matrix[first + index] |= types.words[index] }
    }

    /// Takes away what is no node, and the bit of each node with itself.
    private mutating func tidy() {
        for node in 0..<rowWords * 64 {
            let first = node * rowWords
            let isThere = nodes.contains(node)
            for index in 0..<rowWords { matrix[first + index] &= isThere ? nodes.words[index] : 0 }
            matrix[first + node >> 6] &= ~(1 << UInt64(node & 63))
        }
    }

    /// Takes nodes out of the graph.
    package mutating func exclude(nodes excluded: TypeSet) {
        nodes.subtract(excluded)
        tidy()
    }

    // MARK: Nodes

    /// The node of a type at a level, both by index.
    package func node(_ type: Int, _ level: Int) -> Int { level * blockWords * 64 + type }

    /// The type of a node.
    package func type(of node: Int) -> Int { node % (blockWords * 64) }

    /// The level of a node, by index.
    package func level(of node: Int) -> Int { node / (blockWords * 64) }

    /// The nodes of types at the levels of a range, or at all when there is none.
    package func nodes(of types: TypeSet, at range: LevelRange? = nil) -> TypeSet {
        var found = TypeSet(size: rowWords * 64)
        for level in levels.indices where range == nil || levels[level] == range {
            types.forEach { found.insert(node($0, level)) }
        }
        found.formIntersection(nodes)
        return found
    }

    /// A node's name: its type, and its level when levels are considered.
    package func name(of node: Int) -> String {
        let name = policy.typeNames[type(of: node)]
        guard let range = levels[level(of: node)] else { return name }
        let text = policy.text(range).filter { $0 != " " }
        return "\(name)@\(text)"
    }

    /// Whether information flows directly.
    package func flows(from source: Int, to target: Int) -> Bool {
        matrix[source * rowWords + target >> 6] >> UInt64(target & 63) & 1 == 1
    }

    /// The nodes to which information of a node flows directly.
    package func successors(of node: Int) -> TypeSet {
        var row = TypeSet(size: rowWords * 64)
        let first = node * rowWords
        for index in 0..<rowWords { row.words[index] = matrix[first + index] }
        return row
    }

    /// The nodes to which information of any of some nodes flows directly.
    func successors(of nodes: TypeSet) -> TypeSet {
        var next = TypeSet(size: rowWords * 64)
        nodes.forEach { node in
            let first = node * rowWords
            for index in 0..<rowWords { next.words[index] |= matrix[first + index] }
        }
        return next
    }

    /// How many direct flows there are.
    package var edgeCount: Int { matrix.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// The rules by which information flows directly from one node to another.
    package func rules(from source: Int, to target: Int) -> [IndexedRule] {
        let (from, to) = (type(of: source), type(of: target))
        let given = Set(policy.symbols(of: from))
        let taken = Set(policy.symbols(of: to))
        var found: [IndexedRule] = []
        for candidate in rules {
            let (one, two) = (Int(candidate.rule.source), Int(candidate.rule.target))
            let writes =
                candidate.writes != 0 && given.contains(one) && taken.contains(two)
                ? remaining(
                    candidate.writes, candidate.rule,
                    LabelPair(
                        from, levels[level(of: source)], to, levels[level(of: target)])) : 0
            let reads =
                candidate.reads != 0 && given.contains(two) && taken.contains(one)
                ? remaining(
                    candidate.reads, candidate.rule,
                    LabelPair(
                        to, levels[level(of: target)], from, levels[level(of: source)])) : 0
            if writes | reads != 0 { found.append(candidate.rule) }
        }
        return policy.sorted(found)
    }

    /// The permissions that constraints leave.
    private func remaining(_ mask: UInt32, _ rule: IndexedRule, _ pair: LabelPair) -> UInt32 {
        policy.classes[Int(rule.objectClass)].constraints.reduce(mask) { left, constraint in
            left & constraint.permissions != 0 && pair.certainty(of: constraint.terms) == .no
                ? left & ~constraint.permissions : left
        }
    }
}
