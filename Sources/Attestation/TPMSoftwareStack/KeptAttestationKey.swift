internal import TPMStructures

/// The attestation key of a TPM 1.2, as a connection to it keeps it: no such TPM makes the same
/// key twice.
struct KeptAttestationKey {
    /// Wrapped (`TPM_KEY`); nil until there is one.
    private(set) var wrapped: [UInt8]?

    /// The key, made now if there is none.
    ///
    /// - Parameters:
    ///   - make: has the TPM make one.
    ///   - name: the command or function that makes it.
    /// - Throws: what `make` throws; `.responseMalformed` if it is no such key, also for one that
    ///   was kept.
    mutating func key(
        _ name: String, _ make: () throws(TPMConnectionError) -> [UInt8]
    ) throws(TPMConnectionError) -> OnePointTwoWrappedKey {
        let bytes = if let wrapped { wrapped } else { try make() }
        do throws(TPMStructureError) {
            let key = try OnePointTwoWrappedKey(beginning: bytes)
            wrapped = key.bytes
            return key
        } catch {
            throw .responseMalformed(name)
        }
    }
}
