/// An ECDSA signature over a SHA-256 digest on P-256 (`TPMT_SIGNATURE`, `TPM_ALG_ECDSA`).
public struct ECDSASignature: Equatable, Sendable {
    /// r and s, 32 bytes each, big-endian.
    public let rawRepresentation: [UInt8]

    /// Reads exactly one signature.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` for another scheme, another
    ///   hash, or a number longer than 32 bytes.
    public init(validating bytes: [UInt8]) throws(TPMStructureError) {
        var reader = TPMReader(bytes)
        try reader.expect16(TPMAlgorithm.ecdsa, "sigAlg")
        try reader.expect16(TPMAlgorithm.sha256, "hash")
        let r = try padded(try reader.sized(), field: "signatureR")
        let s = try padded(try reader.sized(), field: "signatureS")
        try reader.end()
        rawRepresentation = r + s
    }
}

/// Returns a big-endian number as exactly 32 bytes.
func padded(
    _ number: [UInt8], to byteCount: Int = 32, field: String
) throws(TPMStructureError) -> [UInt8] {
    guard number.count <= byteCount else { throw .unexpectedValue(field: field) }
    return [UInt8](repeating: 0, count: byteCount - number.count) + number
}
