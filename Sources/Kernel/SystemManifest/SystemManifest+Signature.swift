/// How a manifest is signed.
public enum SignatureAlgorithm: UInt16, Sendable {
    /// It is not.
    case none = 0
    /// ECDSA on P-384 with SHA-384.
    case ecdsaP384 = 1
}

extension SystemManifest {
    /// Where the digest of the predecessor stands, in bytes from the start of the file.
    public static var predecessorPlace: Range<Int> { 104..<152 }
    /// Where the signature algorithm stands, a little-endian `UInt16`.
    public static var signatureAlgorithmPlace: Range<Int> { 152..<154 }
    /// Where the key id stands.
    public static var keyIDPlace: Range<Int> { 160..<192 }
    /// Where the signature stands. It is made over the whole file with these bytes zero.
    public static var signaturePlace: Range<Int> { 192..<288 }

    /// How the file is signed.
    ///
    /// - Trust: only the form was checked. Whether the signature is the key's, and the key one to
    ///   trust, is for whoever has a public key: docs/keys.md.
    public var signatureAlgorithm: SignatureAlgorithm {
        SignatureAlgorithm(rawValue: bytes.littleEndian16(at: 152)) ?? .none
    }

    /// SHA-256 of the signer's SubjectPublicKeyInfo; all zero for a file that is not signed.
    public var keyID: Span<UInt8> {
        @_lifetime(copy self) get { bytes.extracting(160..<192) }
    }

    /// The numbers r and s, 48 bytes each, big-endian; all zero for a file that is not signed.
    public var signature: Span<UInt8> {
        @_lifetime(copy self) get { bytes.extracting(192..<288) }
    }
}

/// Checks that the fields of a signature are all there or none: it is not verified here.
func validateSignatureFields(_ bytes: Span<UInt8>) throws(SystemManifestError) {
    switch SignatureAlgorithm(rawValue: bytes.littleEndian16(at: 152)) {
    case .none?:
        guard bytes.isZero(160..<288) else { throw .badSignatureFields }
    case .ecdsaP384?:
        // Neither r nor s of a signature is zero.
        let isThere =
            !bytes.isZero(160..<192) && !bytes.isZero(192..<240) && !bytes.isZero(240..<288)
        guard isThere else { throw .badSignatureFields }
    case nil:
        throw .protectionUnsupported
    }
}
