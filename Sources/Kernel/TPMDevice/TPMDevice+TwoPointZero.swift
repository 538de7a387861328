import Digests
import EventLog

/// The commands of TPM 2.0.
///
/// - Source: Trusted Platform Module Library, family 2.0, Part 3 (commands) and Part 2
///   (structures), whose names are given in the comments.
extension TPMDevice where Registers: ~Copyable {
    /// `TPM2_Startup`, `TPM_SU_CLEAR`; `TPM_RC_INITIALIZE` (0x100) says that it was done before.
    mutating func startTwoPointZero() throws(TPMError) {
        try startUp(
            tagNoSessions, 0x0000_0144, 0, responseTag: tagNoSessions, wasStarted: 0x100)
    }

    /// `TPM2_GetCapability`, `TPM_CAP_PCRS`.
    mutating func banksTwoPointZero() throws(TPMError) -> PCRBanks {
        var command = CommandBuilder(interface.buffer.mutableSpan)
        command.begin(tag: tagNoSessions, code: 0x0000_017A)
        command.append32(5)
        command.append32(0)
        command.append32(1)
        let count = try execute(command.end(), responseTag: tagNoSessions)
        var response = ResponseReader(interface.buffer.span.extracting(10..<count))
        guard try response.number8() == 0, try response.number32() == 5 else {
            throw .responseMalformed
        }
        let banks = try readBanks(&response)
        guard response.isAtEnd else { throw .responseMalformed }
        guard banks.count > 0 else { throw .noActiveBank }
        return banks
    }

    /// `TPM2_PCR_Extend` in every active bank, with an empty password.
    mutating func extendTwoPointZero(
        _ pcr: PCRIndex, with digests: EventDigests, banks: PCRBanks
    ) throws(TPMError) {
        var command = CommandBuilder(interface.buffer.mutableSpan)
        command.begin(tag: tagSessions, code: 0x0000_0182)
        command.append32(pcr.rawValue)
        command.append32(9)
        command.append32(0x4000_0009)
        command.append16(0)
        command.append8(0)
        command.append16(0)
        command.append32(UInt32(truncatingIfNeeded: banks.count))
        if banks.sha1 { command.append(tpmAlgorithmSHA1, digests.sha1.bytes) }
        if banks.sha256 { command.append(tpmAlgorithmSHA256, digests.sha256.bytes) }
        if banks.sha384 { command.append(tpmAlgorithmSHA384, digests.sha384.bytes) }
        let count = try execute(command.end(), responseTag: tagSessions)
        guard count == 19 else { throw .responseMalformed }
    }
}

/// `TPM_ST_NO_SESSIONS`.
private let tagNoSessions: UInt16 = 0x8001
/// `TPM_ST_SESSIONS`.
private let tagSessions: UInt16 = 0x8002

/// Reads a `TPML_PCR_SELECTION` and returns the banks in it that have PCR 12, 13 and 15.
private func readBanks(_ response: inout ResponseReader) throws(TPMError) -> PCRBanks {
    var banks = PCRBanks(sha1: false, sha256: false, sha384: false)
    let count = try response.number32()
    guard count <= 16 else { throw .responseMalformed }
    for _ in 0..<count {
        let algorithm = try response.number16()
        let byteCount = Int(try response.number8())
        guard byteCount <= 32 else { throw .responseMalformed }
        let bitmap = try response.take(byteCount)
        let ours = byteCount >= 2 ? bitmap[1] & 0xb0 : 0
        if ours == 0 { continue }
        guard ours == 0xb0 else { throw .partialBank }
        switch algorithm {
        case tpmAlgorithmSHA1: banks.sha1 = true
        case tpmAlgorithmSHA256: banks.sha256 = true
        case tpmAlgorithmSHA384: banks.sha384 = true
        default: throw .unknownActiveBank
        }
    }
    return banks
}
