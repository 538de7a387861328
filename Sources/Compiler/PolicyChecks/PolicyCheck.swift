public import PolicySemantics
public import PolicySyntax
import SecurityLattice

/// One rule about a resolved system: a sentence, and the function that finds who breaks it.
///
/// `all` is the specification of a good system. A check looks at one rule only, and never relies on
/// another having been kept.
public struct PolicyCheck: Sendable {
    /// The stable code of the rule, with its sentence.
    public let code: DiagnosticCode
    /// Finds what breaks the rule; empty when the system keeps it.
    public let violations: @Sendable (SystemPolicy, FlowGraph) -> [Diagnostic]

    /// Every check, in the order in which they run.
    public static let all = [
        PolicyCheck(code: .undeclaredLevel, violations: undeclaredLevels),
        PolicyCheck(code: .channelDown, violations: channelsDown),
        PolicyCheck(code: .flowDown, violations: flowsDown),
        PolicyCheck(code: .assertionRefuted, violations: refutedAssertions),
        PolicyCheck(code: .emptyAssertion, violations: emptyAssertions),
    ]
}

extension DiagnosticCode {
    /// Every rule of a source, from form to flow.
    public static var all: [DiagnosticCode] {
        syntaxCodes + nameCodes + levelCodes + limitCodes + PolicyCheck.all.map(\.code)
    }

    /// `POL-MLS-004`
    public static let undeclaredLevel = DiagnosticCode(
        "POL-MLS-004", "Every level is made of declared sensitivities and categories.")
    /// `POL-FLW-001`
    public static let channelDown = DiagnosticCode(
        "POL-FLW-001", "A channel leads to a compartment whose clearance dominates the sender's.")
    /// `POL-FLW-002`
    public static let flowDown = DiagnosticCode(
        "POL-FLW-002",
        "No chain of channels carries information to a compartment that may not hold it.")
    /// `POL-FLW-003`
    public static let assertionRefuted = DiagnosticCode(
        "POL-FLW-003", "Every assertion holds, by any number of steps.")
    /// `POL-FLW-004`
    public static let emptyAssertion = DiagnosticCode(
        "POL-FLW-004", "An assertion is about two different compartments that exist.")
}

/// Finds the compartments whose levels are not made of declared sensitivities and categories.
private func undeclaredLevels(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    policy.compartments.compactMap { compartment in
        let levels = [compartment.range.low, compartment.range.high]
        let isDeclared = levels.allSatisfy { level in
            Int(level.sensitivity.rank) < policy.sensitivities.count
                && level.categories.first(from: policy.categories.count) == nil
        }
        guard !isDeclared else { return nil }
        return Diagnostic(
            .undeclaredLevel, at: compartment.source,
            "the compartment `\(compartment.name)` works at `\(policy.describe(compartment.range))`"
                + ", which is not declared")
    }
}

/// Finds the channels to a compartment whose clearance does not dominate the sender's.
private func channelsDown(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
    policy.channels.compactMap { channel in
        let from = policy.compartments[channel.from]
        let to = policy.compartments[channel.to]
        guard !mayFlow(from: from.range, to: to.range) else { return nil }
        let needed = policy.describe(from.range.high.join(to.range.high))
        return Diagnostic(
            .channelDown, at: channel.source,
            "channel `\(channel.name)` lets `\(policy.describe(from.range.high))` of "
                + "`\(from.name)` flow to `\(policy.describe(to.range.high))` of `\(to.name)`",
            help: "remove the channel, or raise `\(to.name)` to `\(needed)`")
    }
}

/// Finds the pairs that only a chain of two or more channels joins, and that the levels forbid.
private func flowsDown(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    var diagnostics: [Diagnostic] = []
    for (source, from) in policy.compartments.enumerated() {
        for target in graph.reach[source].indices where !graph.direct[source].contains(target) {
            let to = policy.compartments[target]
            guard !mayFlow(from: from.range, to: to.range) else { continue }
            let chain = graph.shortestChain(
                from: CompartmentSet(index: source), to: CompartmentSet(index: target))
            diagnostics.append(
                Diagnostic(
                    .flowDown, at: from.source,
                    "`\(policy.describe(from.range.high))` of `\(from.name)` comes to "
                        + "`\(policy.describe(to.range.high))` of `\(to.name)` by a chain",
                    notes: notes(for: chain ?? [], of: policy)))
        }
    }
    return diagnostics
}

/// Finds the assertions that a chain of channels refutes, each with a shortest one.
private func refutedAssertions(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    policy.assertions.compactMap { assertion in
        guard
            let chain = graph.shortestChain(
                from: assertion.from.compartments, to: assertion.to.compartments),
            let first = chain.first, let last = chain.last
        else { return nil }
        let from = policy.compartments[first.from].name
        let to = policy.compartments[last.to].name
        return Diagnostic(
            .assertionRefuted, at: assertion.source,
            "refuted: information of `\(from)` comes to `\(to)`",
            help: "remove a channel of the chain, or the assertion",
            notes: notes(for: chain, of: policy))
    }
}

/// Finds the assertions that hold because there is no pair of compartments to speak of.
private func emptyAssertions(of policy: SystemPolicy, _: FlowGraph) -> [Diagnostic] {
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

extension SystemPolicy.Assertion {
    /// Whether no pair of different compartments is named.
    var isEmpty: Bool {
        from.compartments.isEmpty || to.compartments.isEmpty
            || (from.compartments == to.compartments && from.compartments.count == 1)
    }
}

/// One note for each step of a chain, at the line that declares its channel.
private func notes(for chain: [FlowGraph.Step], of policy: SystemPolicy) -> [Diagnostic.Note] {
    chain.map { step in
        let channel = policy.channels[step.channel]
        let from = policy.compartments[step.from].name
        let to = policy.compartments[step.to].name
        return .init("`\(from)` -> `\(to)` through `\(channel.name)`", at: channel.source)
    }
}
