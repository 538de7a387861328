import PolicySemantics
public import PolicySyntax
import SecurityLattice

extension DiagnosticCode {
    /// `POL-EXM-001`
    public static let exemptionApart = DiagnosticCode(
        "POL-EXM-001",
        "An exemption leads from a channel to its subject, and on to another channel.")
    /// `POL-EXM-002`
    public static let exemptionOutOfRange = DiagnosticCode(
        "POL-EXM-002", "An exempt compartment works at the levels that its exemptions join.")
    /// `POL-EXM-003`
    public static let exemptionIdle = DiagnosticCode(
        "POL-EXM-003",
        "Every exemption lets something flow that the rules would refuse, and none stands twice.")
}

/// The wires that an exemption joins.
private struct Joint {
    let exemption: SystemPolicy.Exemption
    let incoming: [FlowNetwork.Wire]
    let outgoing: [FlowNetwork.Wire]
}

private func joints(of policy: SystemPolicy, in graph: FlowGraph) -> [Joint] {
    // The wires of a link stand together, and links in their order.
    var ends = Array(repeating: 0..<0, count: policy.links.count)
    for (index, wire) in graph.network.wires.enumerated() {
        let start = ends[wire.link].isEmpty ? index : ends[wire.link].lowerBound
        ends[wire.link] = start..<index + 1
    }
    return policy.further.exemptions.map { exemption in
        Joint(
            exemption: exemption,
            incoming: graph.network.wires[ends[exemption.from]].filter {
                $0.to == exemption.subject
            },
            outgoing: graph.network.wires[ends[exemption.to]].filter {
                $0.from == exemption.subject
            })
    }
}

/// Finds the exemptions whose links do not lead to the subject and from it.
func exemptionsApart(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    joints(of: policy, in: graph).compactMap { joint in
        let subject = policy.compartments[joint.exemption.subject].name
        let from = policy.links[joint.exemption.from]
        let to = policy.links[joint.exemption.to]
        if joint.incoming.isEmpty {
            return Diagnostic(
                .exemptionApart, at: joint.exemption.source,
                "`\(from.name)` does not lead to `\(subject)`",
                notes: [.init("it is declared here", at: from.source)])
        }
        guard joint.outgoing.isEmpty else { return nil }
        return Diagnostic(
            .exemptionApart, at: joint.exemption.source,
            "`\(to.name)` does not lead from `\(subject)`",
            notes: [.init("it is declared here", at: to.source)])
    }
}

/// Finds the exemptions that let a compartment send where it does not work.
func exemptionsOutOfRange(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    joints(of: policy, in: graph).compactMap { joint in
        let subject = policy.compartments[joint.exemption.subject]
        let target = joint.outgoing.first { wire in
            !policy.compartments[wire.to].range.high.dominates(subject.range.low)
        }
        guard let target else { return nil }
        let to = policy.compartments[target.to]
        return Diagnostic(
            .exemptionOutOfRange, at: joint.exemption.source,
            "`\(subject.name)` works at `\(policy.describe(subject.range))`, so it cannot send to "
                + "`\(policy.describe(to.range.high))` of `\(to.name)`",
            help: "an exempt compartment has a range that begins at the lowest level it sends to",
            notes: [.init("`\(subject.name)` is declared here", at: subject.source)])
    }
}

/// Finds the exemptions that nothing needs, and those that stand twice.
func idleExemptions(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    var diagnostics: [Diagnostic] = []
    var seen: [[Int]: SystemPolicy.Exemption] = [:]
    for joint in joints(of: policy, in: graph) {
        let exemption = joint.exemption
        let from = policy.links[exemption.from].name
        let to = policy.links[exemption.to].name
        let key = [exemption.subject, exemption.from, exemption.to]
        if let earlier = seen[key] {
            diagnostics.append(
                Diagnostic(
                    .exemptionIdle, at: exemption.source,
                    "`\(from)` -> `\(to)` is exempt already",
                    notes: [.init("the first one", at: earlier.source)]))
            continue
        }
        seen[key] = exemption
        guard !joint.incoming.isEmpty, !joint.outgoing.isEmpty else { continue }
        let isNeeded =
            joint.outgoing.contains(where: \.leadsDown)
            || joint.incoming.contains(where: \.raisesIntegrity)
            || (exemption.from != exemption.to
                && joint.incoming.contains { $0.service == exemption.subject }
                && joint.outgoing.contains { $0.service == exemption.subject })
        guard !isNeeded else { continue }
        diagnostics.append(
            Diagnostic(
                .exemptionIdle, at: exemption.source,
                "`\(from)` -> `\(to)` needs no exemption", help: "remove it"))
    }
    return diagnostics
}
