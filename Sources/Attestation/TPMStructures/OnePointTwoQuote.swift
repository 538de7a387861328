/// What a TPM 1.2 states in a quote (`TPM_QUOTE_INFO2`, without version), before its signature.
///
/// - Trust: the form is checked. Whether a TPM said it, only the signature over `bytes` tells.
/// - Source: TPM Main 1.2, Part 2, section 11.4 (`TPM_QUOTE_INFO2`), 8.5 (`TPM_PCR_INFO_SHORT`).
public struct OnePointTwoQuote: Equatable, Sendable {
    /// The bytes that are signed.
    public let bytes: [UInt8]
    /// What the asker gave (`externalData`), 20 bytes: the protocol's nonce.
    public let externalData: [UInt8]
    /// The registers that are quoted (`infoShort.pcrSelection`), rising.
    public let registers: [UInt32]
    /// The localities from which the statement may be used (`infoShort.localityAtRelease`), a set.
    public let localities: UInt8
    /// SHA-1 of the `TPM_PCR_COMPOSITE` (`infoShort.digestAtRelease`).
    public let compositeDigest: [UInt8]

    /// Reads exactly one statement.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` for another tag or fixed text,
    ///   a selection of another size than 3 bytes, or a locality that does not exist.
    public init(validating bytes: [UInt8]) throws(TPMStructureError) {
        self.bytes = bytes
        var reader = TPMReader(bytes)
        try reader.expect16(0x0036, "tag")
        guard try reader.take(4) == Array("QUT2".utf8) else {
            throw .unexpectedValue(field: "fixed")
        }
        externalData = try reader.take(20)
        try reader.expect16(3, "sizeOfSelect")
        let bitmap = try reader.take(3)
        registers = (0..<24).filter { bitmap[Int($0 / 8)] & (1 << UInt8($0 % 8)) != 0 }
        localities = try reader.number8()
        guard localities & 0xE0 == 0 else { throw .unexpectedValue(field: "localityAtRelease") }
        compositeDigest = try reader.take(20)
        try reader.end()
    }

    /// Returns the composite that a quote of these registers is over (`TPM_PCR_COMPOSITE`).
    ///
    /// - Parameters:
    ///   - registers: rising, each below 24.
    ///   - values: theirs, 20 bytes each, in this order.
    /// - Source: TPM Main 1.2, Part 2, section 8.2.
    public static func composite(registers: [UInt32], values: [UInt8]) -> [UInt8] {
        let size = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: values.count >> $0) }
        return selection(registers) + size + values
    }

    /// Returns a selection (`TPM_PCR_SELECTION`) of three bytes.
    public static func selection(_ registers: [UInt32]) -> [UInt8] {
        var bitmap: [UInt8] = [0, 0, 0]
        for register in registers where register < 24 {
            bitmap[Int(register / 8)] |= 1 << UInt8(register % 8)
        }
        return [0, 3] + bitmap
    }
}
