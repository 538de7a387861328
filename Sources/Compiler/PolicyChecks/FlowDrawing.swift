public import PolicySemantics
import SecurityLattice

/// A system as a graph in Graphviz's language: levels as bands, exempt compartments marked.
///
/// - Source: the DOT language, https://graphviz.org/doc/info/lang.html
public struct FlowDrawing: Sendable {
    /// The text of the graph; equal systems give equal text.
    public let text: String

    /// Draws a system.
    public init(of policy: SystemPolicy) {
        var lines = [
            "digraph \"\(policy.name)\" {", "    rankdir=BT;",
            "    node [shape=box, style=filled, fillcolor=white, fontname=\"sans-serif\"];",
            "    edge [fontname=\"sans-serif\", fontsize=10];",
        ]
        for rank in policy.sensitivities.indices {
            lines += FlowDrawing.band(rank, of: policy)
        }
        lines += FlowDrawing.edges(of: policy)
        lines.append("}")
        text = lines.map { $0 + "\n" }.joined()
    }

    /// The compartments whose clearance has one rank, in a band of their own.
    private static func band(_ rank: Int, of policy: SystemPolicy) -> [String] {
        let exempt = CompartmentSet(policy.further.exemptions.map(\.subject))
        let members = policy.compartments.enumerated().filter {
            Int($0.element.range.high.sensitivity.rank) == rank
        }
        guard !members.isEmpty else { return [] }
        var lines = [
            "    subgraph cluster_\(rank) {",
            "        label=\"\(policy.sensitivities[rank].name)\";",
            "        style=filled; color=\"#\(shade(rank, of: policy.sensitivities.count))\";",
        ]
        for (index, compartment) in members {
            let shape = compartment.options.service == nil ? "box" : "cylinder"
            let mark = exempt.contains(index) ? ", peripheries=2, color=red" : ""
            lines.append(
                "        \"\(compartment.name)\" [label=\"\(compartment.name)\\n"
                    + "\(policy.describe(compartment.range))\", shape=\(shape)\(mark)];")
        }
        return lines + ["    }"]
    }

    /// A grey that darkens with the rank.
    private static func shade(_ rank: Int, of count: Int) -> String {
        let value = 0xF0 - 0x50 * rank / max(1, count)
        let digits = String(value, radix: 16)
        return digits + digits + digits
    }

    /// One arrow for each edge; red and dashed where an exemption lets it lead down.
    private static func edges(of policy: SystemPolicy) -> [String] {
        let network = FlowNetwork(of: policy)
        return network.wires.map { wire in
            let from = policy.compartments[wire.from].name
            let to = policy.compartments[wire.to].name
            let isFault = wire.isFault
            let isExempt = wire.isGuardedOut || wire.isGuardedIn
            let style =
                isFault
                ? ", color=red, penwidth=3" : isExempt ? ", color=red, style=dashed" : ""
            return
                "    \"\(from)\" -> \"\(to)\" [label=\"\(policy.links[wire.link].name)\"\(style)];"
        }
    }
}
