import PolicyDatabaseModel

/// What became of a requirement.
package struct AssertionResult: Sendable {
    /// The requirement.
    package let assertion: FlowAssertion
    /// Whether it holds; nil when it names what the policy does not have.
    package let holds: Bool?
    /// A way that shows it: that is there as it must, or against it.
    package let path: [String]
    /// Why it was not checked.
    package let reason: String?
}

/// Checks requirements on a policy's flows.
///
/// A way is a row of steps, each by one permission. Permissions that no requirement tells apart are
/// one letter; there is a flow graph for each letter, and a requirement is a search through the
/// pairs of a node and how far the way is along both kinds.
package struct AssertionChecker: Sendable {
    private let policy: IndexedPolicy
    private let options: FlowOptions
    private static let mostStates = 20_000

    /// Creates a checker.
    package init(_ policy: IndexedPolicy, _ options: FlowOptions) {
        self.policy = policy
        self.options = options
    }

    /// Checks a requirement.
    ///
    /// A requirement in a macro whose calls are not known is not checked, and says so.
    /// - Throws: `.policyTooLarge` when a graph, or the search, would be too large.
    package func check(
        _ assertion: FlowAssertion
    ) throws(PolicyAnalysisError) -> AssertionResult {
        if let macro = assertion.macro {
            return AssertionResult(
                assertion: assertion, holds: nil, path: [],
                reason: "it stands in the macro `\(macro)`, whose calls are not known: "
                    + "the file is not a whole policy")
        }
        if let reason = assertion.unusedReason {
            return AssertionResult(assertion: assertion, holds: true, path: [], reason: reason)
        }
        let (first, second, isWanted): (FlowKind, FlowKind?, Bool) =
            switch assertion.demand {
            case .must(let kind): (kind, nil, true)
            case .mustNot(let kind): (kind, nil, false)
            case .every(let kind, let other): (kind, other, false)
            }
        do throws(PolicyAnalysisError) {
            var search = try KindSearch(policy, options, first, second)
            let path = try search.run(most: Self.mostStates)
            return AssertionResult(
                assertion: assertion, holds: (path != nil) == isWanted, path: path ?? [],
                reason: nil)
        } catch {
            guard error.reason == .unknownName else { throw error }
            return AssertionResult(
                assertion: assertion, holds: nil, path: [], reason: error.message)
        }
    }
}

/// The search for a way of one kind that is not of another.
private struct KindSearch {
    /// How far a way is: along the first kind, and all that it can be along the second.
    struct State: Hashable {
        let first: Int
        let second: UInt32
    }

    /// Permissions that are told apart by nobody.
    private struct Letter {
        let graph: FlowGraph
        /// For each arrow of the first kind whether it may be such a step; then of the second.
        let first: [Bool]
        let second: [Bool]
    }

    /// The most words of all graphs together: 512 MiB.
    private static let mostWords = 1 << 26

    private let first: FlowKind
    private let second: FlowKind?
    private var letters: [Letter] = []
    private var firstNodes: [TypeSet] = []
    private var secondNodes: [TypeSet] = []
    /// Nodes that no name tells apart.
    private var cells: [TypeSet] = []
    private var rounds: [[State: TypeSet]] = []

    init(
        _ policy: IndexedPolicy, _ options: FlowOptions, _ first: FlowKind, _ second: FlowKind?
    ) throws(PolicyAnalysisError) {
        self.first = first
        self.second = second
        let arrows = first.arrows + (second?.arrows ?? [])
        var groups: [[Bool]: Set<String>] = [:]
        for name in Set(policy.classes.flatMap { $0.permissions.compactMap(\.self) }) {
            groups[arrows.map { $0.permissions?.contains(name) ?? true }, default: []].insert(name)
        }
        let used = groups.filter { $0.key.contains(true) }
        for (uses, names) in used.sorted(by: { $0.value.count < $1.value.count }) {
            var options = options
            options.permissions = names
            if let words = letters.first?.graph.matrix.count {
                guard words * used.count <= Self.mostWords else {
                    throw PolicyAnalysisError(
                        .policyTooLarge, "the requirement tells too many permissions apart")
                }
            }
            letters.append(
                Letter(
                    graph: try FlowGraph(policy, options),
                    first: Array(uses.prefix(first.arrows.count)),
                    second: Array(uses.dropFirst(first.arrows.count))))
        }
        guard let graph = letters.first?.graph else { return }
        firstNodes = try Self.sets(first, graph)
        if let second { secondNodes = try Self.sets(second, graph) }
        cells = [graph.nodes(of: TypeSet(all: policy.typeCount))]
        for set in firstNodes + secondNodes {
            cells = cells.flatMap { cell in
                var inside = cell
                inside.formIntersection(set)
                var outside = cell
                outside.subtract(set)
                return [inside, outside].filter { !$0.isEmpty }
            }
        }
    }

