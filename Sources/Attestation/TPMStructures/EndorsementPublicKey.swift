internal import Digests

/// The public area of an endorsement key (`TPMT_PUBLIC`): ECC on P-384 that only decrypts
/// credentials, exactly as its manufacturer's certificate template H-3 has it.
///
/// - Trust: the form is checked. Whose key it is, only its certificate or an inventory tells.
/// - Source: TCG EK Credential Profile for TPM 2.0, section B.4.5, template H-3.
public struct EndorsementPublicKey: Equatable, Sendable {
    /// The public area's bytes: what its name is computed of.
    public let bytes: [UInt8]
    /// x and y, 48 bytes each, big-endian.
    public let rawRepresentation: [UInt8]

    /// Reads exactly one public area.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` for each field that differs
    ///   from the template's.
    public init(validating bytes: [UInt8]) throws(TPMStructureError) {
        self.bytes = bytes
        var reader = TPMReader(bytes)
        try reader.expect16(TPMAlgorithm.ecc, "type")
        try reader.expect16(TPMAlgorithm.sha384, "nameAlg")
        guard try reader.number32() == Self.attributes else {
            throw .unexpectedValue(field: "objectAttributes")
        }
        guard try reader.sized() == Self.authorizationPolicy else {
            throw .unexpectedValue(field: "authPolicy")
        }
        try reader.expect16(TPMAlgorithm.aes, "symmetric")
        try reader.expect16(256, "symmetric.keyBits")
        try reader.expect16(TPMAlgorithm.cfb, "symmetric.mode")
        try reader.expect16(TPMAlgorithm.null, "scheme")
        try reader.expect16(TPMAlgorithm.curveP384, "curveID")
        try reader.expect16(TPMAlgorithm.null, "kdf")
        let x = try padded(try reader.sized(), to: 48, field: "unique.x")
        let y = try padded(try reader.sized(), to: 48, field: "unique.y")
        try reader.end()
        rawRepresentation = x + y
    }

    /// The key's name: its name algorithm and the digest of its public area (Part 1, section 16).
    public var name: [UInt8] {
        [0x00, 0x0C] + SHA384.hash(bytes.span).array
    }

    /// `fixedTPM`, `fixedParent`, `sensitiveDataOrigin`, `userWithAuth`, `adminWithPolicy`,
    /// `restricted`, `decrypt`, and no other (`TPMA_OBJECT`).
    public static var attributes: UInt32 { 0x0003_00F2 }

    /// The policy of the template, `PolicyB` with SHA-384.
    public static var authorizationPolicy: [UInt8] {
        [
            0xB2, 0x6E, 0x7D, 0x28, 0xD1, 0x1A, 0x50, 0xBC, 0x53, 0xD8, 0x82, 0xBC,
            0xF5, 0xFD, 0x3A, 0x1A, 0x07, 0x41, 0x48, 0xBB, 0x35, 0xD3, 0xB4, 0xE4,
            0xCB, 0x1C, 0x0A, 0xD9, 0xBD, 0xE4, 0x19, 0xCA, 0xCB, 0x47, 0xBA, 0x09,
            0x69, 0x96, 0x46, 0x15, 0x0F, 0x9F, 0xC0, 0x00, 0xF3, 0xF8, 0x0E, 0x12,
        ]
    }
}
