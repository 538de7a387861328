import PolicySemantics
public import PolicySyntax
import SecurityLattice

extension DiagnosticCode {
    /// `POL-RES-001`
    public static let residualChannel = DiagnosticCode(
        "POL-RES-001",
        "Under `--strict` every residual channel that a statement can bound is bounded.")
}

/// A way for information that no channel declares and that the hypervisor does not close.
public struct ResidualChannel: Equatable, Sendable {
    /// What carries the information; the raw value is its name in a report.
    public enum Kind: String, Equatable, Sendable {
        /// Whether an event is pending at the receiver shows at the sender.
        case status = "status bits"
        /// How full a ring is shows at the sender.
        case backPressure = "back-pressure"
        /// What others keep in the store shows as its limits.
        case quota = "store quotas"
        /// When others run shows in when one runs oneself.
        case schedule
        /// What others touch shows in how fast one's own memory is.
        case caches = "CPU caches"
    }

    /// What carries it.
    public let kind: Kind
    /// Between whom, in the source's words.
    public let parties: String
    /// How much it can carry, in words.
    public let bound: String
    /// Whether a statement bounds it, or none could.
    public let isBounded: Bool
    /// The statement that makes it.
    public let source: SourceSpan

    /// Lists the residual channels of a system: those against a link first, then the shared ones.
    static func all(of policy: SystemPolicy, in graph: FlowGraph) -> [ResidualChannel] {
        policy.channels.flatMap { backwards(of: $0, policy) } + shared(policy, graph)
    }

    /// What the receiver of a one-way channel can tell its sender, against the levels.
    private static func backwards(
        of channel: SystemPolicy.Channel, _ policy: SystemPolicy
    ) -> [ResidualChannel] {
        let from = policy.compartments[channel.from]
        let to = policy.compartments[channel.to]
        guard !channel.isTwoWay, !mayFlow(from: to.range, to: from.range) else { return [] }
        let kind: Kind = channel.kind == .signal || channel.kind == .store ? .status : .backPressure
        let unit = kind == .status ? "event" : "message"
        let bound =
            channel.ratePerSecond.map { "\($0) bits per second" } ?? "one bit for each \(unit)"
        return [
            ResidualChannel(
                kind: kind, parties: "\(to.name) -> \(from.name) by \(channel.name)",
                bound: bound, isBounded: channel.ratePerSecond != nil, source: channel.source)
        ]
    }

    /// What all compartments share.
    private static func shared(
        _ policy: SystemPolicy, _ graph: FlowGraph
    ) -> [ResidualChannel] {
        let all = CompartmentSet(policy.compartments.indices)
        let pairs = refusedPairs(among: all, policy, graph)
        var residual: [ResidualChannel] = []
        let store = policy.compartments.firstIndex { $0.options.service == .store }
        if let store {
            let users = policy.compartments.indices.filter { index in
                policy.compartments[index].uses.contains { $0.provider == store }
            }
            let count = refusedPairs(among: CompartmentSet(users), policy, graph)
            if count > 0 {
                residual.append(
                    ResidualChannel(
                        kind: .quota, parties: FlowReport.count(count, "pair"),
                        bound: "whether the store is full; quotas are per compartment",
                        isBounded: true, source: policy.compartments[store].source))
            }
        }
        guard pairs > 0 else { return residual }
        if !policy.compartments.allSatisfy(\.hasFixedSchedule) {
            residual.append(
                ResidualChannel(
                    kind: .schedule, parties: FlowReport.count(pairs, "pair"),
                    bound: "not bounded: time depends on who else wants to run",
                    isBounded: false, source: policy.source))
        }
        residual.append(
            ResidualChannel(
                kind: .caches, parties: FlowReport.count(pairs, "pair"),
                bound: "not bounded by any policy", isBounded: true, source: policy.source))
        return residual
    }

    /// The number of pairs of which the one gets nothing of the other by any link.
    private static func refusedPairs(
        among set: CompartmentSet, _ policy: SystemPolicy, _ graph: FlowGraph
    ) -> Int {
        let ranges = policy.compartments.map(\.range)
        var count = 0
        for from in set.indices {
            for to in set.subtracting(graph.reach[from]).indices
            where to != from && !mayFlow(from: ranges[from], to: ranges[to]) {
                count += 1
            }
        }
        return count
    }
}

/// Finds the residual channels that a statement could bound and none does.
func unboundedResidualChannels(of policy: SystemPolicy, in graph: FlowGraph) -> [Diagnostic] {
    ResidualChannel.all(of: policy, in: graph).filter { !$0.isBounded }.map { residual in
        Diagnostic(
            .residualChannel, at: residual.source,
            "residual channel (\(residual.kind.rawValue)): \(residual.parties), \(residual.bound)",
            help: residual.kind == .schedule
                ? "write `schedule fixed slot NUMBER ms` in every compartment"
                : "write `rate NUMBER per second` after the channel")
    }
}