    private static func sets(
        _ kind: FlowKind, _ graph: FlowGraph
    ) throws(PolicyAnalysisError) -> [TypeSet] {
        var sets: [TypeSet] = []
        for name in kind.nodes {
            if let name {
                sets.append(try graph.nodes(named: [name]))
            } else {
                sets.append(graph.nodes(of: TypeSet(all: graph.policy.typeCount)))
            }
        }
        return sets
    }

    /// Runs the search.
    ///
    /// - Returns: the nodes of a way that is of the first kind and not of the second.
    mutating func run(most: Int) throws(PolicyAnalysisError) -> [String]? {
        guard !letters.isEmpty else { return nil }
        var seen: [State: TypeSet] = [:]
        var front: [State: TypeSet] = [:]
        for cell in cells where cell.intersects(firstNodes[0]) {
            let inSecond = second != nil && cell.intersects(secondNodes[0])
            add(cell, to: State(first: 0, second: inSecond ? 1 : 0), &front)
        }
        while !front.isEmpty {
            for (state, nodes) in front { add(nodes, to: state, &seen) }
            rounds.append(front)
            guard seen.count <= most else {
                throw PolicyAnalysisError(.policyTooLarge, "the requirement has too many ways")
            }
            if let (state, nodes) = Self.ordered(front).first(where: { isEnd($0.0) }) {
                return trace(state, nodes.numbers[0])
            }
            var next: [State: TypeSet] = [:]
            for (state, nodes) in front { advance(state, nodes, into: &next) }
            for (state, nodes) in next {
                var new = nodes
                if let old = seen[state] { new.subtract(old) }
                next[state] = new.isEmpty ? nil : new
            }
            front = next
        }
        return nil
    }

    /// The states in an order that does not depend on the run.
    private static func ordered(_ sets: [State: TypeSet]) -> [(State, TypeSet)] {
        sets.map { ($0, $1) }.sorted {
            ($0.0.first, $0.0.second) < ($1.0.first, $1.0.second)
        }
    }

    private func isEnd(_ state: State) -> Bool {
        state.first == first.arrows.count
            && (second.map { state.second >> UInt32($0.arrows.count) & 1 == 0 } ?? true)
    }

    private func add(_ nodes: TypeSet, to state: State, _ sets: inout [State: TypeSet]) {
        if sets[state]?.formUnion(nodes) == nil { sets[state] = nodes }
    }

    /// The states that a step by a letter to nodes of a cell leads to.
    private func states(after state: State, _ letter: Letter, _ cell: TypeSet) -> [State] {
        var mask: UInt32 = 0
        if let second {
            for (index, arrow) in second.arrows.enumerated()
            where state.second >> UInt32(index) & 1 == 1 && letter.second[index] {
                if arrow.isLong { mask |= 1 << UInt32(index) }
                if cell.intersects(secondNodes[index + 1]) { mask |= 1 << UInt32(index + 1) }
            }
        }
        guard state.first < first.arrows.count, letter.first[state.first] else { return [] }
        var states: [State] = []
        if first.arrows[state.first].isLong {
            states.append(State(first: state.first, second: mask))
        }
        if cell.intersects(firstNodes[state.first + 1]) {
            states.append(State(first: state.first + 1, second: mask))
        }
        return states
    }

    private func advance(_ state: State, _ nodes: TypeSet, into next: inout [State: TypeSet]) {
        guard state.first < first.arrows.count else { return }
        for letter in letters where letter.first[state.first] {
            let reached = letter.graph.successors(of: nodes)
            for cell in cells {
                var part = reached
                part.formIntersection(cell)
                guard !part.isEmpty else { continue }
                for new in states(after: state, letter, cell) { add(part, to: new, &next) }
            }
        }
    }

    /// The way back from a state and node of the last round.
    private func trace(_ last: State, _ end: Int) -> [String] {
        var (state, node) = (last, end)
        var path = [node]
        for round in rounds.dropLast().reversed() {
            guard let cell = cells.first(where: { $0.contains(node) }) else { break }
            var found: (State, Int)?
            for (before, nodes) in Self.ordered(round) {
                for letter in letters where states(after: before, letter, cell).contains(state) {
                    if let giver = nodes.numbers.first(where: {
                        letter.graph.flows(from: $0, to: node)
                    }) {
                        found = (before, giver)
                    }
                }
                if found != nil { break }
            }
            guard let found else { break }
            (state, node) = found
            path.append(node)
        }
        return path.reversed().map { letters[0].graph.name(of: $0) }
    }
}
