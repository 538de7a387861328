import Digests
public import EventLog

/// The families of TPM that are driven.
public enum TPMFamily: Equatable, Sendable {
    /// TPM 1.2: one bank, SHA-1.
    case onePointTwo
    /// TPM 2.0.
    case twoPointZero
}

/// A driver for TPM 1.2 and 2.0: the few commands that a machine needs to measure itself.
///
/// For: the hypervisor, which owns the TPM. Not for: keys, quotes, storage; those are asked for
/// from elsewhere. It trusts the TPM to be the one of this machine and checks the form of all
/// that it says. Invariants: every wait ends; no response, however wrong, traps; no command is
/// sent whose bytes this module did not build.
///
/// - Source: the commands of each family stand in a file of their own, with their source.
public struct TPMDevice<Registers: TPMRegisters & ~Copyable>: ~Copyable {
    var interface: TPMInterface<Registers>

    /// The family; 2.0 until `start` has found it.
    public private(set) var family = TPMFamily.twoPointZero

    /// Takes the registers; sends nothing.
    public init(registers: consuming Registers) {
        interface = TPMInterface(registers: registers)
    }

    /// Finds the TPM, and starts it if firmware did not.
    ///
    /// - Throws: what detection and an exchange throw; `.commandFailed` with any code but the one
    ///   that says that it was started before; `.disabled`.
    public mutating func start() throws(TPMError) {
        family = try interface.detect()
        switch family {
        case .onePointTwo: try startOnePointTwo()
        case .twoPointZero: try startTwoPointZero()
        }
    }

    /// Sends a startup command; one that says that it was done before is as good.
    mutating func startUp(
        _ tag: UInt16, _ code: UInt32, _ parameter: UInt16, responseTag: UInt16,
        wasStarted: UInt32
    ) throws(TPMError) {
        var command = CommandBuilder(interface.buffer.mutableSpan)
        command.begin(tag: tag, code: code)
        command.append16(parameter)
        let count = command.end()
        do throws(TPMError) {
            guard try execute(count, responseTag: responseTag) == 10 else {
                throw TPMError.responseMalformed
            }
        } catch .commandFailed(code: wasStarted) {}
    }

    /// Returns the banks that have PCR 12 and 13: of a TPM 1.2, SHA-1.
    ///
    /// - Throws: `.unknownActiveBank`, `.partialBank`, `.noActiveBank`; `.responseMalformed`;
    ///   what an exchange throws.
    public mutating func activeBanks() throws(TPMError) -> PCRBanks {
        switch family {
        case .onePointTwo: try banksOnePointTwo()
        case .twoPointZero: try banksTwoPointZero()
        }
    }

    /// Extends a register in every active bank.
    ///
    /// - Throws: what an exchange throws; `.commandFailed`; `.responseMalformed`. Whether the
    ///   register was extended is then unknown.
    public mutating func extend(
        _ pcr: PCRIndex, with digests: EventDigests, banks: PCRBanks
    ) throws(TPMError) {
        switch family {
        case .onePointTwo: try extendOnePointTwo(pcr, with: digests.sha1)
        case .twoPointZero: try extendTwoPointZero(pcr, with: digests, banks: banks)
        }
    }

    /// Sends the command in the buffer and checks the response's header.
    ///
    /// - Returns: the length of the response, 10 to 512.
    mutating func execute(
        _ count: Int, responseTag tag: UInt16
    ) throws(TPMError) -> Int {
        let count = try interface.exchange(commandByteCount: count)
        guard count >= 10, count <= 512 else { throw .responseLengthInvalid }
        var response = ResponseReader(interface.buffer.span.extracting(0..<count))
        let responseTag = try response.number16()
        _ = try response.number32()
        let code = try response.number32()
        guard code == 0 else { throw .commandFailed(code: code) }
        guard responseTag == tag else { throw .responseMalformed }
        return count
    }
}
