import FlowCertificate
import Testing

/// A certificate as data, with a good one to begin from: a -> b -> c, and nothing comes from c to
/// a.
private struct Certificate {
    var direct: [UInt32] = [0b011, 0b110, 0b100]
    var reach: [UInt32] = [0b111, 0b110, 0b100]
    var assertions: [(UInt32, UInt32)] = [(0b100, 0b001)]

    var bytes: [UInt8] {
        var words = [0x3143_4643, UInt32(direct.count), UInt32(assertions.count), 0]
        words += direct + reach
        for (from, to) in assertions { words += [from, to, 7] }
        return words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }

    func error(observed: [UInt32] = [0b010, 0b100, 0]) -> FlowCertificateError? {
        FlowCertificateTests.error(bytes, direct.count, observed)
    }
}

@Suite("the flow certificate")
struct FlowCertificateTests {
    static func error(
        _ bytes: [UInt8], _ count: Int, _ observed: [UInt32]
    ) -> FlowCertificateError? {
        do throws(FlowCertificateError) {
            let certificate = try FlowCertificate(validating: bytes.span, compartmentCount: count)
            try certificate.check(observedFlows: observed.span)
            return nil
        } catch {
            return error
        }
    }

    @Test("a good certificate is accepted, also one that claims more than the policy permits")
    func good() {
        #expect(Certificate().error() == nil)
        #expect(Certificate().error(observed: [0, 0, 0]) == nil)
    }

    @Test("a flow of the policy that is not certified is refused")
    func unsound() {
        #expect(Certificate().error(observed: [0b010, 0b100, 0b001]) == .flowNotCertified)
        #expect(Certificate().error(observed: [0b110, 0, 0]) == .flowNotCertified)
    }

    @Test("a reach that leaves out a step is refused")
    func open() {
        var certificate = Certificate()
        certificate.reach[0] = 0b011
        #expect(certificate.error() == .notClosed)
        certificate.reach[0] = 0b101
        #expect(certificate.error() == .notClosed)
    }

    @Test("an assertion that does not hold is refused, and one about oneself holds")
    func assertion() {
        var certificate = Certificate()
        certificate.assertions = [(0b001, 0b100)]
        #expect(certificate.error() == .assertionViolated)
        certificate.assertions = [(0b100, 0b011), (0b111, 0b001), (0b001, 0b001), (0, 0b111)]
        #expect(certificate.error() == nil)
    }

    @Test("a file of another shape is refused for it")
    func shape() {
        let bytes = Certificate().bytes
        let observed: [UInt32] = [0, 0, 0]
        for length in bytes.indices {
            let found = FlowCertificateTests.error(Array(bytes.prefix(length)), 3, observed)
            #expect(found == .truncated, "length \(length)")
        }
        #expect(FlowCertificateTests.error(bytes + [0], 3, observed) == .trailingBytes)
        #expect(FlowCertificateTests.error(bytes, 2, observed) == .wrongCompartmentCount)
        #expect(FlowCertificateTests.error(bytes, 33, observed) == .wrongCompartmentCount)
        #expect(Certificate().error(observed: [0, 0]) == .wrongCompartmentCount)
        for (offset, value, wanted) in [
            (0, 0, FlowCertificateError.badMagic), (9, 2, .tooManyAssertions),
            (12, 1, .unknownFeature),
        ] {
            var copy = bytes
            copy[offset] = UInt8(value)
            #expect(FlowCertificateTests.error(copy, 3, observed) == wanted)
        }
    }

    @Test("bits of compartments that do not exist are refused, and rows without their own")
    func bits() {
        var certificate = Certificate()
        certificate.direct[2] = 0b1100
        #expect(certificate.error() == .bitOutOfRange)
        certificate = Certificate()
        certificate.assertions = [(0b1000, 1)]
        #expect(certificate.error() == .bitOutOfRange)
        certificate = Certificate()
        certificate.direct[0] = 0b010
        #expect(certificate.error() == .missingSelf)
    }

    @Test("thirty-two compartments fill a row")
    func full() {
        var certificate = Certificate()
        certificate.direct = (0..<32).map { 1 << UInt32($0) }
        certificate.reach = certificate.direct
        certificate.assertions = [(.max, .max)]
        #expect(certificate.error(observed: Array(repeating: 0, count: 32)) == nil)
        certificate.reach[31] = .max
        #expect(certificate.error(observed: Array(repeating: 0, count: 32)) == .assertionViolated)
    }
}
