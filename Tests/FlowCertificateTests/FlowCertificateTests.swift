import FlowCertificate
import Testing

/// Method: each rule of `docs/abi/certificate.md` is broken alone, in certificates that are written
/// by hand.
@Suite("the flow certificate") struct FlowCertificateTests {
    private let chain = TestCertificate.chain
    private let downgrade = TestCertificate.downgrade

    private func changed(
        _ certificate: TestCertificate, _ change: (inout TestCertificate) -> Void
    ) -> FlowCertificateError? {
        var copy = certificate
        change(&copy)
        return copy.error(observed: certificate.observed)
    }

    @Test("a good certificate is accepted, also one that knows more than the policy permits")
    func good() throws {
        #expect(chain.error() == nil)
        #expect(chain.error(observed: [0, 0, 0]) == nil)
        #expect(downgrade.error() == nil)
        let bytes = downgrade.bytes
        let read = try FlowCertificate(validating: bytes.span, compartmentCount: 4)
        #expect(read.edgeCount == 4 && read.exemptionCount == 1 && read.claimCount == 2)
        #expect(read.claim(at: 1).kind == .exceptVia && read.claim(at: 1).line == 7)
        #expect(read.exemption(at: 0).subject == 1 && read.exemption(at: 0).to == 1)
        #expect(read.edge(at: 3).from == 3 && read.edge(at: 3).use == .none)
        #expect(read.integrity(of: 2) == 0)
    }

    @Test("a flow of the policy that is no edge is refused") func unsound() {
        #expect(chain.error(observed: [0b010, 0b100, 0b001]) == .flowNotCertified)
        #expect(chain.error(observed: [0b110, 0, 0]) == .flowNotCertified)
        #expect(chain.error(observed: [0b011, 0, 0]) == nil, "one knows what one knows")
        #expect(chain.error(observed: [0, 0]) == .wrongCompartmentCount)
    }

