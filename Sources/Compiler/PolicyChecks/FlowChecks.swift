package import PolicySemantics
public import PolicySyntax
import SecurityLattice

extension DiagnosticCode {
    /// `POL-FLW-001`
    public static let channelDown = DiagnosticCode(
        "POL-FLW-001",
        "A channel leads to a compartment whose clearance dominates the sender's, or is exempt.")
    /// `POL-FLW-002`
    public static let flowDown = DiagnosticCode(
        "POL-FLW-002",
        "No chain of channels carries information to a compartment that may not hold it.")
    /// `POL-INT-004`
    public static let integrityRaised = DiagnosticCode(
        "POL-INT-004",
        "A channel leads to a compartment of no higher integrity, or the receiver is exempt.")
    /// `POL-INT-005`
    public static let integrityChain = DiagnosticCode(
        "POL-INT-005",
        "No chain of channels carries information to a compartment of higher integrity.")
    /// `POL-CFL-001`
    public static let conflictFlow = DiagnosticCode(
        "POL-CFL-001", "No information of one member of a conflict comes to another.")
    /// `POL-CFL-002`
    public static let conflictReader = DiagnosticCode(
        "POL-CFL-002",
        "No compartment but a service or an exempt one gets information of two members."
    )
}

/// Finds the links to a compartment whose clearance does not dominate the sender's, and that no
/// exemption covers.
func linksDown(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    graph.network.wires.filter { $0.leadsDown && !$0.isGuardedOut }.map { wire in
        let link = policy.links[wire.link]
        let from = policy.compartments[wire.from]
        let to = policy.compartments[wire.to]
        let needed = policy.describe(from.range.high.join(to.range.high))
        let help: String
        switch link.kind {
        case .channel:
            help = "remove the channel, or raise `\(to.name)` to `\(needed)`"
        case .use, .subtree:
            help =
                "write `exempt \(from.name) … -> \(link.name) reason \"…\"` for what may pass, "
                + "or raise `\(to.name)` to `\(needed)`"
        }
        return Diagnostic(
            .channelDown, at: link.source,
            "\(link.description) lets `\(policy.describe(from.range.high))` of `\(from.name)` "
                + "flow to `\(policy.describe(to.range.high))` of `\(to.name)`",
            help: help)
    }
}

/// Finds the pairs that only a chain of two or more links joins, without any exemption, and that
/// the levels forbid.
func flowsDown(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    guard graph.network.wires.contains(where: { $0.leadsDown && !$0.isGuardedOut }) else {
        // Dominance is transitive: where no link leads down, no chain does.
        return []
    }
    return chains(
        of: policy, in: graph, breaking: .flowDown,
        where: { from, to in !mayFlow(from: from.range, to: to.range) }
    ) { from, to in
        "`\(policy.describe(from.range.high))` of `\(from.name)` comes to "
            + "`\(policy.describe(to.range.high))` of `\(to.name)` by a chain"
    }
}

/// Finds the links to a compartment of higher integrity that no exemption of the receiver covers.
func linksRaisingIntegrity(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    graph.network.wires.filter { $0.raisesIntegrity && !$0.isGuardedIn }.map { wire in
        let link = policy.links[wire.link]
        let from = policy.compartments[wire.from]
        let to = policy.compartments[wire.to]
        return Diagnostic(
            .integrityRaised, at: link.source,
            "\(link.description) lets `\(policy.integrityName(from))` of `\(from.name)` "
                + "change `\(policy.integrityName(to))` of `\(to.name)`",
            help: "write `exempt \(to.name) \(link.name) -> … reason \"…\"` if `\(to.name)` "
                + "judges what comes in")
    }
}

/// Finds the pairs that only a chain of two or more links joins, without any exemption, and that
/// the integrities forbid.
func chainsRaisingIntegrity(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    guard graph.network.wires.contains(where: { $0.raisesIntegrity && !$0.isGuardedIn }) else {
        return []
    }
    return chains(
        of: policy, in: graph, breaking: .integrityChain,
        where: { $0.options.integrity < $1.options.integrity }
    ) { from, to in
        "`\(policy.integrityName(from))` of `\(from.name)` changes "
            + "`\(policy.integrityName(to))` of `\(to.name)` by a chain"
    }
}

/// Returns what is wrong with each pair that only a chain without any exemption joins, and that a
/// rule forbids.
private func chains(
    of policy: SystemPolicy, in graph: FlowGraph, breaking code: DiagnosticCode,
    where isForbidden: (SystemPolicy.Compartment, SystemPolicy.Compartment) -> Bool,
    _ message: (SystemPolicy.Compartment, SystemPolicy.Compartment) -> String
) -> [Diagnostic] {
    let plain = FlowNetwork.Avoidance(exemptions: true)
    return pairs(policy, graph, plain, isForbidden).map { source, target in
        let from = policy.compartments[source]
        let chain = graph.chain(
            from: CompartmentSet(index: source), to: CompartmentSet(index: target),
            avoiding: plain)
        return Diagnostic(
            code, at: from.source, message(from, policy.compartments[target]),
            help: leastToRemove(policy, from: source, to: target, avoiding: plain),
            notes: notes(for: chain ?? [], of: policy))
    }
}

