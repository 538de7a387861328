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
        let isGuardedOut: Bool
        let isGuardedIn: Bool
        /// The use of a service of several levels, in either direction.
        let isUseApart: Bool

        /// Whether the wire breaks a rule by itself.
        var isFault: Bool { leadsDown && !isGuardedOut || raisesIntegrity && !isGuardedIn }
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

    let wires: [Wire]
    /// The wires that leave each compartment, in the order of links.
    private let leaving: [[Int]]
    /// Whether what leaves a compartment depends on how it came.
    private let keepsApart: [Bool]
    private let permissions: Set<Permission>
    private let ranges: [SecurityRange]
    private let integrities: [Int]

    /// Builds the network of a policy, as if some of its statements were not there.
    ///
    /// An edge whose ends are no compartments of the policy is left out.
    init(
        of policy: SystemPolicy, withoutLinks: Set<Int> = [], withoutExemptions: Set<Int> = []
    ) {
        let indices = policy.compartments.indices
        ranges = policy.compartments.map(\.range)
        integrities = policy.compartments.map(\.options.integrity)
        let kept = policy.further.exemptions.enumerated().filter {
            !withoutExemptions.contains($0.offset)
        }.map(\.element)
        permissions = Set(kept.map { Permission(subject: $0.subject, from: $0.from, to: $0.to) })
        let out = Set(kept.map { Permission(subject: $0.subject, from: -1, to: $0.to) })
        let into = Set(kept.map { Permission(subject: $0.subject, from: $0.from, to: -1) })
        var wires: [Wire] = []
        var leaving: [[Int]] = Array(repeating: [], count: indices.count)
        var keepsApart = Array(repeating: false, count: indices.count)
        for (index, link) in policy.links.enumerated() where !withoutLinks.contains(index) {
            for edge in link.edges where indices.contains(edge.from) && indices.contains(edge.to) {
                let (from, to) = (edge.from, edge.to)
                let leadsDown = !mayFlow(from: ranges[from], to: ranges[to])
                let raises = integrities[from] < integrities[to]
                let isGuardedOut =
                    leadsDown && out.contains(Permission(subject: from, from: -1, to: index))
                let isGuardedIn =
                    raises && into.contains(Permission(subject: to, from: index, to: -1))
                let service = FlowNetwork.serviceApart(link, policy)
                if isGuardedOut { keepsApart[from] = true }
                if isGuardedIn { keepsApart[to] = true }
                if let service { keepsApart[service] = true }
                leaving[from].append(wires.count)
                wires.append(
                    Wire(
                        link: index, from: from, to: to, leadsDown: leadsDown,
                        raisesIntegrity: raises, isGuardedOut: isGuardedOut,
                        isGuardedIn: isGuardedIn, isUseApart: service != nil))
            }
        }
        self.wires = wires
        self.leaving = leaving
        self.keepsApart = keepsApart
    }

    /// The service that a link is a use of, if it works at several levels.
    private static func serviceApart(
        _ link: SystemPolicy.Link, _ policy: SystemPolicy
    ) -> Int? {
        guard case .use = link.kind, let provider = link.edges.first?.to,
            policy.compartments.indices.contains(provider),
            !policy.compartments[provider].range.isSingleLevel
        else { return nil }
        return provider
    }

    /// The level of what a wire carries: the sender's clearance, clipped to the receiver's.
    private func level(of wire: Wire) -> SecurityLevel {
        wire.leadsDown ? ranges[wire.to].high : ranges[wire.from].high
    }

    /// Returns whether what came by one wire may leave by the next.
    private func passes(_ wire: Wire, _ next: Wire, exemptionsCount: Bool) -> Bool {
        let byLevel =
            !next.isGuardedOut || mayFlow(from: level(of: wire), to: ranges[next.to].high)
        let byIntegrity = !wire.isGuardedIn || integrities[next.to] <= integrities[wire.from]
        let byService = !(wire.isUseApart && next.isUseApart) || wire.link == next.link
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

    /// What a search found: for each wire, the one before it on a shortest chain.
    struct Search {
        /// -1: the chain begins here; nil: no chain comes here.
        var before: [Int?]
        /// The compartments that are reached, the source included.
        var reached: CompartmentSet
        /// The wire by which the first of the targets was reached.
        var arrival: Int?
    }

    /// Breadth-first search for chains from one compartment.
    ///
    /// - Parameter targets: the search ends at the first of these; when empty, it goes on to the
    ///   end.
    /// - Complexity: wires times the wires that leave a compartment that keeps apart.
    func search(
        from source: Int, to targets: CompartmentSet = CompartmentSet(),
        avoiding avoidance: Avoidance = Avoidance()
    ) -> Search {
        var result = Search(
            before: Array(repeating: nil, count: wires.count),
            reached: CompartmentSet(index: source))
        guard !avoidance.compartments.contains(source), leaving.indices.contains(source) else {
            return result
        }
        let exemptionsCount = !avoidance.exemptions
        var queue: [Int] = []
        var isDone = Array(repeating: false, count: leaving.count)
        isDone[source] = true
        for index in leaving[source]
        where begins(wires[index], exemptionsCount: exemptionsCount)
            && isOpen(wires[index], avoidance)
        {
            result.before[index] = -1
            queue.append(index)
        }
        var next = 0
        while next < queue.count {
            let index = queue[next]
            let wire = wires[index]
            next += 1
            result.reached.insert(wire.to)
            if targets.contains(wire.to) {
                result.arrival = index
                return result
            }
            guard !isDone[wire.to] else { continue }
            // What leaves a compartment that keeps nothing apart leaves however it came.
            isDone[wire.to] = !keepsApart[wire.to] || avoidance.everythingPasses
            for after in leaving[wire.to]
            where result.before[after] == nil && wires[after].to != source
                && isOpen(wires[after], avoidance)
                && (avoidance.everythingPasses
                    || passes(wire, wires[after], exemptionsCount: exemptionsCount))
            {
                result.before[after] = index
                queue.append(after)
            }
        }
        return result
    }

    private func isOpen(_ wire: Wire, _ avoidance: Avoidance) -> Bool {
        !avoidance.compartments.contains(wire.to) && !avoidance.links.contains(wire.link)
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
        var best: [Int]?
        for source in sources.indices where source < leaving.count {
            let wanted = targets.removing(source)
            guard !wanted.isEmpty else { continue }
            let found = search(from: source, to: wanted, avoiding: avoidance)
            guard let arrival = found.arrival else { continue }
            var chain: [Int] = []
            var place = arrival
            while place >= 0 {
                chain.append(place)
                place = found.before[place] ?? -1
            }
            if chain.count < best?.count ?? .max { best = chain.reversed() }
        }
        return best
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
