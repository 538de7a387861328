import Digests
import EventLog

/// The commands of TPM 1.2, all without authorisation.
///
/// - Source: TPM Main Specification 1.2, revision 116, Part 3 (commands) and Part 2 (structures),
///   whose names are given in the comments.
extension TPMDevice where Registers: ~Copyable {
    /// `TPM_Startup`, `TPM_ST_CLEAR`; `TPM_INVALID_POSTINIT` (0x26) says that it was done before.
    ///
    /// A TPM that is disabled or deactivated answers `TPM_Extend` with success, and no quote will
    /// ever show it: such a machine would run unattested without knowing.
    ///
    /// - Throws: `.disabled`; `.commandFailed`; `.responseMalformed`; what an exchange throws.
    mutating func startOnePointTwo() throws(TPMError) {
        try startUp(tagCommand, 0x0000_0099, 1, responseTag: tagResponse, wasStarted: 0x26)
        let isDisabled = try flag(0x0000_0108, structure: 0x001F)
        let isDeactivated = try flag(0x0000_0109, structure: 0x0020)
        guard !isDisabled, !isDeactivated else { throw .disabled }
    }

    /// `TPM_GetCapability`, `TPM_CAP_PROPERTY`, `TPM_CAP_PROP_PCR`: a TPM with the registers 12, 13
    /// and 15 has them in its only bank.
    mutating func banksOnePointTwo() throws(TPMError) -> PCRBanks {
        let count = try capability(0x0000_0005, 0x0000_0101)
        var response = ResponseReader(interface.buffer.span.extracting(14..<count))
        let registers = try response.number32()
        guard response.isAtEnd else { throw .responseMalformed }
        guard registers > PCRIndex.changes.rawValue else { throw .noActiveBank }
        return PCRBanks(sha1: true, sha256: false, sha384: false)
    }

    /// `TPM_Extend`.
    mutating func extendOnePointTwo(
        _ pcr: PCRIndex, with digest: Digest160
    ) throws(TPMError) {
        var command = CommandBuilder(interface.buffer.mutableSpan)
        command.begin(tag: tagCommand, code: 0x0000_0014)
        command.append32(pcr.rawValue)
        for index in digest.bytes.indices { command.append8(digest.bytes[index]) }
        let count = try execute(command.end(), responseTag: tagResponse)
        guard count == 30 else { throw .responseMalformed }
    }

    /// `TPM_CAP_FLAG`: returns the first flag of a structure, which is `disable` of
    /// `TPM_PERMANENT_FLAGS` and `deactivated` of `TPM_STCLEAR_FLAGS`.
    private mutating func flag(
        _ capability: UInt32, structure: UInt16
    ) throws(TPMError) -> Bool {
        let count = try self.capability(0x0000_0004, capability)
        var response = ResponseReader(interface.buffer.span.extracting(14..<count))
        guard try response.number16() == structure else { throw .responseMalformed }
        switch try response.number8() {
        case 0: return false
        case 1: return true
        default: throw .responseMalformed
        }
    }

    /// `TPM_GetCapability` with a sub-capability of four bytes.
    ///
    /// - Returns: the length of the response, at least 14; what it holds begins at 14.
    private mutating func capability(
        _ area: UInt32, _ subCapability: UInt32
    ) throws(TPMError) -> Int {
        var command = CommandBuilder(interface.buffer.mutableSpan)
        command.begin(tag: tagCommand, code: 0x0000_0065)
        command.append32(area)
        command.append32(4)
        command.append32(subCapability)
        let count = try execute(command.end(), responseTag: tagResponse)
        var response = ResponseReader(interface.buffer.span.extracting(10..<count))
        guard try response.number32() == UInt32(truncatingIfNeeded: count - 14) else {
            throw .responseMalformed
        }
        return count
    }
}

/// `TPM_TAG_RQU_COMMAND`.
private let tagCommand: UInt16 = 0x00C1
/// `TPM_TAG_RSP_COMMAND`.
private let tagResponse: UInt16 = 0x00C4
