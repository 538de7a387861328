import PolicySemantics
import SecurityLattice

/// Every edge that a system declares, and what may pass from one to the next.
///
/// A chain is a path of *edges*, not of compartments, because an exempt compartment keeps apart
/// what comes in by different links: what came in by one may go out by another only when the levels
/// allow it, or an exemption names that one link and that other. A compartment without exemptions
/// is taken to pass on everything that it gets.
///
/// A service of several levels keeps apart those who use it as well: what one of them gave it
/// comes to another only by an exemption, up as well as down.
///
/// An edge that the rules refuse, and no exemption covers, is an edge like any other: nobody keeps
/// it, so everything passes. The checks report it; chains through it are real.
struct FlowNetwork: Sendable {
    /// One edge, and what the rules say of it.
    struct Wire: Sendable {
        let link: Int
        let from: Int
        let to: Int
        /// The receiver's clearance does not dominate the sender's, or it is of higher integrity.
        let leadsDown: Bool
        let raisesIntegrity: Bool
        /// Some exemption covers the fault: what passes is judged link by link.
        fileprivate(set) var isGuardedOut = false
        fileprivate(set) var isGuardedIn = false
        /// The service of several levels whose use the wire is, in either direction; -1: none.
        let service: Int

        /// Whether the wire breaks a rule by itself.
        var isFault: Bool { leadsDown && !isGuardedOut || raisesIntegrity && !isGuardedIn }

        /// Whether the wire is the use of a service of several levels.
        var isUseApart: Bool { service >= 0 }
    }

    /// What a search must leave alone.
    struct Avoidance {
        /// No chain begins in, ends in or passes these.
        var compartments = CompartmentSet()
        /// No chain uses these links.
        var links: Set<Int> = []
        /// No chain relies on an exemption, or begins with its holder's own word.
        var exemptions = false
        /// Every chain counts, also one that an exempt compartment keeps from passing.
        var everythingPasses = false
    }

    private struct Permission: Hashable {
        let subject: Int
        let from: Int
        let to: Int
    }

    private(set) var wires: [Wire] = []
    /// The wires that leave each compartment, in the order of links.
    private var leaving: [[Int]]
    /// Whether what leaves a compartment depends on how it came.
    private(set) var keepsApart: [Bool]
    /// For each wire to a compartment that keeps apart, the wires by which it passes on what came.
    private var passing: [[Int32]]
    private var permissions: Set<Permission> = []
    private let ranges: [SecurityRange]
    private let integrities: [Int]

    /// Builds the network of a policy, as if some of its exemptions were not there.
    ///
    /// An edge whose ends are no compartments of the policy is left out.
    init(of policy: SystemPolicy, withoutExemptions: Set<Int> = []) {
        let indices = policy.compartments.indices
        ranges = policy.compartments.map(\.range)
        integrities = policy.compartments.map(\.options.integrity)
        leaving = Array(repeating: [], count: indices.count)
        keepsApart = Array(repeating: false, count: indices.count)
        passing = []
        wires.reserveCapacity(2 * policy.links.count)
        for (index, link) in policy.links.enumerated() {
            let service = FlowNetwork.serviceApart(link, ranges)
            if service >= 0 { keepsApart[service] = true }
            for edge in link.edges where indices.contains(edge.from) && indices.contains(edge.to) {
                let (from, to) = (edge.from, edge.to)
                leaving[from].append(wires.count)
                wires.append(
                    Wire(
                        link: index, from: from, to: to,
                        leadsDown: !mayFlow(from: ranges[from], to: ranges[to]),
                        raisesIntegrity: integrities[from] < integrities[to], service: service))
            }
        }
        exempt(policy, without: withoutExemptions)
        passing = wires.map { wire in
            guard keepsApart[wire.to] else { return [] }
            return leaving[wire.to].filter { passes(wire, wires[$0], exemptionsCount: true) }
                .map { Int32(truncatingIfNeeded: $0) }
        }
    }

