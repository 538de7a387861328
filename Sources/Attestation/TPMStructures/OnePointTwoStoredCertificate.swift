/// The certificate that a TPM 1.2's manufacturer left in it (`TCG_PCCLIENT_STORED_CERT` with a
/// `TCG_FULL_CERT`).
///
/// - Trust: the form is checked. What the certificate is worth, only its chain tells.
/// - Source: TCG PC Client Specific Implementation Specification for Conventional BIOS, version
///   1.21, "TCG_PCCLIENT_STORED_CERT" and "TCG_FULL_CERT".
public struct OnePointTwoStoredCertificate: Equatable, Sendable {
    /// The certificate, X.509 in DER, at least 1 byte.
    public let certificate: [UInt8]

    /// Where it lies in the TPM: the NV index `TPM_NV_INDEX_EKCert`.
    public static var index: UInt32 { 0x1000_F000 }

    /// How many bytes tell how many follow them.
    public static var headSize: Int { 5 }

    /// Returns how many bytes follow the head.
    ///
    /// - Throws: `.truncated`, `.trailingBytes` unless it has `headSize` bytes;
    ///   `.unexpectedValue` for another structure than a whole certificate, or one above 4 KiB.
    public static func size(behind head: [UInt8]) throws(TPMStructureError) -> Int {
        var reader = TPMReader(head)
        let size = try size(&reader)
        try reader.end()
        return size
    }

    /// Reads exactly one structure.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` as above, and for another kind
    ///   of certificate.
    public init(validating bytes: [UInt8]) throws(TPMStructureError) {
        var reader = TPMReader(bytes)
        let size = try Self.size(&reader)
        try reader.expect16(0x1002, "fullCert.tag")
        certificate = try reader.take(size - 2)
        try reader.end()
    }

    private static func size(_ reader: inout TPMReader) throws(TPMStructureError) -> Int {
        try reader.expect16(0x1001, "tag")
        guard try reader.number8() == 0 else { throw .unexpectedValue(field: "certType") }
        let size = Int(try reader.number16())
        guard (3...4096).contains(size) else { throw .unexpectedValue(field: "certSize") }
        return size
    }
}
