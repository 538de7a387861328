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
    let signer = P384.Signing.PrivateKey()
    var key: Certificate.PrivateKey { Certificate.PrivateKey(signer) }
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

    /// The same certificate of an RSA key, said to be for RSAES-OAEP with the label "TCPA" alone,
    /// as a TPM 1.2's manufacturer writes it; signed anew.
    func encryptingOnly(_ certificate: [UInt8]) throws -> [UInt8] {
        let parsed = try Certificate(derEncoded: certificate)
        var serializer = DER.Serializer()
        try parsed.publicKey.serialize(into: &serializer)
        let info = serializer.serializedBytes
        // `rsaEncryption` without parameters; `id-RSAES-OAEP` with a source of the label.
        let anyUse: [UInt8] = [
            0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0,
        ]
        let source: [UInt8] =
            [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x09, 0x04, 0x04]
            + Array("TCPA".utf8)
        let parameters = [0x30, 0x15, 0xA2, 0x13, 0x30, 0x11] + source
        let encrypting =
            [0x30, 0x22, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x07]
            + parameters
        let start = try #require(info.firstRange(of: anyUse))
        let rest = info[start.upperBound...]
        let length = encrypting.count + rest.count
        let other =
            [0x30, 0x82, UInt8(length >> 8), UInt8(length & 0xFF)] + encrypting + Array(rest)
        var body = Array(parsed.tbsCertificateBytes)
        body.replaceSubrange(try #require(body.firstRange(of: info)), with: other)
        let size = body.count - 4
        body.replaceSubrange(2..<4, with: [UInt8(size >> 8), UInt8(size & 0xFF)])
        let signature = [UInt8](
            try signer.signature(for: SHA384.hash(data: body)).derRepresentation)
        // `ecdsa-with-SHA384`.
        let tail: [UInt8] =
            [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03]
            + [0x03, UInt8(signature.count + 1), 0] + signature
        let whole = body.count + tail.count
        return [0x30, 0x82, UInt8(whole >> 8), UInt8(whole & 0xFF)] + body + tail
    }

    /// Authorities that know this manufacturer by a certificate of another root alone.
    func authorities(
        maxPathLength: Int?, isExpired: Bool = false, signs: Bool = true
    ) throws -> EndorsementAuthorities {
        let rootKey = Certificate.PrivateKey(P384.Signing.PrivateKey())
        let rootName = try DistinguishedName { CommonName("Root") }
        func certificate(
            _ subject: DistinguishedName, _ publicKey: Certificate.PublicKey, _ length: Int?,
            until: TimeInterval, signs: Bool
        ) throws -> [UInt8] {
            let certificate = try Certificate(
                version: .v3, serialNumber: .init(), publicKey: publicKey,
                notValidBefore: Date.now - 7200, notValidAfter: Date.now + until,
                issuer: rootName, subject: subject, signatureAlgorithm: .ecdsaWithSHA384,
                extensions: try Certificate.Extensions {
                    Critical(BasicConstraints.isCertificateAuthority(maxPathLength: length))
                    Critical(KeyUsage(keyCertSign: signs))
                }, issuerPrivateKey: rootKey)
            return Array(try certificate.serializeAsPEM().pemString.utf8)
        }
        return try EndorsementAuthorities(
            roots: certificate(
                rootName, rootKey.publicKey, maxPathLength, until: 7200, signs: true),
            intermediates: certificate(
                name, key.publicKey, nil, until: isExpired ? -60 : 7200, signs: signs))
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

    @Test("a TPM 1.2's certificate for RSAES-OAEP alone is judged by the same rules")
    func encryptingOnly() async throws {
        let m = manufacturer
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048).publicKey
        let other = try _RSA.Signing.PrivateKey(keySize: .bits2048).publicKey
        let mine = Certificate.PublicKey(key)
        func refusal(
            _ certificate: [UInt8], root: [UInt8]? = nil
        ) async throws -> EnrolmentRefusal? {
            let request = try m.request(m.encryptingOnly(certificate), of: key)
            return try await m.refusal(request, root: root)
        }
        #expect(try await refusal(m.certificate(of: mine)) == nil)
        let nobody = EnrolmentRefusal.certificateRefused("none of the authorities issued it")
        let foreign = try Manufacturer()
        let cases: [(String, [UInt8], [UInt8]?)] = [
            ("expired", try m.certificate(of: mine, until: -60), nil),
            ("not yet valid", try m.certificate(of: mine, from: 60), nil),
            ("without a purpose", try m.certificate(of: mine, purpose: nil), nil),
            ("of an authority", try m.certificate(of: mine, isAuthority: true), nil),
            ("with an unknown extension", try m.certificate(of: mine, critical: [1, 2]), nil),
            ("of another key", try m.certificate(of: .init(other)), nil),
            ("below no authority", try m.certificate(of: mine), try m.root(isAuthority: false)),
            ("below who may not sign", try m.certificate(of: mine), try m.root(signs: false)),
            ("of another manufacturer", try m.certificate(of: mine), try foreign.root()),
        ]
        for (what, certificate, root) in cases {
            let found = try await refusal(certificate, root: root)
            guard case .certificateRefused = found else {
                Issue.record("a certificate \(what) is taken")
                continue
            }
            #expect((found == nobody) == (what == "of another manufacturer"), "\(what)")
        }
    }

    /// OpenSSL verifies no chain that ends in such a key: it does not read the key either.
    @Test("OpenSSL finds in the same certificate a key for RSAES-OAEP, and the label")
    func encryptingOnlyByOpenSSL() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048).publicKey
        let certificate = try folder.write(
            manufacturer.encryptingOnly(manufacturer.certificate(of: .init(key))), to: "ek.der")
        let shown = try ToolRun(
            "/usr/bin/openssl",
            ["x509", "-in", certificate, "-inform", "DER", "-noout", "-text"])
        #expect(shown.output.contains("Public Key Algorithm: rsaesOaep"), "\(shown.errors)")
        let parts = try ToolRun(
            "/usr/bin/openssl", ["asn1parse", "-in", certificate, "-inform", "DER"])
        #expect(parts.status == 0 && parts.output.contains("OCTET STRING      :TCPA"))
    }

    @Test("the whole chain above a certificate for RSAES-OAEP alone counts")
    func encryptingOnlyChain() async throws {
        let m = manufacturer
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048).publicKey
        let certificate = try m.encryptingOnly(m.certificate(of: .init(key)))
        let request = try m.request(certificate, of: key)
        func isTaken(_ authorities: EndorsementAuthorities) async -> Bool {
            (try? await request.endorsementKeyName(certifiedBy: authorities)) != nil
        }
        #expect(await isTaken(try m.authorities(maxPathLength: nil)))
        #expect(await isTaken(try m.authorities(maxPathLength: 1)))
        #expect(await !isTaken(try m.authorities(maxPathLength: 0)))
        #expect(await !isTaken(try m.authorities(maxPathLength: nil, isExpired: true)))
        #expect(await !isTaken(try m.authorities(maxPathLength: nil, signs: false)))
        // The issuer alone is not trusted.
        let foreign = try Manufacturer().authorities(maxPathLength: nil)
        #expect(await !isTaken(foreign))
    }

    @Test("no certificate for RSAES-OAEP is taken of which a signed byte was damaged, none traps")
    func damagedEncryptingOnly() async throws {
        let m = manufacturer
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048).publicKey
        let good = try m.encryptingOnly(m.certificate(of: .init(key)))
        let authorities = try EndorsementAuthorities(roots: m.root())
        try await damage(good, seed: 20_261_127) { bytes in
            let request = try m.request(bytes, of: key)
            return (try? await request.endorsementKeyName(certifiedBy: authorities)) != nil
        }
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
        let good = try manufacturer.certificate()
        let authorities = try EndorsementAuthorities(roots: manufacturer.root())
        try await damage(good, seed: 20_261_125) { bytes in
            let request = manufacturer.request(bytes)
            return (try? await request.endorsementKeyName(certifiedBy: authorities)) != nil
        }
    }

    /// Damages a certificate in up to three places, again and again: what is taken then has every
    /// signed byte as it was.
    private func damage(
        _ good: [UInt8], seed: UInt64, isTaken: ([UInt8]) async throws -> Bool
    ) async throws {
        var generator = SeededGenerator.announced(seed)
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
            guard bytes != good, !bytes.isEmpty, try await isTaken(bytes) else { continue }
            // One signature has several encodings; what it signs has one.
            #expect(bytes.count > signedPart.upperBound)
            #expect(bytes.prefix(signedPart.upperBound)[4...] == good[signedPart])
        }
    }
}
