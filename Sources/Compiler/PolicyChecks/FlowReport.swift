public import PolicySemantics
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
        /// The links that join the two directly, by index; empty when only a chain does.
        public let links: [Int]
    }

    /// What became of an assertion.
    public enum Verdict: Equatable, Sendable {
        /// No information of the one side comes to the other.
        case holds
        /// It holds, but there is no pair of compartments that it speaks of.
        case holdsEmptily
        /// The claim is about a flow that does not exist.
        case idle
        /// Information comes to the other side, by this chain.
        case refuted([FlowGraph.Step])
    }

    /// The flows, by the index of the sender, then of the receiver.
    public let flows: [Flow]
    /// One verdict for each assertion of the policy.
    public let verdicts: [Verdict]
    /// What is left, besides the flows.
    public let residual: [ResidualChannel]
    private let policy: SystemPolicy
    private let graph: FlowGraph

    /// Collects the flows of a system.
    init(of policy: SystemPolicy, _ graph: FlowGraph) {
        self.policy = policy
        self.graph = graph
        var flows: [Flow] = []
        for from in policy.compartments.indices {
            let direct = graph.direct[from]
            for to in graph.reach[from].indices where to != from {
                let links = direct.contains(to) ? graph.links(from: from, to: to) : []
                flows.append(Flow(from: from, to: to, links: links))
            }
        }
        self.flows = flows
        verdicts = policy.assertions.map { assertion in
            if assertion.isEmpty { return .holdsEmptily }
            if assertion.isIdle(in: graph) { return .idle }
            return assertion.counterexample(in: graph).map { .refuted($0) } ?? .holds
        }
        residual = ResidualChannel.all(of: policy, in: graph)
    }

    /// Returns a shortest chain of channels by which a flow comes about.
    public func chain(of flow: Flow) -> [FlowGraph.Step] {
        graph.chain(from: flow.from, to: flow.to) ?? []
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
        text += counts.joined(separator: ", ") + "\n\nflows\n" + flowsText(renderer)
        text += exemptionsText(renderer) + "\nassertions\n"
        for (assertion, verdict) in zip(policy.assertions, verdicts) {
            text += "  \(verdict.word): \(policy.describe(assertion))"
            text += ", \(renderer.place(assertion.source))\n"
            if case .refuted(let chain) = verdict {
                text += "    by \(shown(chain))\n"
            }
        }
        for claim in policy.further.powerAssertions {
            text += "  \(policy.describe(claim)), \(renderer.place(claim.source))\n"
        }
        if verdicts.isEmpty && policy.further.powerAssertions.isEmpty { text += "  none\n" }
        text += "\nresidual channels\n"
        for channel in residual {
            text += "  \(channel.kind.rawValue): \(channel.parties); \(channel.bound)\n"
        }
        if residual.isEmpty { text += "  none\n" }
        return text
    }

    /// Returns the flows as text, for a person.
    ///
    /// - Parameters:
    ///   - renderer: shows the places of the source.
    ///   - sources: only flows from these compartments.
    ///   - targets: only flows to these.
    public func flowsText(
        _ renderer: DiagnosticRenderer, from sources: CompartmentSet? = nil,
        to targets: CompartmentSet? = nil
    ) -> String {
        var text = ""
        let names = policy.compartments.indices.map { named($0) }
        let hops = policy.hops
        for flow in flows
        where sources?.contains(flow.from) != false && targets?.contains(flow.to) != false {
            text += "  "
            text += names[flow.from]
            text += " -> "
            text += names[flow.to]
            text += "\n"
            if flow.links.isEmpty {
                text += "    by a chain: "
                policy.write(chain(of: flow), with: hops, to: &text)
                text += "\n"
            }
            for index in flow.links {
                let link = policy.links[index]
                text += "    through \(link.name), \(renderer.place(link.source))\n"
            }
        }
        return text.isEmpty ? "  none\n" : text
    }

    /// The exemptions, each with its reason; empty for a system without any.
    private func exemptionsText(_ renderer: DiagnosticRenderer) -> String {
        guard !policy.further.exemptions.isEmpty else { return "" }
        var text = "\nexemptions\n"
        for exemption in policy.further.exemptions {
            let subject = policy.compartments[exemption.subject].name
            let from = policy.links[exemption.from].name
            let to = policy.links[exemption.to].name
            text += "  \(subject): \(from) -> \(to), \(renderer.place(exemption.source))\n"
            text += "    because: \(exemption.reason)\n"
        }
        return text
    }

    static func count(_ count: Int, _ noun: String) -> String {
        "\(count) \(noun)\(count == 1 ? "" : "s")"
    }

    private func named(_ index: Int) -> String {
        let compartment = policy.compartments[index]
        return "\(compartment.name) (\(policy.describe(compartment.range)))"
    }

    /// A chain as `a -> b (channel, line 3) -> c (channel, line 4)`.
    private func shown(_ chain: [FlowGraph.Step]) -> String { policy.describe(chain) }
}

