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
            "digraph \"\(policy.name)\" {",
            "    rankdir=BT; newrank=true; fontname=\"sans-serif\";",
            "    node [shape=box, style=filled, fillcolor=white, fontname=\"sans-serif\"];",
            "    edge [fontname=\"sans-serif\", fontsize=10];",
        ]
        let bands = policy.sensitivities.indices.map { FlowDrawing.members(of: $0, policy) }
        for (rank, members) in bands.enumerated() where !members.isEmpty {
            lines += FlowDrawing.band(rank, members, of: policy)
        }
        lines += FlowDrawing.stack(bands.filter { !$0.isEmpty }, of: policy)
        lines += FlowDrawing.edges(of: policy)
        lines.append("}")
        text = lines.map { $0 + "\n" }.joined()
    }

    /// The compartments whose clearance has one rank, by index.
    private static func members(of rank: Int, _ policy: SystemPolicy) -> [Int] {
        policy.compartments.indices.filter {
            Int(policy.compartments[$0].range.high.sensitivity.rank) == rank
        }
    }

    /// The compartments of one rank, in a band of their own.
    private static func band(_ rank: Int, _ members: [Int], of policy: SystemPolicy) -> [String] {
        let exempt = CompartmentSet(policy.further.exemptions.map(\.subject))
        var lines = [
            "    subgraph cluster_\(rank) {",
            "        label=\"\(policy.sensitivities[rank].name)\"; labeljust=l; labelloc=b;",
            "        style=filled; color=\"#\(shade(rank, of: policy.sensitivities.count))\";",
        ]
        for index in members {
            let compartment = policy.compartments[index]
            let shape = compartment.options.service == nil ? "box" : "cylinder"
            let mark = exempt.contains(index) ? ", peripheries=2, color=red" : ""
            lines.append(
                "        \"\(compartment.name)\" [label=\"\(compartment.name)\\n"
                    + "\(policy.describe(compartment.range))\", shape=\(shape)\(mark)];")
        }
        return lines + ["    }"]
    }

    /// A point that nobody sees between each band and the next, above all of the one and below all
    /// of the other, so that bands stand on one another whatever flows.
    private static func stack(_ bands: [[Int]], of policy: SystemPolicy) -> [String] {
        func names(_ band: [Int]) -> String {
            band.map { "\"\(policy.compartments[$0].name)\"" }.joined(separator: " ")
        }
        return zip(bands, bands.dropFirst()).enumerated().flatMap { number, pair in
            [
                "    \"|\(number)\" [style=invis, shape=point, width=0, label=\"\"];",
                "    { \(names(pair.0)) } -> \"|\(number)\" -> { \(names(pair.1)) } "
                    + "[style=invis, weight=0];",
            ]
        }
    }

    /// A grey that darkens with the rank.
    private static func shade(_ rank: Int, of count: Int) -> String {
        let value = 0xF0 - 0x50 * rank / max(1, count)
        let digits = String(value, radix: 16)
        return digits + digits + digits
    }

    /// One arrow for each edge, with two heads for two edges of one link that look alike; red and
    /// dashed where an exemption lets it lead down, red and thick where a rule is broken.
    private static func edges(of policy: SystemPolicy) -> [String] {
        let wires = FlowNetwork(of: policy).wires
        var drawn: [String: Int] = [:]
        var lines: [(text: String, isTwoWay: Bool)] = []
        for wire in wires {
            let isExempt = wire.isGuardedOut || wire.isGuardedIn
            let ends = (policy.compartments[wire.from], policy.compartments[wire.to])
            // What leads down stands above what it leads to all the same.
            let leadsDown =
                ends.0.range.high.sensitivity.rank > ends.1.range.high.sensitivity.rank
            let style =
                wire.isFault
                ? ", color=red, penwidth=3" : isExempt ? ", color=red, style=dashed" : ""
            if let back = drawn["\(wire.link) \(wire.to) \(wire.from)\(style)"] {
                lines[back].isTwoWay = true
                continue
            }
            drawn["\(wire.link) \(wire.from) \(wire.to)\(style)"] = lines.count
            lines.append(
                (
                    "    \"\(ends.0.name)\" -> \"\(ends.1.name)\" "
                        + "[label=\"\(policy.links[wire.link].name)\"\(style)"
                        + (leadsDown ? ", constraint=false" : ""), false
                ))
        }
        return lines.map { $0.text + ($0.isTwoWay ? ", dir=both];" : "];") }
    }
}
