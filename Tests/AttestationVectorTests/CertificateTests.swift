import Appraisal
import Crypto
import CryptoExtras
import Foundation
import SwiftASN1
import TPMStructures
import TestSupport
import Testing
import X509

/// A manufacturer made of software keys, whose certificates may be wrong in one way each.
private struct Manufacturer {
    let key = Certificate.PrivateKey(P384.Signing.PrivateKey())
    let endorsement = P384.Signing.PrivateKey()
    let name: DistinguishedName

    init() throws {
        name = try DistinguishedName { CommonName("Manufacturer") }
    }

    /// A certificate of the endorsement key; each argument is right unless said.
    func certificate(
        of publicKey: Certificate.PublicKey? = nil, from: TimeInterval = -3600,
        until: TimeInterval = 3600, purpose: ASN1ObjectIdentifier? = [2, 23, 133, 8, 1],
        isAuthority: Bool = false, critical: ASN1ObjectIdentifier? = nil
    ) throws -> [UInt8] {
        try serialized(
            Certificate(
                version: .v3, serialNumber: .init(),
                publicKey: publicKey ?? Certificate.PublicKey(endorsement.publicKey),
                notValidBefore: Date.now + from, notValidAfter: Date.now + until, issuer: name,
                subject: DistinguishedName(), signatureAlgorithm: .ecdsaWithSHA384,
                extensions: try Certificate.Extensions {
                    if isAuthority {
                        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                    }
                    if let purpose { try ExtendedKeyUsage([.init(oid: purpose)]) }
                    Critical(SubjectAlternativeNames([.directoryName(name)]))
                    if let critical {
                        Certificate.Extension(oid: critical, critical: true, value: [5, 0])
                    }
                }, issuerPrivateKey: key))
    }

    /// The manufacturer's own certificate, PEM.
    func root(isAuthority: Bool = true, signs: Bool = true) throws -> [UInt8] {
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: key.publicKey,
            notValidBefore: Date.now - 7200, notValidAfter: Date.now + 7200, issuer: name,
            subject: name, signatureAlgorithm: .ecdsaWithSHA384,
            extensions: try Certificate.Extensions {
                if isAuthority {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                }
                Critical(KeyUsage(digitalSignature: true, keyCertSign: signs))
            }, issuerPrivateKey: key)
        return Array(try certificate.serializeAsPEM().pemString.utf8)
    }

    /// What a machine with a TPM 1.2 asks with.
    func request(
        _ certificate: [UInt8], of key: _RSA.Signing.PublicKey
    ) throws -> EnrolmentRequest {
        let modulus = [UInt8](try key.getKeyPrimitives().modulus)
        let endorsementKey: [UInt8] =
            [0, 0, 0, 1, 0, 3, 0, 1, 0, 0, 0, 12, 0, 0, 8, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0]
            + modulus
        return EnrolmentRequest(
            endorsementKey: endorsementKey, attestationKey: [1],
            endorsementCertificate: certificate)
    }

    /// What the machine of the endorsement key asks with.
    func request(_ certificate: [UInt8]) -> EnrolmentRequest {
        let point = [UInt8](endorsement.publicKey.rawRepresentation)
        let area =
            [0, 0x23, 0, 0x0C, 0, 3, 0, 0xF2, 0, 48] + EndorsementPublicKey.authorizationPolicy
            + [0, 6, 1, 0, 0, 0x43, 0, 0x10, 0, 4, 0, 0x10]
            + [0, 48] + point.prefix(48) + [0, 48] + point.suffix(48)
        return EnrolmentRequest(
            endorsementKey: area, attestationKey: [1], endorsementCertificate: certificate)
    }

    /// Why a certificate is refused; `nil` if it is taken.
    func refusal(_ certificate: [UInt8], root: [UInt8]? = nil) async throws -> EnrolmentRefusal? {
        try await refusal(request(certificate), root: root)
    }

    /// Why a request's certificate is refused; `nil` if it is taken.
    func refusal(
        _ request: EnrolmentRequest, root: [UInt8]? = nil
    ) async throws -> EnrolmentRefusal? {
        do {
            let authorities = try EndorsementAuthorities(roots: root ?? self.root())
            _ = try await request.endorsementKeyName(certifiedBy: authorities)
            return nil
        } catch let refusal as EnrolmentRefusal {
            return refusal
        }
    }
}

private func serialized(_ certificate: Certificate) throws -> [UInt8] {
    var serializer = DER.Serializer()
    try certificate.serialize(into: &serializer)
    return serializer.serializedBytes
}

@Suite struct EndorsementAuthorityTests {
    private let manufacturer: Manufacturer

    init() throws {
        manufacturer = try Manufacturer()
    }

    @Test("the manufacturer's certificate is taken, so that the refusals count")
    func taken() async throws {
        #expect(try await manufacturer.refusal(manufacturer.certificate()) == nil)
    }

