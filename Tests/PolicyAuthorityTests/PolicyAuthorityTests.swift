import CompilerTestSupport
import Digests
import PolicyAuthority
import PolicyCompiler
import SystemManifest
import TestSupport
import Testing

@Suite("signing manifests") struct PolicyAuthorityTests {
    private let key = AuthorityPrivateKey()

    private func manifest(version: UInt64 = 1) throws -> [UInt8] {
        var model = try TestSystem.minimal().compiled.model
        model.systemVersion = version
        return model.encoded
    }

    private func signed(_ manifest: [UInt8]) throws -> [UInt8] {
        try #require(SignedManifest.signed(manifest, by: key))
    }

    private func refusal(_ body: () throws(BuildRefusal) -> Void) -> BuildRefusal? {
        do throws(BuildRefusal) {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test("a signed manifest is one that the hypervisor reads, and its signer is known")
    func signing() throws {
        let bytes = try signed(try manifest())
        let facts = try ManifestFacts(validating: bytes)
        #expect(facts.signer == key.publicKey.id)
        #expect(facts.digest == SHA384.hash(bytes.span))
        #expect(
            refusal { () throws(BuildRefusal) in
                try facts.verifySignature(by: key.publicKey)
            } == nil)
    }

    @Test("an unsigned manifest, another key and a wrong signature are refused apart")
    func refusals() throws {
        let unsigned = try ManifestFacts(validating: try manifest())
        #expect(
            refusal { () throws(BuildRefusal) in
                try unsigned.verifySignature(by: key.publicKey)
            } == .unsigned)
        let facts = try ManifestFacts(validating: try signed(try manifest()))
        let other = AuthorityPrivateKey().publicKey
        let foreign = refusal { () throws(BuildRefusal) in try facts.verifySignature(by: other) }
        #expect(foreign?.code == "BLD-SIG-002")
        var forged = try signed(try manifest())
        forged[SystemManifest.signaturePlace.lowerBound + 5] ^= 1
        let broken = try ManifestFacts(validating: forged)
        #expect(
            refusal { () throws(BuildRefusal) in
                try broken.verifySignature(by: key.publicKey)
            } == .badSignature)
    }

    @Test("no changed bit of a signed manifest keeps its signature")
    func everyBit() throws {
        let good = try signed(try manifest())
        var generator = SeededGenerator.announced(384)
        for index in good.indices {
            var bytes = good
            bytes[index] ^= UInt8(1) << UInt8.random(in: 0..<8, using: &generator)
            guard let facts = try? ManifestFacts(validating: bytes) else { continue }
            let found = refusal { () throws(BuildRefusal) in
                try facts.verifySignature(by: key.publicKey)
            }
            #expect(found != nil, "byte \(index)")
        }
    }

    @Test("the other signature that ECDSA would take, with n - s, is refused") func malleable()
        throws
    {
        var bytes = try signed(try manifest())
        let place = 240..<288
        let order: [UInt8] =
            Array(repeating: 0xff, count: 24) + [
                0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0,
                0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
            ]
        var borrow = 0
        for index in (0..<48).reversed() {
            let difference = Int(order[index]) - Int(bytes[place.lowerBound + index]) - borrow
            borrow = difference < 0 ? 1 : 0
            bytes[place.lowerBound + index] = UInt8(difference + 256 * borrow)
        }
        let facts = try ManifestFacts(validating: bytes)
        #expect(
            refusal { () throws(BuildRefusal) in
                try facts.verifySignature(by: key.publicKey)
            } == .badSignature)
    }

    @Test("a newer version of the same system follows; an equal, an older, another system do not")
    func order() throws {
        let old = try ManifestFacts(validating: try manifest(version: 3))
        for (version, code) in [(4, nil), (3, "BLD-VER-001"), (2, "BLD-VER-002")]
            as [(UInt64, String?)]
        {
            let new = try ManifestFacts(validating: try manifest(version: version))
            let found = refusal { () throws(BuildRefusal) in try new.verifyNewer(than: old) }
            #expect(found?.code == code)
        }
        var model = try TestSystem.minimal().compiled.model
        model.systemName = "another"
        model.systemVersion = 9
        let other = try ManifestFacts(validating: model.encoded)
        let found = refusal { () throws(BuildRefusal) in try other.verifyNewer(than: old) }
        #expect(found?.code == "BLD-SYS-001")
    }

    @Test("a manifest follows the one that it names, and no other") func predecessor() throws {
        let old = try ManifestFacts(validating: try manifest())
        let plain = try manifest(version: 2)
        let none = try ManifestFacts(validating: plain)
        #expect(
            refusal { () throws(BuildRefusal) in try none.verifyPredecessor(old) }
                == .noPredecessor)
        let named = try ManifestFacts(
            validating: try signed(SignedManifest.replacing(old.digest, plain)))
        #expect(refusal { () throws(BuildRefusal) in try named.verifyPredecessor(old) } == nil)
        let other = try ManifestFacts(validating: try signed(try manifest()))
        let found = refusal { () throws(BuildRefusal) in try named.verifyPredecessor(other) }
        #expect(found?.code == "BLD-PRE-002")
    }

    @Test("keys are read again as they were written, and nothing else is a key") func pem() throws {
        let again = try AuthorityPrivateKey(pem: key.secretPEM)
        #expect(again.publicKey.id == key.publicKey.id)
        let shown = try AuthorityPublicKey(pem: key.publicKey.pem)
        #expect(shown.id == key.publicKey.id && shown.pem == key.publicKey.pem)
        #expect(throws: AuthorityKeyError.notPrivate) {
            _ = try AuthorityPrivateKey(pem: key.publicKey.pem)
        }
        #expect(throws: AuthorityKeyError.privateForPublic) {
            _ = try AuthorityPublicKey(pem: key.secretPEM)
        }
        for text in ["", "x", key.secretPEM.replacing("A", with: "!")] {
            #expect(throws: AuthorityKeyError.notPrivate) { _ = try AuthorityPrivateKey(pem: text) }
            #expect(throws: AuthorityKeyError.notPublic) { _ = try AuthorityPublicKey(pem: text) }
        }
    }

    @Test("no bytes make the reader of keys or manifests trap") func garbage() throws {
        var generator = SeededGenerator.announced(4_711)
        let texts = [key.secretPEM, key.publicKey.pem].map { [UInt8]($0.utf8) }
        let good = try signed(try manifest())
        for _ in 0..<TestLevel.repetitions(2_000) {
            var text = texts[Int.random(in: 0..<2, using: &generator)]
            text[Int.random(in: text.indices, using: &generator)] = generator.bytes(1)[0]
            let pem = String(decoding: text, as: UTF8.self)
            _ = try? AuthorityPublicKey(pem: pem)
            _ = try? AuthorityPrivateKey(pem: pem)
            var bytes = good
            bytes[Int.random(in: 0..<320, using: &generator)] = generator.bytes(1)[0]
            bytes = Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator)))
            _ = try? ManifestFacts(validating: bytes)
        }
    }

    @Test("every reason to refuse has a code and a sentence of its own") func sentences() {
        let all: [BuildRefusal] = [
            .manifestUnreadable("r"), .unsigned, .foreignKey(expected: "a", found: "b"),
            .badSignature, .policyDiffers(expected: "a", found: "b"), .proofRefused("r"),
            .otherSystem(expected: "a", found: "b"), .sameVersion(1), .olderVersion(1, than: 2),
            .noPredecessor, .otherPredecessor(expected: "a", found: "b"), .bundleDiffers("w"),
            .referenceValuesDiffer("w"),
        ]
        #expect(Set(all.map(\.code)).count == all.count)
        #expect(Set(all.map(\.message)).count == all.count)
    }
}
