/// A key as a TPM 1.2 gives it out (`TPM_KEY`): public part in clear, private part encrypted for
/// the TPM's storage root key.
///
/// - Source: TPM Main 1.2, Part 2, section 10.2 (`TPM_KEY`).
public struct OnePointTwoWrappedKey: Equatable, Sendable {
    /// The structure's bytes.
    public let bytes: [UInt8]
    /// The public part, as a `TPM_PUBKEY`.
    public let publicKey: [UInt8]

    /// Reads the key that bytes begin with; others may follow.
    ///
    /// - Throws: `.truncated`.
    public init(beginning bytes: [UInt8]) throws(TPMStructureError) {
        var reader = TPMReader(bytes)
        // Version, usage, flags, usage of authorization; then algorithm and schemes.
        let head = try reader.take(11)
        let schemes = try reader.take(8)
        let parameters = try reader.sized32()
        let registers = try reader.sized32()
        let modulus = try reader.sized32()
        let wrapped = try reader.sized32()
        publicKey = schemes + parameters + modulus
        self.bytes = head + schemes + parameters + registers + modulus + wrapped
    }
}
