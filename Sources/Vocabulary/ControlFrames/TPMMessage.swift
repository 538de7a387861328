/// The form that commands and responses of both families of TPM share. What they say is nobody's
/// business on the line.
///
/// - Layout: big-endian: `u16` tag, `u32` length of all, `u32` code; then what the code has.
/// - Source: TPM 2.0 Library, Part 1, 18.2; TPM Main 1.2, Part 3, 1.
public enum TPMMessage {
    /// The shortest message: a header.
    /// - Units: bytes.
    public static var headerByteCount: Int { 10 }
    /// The longest that a frame carries; Linux's buffer for one is as long.
    /// - Units: bytes.
    public static var maximumByteCount: Int { 4096 }
    /// The longest command that the hypervisor takes (`CASEMATE_TPM`).
    /// - Units: bytes.
    public static var maximumCommandByteCount: Int { 3584 }

    /// Whether bytes are one message and nothing besides, as their header says.
    public static func isWhole(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count >= headerByteCount, bytes.count <= maximumByteCount else { return false }
        return word(bytes, 2) == UInt32(truncatingIfNeeded: bytes.count)
    }

    /// The code of a message: the command's, or how it ended.
    ///
    /// - Precondition: `isWhole(bytes)`.
    public static func code(of bytes: Span<UInt8>) -> UInt32 { word(bytes, 6) }

    private static func word(_ bytes: Span<UInt8>, _ offset: Int) -> UInt32 {
        UInt32(bytes[offset]) << 24 | UInt32(bytes[offset + 1]) << 16
            | UInt32(bytes[offset + 2]) << 8 | UInt32(bytes[offset + 3])
    }
}