    @Test("an edge against the levels needs an exemption of its sender for its link")
    func levels() {
        #expect(changed(chain) { $0.ranks[1] = (1, 1) } == .edgeAgainstLevels)
        #expect(changed(chain) { $0.ranks = [(0, 0), (1, 1), (2, 2)] } == nil)
        #expect(changed(downgrade) { $0.edges[1].exemptionOut = 0 } == .edgeAgainstLevels)
        #expect(changed(downgrade) { $0.exemptions = [[0, 0, 1, 0]] } == .edgeAgainstLevels)
        #expect(changed(downgrade) { $0.exemptions = [[1, 0, 3, 0]] } == .edgeAgainstLevels)
        #expect(
            changed(downgrade) { $0.ranks[1] = (1, 1) } == .edgeAgainstLevels,
            "an exempt compartment works at the level that it sends to")
    }

    @Test("an edge to higher integrity needs an exemption of its receiver for its link")
    func integrity() {
        #expect(changed(chain) { $0.integrities = [2, 1, 1] } == nil)
        #expect(changed(chain) { $0.integrities = [0, 1, 1] } == .edgeAgainstIntegrity)
        var judged = chain
        judged.integrities = [0, 1, 1]
        judged.exemptions = [[1, 0, 1, 0]]
        judged.edges[0].exemptionIn = 1
        #expect(judged.error() == nil)
        #expect(changed(judged) { $0.exemptions = [[1, 1, 1, 0]] } == .edgeAgainstIntegrity)
        #expect(changed(judged) { $0.exemptions = [[2, 0, 1, 0]] } == .edgeAgainstIntegrity)
    }

    @Test("a compartment keeps only what the rules let it keep") func keeping() {
        var certificate = downgrade
        certificate.edges[0].passing = [0b10]
        #expect(certificate.error() == .keepsTooMuch, "the exemption lets it pass")
        certificate = downgrade
        certificate.edges[3].passing = [0b00]
        #expect(certificate.error() == .keepsTooMuch, "back to where it came from is level")
        certificate = downgrade
        certificate.edges[3].passing = [0b11]
        #expect(certificate.error() == .notClosed, "who keeps less has more to close")
        certificate = chain
        certificate.keeping[1] = true
        certificate.edges[0].passing = [0]
        #expect(certificate.error() == .keepsTooMuch)
        certificate.edges[0].passing = [1]
        #expect(certificate.error() == nil)
    }

    @Test("a service of several levels keeps its users apart, one of a single level does not")
    func services() {
        var certificate = TestCertificate(
            integrities: [0, 0, 0], keeping: [true, false, false],
            ranks: [(0, 1), (1, 1), (1, 1)],
            edges: [
                .init(from: 0, to: 1, link: 0, use: 2), .init(from: 0, to: 2, link: 1, use: 2),
                .init(from: 1, to: 0, link: 0, use: 1, passing: [0b01]),
                .init(from: 2, to: 0, link: 1, use: 1, passing: [0b10]),
            ],
            claims: [.init(from: 0b010, to: 0b100, reached: 0b011, carrying: 0b0101)])
        #expect(certificate.error() == nil)
        certificate.ranks[0] = (1, 1)
        #expect(certificate.error() == .keepsTooMuch)
        certificate.ranks[0] = (0, 1)
        certificate.edges[2].use = 0
        #expect(certificate.error() == .keepsTooMuch)
    }

    @Test("a claim that is not closed is refused, and one that does not hold") func claims() {
        #expect(changed(chain) { $0.claims[0].from = 0b010 } == .notClosed)
        #expect(
            changed(chain) { $0.claims = [.init(from: 1, to: 4, reached: 2, carrying: 1)] }
                == .notClosed, "b sends on what it gets")
        #expect(
            changed(chain) { $0.claims = [.init(from: 1, to: 4, reached: 2, carrying: 3)] }
                == .notClosed, "c is reached")
        #expect(
            changed(chain) { $0.claims = [.init(from: 1, to: 4, reached: 6, carrying: 3)] }
                == .claimViolated)
        let excepted = { (kind: UInt32) in
            changed(chain) {
                $0.claims = [
                    .init(kind: kind, from: 1, to: 4, reached: 2, excepted: 2, carrying: 1)
                ]
            }
        }
        #expect((0...5).map(excepted) == [.claimExcepts, nil, nil, nil, .claimExcepts, .badValue])
        #expect(
            changed(chain) {
                $0.claims = [
                    .init(kind: 1, from: 1, to: 4, reached: 2, excepted: 3, carrying: 1)
                ]
            } == .notClosed, "what is excepted carries nothing")
    }

    @Test("a file of another shape is refused for it") func shape() {
        let bytes = downgrade.bytes
        func found(_ bytes: [UInt8]) -> FlowCertificateError? {
            failure(of: bytes, labels: downgrade.labels, observed: downgrade.observed)
        }
        for length in bytes.indices {
            #expect(found(Array(bytes.prefix(length))) == .wrongSize, "length \(length)")
        }
        #expect(found(bytes + [0]) == .wrongSize)
        let none: [UInt32] = []
        #expect(failure(of: bytes, labels: [], observed: none) == .wrongCompartmentCount)
        for (offset, value, wanted) in [
            (3, 0x31, FlowCertificateError.badMagic), (4, 1, .unknownFeature),
            (8, 3, .wrongCompartmentCount), (14, 1, .badValue), (18, 1, .badValue),
            (20, 3, .wrongSize), (26, 1, .badValue), (28, 1, .badValue),
            (32, 1, .badOrder), (38, 2, .badValue), (64, 4, .badValue), (66, 0, .badValue),
            (70, 3, .badValue), (72, 2, .badValue), (74, 2, .badValue), (76, 1, .badOrder),
            (80, 0, .badOrder), (92, 1, .badOrder), (128, 4, .badValue), (134, 1, .badValue),
            (136, 7, .bitOutOfRange), (144, 5, .badValue), (152, 0x18, .bitOutOfRange),
        ] {
            var copy = bytes
            copy[offset] = UInt8(value)
            #expect(found(copy) == wanted, "offset \(offset)")
        }
    }

    @Test("exemptions and edges stand in order, none twice") func order() {
        #expect(changed(downgrade) { $0.exemptions = [[1, 0, 1, 0], [1, 0, 1, 0]] } == .badOrder)
        #expect(changed(downgrade) { $0.exemptions = [[1, 0, 1, 0], [0, 9, 9, 0]] } == .badOrder)
        #expect(changed(downgrade) { $0.exemptions = [[1, 0, 1, 0], [1, 0, 2, 0]] } == nil)
        #expect(changed(chain) { $0.edges.swapAt(0, 1) } == .badOrder)
        #expect(changed(chain) { $0.edges[1] = $0.edges[0] } == .badOrder)
    }

    /// Method: the canary. Information flows from a to c, by way of b; whatever else a certificate
    /// says, it is not accepted with the claim that it does not.
    @Test("a false claim cannot be certified, whatever is said to carry, reach and keep")
    func canary() {
        var certificate = chain
        var tried = 0
        for keeping in 0..<8 {
            certificate.keeping = (0..<3).map { keeping >> $0 & 1 == 1 }
            for rows in 0..<2 where rows == 0 || certificate.keeping[1] {
                certificate.edges[0].passing = certificate.keeping[1] ? [UInt32(rows)] : []
                certificate.edges[1].passing = []
                for reached in UInt32(0)..<8 {
                    for carrying in UInt32(0)..<4 {
                        certificate.claims = [
                            .init(from: 1, to: 4, reached: reached, carrying: carrying)
                        ]
                        #expect(certificate.error() != nil)
                        tried += 1
                    }
                }
            }
        }
        #expect(tried == 384)
    }
}