    /// Lets exemptions count for the wires that they cover.
    private mutating func exempt(_ policy: SystemPolicy, without: Set<Int>) {
        var out: Set<Permission> = []
        var into: Set<Permission> = []
        for (index, exemption) in policy.further.exemptions.enumerated()
        where !without.contains(index) {
            let (subject, from, to) = (exemption.subject, exemption.from, exemption.to)
            permissions.insert(Permission(subject: subject, from: from, to: to))
            out.insert(Permission(subject: subject, from: -1, to: to))
            into.insert(Permission(subject: subject, from: from, to: -1))
        }
        guard !permissions.isEmpty else { return }
        for index in wires.indices {
            let wire = wires[index]
            if wire.leadsDown,
                out.contains(Permission(subject: wire.from, from: -1, to: wire.link))
            {
                wires[index].isGuardedOut = true
                keepsApart[wire.from] = true
            }
            if wire.raisesIntegrity,
                into.contains(Permission(subject: wire.to, from: wire.link, to: -1))
            {
                wires[index].isGuardedIn = true
                keepsApart[wire.to] = true
            }
        }
    }

    /// The service that a link is a use of, if it works at several levels; else -1.
    private static func serviceApart(_ link: SystemPolicy.Link, _ ranges: [SecurityRange]) -> Int {
        guard case .use = link.kind, let provider = link.edges.first?.to,
            ranges.indices.contains(provider), !ranges[provider].isSingleLevel
        else { return -1 }
        return provider
    }

    /// The indices of the wires that leave a compartment, in the order of links.
    func wires(leaving compartment: Int) -> [Int] {
        leaving.indices.contains(compartment) ? leaving[compartment] : []
    }

    /// The wires by which a compartment that keeps apart passes on what came by one; none for a
    /// compartment that keeps nothing.
    func wires(passedOnFrom wire: Int) -> [Int32] { passing[wire] }

    /// The level of what a wire carries: the sender's clearance, clipped to the receiver's.
    private func level(of wire: Wire) -> SecurityLevel {
        wire.leadsDown ? ranges[wire.to].high : ranges[wire.from].high
    }

    /// Returns whether what came by one wire may leave by the next.
    private func passes(_ wire: Wire, _ next: Wire, exemptionsCount: Bool) -> Bool {
        let byLevel =
            !next.isGuardedOut || mayFlow(from: level(of: wire), to: ranges[next.to].high)
        let byIntegrity = !wire.isGuardedIn || integrities[next.to] <= integrities[wire.from]
        // Only the service itself keeps its users apart: a user passes on what it was given.
        let byService =
            wire.service != wire.to || next.service != wire.to || wire.link == next.link
        if byLevel && byIntegrity && byService { return true }
        return exemptionsCount
            && permissions.contains(
                Permission(subject: next.from, from: wire.link, to: next.link))
    }

    /// Returns whether what came by one wire may leave by the next, by their indices.
    func passes(_ wire: Int, _ next: Int) -> Bool {
        passes(wires[wire], wires[next], exemptionsCount: true)
    }

    /// Returns whether the compartment's own information may leave by a wire.
    private func begins(_ wire: Wire, exemptionsCount: Bool) -> Bool {
        exemptionsCount || !(wire.isGuardedOut || wire.isGuardedIn)
    }

    /// Returns whether a chain may use a wire.
    func isOpen(_ wire: Wire, _ avoidance: Avoidance) -> Bool {
        !avoidance.compartments.contains(wire.to)
            && (avoidance.links.isEmpty || !avoidance.links.contains(wire.link))
    }

    /// Returns the exemption that a chain needs between two wires that follow each other.
    func exemptionNeeded(
        _ wire: Int, _ next: Int, among exemptions: [SystemPolicy.Exemption]
    ) -> Int? {
        guard !passes(wires[wire], wires[next], exemptionsCount: false) else { return nil }
        return exemptions.firstIndex {
            $0.subject == wires[next].from && $0.from == wires[wire].link
                && $0.to == wires[next].link
        }
    }
}

// MARK: - Search

extension FlowNetwork {
    /// What a search found: for each wire, the one before it on a shortest chain.
    struct Search: Sendable {
        /// A wire that no chain comes to.
        static let never: Int32 = -2
        /// A wire that a chain begins with.
        static let first: Int32 = -1

        /// The wire before each, or `first`, or `never`.
        fileprivate(set) var before: [Int32]
        /// The compartments that are reached, the sources included.
        fileprivate(set) var reached: CompartmentSet
        /// The wire by which each compartment was reached first; `never` for the others.
        fileprivate var arrivals: [Int32]
        /// The wire by which the first of the targets was reached.
        fileprivate var arrival: Int?

