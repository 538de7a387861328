package import PolicySemantics
import PolicySyntax
import SecurityLattice

/// Why every claim of a system holds, in the form that a certificate shows.
///
/// For a system that breaks a claim there is a proof too, and it is false: what carries the
/// information comes to where it must not. Nothing here decides that; the reader of a certificate
/// does.
///
/// - Source: docs/abi/certificate.md, version 2, whose tables these are.
package struct FlowProof: Sendable {
    /// What an edge has to do with a service.
    package enum Use: UInt16, Sendable { case none, request, answer }

    /// What the source of a claim says.
    package enum ClaimKind: UInt32, Sendable {
        case never, exceptVia, everyPath, onlyThrough, conflict
    }

    /// One way for information, in the order of sender, receiver and link.
    package struct Edge: Sendable {
        /// The ends.
        package let from: Int, to: Int
        /// The link.
        package let link: Int
        /// What it has to do with a service.
        package let use: Use
        /// The exemptions that it needs, by their place among `exemptions`.
        package let exemptionOut: Int?, exemptionIn: Int?
        /// The edges by which the receiver passes on what comes; empty when it keeps nothing apart.
        package let passing: [Int]
    }

    /// An exemption, in the order of subject and links; none stands twice.
    package struct Exemption: Hashable, Sendable {
        /// Who is exempt.
        package let subject: Int
        /// From which link to which.
        package let from: Int, to: Int
    }

    /// One claim, and what its information flows through.
    package struct Claim: Sendable {
        /// What the source says, and on which line.
        package let kind: ClaimKind, line: UInt32
        /// Whose information it is, and where it must not come to.
        package let from: CompartmentSet, to: CompartmentSet
        /// Where it comes to.
        package let reached: CompartmentSet
        /// The edges that are excepted, and those that carry the information.
        package let excepted: [Int], carrying: [Int]
    }

    /// For each compartment, its integrity, and whether it keeps apart what it gets.
    package let compartments: [(integrity: Int, keepsApart: Bool)]
    /// The edges.
    package private(set) var edges: [Edge] = []
    /// The exemptions.
    package let exemptions: [Exemption]
    /// The claims: assertions in their order, then conflicts.
    package private(set) var claims: [Claim] = []

    private let network: FlowNetwork
    /// The wire that each edge is.
    private let order: [Int]

    /// Collects the proof of a system.
    package init(of policy: SystemPolicy, _ graph: FlowGraph) {
        let network = graph.network
        self.network = network
        compartments = policy.compartments.indices.map {
            (policy.compartments[$0].options.integrity, network.keepsApart[$0])
        }
        exemptions = Set(
            policy.further.exemptions.map {
                Exemption(subject: $0.subject, from: $0.from, to: $0.to)
            }
        ).sorted { ($0.subject, $0.from, $0.to) < ($1.subject, $1.from, $1.to) }
        let wires = network.wires
        order = wires.indices.sorted {
            (wires[$0].from, wires[$0].to, wires[$0].link)
                < (wires[$1].from, wires[$1].to, wires[$1].link)
        }
        addEdges(policy)
        for assertion in policy.assertions { add(assertion) }
        for conflict in policy.further.conflicts {
            for member in conflict.members.indices {
                add(
                    .conflict, conflict.source.line, from: CompartmentSet(index: member),
                    to: conflict.members.removing(member), FlowNetwork.Avoidance())
            }
        }
    }

    // MARK: Edges

    private mutating func addEdges(_ policy: SystemPolicy) {
        var places = Array(repeating: 0, count: order.count)
        for (place, wire) in order.enumerated() { places[wire] = place }
        var exemptionsOut: [[Int]: Int] = [:]
        var exemptionsIn: [[Int]: Int] = [:]
        for (index, exemption) in exemptions.enumerated() {
            exemptionsOut[[exemption.subject, exemption.to]] = index
            exemptionsIn[[exemption.subject, exemption.from]] = index
        }
        edges = order.map { index in
            let wire = network.wires[index]
            return Edge(
                from: wire.from, to: wire.to, link: wire.link,
                use: FlowProof.use(wire, policy.links[wire.link]),
                exemptionOut: wire.leadsDown ? exemptionsOut[[wire.from, wire.link]] : nil,
                exemptionIn: wire.raisesIntegrity ? exemptionsIn[[wire.to, wire.link]] : nil,
                passing: network.wires(passedOnFrom: index).map { places[Int($0)] })
        }
    }

    private static func use(_ wire: FlowNetwork.Wire, _ link: SystemPolicy.Link) -> Use {
        guard case .use = link.kind, let provider = link.edges.first?.to else { return .none }
        return wire.to == provider ? .request : .answer
    }

    // MARK: Claims

    /// Adds what an assertion claims, true or false.
    package mutating func add(_ assertion: SystemPolicy.Assertion) {
        let kind: ClaimKind
        switch assertion.claim {
        case .never(let via): kind = via.isEmpty ? .never : .exceptVia
        case .everyPath: kind = .everyPath
        case .control: kind = .onlyThrough
        }
        let (from, to) = (assertion.from.compartments, assertion.to.compartments)
        // A compartment on both sides is a source to others only: it has a claim of its own.
        let alone = from.intersection(to)
        let together = from.subtracting(alone)
        if alone.isEmpty || !together.isEmpty {
            add(kind, assertion.source.line, from: together, to: to, assertion.avoidance)
        }
        for source in alone.indices {
            add(
                kind, assertion.source.line, from: CompartmentSet(index: source),
                to: to.removing(source), assertion.avoidance)
        }
    }

    private mutating func add(
        _ kind: ClaimKind, _ line: UInt32, from: CompartmentSet, to: CompartmentSet,
        _ avoidance: FlowNetwork.Avoidance
    ) {
        let sources = from.subtracting(avoidance.compartments)
        let search = network.search(from: sources, avoiding: avoidance, returning: true)
        var excepted: [Int] = []
        var carrying: [Int] = []
        for (place, index) in order.enumerated() {
            if !network.isOpen(network.wires[index], avoidance) {
                excepted.append(place)
            } else if search.before[index] != FlowNetwork.Search.never {
                carrying.append(place)
            }
        }
        claims.append(
            Claim(
                kind: kind, line: line, from: sources, to: to, reached: search.reached,
                excepted: excepted, carrying: carrying))
    }
}
