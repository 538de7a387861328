/// Carries whole commands to a TPM, and whole responses back, one at a time: whatever lies between
/// this program and the TPM.
public protocol TPMTransport: AnyObject {
    /// Sends a command and waits for its response.
    ///
    /// - Returns: as many bytes as the response says itself, at least a header of 10.
    /// - Throws: `.connectionBroken`, `.unreachable`; `.responseMalformed` for a length that no
    ///   response has.
    func exchange(_ command: [UInt8]) throws(TPMConnectionError) -> [UInt8]
}
