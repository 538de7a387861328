/// One bank's part of a selection of registers (`TPMS_PCR_SELECTION`).
public struct PCRSelection: Equatable, Sendable {
    /// The bank's algorithm (`TPM_ALG_ID`).
    public let algorithm: UInt16
    /// The selected registers, rising.
    public let registers: [UInt32]

    /// Selects registers of a bank.
    public init(algorithm: UInt16, registers: [UInt32]) {
        self.algorithm = algorithm
        self.registers = registers
    }
}

/// What a TPM states in a quote (`TPMS_ATTEST` of type `TPM_ST_ATTEST_QUOTE`), before its
/// signature.
///
/// - Trust: the form is checked. Whether a TPM said it, only the signature over `bytes` tells.
public struct QuoteStatement: Equatable, Sendable {
    /// The bytes that are signed.
    public let bytes: [UInt8]
    /// The qualified name of the key that signs (`qualifiedSigner`).
    public let qualifiedSigner: [UInt8]
    /// What the asker gave (`extraData`): the protocol's nonce.
    public let qualifyingData: [UInt8]
    /// The TPM's clock (`clockInfo.clock`).
    /// - Units: milliseconds of the TPM's life.
    public let clockInMilliseconds: UInt64
    /// How often the TPM was reset (`clockInfo.resetCount`); not obscured for a key in the
    /// endorsement hierarchy.
    public let resetCount: UInt32
    /// How often the TPM was restarted since its last reset (`clockInfo.restartCount`).
    public let restartCount: UInt32
    /// Whether the clock cannot have gone back (`clockInfo.safe`).
    public let isClockSafe: Bool
    /// The TPM's own firmware version (`firmwareVersion`).
    public let firmwareVersion: UInt64
    /// The registers that are quoted (`attested.quote.pcrSelect`).
    public let selections: [PCRSelection]
    /// The digest of their values (`attested.quote.pcrDigest`).
    public let pcrDigest: [UInt8]

    /// Reads exactly one quote.
    ///
    /// - Throws: `.truncated`, `.trailingBytes`; `.unexpectedValue` for another magic, another
    ///   type, a `safe` that is no `TPMI_YES_NO`, or more than 16 selections.
    public init(validating bytes: [UInt8]) throws(TPMStructureError) {
        self.bytes = bytes
        var reader = TPMReader(bytes)
        guard try reader.number32() == 0xFF54_4347 else { throw .unexpectedValue(field: "magic") }
        try reader.expect16(0x8018, "type")
        qualifiedSigner = try reader.sized()
        qualifyingData = try reader.sized()
        clockInMilliseconds = try reader.number64()
        resetCount = try reader.number32()
        restartCount = try reader.number32()
        let safe = try reader.number8()
        guard safe <= 1 else { throw .unexpectedValue(field: "safe") }
        isClockSafe = safe == 1
        firmwareVersion = try reader.number64()
        let count = try reader.number32()
        guard count <= 16 else { throw .unexpectedValue(field: "pcrSelect") }
        var selections: [PCRSelection] = []
        for _ in 0..<count {
            let algorithm = try reader.number16()
            let bitmap = try reader.take(Int(try reader.number8()))
            let registers = (0..<UInt32(8 * bitmap.count)).filter {
                bitmap[Int($0 / 8)] & (1 << UInt8($0 % 8)) != 0
            }
            selections.append(PCRSelection(algorithm: algorithm, registers: registers))
        }
        self.selections = selections
        pcrDigest = try reader.sized()
        try reader.end()
    }
}
