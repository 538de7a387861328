import PolicySemantics
public import PolicySyntax
import SecurityLattice

/// Every flow that a system permits, through which channels, and the fate of each assertion.
public struct FlowReport: Equatable, Sendable {
    /// Information of one compartment comes to another.
    public struct Flow: Equatable, Sendable {
        /// Index of the compartment that it comes from.
        public let from: Int
        /// Index of the compartment that it comes to.
        public let to: Int
        /// The channels that join the two directly, by index; empty when only a chain does.
        public let channels: [Int]
        /// A shortest chain of channels.
        public let chain: [FlowGraph.Step]
    }

    /// What became of an assertion.
    public enum Verdict: Equatable, Sendable {
        /// No information of the one side comes to the other.
        case holds
        /// It holds, but there is no pair of compartments that it speaks of.
        case holdsEmptily
        /// Information comes to the other side, by this chain.
        case refuted([FlowGraph.Step])
    }

    /// The flows, by the index of the sender, then of the receiver.
    public let flows: [Flow]
    /// One verdict for each assertion of the policy.
    public let verdicts: [Verdict]
    private let policy: SystemPolicy

    /// Collects the flows of a system.
    init(of policy: SystemPolicy, _ graph: FlowGraph) {
        self.policy = policy
        var flows: [Flow] = []
        for from in policy.compartments.indices {
            for to in graph.reach[from].indices where to != from {
                let chain = graph.shortestChain(
                    from: CompartmentSet(index: from), to: CompartmentSet(index: to))
                let channels = graph.channels(from: from, to: to)
                flows.append(Flow(from: from, to: to, channels: channels, chain: chain ?? []))
            }
        }
        self.flows = flows
        verdicts = policy.assertions.map { assertion in
            let chain = graph.shortestChain(
                from: assertion.from.compartments, to: assertion.to.compartments)
            if let chain { return .refuted(chain) }
            return assertion.isEmpty ? .holdsEmptily : .holds
        }
    }
}

// MARK: - For people

extension FlowReport {
    /// Returns the report as text, for a person.
    ///
    /// - Parameter renderer: shows the places of the source.
    public func text(_ renderer: DiagnosticRenderer) -> String {
        let counts = [
            FlowReport.count(policy.compartments.count, "compartment"),
            FlowReport.count(policy.channels.count, "channel"),
            FlowReport.count(policy.assertions.count, "assertion"),
        ]
        var text = "system \(policy.name) version \(policy.version): "
        text += counts.joined(separator: ", ") + "\n\nflows\n"
        for flow in flows {
            text += "  \(named(flow.from)) -> \(named(flow.to))\n"
            if flow.channels.isEmpty {
                text += "    by a chain: \(shown(flow.chain))\n"
            }
            for index in flow.channels {
                let channel = policy.channels[index]
                text += "    through \(channel.name), \(renderer.place(channel.source))\n"
            }
        }
        if flows.isEmpty { text += "  none\n" }
        text += "\nassertions\n"
        for (assertion, verdict) in zip(policy.assertions, verdicts) {
            text += "  \(verdict.word): never \(assertion.from.text) -> \(assertion.to.text)"
            text += ", \(renderer.place(assertion.source))\n"
            if case .refuted(let chain) = verdict {
                text += "    by \(shown(chain))\n"
            }
        }
        if verdicts.isEmpty { text += "  none\n" }
        return text
    }

    private static func count(_ count: Int, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    private func named(_ index: Int) -> String {
        let compartment = policy.compartments[index]
        return "\(compartment.name) (\(policy.describe(compartment.range)))"
    }

    /// A chain as `a -> b (channel, line 3) -> c (channel, line 4)`.
    private func shown(_ chain: [FlowGraph.Step]) -> String {
        let start = chain.first.map { policy.compartments[$0.from].name } ?? ""
        return chain.reduce(start) { text, step in
            let channel = policy.channels[step.channel]
            let to = policy.compartments[step.to].name
            return text + " -> \(to) (\(channel.name), line \(channel.source.line))"
        }
    }
}

extension FlowReport.Verdict {
    /// The verdict in one word or two.
    var word: String {
        switch self {
        case .holds: return "holds"
        case .holdsEmptily: return "holds emptily"
        case .refuted: return "refuted"
        }
    }
}

// MARK: - For programs

extension CheckResult {
    /// Returns the result as a JSON document; docs/language.md lists its members.
    public func json(_ renderer: DiagnosticRenderer) -> String {
        var members: [(String, JSONValue)] = [
            ("format", .string("casemate-check-1")), ("proved", .bool(proved != nil)),
        ]
        if let policy, let report {
            members += [
                ("system", .string(policy.name)), ("version", .number(policy.version)),
                ("target", .string(policy.target.rawValue)),
            ]
            members += report.json(renderer)
        }
        members.append(("diagnostics", .array(diagnostics.map(renderer.json))))
        return JSONValue.object(members).text
    }
}

extension FlowReport {
    fileprivate func json(_ renderer: DiagnosticRenderer) -> [(String, JSONValue)] {
        [
            (
                "compartments",
                .array(
                    policy.compartments.map {
                        .object([
                            ("name", .string($0.name)),
                            ("low", .string(policy.describe($0.range.low))),
                            ("high", .string(policy.describe($0.range.high))),
                            ("place", renderer.json($0.source)),
                        ])
                    })
            ), ("flows", .array(flows.map { json($0, renderer) })),
            (
                "assertions",
                .array(zip(policy.assertions, verdicts).map { json($0, $1, renderer) })
            ),
        ]
    }

    private func json(_ flow: Flow, _ renderer: DiagnosticRenderer) -> JSONValue {
        .object([
            ("from", .string(policy.compartments[flow.from].name)),
            ("to", .string(policy.compartments[flow.to].name)),
            ("channels", .array(flow.channels.map { .string(policy.channels[$0].name) })),
            ("chain", json(flow.chain, renderer)),
        ])
    }

    private func json(
        _ assertion: SystemPolicy.Assertion, _ verdict: Verdict, _ renderer: DiagnosticRenderer
    ) -> JSONValue {
        var chain: [FlowGraph.Step] = []
        if case .refuted(let steps) = verdict { chain = steps }
        return .object([
            ("from", .string(assertion.from.text)), ("to", .string(assertion.to.text)),
            ("verdict", .string(verdict.word)), ("chain", json(chain, renderer)),
            ("place", renderer.json(assertion.source)),
        ])
    }

    private func json(
        _ chain: [FlowGraph.Step], _ renderer: DiagnosticRenderer
    ) -> JSONValue {
        .array(
            chain.map { step in
                .object([
                    ("channel", .string(policy.channels[step.channel].name)),
                    ("from", .string(policy.compartments[step.from].name)),
                    ("to", .string(policy.compartments[step.to].name)),
                    ("place", renderer.json(policy.channels[step.channel].source)),
                ])
            })
    }
}
