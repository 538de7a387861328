/// The structures of TPM 2.0 and 1.2 that a quote is made of, read from bytes without any TPM
/// software.
///
/// For: a verifier. Not for: building commands. Trusts nothing: each initialiser accepts exactly
/// one whole structure and nothing behind it. Source of all layouts: Trusted Platform Module
/// Library, family 2.0, Part 2 (structures), and TPM Main 1.2, Part 2, whose C names are given.

/// Why bytes are not the structure that was expected.
public enum TPMStructureError: Error, Equatable {
    /// The structure goes past the end of the bytes.
    case truncated
    /// Bytes follow the structure.
    case trailingBytes
    /// A field has a value that its structure does not allow here; the field's C name.
    case unexpectedValue(field: String)
}

/// Reads big-endian fields from bytes.
struct TPMReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func take(_ count: Int) throws(TPMStructureError) -> [UInt8] {
        guard count <= bytes.count - position else { throw .truncated }
        let start = position
        position += count
        return Array(bytes[start..<position])
    }

    mutating func number8() throws(TPMStructureError) -> UInt8 {
        try take(1)[0]
    }

    mutating func number16() throws(TPMStructureError) -> UInt16 {
        try take(2).reduce(0) { $0 << 8 | UInt16($1) }
    }

    mutating func number32() throws(TPMStructureError) -> UInt32 {
        try take(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func number64() throws(TPMStructureError) -> UInt64 {
        try take(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Reads a `TPM2B_*`: a 16-bit size and that many bytes.
    mutating func sized() throws(TPMStructureError) -> [UInt8] {
        try take(Int(try number16()))
    }

    /// Reads a 32-bit size and that many bytes, and returns both.
    mutating func sized32() throws(TPMStructureError) -> [UInt8] {
        let size = try take(4)
        return size + (try take(size.reduce(0) { $0 << 8 | Int($1) }))
    }

    /// Reads a 32-bit number that must have one value.
    mutating func expect32(_ value: UInt32, _ field: String) throws(TPMStructureError) {
        guard try number32() == value else { throw .unexpectedValue(field: field) }
    }

    /// Reads a 16-bit number that must have one value.
    mutating func expect16(_ value: UInt16, _ field: String) throws(TPMStructureError) {
        guard try number16() == value else { throw .unexpectedValue(field: field) }
    }

    func end() throws(TPMStructureError) {
        guard position == bytes.count else { throw .trailingBytes }
    }
}

/// Algorithm and curve numbers (`TPM_ALG_ID`, `TPM_ECC_CURVE`).
enum TPMAlgorithm {
    static var aes: UInt16 { 0x0006 }
    static var sha256: UInt16 { 0x000B }
    static var sha384: UInt16 { 0x000C }
    static var null: UInt16 { 0x0010 }
    static var ecdsa: UInt16 { 0x0018 }
    static var ecc: UInt16 { 0x0023 }
    static var cfb: UInt16 { 0x0043 }
    static var curveP256: UInt16 { 0x0003 }
    static var curveP384: UInt16 { 0x0004 }
}