        /// Returns a shortest chain to a compartment, as indices of wires; nil when none leads
        /// there.
        func chain(to target: Int) -> [Int]? {
            guard arrivals.indices.contains(target), arrivals[target] >= 0 else { return nil }
            return chain(endingWith: Int(arrivals[target]))
        }

        fileprivate func chain(endingWith last: Int) -> [Int] {
            var chain = [last]
            while let place = chain.last, before[place] >= 0 { chain.append(Int(before[place])) }
            return chain.reversed()
        }
    }

    /// Breadth-first search for chains from some compartments.
    ///
    /// - Parameters:
    ///   - targets: the search ends at the first of these; when empty, it goes on to the end.
    ///   - returning: whether chains that come back to a source are followed too. They add nothing
    ///     that is reached, but a certificate shows them.
    /// - Precondition: a search that avoids exemptions has one source.
    /// - Complexity: wires times the wires that leave a compartment that keeps apart.
    func search(
        from sources: CompartmentSet, to targets: CompartmentSet = CompartmentSet(),
        avoiding avoidance: Avoidance = Avoidance(), returning: Bool = false
    ) -> Search {
        var result = Search(
            before: Array(repeating: Search.never, count: wires.count), reached: sources,
            arrivals: Array(repeating: Search.never, count: leaving.count))
        let exemptionsCount = !avoidance.exemptions
        let seeksTargets = !targets.isEmpty
        var queue: [Int32] = []
        queue.reserveCapacity(wires.count)
        // What leaves a compartment that keeps nothing apart leaves however it came.
        var isDone = Array(repeating: false, count: leaving.count)
        for source in sources.subtracting(avoidance.compartments).indices
        where source < leaving.count {
            isDone[source] = true
            for index in leaving[source]
            where isOpen(wires[index], avoidance)
                && begins(wires[index], exemptionsCount: exemptionsCount)
            {
                result.before[index] = Search.first
                queue.append(Int32(truncatingIfNeeded: index))
            }
        }
        var next = 0
        while next < queue.count {
            let index = Int(queue[next])
            let wire = wires[index]
            next += 1
            if result.arrivals[wire.to] == Search.never {
                result.arrivals[wire.to] = Int32(truncatingIfNeeded: index)
                result.reached.insert(wire.to)
            }
            if seeksTargets, targets.contains(wire.to) {
                result.arrival = index
                return result
            }
            guard !isDone[wire.to] else { continue }
            isDone[wire.to] = !keepsApart[wire.to] || avoidance.everythingPasses
            func follow(_ after: Int) {
                guard result.before[after] == Search.never,
                    returning || !sources.contains(wires[after].to),
                    isOpen(wires[after], avoidance)
                else { return }
                result.before[after] = Int32(truncatingIfNeeded: index)
                queue.append(Int32(truncatingIfNeeded: after))
            }
            if isDone[wire.to] {
                for after in leaving[wire.to] { follow(after) }
            } else if exemptionsCount {
                for after in passing[index] { follow(Int(after)) }
            } else {
                for after in leaving[wire.to]
                where passes(wire, wires[after], exemptionsCount: false) { follow(after) }
            }
        }
        return result
    }

    /// Returns the shortest chain from a compartment of one set to another one of the other set, as
    /// indices of wires; nil when there is none.
    ///
    /// Of equally short chains that of the lowest compartment, then of the first links, is taken,
    /// so that equal systems give equal answers.
    func shortestChain(
        from sources: CompartmentSet, to targets: CompartmentSet,
        avoiding avoidance: Avoidance = Avoidance()
    ) -> [Int]? {
        // A compartment on both sides is a source to others only, so each of them is searched from
        // alone; the others are searched from together.
        let alone = avoidance.exemptions ? sources : sources.intersection(targets)
        let together = sources.subtracting(alone)
        var best: (chain: [Int], source: Int)?
        func consider(_ group: CompartmentSet, _ wanted: CompartmentSet) {
            guard !group.isEmpty, !wanted.isEmpty else { return }
            let found = search(from: group, to: wanted, avoiding: avoidance)
            guard let arrival = found.arrival else { return }
            let chain = found.chain(endingWith: arrival)
            let source = wires[chain[0]].from
            if let best, (best.chain.count, best.source) < (chain.count, source) { return }
            best = (chain, source)
        }
        consider(together, targets)
        for source in alone.indices {
            consider(CompartmentSet(index: source), targets.removing(source))
        }
        return best?.chain
    }
}
