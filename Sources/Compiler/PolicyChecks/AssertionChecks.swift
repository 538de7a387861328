import PolicySemantics
public import PolicySyntax

extension DiagnosticCode {
    /// `POL-FLW-003`
    public static let assertionRefuted = DiagnosticCode(
        "POL-FLW-003", "Every assertion holds, by any number of steps.")
    /// `POL-FLW-004`
    public static let emptyAssertion = DiagnosticCode(
        "POL-FLW-004", "An assertion is about two different compartments that exist.")
    /// `POL-FLW-005`
    public static let pathBypassed = DiagnosticCode(
        "POL-FLW-005",
        "Where every path is to pass a compartment there is a path, and none that passes by.")
    /// `POL-FLW-006`
    public static let controlBypassed = DiagnosticCode(
        "POL-FLW-006",
        "Where one side is to control another through channels only, no chain goes without them.")
    /// `POL-ADM-001`
    public static let powerUnclaimed = DiagnosticCode(
        "POL-ADM-001",
        "Whoever may load a policy or relabel is named by every assertion about it, and by one.")
}

extension SystemPolicy.Assertion {
    /// Whether no pair of different compartments is named.
    var isEmpty: Bool {
        from.compartments.isEmpty || to.compartments.isEmpty
            || (from.compartments == to.compartments && from.compartments.count == 1)
    }

    /// What a chain that refutes the claim must avoid.
    var avoidance: FlowNetwork.Avoidance {
        switch claim {
        case .never(let via): return FlowNetwork.Avoidance(compartments: via)
        case .everyPath(let passes): return FlowNetwork.Avoidance(compartments: passes)
        case .control(let through): return FlowNetwork.Avoidance(links: Set(through))
        }
    }

    /// Returns a shortest chain that refutes the claim; nil when there is none.
    func counterexample(in graph: FlowGraph) -> [FlowGraph.Step]? {
        graph.chain(from: from.compartments, to: to.compartments, avoiding: avoidance)
    }

    /// Whether the claim wants a flow and there is none.
    func isIdle(in graph: FlowGraph) -> Bool {
        if case .never = claim { return false }
        return graph.shortestChain(from: from.compartments, to: to.compartments) == nil
    }
}

/// Finds the claims that something never flows, and does, each with a shortest chain.
func refutedAssertions(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    policy.assertions.compactMap { assertion in
        guard case .never = assertion.claim else { return nil }
        return refutation(of: assertion, .assertionRefuted, policy, graph)
    }
}

/// Finds the claims that every path passes some compartments, and one does not, or none is there.
func bypassedPaths(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    policy.assertions.compactMap { assertion in
        guard case .everyPath = assertion.claim, !assertion.isEmpty else { return nil }
        return idle(assertion, .pathBypassed, graph)
            ?? refutation(of: assertion, .pathBypassed, policy, graph)
    }
}

/// Finds the claims of control only through some links, and a chain goes without them.
func bypassedControls(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    policy.assertions.compactMap { assertion in
        guard case .control = assertion.claim, !assertion.isEmpty else { return nil }
        return idle(assertion, .controlBypassed, graph)
            ?? refutation(of: assertion, .controlBypassed, policy, graph)
    }
}

private func idle(
    _ assertion: SystemPolicy.Assertion, _ code: DiagnosticCode, _ graph: FlowGraph
) -> Diagnostic? {
    guard assertion.isIdle(in: graph) else { return nil }
    return Diagnostic(
        code, at: assertion.source,
        "refuted: no information of `\(assertion.from.text)` comes to `\(assertion.to.text)`",
        help: "declare the channels that were meant, or write `assert never`")
}

private func refutation(
    of assertion: SystemPolicy.Assertion, _ code: DiagnosticCode, _ policy: SystemPolicy,
    _ graph: FlowGraph
) -> Diagnostic? {
    guard let chain = assertion.counterexample(in: graph), let first = chain.first,
        let last = chain.last
    else { return nil }
    let from = policy.compartments[first.from].name
    let to = policy.compartments[last.to].name
    let help = leastToRemove(
        policy, from: assertion.from.compartments, to: assertion.to.compartments,
        avoiding: assertion.avoidance, or: "; or remove the assertion")
    return Diagnostic(
        code, at: assertion.source, "refuted: information of `\(from)` comes to `\(to)`",
        help: help ?? "remove channels of the chain, or the assertion",
        notes: notes(for: chain, of: policy))
}

/// Finds the assertions that hold because there is no pair of compartments to speak of.
func emptyAssertions(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    policy.assertions.compactMap { assertion in
        guard assertion.isEmpty else { return nil }
        let empty = [assertion.from, assertion.to].first { $0.compartments.isEmpty }
        let reason =
            empty.map { "no compartment works at `\($0.text)`" }
            ?? "both sides name the same compartment"
        return Diagnostic(
            .emptyAssertion, .warning, at: assertion.source, "this proves nothing: \(reason)")
    }
}

/// Finds who may change the policy without an assertion that says so, or against one.
func unclaimedPowers(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    var diagnostics: [Diagnostic] = []
    for (index, compartment) in policy.compartments.enumerated() {
        for grant in compartment.options.powers {
            let claims = policy.further.powerAssertions.filter { $0.power == grant.power }
            let against = claims.filter { !$0.holders.contains(index) }
            guard claims.isEmpty || !against.isEmpty else { continue }
            let word = grant.power.rawValue
            diagnostics.append(
                Diagnostic(
                    .powerUnclaimed, at: grant.source,
                    "`\(compartment.name)` may \(word), and "
                        + (claims.isEmpty ? "no assertion says so" : "an assertion denies it"),
                    help: claims.isEmpty
                        ? "write `assert only \(compartment.name) may \(word)`" : nil,
                    notes: against.map { .init("it is denied here", at: $0.source) }))
        }
    }
    return diagnostics
}
