public import PolicySemantics

/// Which compartment's information comes to which other.
///
/// A node is a compartment, by its index in the policy; services are compartments. Edges are those
/// of the policy's links: channels, uses of services, subtrees of the store.
///
/// - Invariant: (reflexive) compartment *i* is in `direct[i]` and `reach[i]`.
/// - Invariant: (closed) `direct[i]` is within `reach[i]`. In a system without exemptions so is
///   `direct[j]` for each *j* in it; an exempt compartment may keep what it gets.
public struct FlowGraph: Equatable, Sendable {
    /// One step of a chain.
    public struct Step: Equatable, Sendable {
        /// Index of the link that carries the information; a channel's index is its own.
        public let link: Int
        /// Index of the compartment that it comes from.
        public let from: Int
        /// Index of the compartment that it comes to.
        public let to: Int
        /// Index of the exemption that lets it leave by this link; nil when the levels do.
        public let exemption: Int?
    }

    /// For each compartment, those that it may send information straight to, itself included.
    public let direct: [CompartmentSet]
    /// For each compartment, those that its information can come to, by any number of steps.
    public let reach: [CompartmentSet]
    /// The edges.
    let network: FlowNetwork
    /// For each compartment, the search for all that its information comes to.
    private let searches: [FlowNetwork.Search]
    private let exemptions: [SystemPolicy.Exemption]

    /// Builds the graph of a policy, and its closure.
    ///
    /// - Complexity: compartments times edges, and where compartments are exempt, times the edges
    ///   that leave one.
    public init(of policy: SystemPolicy) {
        let indices = policy.compartments.indices
        let network = FlowNetwork(of: policy)
        var rows = indices.map { CompartmentSet(index: $0) }
        for wire in network.wires { rows[wire.from].insert(wire.to) }
        direct = rows
        searches = indices.map { network.search(from: CompartmentSet(index: $0)) }
        reach = searches.map(\.reached)
        self.network = network
        exemptions = policy.further.exemptions
    }

    /// Graphs are equal when the same flows are.
    public static func == (left: FlowGraph, right: FlowGraph) -> Bool {
        left.direct == right.direct && left.reach == right.reach
    }

    /// Returns the links that join two compartments directly, by index, in order.
    public func links(from: Int, to: Int) -> [Int] {
        network.wires(leaving: from).filter { network.wires[$0].to == to }
            .map { network.wires[$0].link }
    }

    /// Returns a shortest chain from one compartment to another, as `shortestChain` does.
    ///
    /// - Precondition: `from` is a compartment of the policy.
    /// - Complexity: the length of the chain.
    public func chain(from: Int, to: Int) -> [Step]? {
        guard from != to else { return nil }
        return searches[from].chain(to: to).map { steps($0) }
    }

    /// Returns the shortest chain from a compartment of one set to another one of the other set.
    ///
    /// Of equally short chains that of the lowest compartment, then of the first links, is taken,
    /// so that equal systems give equal answers.
    /// - Parameter avoided: compartments that the chain may neither pass nor begin or end in.
    /// - Parameter links: links that the chain may not use.
    /// - Returns: nil when no information of `sources` comes to another compartment in `targets`.
    public func shortestChain(
        from sources: CompartmentSet, to targets: CompartmentSet,
        avoiding avoided: CompartmentSet = CompartmentSet(), links: Set<Int> = []
    ) -> [Step]? {
        chain(
            from: sources, to: targets,
            avoiding: FlowNetwork.Avoidance(compartments: avoided, links: links))
    }

    func chain(
        from sources: CompartmentSet, to targets: CompartmentSet,
        avoiding avoidance: FlowNetwork.Avoidance
    ) -> [Step]? {
        let found = network.shortestChain(from: sources, to: targets, avoiding: avoidance)
        return found.map { steps($0) }
    }

    private func steps(_ chain: [Int]) -> [Step] {
        chain.indices.map { index in
            let wire = network.wires[chain[index]]
            let exemption =
                index > 0
                ? network.exemptionNeeded(chain[index - 1], chain[index], among: exemptions) : nil
            return Step(link: wire.link, from: wire.from, to: wire.to, exemption: exemption)
        }
    }
}
