internal import Crypto
internal import FoundationEssentials
internal import SwiftASN1
internal import X509

/// A certificate of a key that its issuer says to be for RSAES-OAEP alone (`id-RSAES-OAEP`), as
/// manufacturers made them for TPM 1.2.
///
/// swift-certificates reads no such key, and so nothing of such a certificate. Here its fields are
/// read from a copy in which the key is one for any use, while the issuer's signature is checked
/// over the bytes that it signed. The rules for chains stay those of swift-certificates: it judges
/// a chain that is the true one in everything but its keys and signatures.
///
/// - Source: RFC 4055, section 1.2 and 4.1; TCG Credential Profiles for TPM family 1.2, section
///   3.2.7; RFC 5280, section 4.1.
struct EncryptionOnlyCertificate {
    /// The fields, with a key for any use; the signature is nobody's.
    private let fields: Certificate
    /// What the issuer signed.
    private let signedBytes: ArraySlice<UInt8>
    private let signature: ArraySlice<UInt8>

    /// The key that is certified.
    var publicKey: Certificate.PublicKey { fields.publicKey }

    /// Reads a certificate; nil unless it is one, whose key is for RSAES-OAEP.
    ///
    /// Which hash and label the key is said to be for is not looked at: a TPM's key has its own.
    init?(derEncoded bytes: [UInt8]) {
        guard let parts = try? Self.parts(of: bytes, renaming: (.encryptingOnly, .anyUse)),
            let fields = try? Certificate(derEncoded: parts.copy)
        else { return nil }
        self.fields = fields
        signedBytes = parts.signedBytes
        signature = parts.signature
    }

    /// Whether the key of another certificate, whose name this one gives, signed this one.
    func isIssued(by issuer: Certificate) -> Bool {
        issuer.subject == fields.issuer
            && issuer.publicKey.isValidSignature(
                signature, for: signedBytes, signatureAlgorithm: fields.signatureAlgorithm)
    }

    /// Judges the chain that begins with this certificate.
    ///
    /// - Parameters:
    ///   - issuers: from the certificate's issuer to one that is trusted; each is known to have
    ///     signed the one before, and the first to have signed this one.
    ///   - policy: what the chain must meet.
    /// - Returns: why it does not; nil if it does.
    func failure<Policy: VerifierPolicy>(
        below issuers: [Certificate], @PolicyBuilder policy: () throws -> Policy
    ) async rethrows -> String? {
        var standIns: [Certificate] = []
        var key = Certificate.PrivateKey(P384.Signing.PrivateKey())
        for issuer in issuers.reversed() {
            let own = standIns.isEmpty ? key : Certificate.PrivateKey(P384.Signing.PrivateKey())
            guard let copy = issuer.copy(of: own.publicKey, signedBy: key) else {
                return "an issuer's certificate cannot be read whole"
            }
            standIns.append(copy)
            key = own
        }
        guard let leaf = fields.copy(of: publicKey, signedBy: key) else {
            return "it cannot be read whole"
        }
        var verifier = try Verifier(
            rootCertificates: CertificateStore(standIns.prefix(1)), policy: policy)
        let judged = await verifier.validate(
            leaf: leaf, intermediates: CertificateStore(standIns.dropFirst()))
        switch judged {
        case .validCertificate: return nil
        case .couldNotValidate(let failures):
            return failures.first.map { "\($0.policyFailureReason)" }
                ?? "a critical extension is not known"
        }
    }

    /// Reads the parts of a certificate, and copies it with another algorithm for its key.
    ///
    /// - Throws: if it is no sequence of three, or its key is not for the algorithm `from`.
    private static func parts(
        of bytes: [UInt8], renaming names: (from: ASN1ObjectIdentifier, to: ASN1ObjectIdentifier)
    ) throws -> (copy: [UInt8], signedBytes: ArraySlice<UInt8>, signature: ArraySlice<UInt8>) {
        try DER.sequence(try DER.parse(bytes), identifier: .sequence) { nodes in
            guard let body = nodes.next(), let algorithm = nodes.next(),
                let signatureNode = nodes.next()
            else { throw ASN1Error.invalidASN1Object(reason: "it has less than three parts") }
            let signature = try ASN1BitString(derEncoded: signatureNode)
            var copy = DER.Serializer()
            try copy.appendConstructedNode(identifier: .sequence) { outer in
                try outer.appendConstructedNode(identifier: .sequence) { inner in
                    try DER.sequence(body, identifier: .sequence) { fields in
                        var isRenamed = false
                        while let field = fields.next() {
                            guard !isRenamed, let key = try? bitsOfKey(field, for: names.from)
                            else {
                                inner.serializeRawBytes(field.encodedBytes)
                                continue
                            }
                            try serialize(key, as: names.to, into: &inner)
                            isRenamed = true
                        }
                        guard isRenamed else {
                            throw ASN1Error.invalidASN1Object(reason: "its key is another's")
                        }
                    }
                }
                outer.serializeRawBytes(algorithm.encodedBytes)
                outer.serializeRawBytes(signatureNode.encodedBytes)
            }
            return (copy.serializedBytes, body.encodedBytes, signature.bytes)
        }
    }

    /// The bits of a SubjectPublicKeyInfo for an algorithm, whatever its parameters.
    private static func bitsOfKey(
        _ node: ASN1Node, for algorithm: ASN1ObjectIdentifier
    ) throws -> ASN1BitString {
        try DER.sequence(node, identifier: .sequence) { nodes in
            guard let kind = nodes.next() else {
                throw ASN1Error.invalidASN1Object(reason: "it is empty")
            }
            let name = try DER.sequence(kind, identifier: .sequence) { parts in
                let name = try ASN1ObjectIdentifier(derEncoded: &parts)
                _ = parts.next()
                return name
            }
            guard name == algorithm else {
                throw ASN1Error.invalidASN1Object(reason: "it is another's")
            }
            return try ASN1BitString(derEncoded: &nodes)
        }
    }

    private static func serialize(
        _ key: ASN1BitString, as algorithm: ASN1ObjectIdentifier,
        into serializer: inout DER.Serializer
    ) throws {
        try serializer.appendConstructedNode(identifier: .sequence) { info in
            try info.appendConstructedNode(identifier: .sequence) { kind in
                try kind.serialize(algorithm)
                try kind.serialize(ASN1Null())
            }
            try info.serialize(key)
        }
    }
}

extension ASN1ObjectIdentifier {
    /// `id-RSAES-OAEP`.
    fileprivate static var encryptingOnly: ASN1ObjectIdentifier { [1, 2, 840, 113_549, 1, 1, 7] }
    /// `rsaEncryption`.
    fileprivate static var anyUse: ASN1ObjectIdentifier { [1, 2, 840, 113_549, 1, 1, 1] }
}

extension Certificate {
    /// Returns a certificate that says the same of another key, and is signed by another.
    fileprivate func copy(of key: PublicKey, signedBy signer: PrivateKey) -> Certificate? {
        try? Certificate(
            version: version, serialNumber: serialNumber, publicKey: key,
            notValidBefore: notValidBefore, notValidAfter: notValidAfter, issuer: issuer,
            subject: subject, signatureAlgorithm: .ecdsaWithSHA384, extensions: extensions,
            issuerPrivateKey: signer)
    }
}