/// Finds the members of a conflict of which one gets information of another.
func flowsInConflict(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    policy.further.conflicts.compactMap { conflict in
        guard
            let chain = graph.shortestChain(from: conflict.members, to: conflict.members),
            let first = chain.first, let last = chain.last
        else { return nil }
        let from = policy.compartments[first.from].name
        let to = policy.compartments[last.to].name
        return Diagnostic(
            .conflictFlow, at: conflict.source,
            "in the conflict `\(conflict.name)` information of `\(from)` comes to `\(to)`",
            help: leastToRemove(policy, from: conflict.members, to: conflict.members),
            notes: notes(for: chain, of: policy))
    }
}

/// Finds the compartments, neither services nor exempt, that get information of two members.
func readersOfConflict(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    let exempt = CompartmentSet(policy.further.exemptions.map(\.subject))
    var diagnostics: [Diagnostic] = []
    for conflict in policy.further.conflicts {
        for (reader, compartment) in policy.compartments.enumerated() {
            guard compartment.options.service == nil, !exempt.contains(reader),
                !conflict.members.contains(reader)
            else { continue }
            let known = conflict.members.indices.filter {
                $0 < graph.reach.count && graph.reach[$0].contains(reader)
            }
            guard known.count > 1 else { continue }
            let chains = known.prefix(2).map { graph.chain(from: $0, to: reader) ?? [] }
            let names = known.map { "`\(policy.compartments[$0].name)`" }
            diagnostics.append(
                Diagnostic(
                    .conflictReader, at: conflict.source,
                    "in the conflict `\(conflict.name)` `\(compartment.name)` gets information of "
                        + names.joined(separator: " and "),
                    help: "let it get information of one of them only",
                    notes: chains.flatMap { notes(for: $0, of: policy) }))
        }
    }
    return diagnostics
}

// MARK: - What checks share

/// The most pairs of one rule that are told of one by one: each has a chain and a cut to find.
private let mostPairs = 100

/// Returns the first pairs that a chain of two or more links joins and that a rule forbids.
private func pairs(
    _ policy: SystemPolicy, _ graph: FlowGraph, _ avoidance: FlowNetwork.Avoidance,
    _ isForbidden: (SystemPolicy.Compartment, SystemPolicy.Compartment) -> Bool
) -> [(Int, Int)] {
    var pairs: [(Int, Int)] = []
    for (source, from) in policy.compartments.enumerated() {
        let reached = graph.network.search(
            from: CompartmentSet(index: source), avoiding: avoidance
        ).reached
        for target in reached.indices
        where !graph.direct[source].contains(target)
            && isForbidden(from, policy.compartments[target])
        {
            pairs.append((source, target))
        }
        if pairs.count >= mostPairs { return Array(pairs.prefix(mostPairs)) }
    }
    return pairs
}

private func leastToRemove(
    _ policy: SystemPolicy, from: Int, to: Int, avoiding avoidance: FlowNetwork.Avoidance
) -> String? {
    leastToRemove(
        policy, from: CompartmentSet(index: from), to: CompartmentSet(index: to),
        avoiding: avoidance)
}

/// Returns the help line that names the fewest statements to remove so that no chain is left; nil
/// when more are needed than are looked for.
func leastToRemove(
    _ policy: SystemPolicy, from: CompartmentSet, to: CompartmentSet,
    avoiding avoidance: FlowNetwork.Avoidance = FlowNetwork.Avoidance(), or other: String = ""
) -> String? {
    let cut = MinimalCut.statements(of: policy, from: from, to: to, avoiding: avoidance)
    guard let cut, !cut.isEmpty else { return nil }
    return "the least to remove: " + cut.map(policy.line).joined(separator: ", ") + other
}

extension SystemPolicy.Link {
    /// The link as a diagnostic names it.
    package var description: String {
        switch kind {
        case .channel: return "channel `\(name)`"
        case .use: return "the use `\(name)`"
        case .subtree: return "the store `\(name)`"
        }
    }
}

extension SystemPolicy {
    /// The integrity of a compartment in the source's words.
    func integrityName(_ compartment: Compartment) -> String {
        let index = compartment.options.integrity
        return index < further.integrities.count ? further.integrities[index].name : "#\(index)"
    }
}

/// One note for each step of a chain, at the line that declares its link or exemption.
package func notes(
    for chain: [FlowGraph.Step], of policy: SystemPolicy
) -> [Diagnostic.Note] {
    chain.flatMap { step in
        let link = policy.links[step.link]
        let from = policy.compartments[step.from].name
        let to = policy.compartments[step.to].name
        var notes = [
            Diagnostic.Note("`\(from)` -> `\(to)` through `\(link.name)`", at: link.source)
        ]
        if let exemption = step.exemption {
            let source = policy.further.exemptions[exemption].source
            notes.insert(.init("`\(from)` is exempt", at: source), at: 0)
        }
        return notes
    }
}
