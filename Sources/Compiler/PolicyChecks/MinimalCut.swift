import PolicySemantics
import PolicySyntax

/// The fewest statements to remove so that no chain is left.
enum MinimalCut {
    /// The most statements of a cut that is looked for.
    static let mostStatements = 3
    /// The most searches, and the most wires that they may pass together; beyond it no cut is
    /// named.
    private static let mostSearches = 2_000
    private static let mostWires = 1_000_000

    /// One way to change the system: these links and exemptions are gone.
    private struct Removal {
        var links: Set<Int> = []
        var exemptions: Set<Int> = []
    }

    /// Returns where the statements of a smallest cut stand, in the order of the source.
    ///
    /// Looks for one statement, then two, then three: each removal is refuted by a chain that is
    /// left, and one of that chain's statements must be in the cut.
    /// - Returns: nil when more are needed than are looked for.
    /// - Complexity: bounded by `mostSearches` searches of `mostWires` wires in all.
    static func statements(
        of policy: SystemPolicy, from sources: CompartmentSet, to targets: CompartmentSet,
        avoiding avoidance: FlowNetwork.Avoidance = FlowNetwork.Avoidance()
    ) -> [SourceSpan]? {
        var level = [Removal()]
        let whole = FlowNetwork(of: policy)
        let mostSearches = min(mostSearches, mostWires / max(1, whole.wires.count))
        var searches = 0
        for _ in 0...mostStatements {
            var next: [Removal] = []
            for removal in level {
                searches += 1
                guard searches <= mostSearches else { return nil }
                let network =
                    removal.exemptions.isEmpty
                    ? whole : FlowNetwork(of: policy, withoutExemptions: removal.exemptions)
                var further = avoidance
                further.links.formUnion(removal.links)
                let left = network.shortestChain(from: sources, to: targets, avoiding: further)
                guard let left else { return spans(of: removal, in: policy) }
                next += refinements(of: removal, against: left, in: network, policy)
            }
            level = next
        }
        return nil
    }

    /// Returns the removals that break a chain by one statement more.
    private static func refinements(
        of removal: Removal, against chain: [Int], in network: FlowNetwork, _ policy: SystemPolicy
    ) -> [Removal] {
        var withoutExemption: [Removal] = []
        var withoutFault: [Removal] = []
        var withoutLink: [Removal] = []
        for (index, wire) in chain.enumerated() {
            let needed =
                index > 0
                ? network.exemptionNeeded(
                    chain[index - 1], wire, among: policy.further.exemptions) : nil
            if let needed {
                var without = removal
                let span = policy.further.exemptions[needed].source
                without.exemptions.formUnion(
                    policy.further.exemptions.indices.filter {
                        policy.further.exemptions[$0].source == span
                    })
                withoutExemption.append(without)
            }
            var without = removal
            let span = policy.links[network.wires[wire].link].source
            without.links.formUnion(
                policy.links.indices.filter { policy.links[$0].source == span })
            if network.wires[wire].isFault {
                withoutFault.append(without)
            } else {
                withoutLink.append(without)
            }
        }
        // What breaks a rule by itself is the first to doubt, then an exemption.
        return withoutFault + withoutExemption + withoutLink
    }

    private static func spans(of removal: Removal, in policy: SystemPolicy) -> [SourceSpan] {
        let all =
            removal.exemptions.map { policy.further.exemptions[$0].source }
            + removal.links.map { policy.links[$0].source }
        var distinct: [SourceSpan] = []
        for span in all where !distinct.contains(span) { distinct.append(span) }
        return distinct.sorted { $0.start.offset < $1.start.offset }
    }
}