extension SystemPolicy {
    /// Returns a chain as `a -> b (channel, line 3) -> c (channel, line 4, exempt by line 9)`.
    package func describe(_ chain: [FlowGraph.Step]) -> String {
        var text = ""
        write(chain, with: [], to: &text)
        return text
    }

    /// Each link as a chain names it, for a report of many chains.
    fileprivate var hops: [String] { links.indices.map { hop($0) } }

    private func hop(_ link: Int) -> String { "\(links[link].name), \(line(links[link].source))" }

    /// Appends a chain to a text.
    ///
    /// - Parameter hops: the words for the links; empty: they are made.
    fileprivate func write(
        _ chain: [FlowGraph.Step], with hops: [String], to text: inout String
    ) {
        if let first = chain.first { text += compartments[first.from].name }
        for step in chain {
            text += " -> "
            text += compartments[step.to].name
            text += " ("
            text += hops.isEmpty ? hop(step.link) : hops[step.link]
            if let exemption = step.exemption {
                text += ", exempt by "
                text += line(further.exemptions[exemption].source)
            }
            text += ")"
        }
    }

    /// Returns a line as a report names it; with the file for one of a module.
    func line(_ span: SourceSpan) -> String {
        span.file == source.file ? "line \(span.line)" : "\(span.file) line \(span.line)"
    }

    /// Returns a claim in the source's words.
    package func describe(_ assertion: Assertion) -> String {
        let pair = "\(assertion.from.text) -> \(assertion.to.text)"
        switch assertion.claim {
        case .never(let via):
            return "never \(pair)" + (via.isEmpty ? "" : " except via \(names(via))")
        case .everyPath(let passes): return "every path \(pair) passes \(names(passes))"
        case .control(let through):
            let links = through.map { self.links[$0].name }
            return "control \(pair) only through " + links.joined(separator: " or ")
        }
    }

    /// Returns a claim about powers in the source's words.
    func describe(_ claim: PowerAssertion) -> String {
        let who = claim.holders.isEmpty ? "nobody" : "only \(names(claim.holders))"
        return "\(who) may \(claim.power.rawValue)"
    }

    private func names(_ set: CompartmentSet) -> String {
        set.indices.filter { $0 < compartments.count }.map { compartments[$0].name }
            .joined(separator: " or ")
    }
}

extension FlowReport.Verdict {
    /// The verdict in one word or two.
    var word: String {
        switch self {
        case .holds: return "holds"
        case .holdsEmptily: return "holds emptily"
        case .idle: return "refuted: no flow"
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
            (
                "residual",
                .array(
                    residual.map {
                        .object([
                            ("kind", .string($0.kind.rawValue)), ("parties", .string($0.parties)),
                            ("bound", .string($0.bound)), ("bounded", .bool($0.isBounded)),
                        ])
                    })
            ),
        ]
    }

    private func json(_ flow: Flow, _ renderer: DiagnosticRenderer) -> JSONValue {
        .object([
            ("from", .string(policy.compartments[flow.from].name)),
            ("to", .string(policy.compartments[flow.to].name)),
            ("channels", .array(flow.links.map { .string(policy.links[$0].name) })),
            ("chain", json(chain(of: flow), renderer)),
        ])
    }

    private func json(
        _ assertion: SystemPolicy.Assertion, _ verdict: Verdict, _ renderer: DiagnosticRenderer
    ) -> JSONValue {
        var chain: [FlowGraph.Step] = []
        if case .refuted(let steps) = verdict { chain = steps }
        return .object([
            ("from", .string(assertion.from.text)), ("to", .string(assertion.to.text)),
            ("claim", .string(policy.describe(assertion))),
            ("verdict", .string(verdict.word)), ("chain", json(chain, renderer)),
            ("place", renderer.json(assertion.source)),
        ])
    }

    private func json(
        _ chain: [FlowGraph.Step], _ renderer: DiagnosticRenderer
    ) -> JSONValue { policy.json(chain, renderer) }

    /// Returns flows as a JSON array; docs/language.md lists the members of each.
    ///
    /// - Parameters:
    ///   - sources: only flows from these compartments.
    ///   - targets: only flows to these.
    package func flowsJSON(
        _ renderer: DiagnosticRenderer, from sources: CompartmentSet? = nil,
        to targets: CompartmentSet? = nil
    ) -> JSONValue {
        let wanted = flows.filter {
            sources?.contains($0.from) != false && targets?.contains($0.to) != false
        }
        return .array(wanted.map { json($0, renderer) })
    }
}

extension SystemPolicy {
    /// Returns a chain as a JSON array; docs/language.md lists the members of each step.
    func json(_ chain: [FlowGraph.Step], _ renderer: DiagnosticRenderer) -> JSONValue {
        .array(
            chain.map { step in
                .object([
                    ("channel", .string(links[step.link].name)),
                    ("from", .string(compartments[step.from].name)),
                    ("to", .string(compartments[step.to].name)),
                    ("exempt", .bool(step.exemption != nil)),
                    ("place", renderer.json(links[step.link].source)),
                ])
            })
    }
}
