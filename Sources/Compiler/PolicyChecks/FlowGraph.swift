public import PolicySemantics

/// Which compartment's information comes to which other.
///
/// A node is a compartment, by its index in the policy. In this subset of the language the
/// channels are the only edges.
///
/// - Invariant: (reflexive) compartment *i* is in `direct[i]` and `reach[i]`.
/// - Invariant: (closed) `direct[i]` is within `reach[i]`; so is `direct[j]` for each *j* in it.
/// - Source: docs/abi/certificate.md, whose rows these are.
public struct FlowGraph: Equatable, Sendable {
    /// One step of a chain.
    public struct Step: Equatable, Sendable {
        /// Index of the channel that carries the information.
        public let channel: Int
        /// Index of the compartment that it comes from.
        public let from: Int
        /// Index of the compartment that it comes to.
        public let to: Int
    }

    /// For each compartment, those that it may send information straight to, itself included.
    public let direct: [CompartmentSet]
    /// For each compartment, those that its information can come to, by any number of steps.
    public let reach: [CompartmentSet]
    /// The channels, as steps, in the order of the policy.
    private let steps: [Step]

    /// Builds the graph of a policy, and its closure.
    ///
    /// A channel whose ends are no compartments of the policy is no edge.
    /// - Complexity: the cube of the number of compartments, which is at most 32.
    public init(of policy: SystemPolicy) {
        let count = policy.compartments.count
        let indices = 0..<count
        steps = policy.channels.enumerated().compactMap { index, channel in
            guard indices.contains(channel.from), indices.contains(channel.to) else { return nil }
            return Step(channel: index, from: channel.from, to: channel.to)
        }
        var rows = indices.map { CompartmentSet(index: $0) }
        for step in steps { rows[step.from].insert(step.to) }
        direct = rows
        for middle in indices {
            for from in indices where rows[from].contains(middle) {
                rows[from].bits |= rows[middle].bits
            }
        }
        reach = rows
    }

    /// Returns the channels that join two compartments directly, by index, in order.
    public func channels(from: Int, to: Int) -> [Int] {
        steps.filter { $0.from == from && $0.to == to }.map(\.channel)
    }

    /// Returns the shortest chain from a compartment of one set to another one of the other set.
    ///
    /// Of equally short chains that of the lowest compartment, then of the first channels, is
    /// taken, so that equal systems give equal answers.
    /// - Returns: nil when no information of `sources` comes to another compartment in `targets`.
    /// - Complexity: compartments times channels, at most 32 times 512.
    public func shortestChain(
        from sources: CompartmentSet, to targets: CompartmentSet
    ) -> [Step]? {
        var best: [Step]?
        for source in sources.indices where source < reach.count {
            let wanted = targets.removing(source)
            guard reach[source].bits & wanted.bits != 0 else { continue }
            let chain = shortestChain(from: source, to: wanted)
            if let chain, chain.count < best?.count ?? .max { best = chain }
        }
        return best
    }

    /// Breadth-first search from one compartment.
    private func shortestChain(from source: Int, to targets: CompartmentSet) -> [Step]? {
        var arrival: [Step?] = Array(repeating: nil, count: reach.count)
        var queue = [source]
        var next = 0
        while next < queue.count {
            let place = queue[next]
            next += 1
            if targets.contains(place) { return chain(to: place, from: source, by: arrival) }
            for step in steps
            where step.from == place && step.to != source && arrival[step.to] == nil {
                arrival[step.to] = step
                queue.append(step.to)
            }
        }
        return nil
    }

    private func chain(to end: Int, from source: Int, by arrival: [Step?]) -> [Step] {
        var chain: [Step] = []
        var place = end
        while place != source, let step = arrival[place] {
            chain.append(step)
            place = step.from
        }
        return chain.reversed()
    }
}
