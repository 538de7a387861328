internal import TPMStructures

/// How both ways to a TPM 1.2 read the certificate of its endorsement key.
enum StoredCertificate {
    /// What a TPM 1.2 answers: `TPM_BADINDEX`; `TPM_DISABLED_CMD`, `TPM_BAD_ORDINAL`, also in the
    /// name of who stands before it; `TPM_AUTH_CONFLICT`.
    private enum Code {
        static var noSuchArea: UInt32 { 0x02 }
        static var refused: [UInt32] { [0x08, 0x0A] }
        static var ownerNeeded: UInt32 { 0x3B }
    }

    /// The largest piece that every TPM gives at once.
    private static var pieceSize: Int { 512 }

    /// Reads the certificate, piece by piece: as anybody first, and as the owner where that is
    /// asked for, as it is of an area with an owner's permission once the TPM's areas are locked.
    ///
    /// - Parameter read: reads `size` bytes at `offset` of the area (`TPM_NV_ReadValue`).
    /// - Returns: DER; nil if there is none, or none that can be read.
    /// - Throws: what `read` throws otherwise; `.responseMalformed` for what is no certificate's
    ///   structure.
    static func take(
        _ read: (_ offset: Int, _ size: Int, _ asOwner: Bool) throws(TPMConnectionError) -> [UInt8]
    ) throws(TPMConnectionError) -> [UInt8]? {
        var asOwner = false
        func piece(_ offset: Int, _ size: Int) throws(TPMConnectionError) -> [UInt8] {
            let bytes = try read(offset, size, asOwner)
            guard bytes.count == size else { throw .responseMalformed("TPM_NV_ReadValue") }
            return bytes
        }
        let headSize = OnePointTwoStoredCertificate.headSize
        var bytes: [UInt8]
        do throws(TPMConnectionError) {
            bytes = try piece(0, headSize)
        } catch {
            guard case .callFailed(_, let code) = error else { throw error }
            if code == Code.noSuchArea || Code.refused.contains(code) { return nil }
            guard code == Code.ownerNeeded else { throw error }
            asOwner = true
            bytes = try piece(0, headSize)
        }
        let end =
            headSize
            + (try formed { () throws(TPMStructureError) in
                try OnePointTwoStoredCertificate.size(behind: bytes)
            })
        while bytes.count < end {
            bytes += try piece(bytes.count, min(pieceSize, end - bytes.count))
        }
        return try formed { () throws(TPMStructureError) in
            try OnePointTwoStoredCertificate(validating: bytes).certificate
        }
    }

    private static func formed<Value>(
        _ body: () throws(TPMStructureError) -> Value
    ) throws(TPMConnectionError) -> Value {
        do throws(TPMStructureError) {
            return try body()
        } catch {
            throw .responseMalformed("TPM_NV_ReadValue")
        }
    }
}