    @Test("a certificate that is wrong in one way is refused for it")
    func wrong() async throws {
        let m = manufacturer
        let cases: [(String, [UInt8])] = [
            ("expired", try m.certificate(until: -60)),
            ("not yet valid", try m.certificate(from: 60)),
            ("without a purpose", try m.certificate(purpose: nil)),
            ("of a web server", try m.certificate(purpose: [1, 3, 6, 1, 5, 5, 7, 3, 1])),
            ("of an authority", try m.certificate(isAuthority: true)),
            ("with an unknown critical extension", try m.certificate(critical: [1, 2, 3, 4])),
            (
                "of another key",
                try m.certificate(of: .init(P384.Signing.PrivateKey().publicKey))
            ),
            (
                "of a key of another curve",
                try m.certificate(of: .init(P256.Signing.PrivateKey().publicKey))
            ),
            (
                "of another manufacturer",
                try Manufacturer().certificate(of: .init(m.endorsement.publicKey))
            ),
            ("empty", [0x30, 0]),
        ]
        for (what, certificate) in cases {
            guard case .certificateRefused = try await m.refusal(certificate) else {
                Issue.record("a certificate \(what) is taken")
                continue
            }
        }
    }

    @Test("a TPM 1.2's certificate is taken, and one that is wrong in one way refused for it")
    func onePointTwo() async throws {
        let m = manufacturer
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048).publicKey
        let other = try _RSA.Signing.PrivateKey(keySize: .bits2048).publicKey
        let mine = Certificate.PublicKey(key)
        #expect(try await m.refusal(m.request(m.certificate(of: mine), of: key)) == nil)
        let cases: [(String, [UInt8])] = [
            ("expired", try m.certificate(of: mine, until: -60)),
            ("not yet valid", try m.certificate(of: mine, from: 60)),
            ("without a purpose", try m.certificate(of: mine, purpose: nil)),
            ("of an authority", try m.certificate(of: mine, isAuthority: true)),
            ("with an unknown critical extension", try m.certificate(of: mine, critical: [1, 2])),
            ("of another key", try m.certificate(of: .init(other))),
            ("of a TPM 2.0's key", try m.certificate()),
            ("of another manufacturer", try Manufacturer().certificate(of: mine)),
            ("empty", [0x30, 0]),
        ]
        for (what, certificate) in cases {
            let refusal = try await m.refusal(m.request(certificate, of: key))
            guard case .certificateRefused = refusal else {
                Issue.record("a certificate \(what) is taken")
                continue
            }
        }
        // And no RSA key's vouches for a TPM 2.0.
        let refusal = try await m.refusal(m.certificate(of: mine))
        #expect(refusal == .certificateRefused("it is of another key"))
    }

    @Test("a root that is no authority, or may not sign certificates, answers for nobody")
    func wrongRoot() async throws {
        for root in [
            try manufacturer.root(isAuthority: false), try manufacturer.root(signs: false),
        ] {
            let refusal = try await manufacturer.refusal(manufacturer.certificate(), root: root)
            guard case .certificateRefused = refusal else {
                Issue.record("taken")
                continue
            }
        }
        for root in [[UInt8](), Array("-----BEGIN CERTIFICATE-----\n".utf8), [0xFF, 0xFE]] {
            guard
                case .authoritiesMalformed = try await manufacturer.refusal(
                    manufacturer.certificate(), root: root)
            else {
                Issue.record("roots of \(root.count) bytes are read")
                continue
            }
        }
    }

    @Test("no certificate is taken of which a signed byte was damaged, and none traps")
    func damagedCertificates() async throws {
        var generator = SeededGenerator.announced(20_261_125)
        let good = try manufacturer.certificate()
        let authorities = try EndorsementAuthorities(roots: manufacturer.root())
        // What is signed, behind the outer header: a header of four bytes with its length in two.
        #expect(good[0] == 0x30 && good[1] == 0x82 && good[4] == 0x30 && good[5] == 0x82)
        let signedPart = 4..<8 + Int(good[6]) << 8 + Int(good[7])
        for _ in 0..<TestLevel.repetitions(20_000) {
            var bytes = good
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &generator)
                switch Int.random(in: 0...3, using: &generator) {
                case 0: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &generator)
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(bytes[place], at: place)
                default: bytes.removeSubrange(place...)
                }
            }
            guard bytes != good, !bytes.isEmpty else { continue }
            let request = manufacturer.request(bytes)
            let name = try? await request.endorsementKeyName(certifiedBy: authorities)
            guard name != nil else { continue }
            // One signature has several encodings; what it signs has one.
            #expect(bytes.count > signedPart.upperBound)
            #expect(bytes.prefix(signedPart.upperBound)[4...] == good[signedPart])
        }
    }
}
