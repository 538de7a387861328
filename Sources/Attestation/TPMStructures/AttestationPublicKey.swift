internal import Digests

/// The public area of an attestation key (`TPMT_PUBLIC`): ECC on P-256 that signs with ECDSA and
/// SHA-256, restricted, made in the TPM and never to leave it.
///
/// - Trust: the form is checked. That the key is in a TPM, only an endorsement tells.
public struct AttestationPublicKey: Equatable, Sendable {
    /// The public area's bytes: what its name is computed of.
    public let bytes: [UInt8]
    /// x and y, 32 bytes each, big-endian.
    public let rawRepresentation: [UInt8]

    /// Reads exactly one public area.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` for each field that a
    ///   restricted P-256 signing key does not have so, among them `objectAttributes`, which must
    ///   have `fixedTPM`, `fixedParent`, `sensitiveDataOrigin`, `restricted` and `sign` set, and
    ///   `decrypt` clear.
    public init(validating bytes: [UInt8]) throws(TPMStructureError) {
        self.bytes = bytes
        var reader = TPMReader(bytes)
        try reader.expect16(TPMAlgorithm.ecc, "type")
        try reader.expect16(TPMAlgorithm.sha256, "nameAlg")
        let attributes = try reader.number32()
        guard attributes & Self.examinedAttributes == Self.requiredAttributes else {
            throw .unexpectedValue(field: "objectAttributes")
        }
        _ = try reader.sized()
        try reader.expect16(TPMAlgorithm.null, "symmetric")
        try reader.expect16(TPMAlgorithm.ecdsa, "scheme")
        try reader.expect16(TPMAlgorithm.sha256, "scheme.details")
        try reader.expect16(TPMAlgorithm.curveP256, "curveID")
        try reader.expect16(TPMAlgorithm.null, "kdf")
        let x = try padded(try reader.sized(), field: "unique.x")
        let y = try padded(try reader.sized(), field: "unique.y")
        try reader.end()
        rawRepresentation = x + y
    }

    /// The key's name: its name algorithm and the digest of its public area (Part 1, section 16).
    public var name: [UInt8] {
        [0x00, 0x0B] + SHA256.hash(bytes.span).array
    }

    /// The qualified name that the key has as a primary key of the endorsement hierarchy
    /// (Part 1, section 26.5: the digest of the hierarchy's handle and the key's name).
    public var qualifiedNameInEndorsementHierarchy: [UInt8] {
        let message = [0x40, 0x00, 0x00, 0x0B] + name
        return [0x00, 0x0B] + SHA256.hash(message.span).array
    }

    /// `fixedTPM`, `fixedParent`, `sensitiveDataOrigin`, `restricted`, `sign` (`TPMA_OBJECT`).
    private static var requiredAttributes: UInt32 { 0x0005_0032 }
    /// The required attributes and `decrypt`.
    private static var examinedAttributes: UInt32 { requiredAttributes | 0x0002_0000 }
}
