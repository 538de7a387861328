import PolicySemantics
import SecurityLattice

/// What a system permits, followed one step at a time: it shares nothing with the compiler's search
/// or the checker but the declared system.
struct FlowJudge {
    struct Edge: Equatable {
        let from: Int
        let to: Int
        let link: Int
    }

    let policy: SystemPolicy
    /// In the order of the certificate.
    let edges: [Edge]
    private let passing: [[Int]]

    init(_ policy: SystemPolicy) {
        self.policy = policy
        var edges: [Edge] = []
        for (link, declared) in policy.links.enumerated() {
            edges += declared.edges.map { Edge(from: $0.from, to: $0.to, link: link) }
        }
        edges.sort { ($0.from, $0.to, $0.link) < ($1.from, $1.to, $1.link) }
        self.edges = edges
        passing = edges.map { edge in
            edges.indices.filter {
                edges[$0].from == edge.to && FlowJudge.passes(edge, edges[$0], policy)
            }
        }
    }

    // MARK: The rules

    private static func high(_ index: Int, _ policy: SystemPolicy) -> SecurityLevel {
        policy.compartments[index].range.high
    }

    private static func integrity(_ index: Int, _ policy: SystemPolicy) -> Int {
        policy.compartments[index].options.integrity
    }

    private static func isDown(_ edge: Edge, _ policy: SystemPolicy) -> Bool {
        !high(edge.to, policy).dominates(high(edge.from, policy))
    }

    /// The service of which a link is a use; nil for other links.
    private static func service(_ link: Int, _ policy: SystemPolicy) -> Int? {
        guard case .use = policy.links[link].kind else { return nil }
        return policy.links[link].edges.first?.to
    }

    /// Whether a compartment passes on by an edge what came by another.
    private static func passes(_ edge: Edge, _ next: Edge, _ policy: SystemPolicy) -> Bool {
        let here = edge.to
        let exemptions = policy.further.exemptions.filter { $0.subject == here }
        if exemptions.contains(where: { $0.from == edge.link && $0.to == next.link }) {
            return true
        }
        if isDown(next, policy), exemptions.contains(where: { $0.to == next.link }) {
            // What came from below is no secret.
            let came = isDown(edge, policy) ? high(here, policy) : high(edge.from, policy)
            if !high(next.to, policy).dominates(came) { return false }
        }
        if integrity(edge.from, policy) < integrity(here, policy),
            exemptions.contains(where: { $0.from == edge.link }),
            integrity(next.to, policy) > integrity(edge.from, policy)
        {
            return false
        }
        let isService = service(edge.link, policy) == here && service(next.link, policy) == here
        let range = policy.compartments[here].range
        return !isService || range.low == range.high || edge.link == next.link
    }

    // MARK: The answers

    /// Whether no edge breaks a rule by itself.
    var keepsRules: Bool {
        edges.allSatisfy { edge in
            let exemptions = policy.further.exemptions
            let lowest = policy.compartments[edge.from].range.low
            let isLevel =
                !FlowJudge.isDown(edge, policy)
                || (exemptions.contains { $0.subject == edge.from && $0.to == edge.link }
                    && FlowJudge.high(edge.to, policy).dominates(lowest))
            let isTrusted =
                FlowJudge.integrity(edge.from, policy) >= FlowJudge.integrity(edge.to, policy)
                || exemptions.contains { $0.subject == edge.to && $0.from == edge.link }
            return isLevel && isTrusted
        }
    }

    /// Whether information of one compartment comes to another.
    func flows(from source: Int, to target: Int, without closed: Set<Int>) -> Bool {
        var reached = Set(edges.indices.filter { edges[$0].from == source }).subtracting(closed)
        var count = -1
        while count != reached.count {
            count = reached.count
            for edge in reached { reached.formUnion(Set(passing[edge]).subtracting(closed)) }
        }
        return reached.contains { edges[$0].to == target }
    }

    /// Whether an assertion or conflict holds, as far as it denies flows.
    func holds(_ assertion: SystemPolicy.Assertion) -> Bool {
        let closed: Set<Int>
        var sources = assertion.from.compartments
        switch assertion.claim {
        case .never(let via), .everyPath(let via):
            closed = Set(edges.indices.filter { via.contains(edges[$0].to) })
            sources = sources.subtracting(via)
        case .control(let links):
            closed = Set(edges.indices.filter { links.contains(edges[$0].link) })
        }
        return holds(from: sources, to: assertion.to.compartments, without: closed)
    }

    /// Whether no information of one side comes to another compartment of the other.
    func holds(
        from sources: CompartmentSet, to targets: CompartmentSet, without closed: Set<Int>
    ) -> Bool {
        sources.indices.allSatisfy { source in
            targets.removing(source).indices.allSatisfy {
                !flows(from: source, to: $0, without: closed)
            }
        }
    }

    /// Whether everything that the system claims holds.
    var holds: Bool {
        keepsRules && policy.assertions.allSatisfy { holds($0) }
            && policy.further.conflicts.allSatisfy {
                holds(from: $0.members, to: $0.members, without: [])
            }
    }

    /// The flows that a policy with exactly these edges lets through, as rows of words.
    var observed: [UInt32] {
        let width = (policy.compartments.count + 31) / 32
        var rows = Array(repeating: UInt32(0), count: policy.compartments.count * width)
        for edge in edges { rows[edge.from * width + edge.to / 32] |= 1 << UInt32(edge.to % 32) }
        return rows
    }

    var labels: [SecurityRange] { policy.compartments.map(\.range) }
}
