/// Why the TPM could not be used. Every case stops a machine that measures.
public enum TPMError: Error, Equatable {
    /// - `absent`: nothing answers at the interface's address.
    /// - `interfaceNotSupported`: the interface is neither FIFO nor CRB (`TPM_INTERFACE_ID`).
    /// - `familyNotSupported`: the TPM is of neither family, or of one that does not have what was
    ///   asked for.
    /// - `localityTimeout`: the locality was not granted in time.
    /// - `readyTimeout`: the TPM did not become ready for a command in time.
    case absent, interfaceNotSupported, familyNotSupported, localityTimeout, readyTimeout
    /// - `statusTimeout`: the status did not become valid in time.
    /// - `burstTimeout`: the FIFO took or gave no byte in time.
    /// - `expectEndedEarly`: the TPM expected no more bytes before the command was whole.
    /// - `expectStuck`: the TPM expected more bytes after the command was whole.
    /// - `responseTimeout`: the response did not come in time.
    case statusTimeout, burstTimeout, expectEndedEarly, expectStuck, responseTimeout
    /// - `responseTruncated`: the response ended before the length that it names.
    /// - `responseLengthInvalid`: the response names a length that is impossible or larger than our
    ///   buffer.
    /// - `responseOverlong`: the TPM offers more bytes than the response's length.
    /// - `bufferOutOfRange`: a buffer of the CRB is too small, or lies outside the interface's own
    ///   window.
    /// - `fatalError`: the CRB says that the TPM has failed (`tpmSts`).
    case responseTruncated, responseLengthInvalid, responseOverlong, bufferOutOfRange, fatalError
    /// - `responseMalformed`: the response is not of the shape that its command has.
    case responseMalformed
    /// The TPM refused the command; the response code.
    case commandFailed(code: UInt32)
    /// - `unknownActiveBank`: a bank that we cannot extend has PCR 12 or 13.
    /// - `partialBank`: a bank has one of PCR 12 and 13 but not the other.
    /// - `noActiveBank`: no bank that we know has PCR 12 and 13.
    /// - `disabled`: a TPM 1.2 is disabled or deactivated: it would extend, but never quote.
    case unknownActiveBank, partialBank, noActiveBank, disabled

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .absent: "TPM: absent"
        case .interfaceNotSupported: "TPM: interface not supported"
        case .familyNotSupported: "TPM: family not supported"
        case .localityTimeout: "TPM: locality not granted"
        case .readyTimeout: "TPM: not ready"
        case .statusTimeout: "TPM: status not valid"
        case .burstTimeout: "TPM: no burst"
        case .expectEndedEarly: "TPM: command taken as ended early"
        case .expectStuck: "TPM: command not taken as whole"
        case .responseTimeout: "TPM: no response"
        case .responseTruncated: "TPM: response truncated"
        case .responseLengthInvalid: "TPM: response length invalid"
        case .responseOverlong: "TPM: response overlong"
        case .bufferOutOfRange: "TPM: buffer out of range"
        case .fatalError: "TPM: fatal error"
        case .responseMalformed: "TPM: response malformed"
        case .commandFailed: "TPM: command failed"
        case .unknownActiveBank: "TPM: unknown active bank"
        case .partialBank: "TPM: partial bank"
        case .noActiveBank: "TPM: no active bank"
        case .disabled: "TPM: disabled or deactivated"
        }
    }
}
