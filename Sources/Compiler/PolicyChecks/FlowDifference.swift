public import PolicySemantics

/// Which flows differ between two systems: not which lines.
///
/// Compartments are the same when their names are.
public struct FlowDifference: Equatable, Sendable {
    /// What is different, as lines that begin with `+` or `-`; empty for systems that permit the
    /// same.
    public let lines: [String]

    /// Compares two systems.
    public init(from old: SystemPolicy, to new: SystemPolicy) {
        let (before, after) = (FlowDifference.facts(of: old), FlowDifference.facts(of: new))
        let gone = before.filter { after[$0.key] == nil }.keys
        let come = after.filter { before[$0.key] == nil }.keys
        lines = (gone.map { ($0, "-", before) } + come.map { ($0, "+", after) })
            .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
            .map { fact, mark, system in
                let how = system[fact] ?? ""
                return "\(mark) \(fact)" + (how.isEmpty ? "" : ": \(how)")
            }
    }

    /// What a system permits and claims, each with how it comes about.
    private static func facts(of policy: SystemPolicy) -> [String: String] {
        var facts: [String: String] = [:]
        let graph = FlowGraph(of: policy)
        for (from, compartment) in policy.compartments.enumerated() {
            facts["compartment \(compartment.name) at \(policy.describe(compartment.range))"] = ""
            for to in graph.reach[from].removing(from).indices {
                let name = "flow \(compartment.name) -> \(policy.compartments[to].name)"
                facts[name] = how(from, to, graph, policy)
            }
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

    private static func how(
        _ from: Int, _ to: Int, _ graph: FlowGraph, _ policy: SystemPolicy
    ) -> String {
        let chain = graph.shortestChain(
            from: CompartmentSet(index: from), to: CompartmentSet(index: to))
        return policy.describe(chain ?? [])
    }
}
