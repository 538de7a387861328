internal import Digests

/// The public part of an RSA key of a TPM 1.2 (`TPM_PUBKEY`): 2,048 bits, exponent 65,537.
///
/// - Trust: the form is checked. That the key is in a TPM, and that it signs nothing but what the
///   TPM says of itself, only its enrolment tells: `TPM_ActivateIdentity` takes identity keys
///   alone.
/// - Source: TPM Main 1.2, Part 2, section 10.5 (`TPM_PUBKEY`), 10.2 (`TPM_KEY_PARMS`), 10.1.1
///   (`TPM_RSA_KEY_PARMS`).
public struct OnePointTwoKey: Equatable, Sendable {
    /// What a key is for, by its schemes.
    public enum Kind: Sendable {
        /// Signs with PKCS #1 v1.5 and SHA-1 (`TPM_SS_RSASSAPKCS1v15_SHA1`), and encrypts nothing.
        case identity
        /// Decrypts OAEP with SHA-1 (`TPM_ES_RSAESOAEP_SHA1_MGF1`), and signs nothing.
        case endorsement
    }

    /// The structure's bytes: what its name is computed of.
    public let bytes: [UInt8]
    /// The modulus, 256 bytes, big-endian.
    public let modulus: [UInt8]

    /// The public exponent, big-endian.
    public static var exponent: [UInt8] { [1, 0, 1] }

    /// Reads exactly one key.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` for each field that a key of
    ///   this kind does not have so.
    public init(validating bytes: [UInt8], as kind: Kind) throws(TPMStructureError) {
        self.bytes = bytes
        var reader = TPMReader(bytes)
        try reader.expect32(1, "algorithmID")
        try reader.expect16(kind == .identity ? 1 : 3, "encScheme")
        try reader.expect16(kind == .identity ? 2 : 1, "sigScheme")
        try reader.expect32(12, "parmSize")
        try reader.expect32(2048, "keyLength")
        try reader.expect32(2, "numPrimes")
        try reader.expect32(0, "exponentSize")
        try reader.expect32(256, "pubKey.keyLength")
        modulus = try reader.take(256)
        try reader.end()
        guard modulus[0] >= 0x80, modulus[255] & 1 == 1 else {
            throw .unexpectedValue(field: "pubKey.key")
        }
    }

    /// The key's name, in the form that keys of TPM 2.0 have: `0x000B`, and SHA-256 of the
    /// structure. A TPM 1.2 knows no names; a `TPMT_PUBLIC` never begins as a `TPM_PUBKEY` does.
    public var name: [UInt8] {
        [0x00, 0x0B] + SHA256.hash(bytes.span).array
    }

    /// SHA-1 of the structure, by which the TPM knows the key when it activates it.
    public var digest: [UInt8] { SHA1.hash(bytes.span).array }
}
