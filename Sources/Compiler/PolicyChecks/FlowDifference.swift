public import PolicySemantics
package import PolicySyntax

/// Which flows differ between two systems: not which lines.
///
/// Compartments are the same when their names are.
public struct FlowDifference: Equatable, Sendable {
    /// Something that only one of the two systems permits or claims.
    public struct Change: Equatable, Sendable {
        /// Whether it is the new system's.
        public let isAddition: Bool
        /// What it is: `flow a -> b`, or a compartment, exemption, assertion or residual channel.
        public let fact: String
        /// How it comes about; empty when there is nothing to say.
        public let how: String
    }

    /// What is different, by fact; empty for systems that permit the same.
    public let changes: [Change]

    /// The changes as lines that begin with `+` or `-`.
    public var lines: [String] {
        changes.map { change in
            let mark = change.isAddition ? "+" : "-"
            return "\(mark) \(change.fact)" + (change.how.isEmpty ? "" : ": \(change.how)")
        }
    }

    /// Compares two systems.
    public init(from old: SystemPolicy, to new: SystemPolicy) {
        let before = Side(old)
        let after = Side(new)
        let (gone, come) = (before.facts(against: after), after.facts(against: before))
        changes = (gone.map { ($0.key, "-", $0.value) } + come.map { ($0.key, "+", $0.value) })
            .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
            .map { fact, mark, how in Change(isAddition: mark == "+", fact: fact, how: how) }
    }

    /// The difference as a JSON document; docs/commands.md lists its members.
    package var json: JSONValue {
        let members = changes.map { change in
            JSONValue.object([
                ("change", .string(change.isAddition ? "added" : "removed")),
                ("fact", .string(change.fact)), ("how", .string(change.how)),
            ])
        }
        return .object([
            ("format", .string("casemate-diff-1")), ("same", .bool(changes.isEmpty)),
            ("changes", .array(members)),
        ])
    }

    /// One of the two systems.
    private struct Side {
        let policy: SystemPolicy
        let graph: FlowGraph
        let indices: [String: Int]
        /// What the system permits and claims besides flows, each with how much or why.
        let statements: [String: String]

        init(_ policy: SystemPolicy) {
            self.policy = policy
            graph = FlowGraph(of: policy)
            indices = Dictionary(
                policy.compartments.enumerated().map { ($0.element.name, $0.offset) },
                uniquingKeysWith: { first, _ in first })
            statements = Side.statements(of: policy, graph)
        }

        /// Returns what holds here and not on the other side, each with how it comes about.
        func facts(against other: Side) -> [String: String] {
            var facts = statements.filter { other.statements[$0.key] == nil }
            // Where each compartment is on the other side; -1: nowhere.
            let places = policy.compartments.map { other.indices[$0.name] ?? -1 }
            let isSameOrder = places.enumerated().allSatisfy { $0.offset == $0.element }
            for (from, compartment) in policy.compartments.enumerated() {
                let place = places[from]
                let theirs = place >= 0 ? other.graph.reach[place] : CompartmentSet()
                let mine = graph.reach[from].removing(from)
                let differing =
                    isSameOrder
                    ? mine.subtracting(theirs)
                    : CompartmentSet(mine.indices.filter { !theirs.contains(places[$0]) })
                for to in differing.indices {
                    let name = "flow \(compartment.name) -> \(policy.compartments[to].name)"
                    facts[name] = policy.describe(graph.chain(from: from, to: to) ?? [])
                }
            }
            return facts
        }

        private static func statements(
            of policy: SystemPolicy, _ graph: FlowGraph
        ) -> [String: String] {
            var facts: [String: String] = [:]
            for compartment in policy.compartments {
                let range = policy.describe(compartment.range)
                facts["compartment \(compartment.name) at \(range)"] = ""
            }
            for exemption in policy.further.exemptions {
                let subject = policy.compartments[exemption.subject].name
                let links = (policy.links[exemption.from].name, policy.links[exemption.to].name)
                facts["exemption \(subject) \(links.0) -> \(links.1)"] = exemption.reason
            }
            for assertion in policy.assertions {
                facts["assertion \(policy.describe(assertion))"] = ""
            }
            for claim in policy.further.powerAssertions {
                facts["assertion \(policy.describe(claim))"] = ""
            }
            for channel in ResidualChannel.all(of: policy, in: graph) {
                facts["residual \(channel.kind.rawValue) \(channel.parties)"] = channel.bound
            }
            return facts
        }
    }
}
