/// What a privacy authority sends a TPM 1.2 beside the key that opens it
/// (`TPM_SYM_CA_ATTESTATION`): a credential under AES-128 in CBC mode with the padding of PKCS #5.
///
/// - Trust: the form is checked. Who made it, nothing tells.
/// - Source: TPM Main 1.2, Part 2, section 12.7 (`TPM_SYM_CA_ATTESTATION`), 10.2
///   (`TPM_KEY_PARMS`). Where the vector stands is TrouSerS' choice: before the ciphertext.
public struct OnePointTwoSealedCredential: Equatable, Sendable {
    /// The structure's bytes.
    public let bytes: [UInt8]
    /// The initialisation vector, 16 bytes.
    public let vector: [UInt8]
    /// The ciphertext: blocks of 16 bytes, 1 to 64 of them.
    public let ciphertext: [UInt8]

    /// `TPM_ALG_AES128`, `TPM_ES_SYM_CBC_PKCS5PAD`, `TPM_SS_NONE`, no parameters.
    private static var parameters: [UInt8] { [0, 0, 0, 6, 0x00, 0xFF, 0, 1, 0, 0, 0, 0] }

    /// Writes a structure.
    ///
    /// - Precondition: `vector` has 16 bytes, `ciphertext` 16 to 1,024 and whole blocks.
    public init(vector: [UInt8], ciphertext: [UInt8]) {
        precondition(Self.fits(vector, ciphertext), "a vector is a block, and a ciphertext blocks")
        let size = [24, 16, 8, 0].map {
            UInt8(truncatingIfNeeded: (vector.count + ciphertext.count) >> $0)
        }
        bytes = size + Self.parameters + vector + ciphertext
        self.vector = vector
        self.ciphertext = ciphertext
    }

    /// Reads exactly one structure.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` for another algorithm, or a
    ///   size that is not a vector's and that of whole blocks.
    public init(validating bytes: [UInt8]) throws(TPMStructureError) {
        var reader = TPMReader(bytes)
        let size = Int(try reader.number32())
        guard try reader.take(12) == Self.parameters else {
            throw .unexpectedValue(field: "algorithm")
        }
        let data = try reader.take(size)
        try reader.end()
        vector = Array(data.prefix(16))
        ciphertext = Array(data.dropFirst(16))
        guard Self.fits(vector, ciphertext) else { throw .unexpectedValue(field: "credSize") }
        self.bytes = bytes
    }

    private static func fits(_ vector: [UInt8], _ ciphertext: [UInt8]) -> Bool {
        vector.count == 16 && (16...1024).contains(ciphertext.count) && ciphertext.count % 16 == 0
    }
}
