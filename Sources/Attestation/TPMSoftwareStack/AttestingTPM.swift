public import TPMStructures

/// A TPM that can be asked for quotes, and whose key can be enrolled: what a machine's side of
/// attestation needs, whichever family the TPM is of.
public protocol AttestingTPM {
    /// Returns the TPM's keys. The attestation key is the same each time for one connection.
    func identity() throws(TPMConnectionError) -> TPMIdentity

    /// Returns the certificate of the endorsement key that the manufacturer left in the TPM (DER);
    /// nil: there is none that can be read.
    func endorsementCertificate() throws(TPMConnectionError) -> [UInt8]?

    /// Reads a secret that was encrypted for this TPM's endorsement key and attestation key.
    func activate(credential: [UInt8], secret: [UInt8]) throws(TPMConnectionError) -> [UInt8]

    /// Quotes registers.
    func quote(
        qualifyingData: [UInt8], registers: [UInt32]
    ) throws(TPMConnectionError) -> TPMQuote
}

/// Asks which family a TPM is of, by a command of TPM 2.0 (`TPM2_GetCapability`): a TPM 1.2 answers
/// with a tag of its own, and refuses.
///
/// - Throws: what the transport throws; `.callFailed` when the command is not for us;
///   `.responseMalformed` for any other answer.
public func family(
    ofTPMBehind transport: any TPMTransport
) throws(TPMConnectionError) -> TPMFamily {
    let response = try transport.exchange(
        [0x80, 0x01, 0, 0, 0, 22, 0, 0, 1, 0x7A, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 0, 1])
    // Who stands before a TPM may refuse in its name, in the form of the command.
    if response == TPMRefusal.response(.twoPointZero) {
        throw .callFailed("TPM2_GetCapability", code: TPMRefusal.code(.twoPointZero))
    }
    switch Array(response.prefix(2)) {
    case [0x80, 0x01]: return .twoPointZero
    case [0x00, 0xC4]: return .onePointTwo
    default: throw .responseMalformed("TPM2_GetCapability")
    }
}
