import FlowCertificate
import SecurityLattice

/// A certificate as data, written without anything of the compiler's.
struct TestCertificate {
    struct Edge {
        var from: Int
        var to: Int
        var link: Int
        var use = 0
        var exemptionOut = 0
        var exemptionIn = 0
        var passing: [UInt32] = []
    }

    struct Claim {
        var kind: UInt32 = 0
        var from: UInt32
        var to: UInt32
        var reached: UInt32
        var excepted: UInt32 = 0
        var carrying: UInt32
    }

    /// The integrity of each compartment.
    var integrities: [Int]
    /// Whether each keeps apart.
    var keeping: [Bool]
    var ranks: [(low: UInt16, high: UInt16)]
    /// In order; at most 32.
    var edges: [Edge]
    var exemptions: [[Int]] = []
    var claims: [Claim] = []

    /// a -> b -> c, and nothing comes from c to a.
    static let chain = TestCertificate(
        integrities: [0, 0, 0], keeping: [false, false, false],
        ranks: [(0, 0), (0, 0), (0, 0)],
        edges: [Edge(from: 0, to: 1, link: 0), Edge(from: 1, to: 2, link: 1)],
        claims: [Claim(from: 0b100, to: 0b001, reached: 0b100, carrying: 0)])

    /// high -> guard -> low by an exemption; other -> guard, which goes nowhere but back.
    static let downgrade = TestCertificate(
        integrities: [0, 0, 0, 0], keeping: [false, true, false, false],
        ranks: [(1, 1), (0, 1), (0, 0), (1, 1)],
        edges: [
            Edge(from: 0, to: 1, link: 0, passing: [0b11]),
            Edge(from: 1, to: 2, link: 1, exemptionOut: 1),
            Edge(from: 1, to: 3, link: 3),
            Edge(from: 3, to: 1, link: 2, passing: [0b10]),
        ], exemptions: [[1, 0, 1, 0]],
        claims: [
            Claim(kind: 0, from: 0b1000, to: 0b0100, reached: 0b1010, carrying: 0b1100),
            Claim(kind: 1, from: 0b0001, to: 0b0100, reached: 0, excepted: 1, carrying: 0),
        ])

    var bytes: [UInt8] {
        var bytes = Array("CFC2".utf8)
        let rows = edges.flatMap(\.passing)
        write(
            [0, integrities.count, edges.count, exemptions.count, rows.count, claims.count, 0],
            size: 4, to: &bytes)
        for (index, integrity) in integrities.enumerated() {
            write([edges.firstIndex { $0.from >= index } ?? edges.count], size: 4, to: &bytes)
            write([integrity, keeping[index] ? 1 : 0], size: 2, to: &bytes)
        }
        var row = 0
        for edge in edges {
            write(
                [edge.from, edge.to, edge.link, edge.use, edge.exemptionOut, edge.exemptionIn],
                size: 2, to: &bytes)
            write([keeping[edge.to] ? row : 0], size: 4, to: &bytes)
            row += edge.passing.count
        }
        for exemption in exemptions { write(exemption, size: 2, to: &bytes) }
        write(rows.map(Int.init), size: 4, to: &bytes)
        for claim in claims {
            write([Int(claim.kind), 7, Int(claim.from), Int(claim.to)], size: 4, to: &bytes)
            write([Int(claim.reached)], size: 4, to: &bytes)
            guard !edges.isEmpty else { continue }
            write([Int(claim.excepted), Int(claim.carrying)], size: 4, to: &bytes)
        }
        return bytes
    }

    private func write(_ numbers: [Int], size: Int, to bytes: inout [UInt8]) {
        for number in numbers {
            for place in 0..<size { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * place))) }
        }
    }

    var labels: [SecurityRange] {
        ranks.map { low, high in
            let low = SecurityLevel(Sensitivity(rank: low))
            return SecurityRange(low: low, high: SecurityLevel(Sensitivity(rank: high)))
                ?? SecurityRange(low)
        }
    }

    /// What the policy permits when it permits all edges.
    var observed: [UInt32] {
        integrities.indices.map { index in
            edges.filter { $0.from == index }.reduce(0) { $0 | 1 << UInt32($1.to) }
        }
    }

    /// Why the certificate is refused; nil: it is accepted.
    func error(observed: [UInt32]? = nil) -> FlowCertificateError? {
        failure(of: bytes, labels: labels, observed: observed ?? self.observed)
    }
}

/// Why a certificate is refused; nil: it is accepted.
func failure(
    of bytes: [UInt8], labels: [SecurityRange], observed: [UInt32]
) -> FlowCertificateError? {
    do throws(FlowCertificateError) {
        let certificate = try FlowCertificate(
            validating: bytes.span, compartmentCount: labels.count)
        try certificate.check(labels: labels.span, observedFlows: observed.span)
        return nil
    } catch {
        return error
    }
}
