public import PolicySemantics
public import PolicySyntax
import SecurityLattice

/// Why information of one compartment comes to another, or why not, and what would change it.
public struct FlowExplanation: Sendable {
    /// An edit of the source, and what it would do.
    public struct Edit: Sendable {
        /// The lines to add, in the source's words.
        public let lines: [String]
        /// The flows that the edit would add besides the one asked for, as `from -> to`.
        public let otherFlows: [String]
        /// The rules that the system would break then, each with its message.
        public let violations: [Diagnostic]

        init(lines: [String], otherFlows: [String], violations: [Diagnostic]) {
            self.lines = lines
            self.otherFlows = otherFlows
            self.violations = violations
        }
    }

    /// Whose information it is about.
    public let from: Int
    /// To whom it comes, or does not.
    public let to: Int
    /// A shortest chain; nil: nothing comes.
    public let chain: [FlowGraph.Step]?
    /// The fewest statements to remove so that nothing comes; nil when nothing comes, or more are
    /// needed than are looked for.
    public let cut: [SourceSpan]?
    /// The smallest edit that lets something come; nil when something comes.
    public let edit: Edit?
    private let policy: SystemPolicy

    /// Explains one pair of a system.
    ///
    /// - Precondition: both are indices of different compartments.
    public init(of policy: SystemPolicy, from: Int, to: Int) {
        self.policy = policy
        self.from = from
        self.to = to
        let graph = FlowGraph(of: policy)
        let (source, target) = (CompartmentSet(index: from), CompartmentSet(index: to))
        chain = graph.shortestChain(from: source, to: target)
        guard chain == nil else {
            cut = MinimalCut.statements(of: policy, from: source, to: target)
            edit = nil
            return
        }
        cut = nil
        edit = FlowExplanation.smallestEdit(of: policy, graph, from: from, to: to)
    }

    /// The smallest edit: exemptions where the channels are there already, else a channel.
    private static func smallestEdit(
        of policy: SystemPolicy, _ graph: FlowGraph, from: Int, to: Int
    ) -> Edit {
        let held = graph.network.shortestChain(
            from: CompartmentSet(index: from), to: CompartmentSet(index: to),
            avoiding: FlowNetwork.Avoidance(everythingPasses: true))
        if let held {
            let missing = missingExemptions(held, graph.network, policy)
            let lines = missing.map { exemption in
                "exempt \(policy.compartments[exemption.subject].name) "
                    + "\(policy.links[exemption.from].name) -> "
                    + "\(policy.links[exemption.to].name) reason \"…\""
            }
            return Edit(
                adding: lines, to: policy, graph, giving: policy.adding(missing), asked: (from, to))
        }
        let ends = "\(policy.compartments[from].name) -> \(policy.compartments[to].name)"
        let channel = SystemPolicy.Channel(
            name: "…", from: from, to: to, kind: .signal, source: policy.source)
        return Edit(
            adding: ["channel …: \(ends) signal"], to: policy, graph,
            giving: policy.adding(channel), asked: (from, to))
    }

    private static func missingExemptions(
        _ chain: [Int], _ network: FlowNetwork, _ policy: SystemPolicy
    ) -> [SystemPolicy.Exemption] {
        zip(chain, chain.dropFirst()).compactMap { wire, next in
            guard !network.passes(wire, next) else { return nil }
            return SystemPolicy.Exemption(
                subject: network.wires[next].from, from: network.wires[wire].link,
                to: network.wires[next].link, reason: "…", source: policy.source)
        }
    }

    /// Returns the explanation as text, for a person.
    ///
    /// - Parameter renderer: shows the places of the source.
    public func text(_ renderer: DiagnosticRenderer) -> String {
        let names = (policy.compartments[from], policy.compartments[to])
        let pair = "`\(names.0.name)` (\(policy.describe(names.0.range)))"
        let other = "`\(names.1.name)` (\(policy.describe(names.1.range)))"
        guard let edit else {
            var text = "yes: information of \(pair) comes to \(other)\n"
            for note in notes(for: chain ?? [], of: policy) {
                text += "  \(renderer.place(note.span)): \(note.message)\n"
            }
            guard let cut, !cut.isEmpty else { return text }
            return text + "the least to remove: " + cut.map(policy.line).joined(separator: ", ")
                + "\n"
        }
        var text = "no: nothing of \(pair) comes to \(other)\n"
        let isUp = mayFlow(from: names.0.range, to: names.1.range)
        text += isUp ? "  the levels allow it\n" : "  the levels forbid it\n"
        if !policy.further.integrities.isEmpty,
            names.0.options.integrity < names.1.options.integrity
        {
            text += "  the integrities forbid it\n"
        }
        text += "the smallest edit that would let it come:\n"
        return text + edit.text(in: policy)
    }

    /// Returns the explanation as a JSON document; docs/commands.md lists its members.
    ///
    /// - Parameter renderer: shows the places of the source.
    package func json(_ renderer: DiagnosticRenderer) -> JSONValue {
        .object([
            ("format", .string("casemate-explain-1")),
            ("from", .string(policy.compartments[from].name)),
            ("to", .string(policy.compartments[to].name)), ("flows", .bool(chain != nil)),
            ("chain", policy.json(chain ?? [], renderer)),
            ("cut", cut.map { .array($0.map(renderer.json)) } ?? .null),
            ("edit", edit?.json(renderer) ?? .null),
        ])
    }
}

extension FlowExplanation.Edit {
    /// Finds out what an edit does.
    ///
    /// - Parameters:
    ///   - lines: what is added, in the source's words.
    ///   - policy: the system before, and its graph.
    ///   - changed: the system after.
    ///   - asked: the pair that the edit is for, which is not among its other flows.
    init(
        adding lines: [String], to policy: SystemPolicy, _ graph: FlowGraph,
        giving changed: SystemPolicy, asked: (Int, Int)
    ) {
        let after = FlowGraph(of: changed)
        var others: [String] = []
        for from in policy.compartments.indices {
            for to in after.reach[from].indices
            where !graph.reach[from].contains(to) && (from, to) != asked {
                others.append(
                    "\(policy.compartments[from].name) -> \(policy.compartments[to].name)")
            }
        }
        let before = PolicyCheck.all.flatMap { $0.violations(policy, graph) }
        let broken = PolicyCheck.all.flatMap { $0.violations(changed, after) }
            .filter { found in
                !before.contains { $0.code == found.code && $0.message == found.message }
            }
        self.init(lines: lines, otherFlows: others, violations: broken)
    }

    /// The edit as lines of text: what it adds, what it lets flow besides, what it breaks.
    func text(in policy: SystemPolicy) -> String {
        var text = lines.map { "  \($0)\n" }.joined()
        text += "it would let flow besides:\n"
        text += otherFlows.isEmpty ? "  nothing\n" : otherFlows.map { "  \($0)\n" }.joined()
        text += "it would break:\n"
        text += violations.isEmpty ? "  nothing\n" : ""
        text += violations.map { violation in
            // What was added stands where the system is named, since it has no line yet.
            let place =
                violation.span == policy.source ? "the added line" : policy.line(violation.span)
            return "  \(violation.code.id), \(place): \(violation.message)\n"
        }.joined()
        return text
    }

    /// The edit as a JSON object; docs/commands.md lists its members.
    func json(_ renderer: DiagnosticRenderer) -> JSONValue {
        .object([
            ("lines", .array(lines.map { .string($0) })),
            ("otherFlows", .array(otherFlows.map { .string($0) })),
            ("violations", .array(violations.map(renderer.json))),
        ])
    }
}
