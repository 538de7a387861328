/// One step through bytes that should be UTF-8.
enum DecodedScalar: Equatable {
    /// A Unicode scalar and the bytes that it takes, 1 to 4.
    case scalar(Unicode.Scalar, length: Int)
    /// One byte that begins no scalar.
    case invalid
}

/// Returns what begins with the first byte of `bytes`, which must not be empty.
///
/// Strict: overlong forms, surrogates and values above U+10FFFF are invalid.
/// - Source: Unicode 15.0, table 3-7.
func decodeScalar(_ bytes: ArraySlice<UInt8>) -> DecodedScalar {
    let first = bytes[bytes.startIndex]
    if first < 0x80 { return .scalar(Unicode.Scalar(first), length: 1) }
    let length: Int
    let least: UInt32
    var value: UInt32
    switch first {
    case 0xC2...0xDF: (length, least, value) = (2, 0x80, UInt32(first & 0x1F))
    case 0xE0...0xEF: (length, least, value) = (3, 0x800, UInt32(first & 0x0F))
    case 0xF0...0xF4: (length, least, value) = (4, 0x1_0000, UInt32(first & 0x07))
    default: return .invalid
    }
    guard bytes.count >= length else { return .invalid }
    for byte in bytes.dropFirst().prefix(length - 1) {
        guard byte & 0xC0 == 0x80 else { return .invalid }
        value = value << 6 | UInt32(byte & 0x3F)
    }
    guard value >= least, let scalar = Unicode.Scalar(value) else { return .invalid }
    return .scalar(scalar, length: length)
}

extension Unicode.Scalar {
    /// Whether the scalar moves the cursor or the terminal, showing nothing: C0, C1, DEL.
    var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }

    /// Whether the scalar cannot be seen, or changes the order in which its neighbours are shown,
    /// so that a reader sees another policy than the compiler.
    ///
    /// - Source: Unicode Technical Report 36, section 3; CVE-2021-42574; the property
    ///   `Default_Ignorable_Code_Point`, with the two separators of lines and paragraphs.
    var hidesText: Bool {
        guard !isASCII else { return false }
        return properties.isDefaultIgnorableCodePoint || value == 0x2028 || value == 0x2029
    }

    /// The scalar's number as Unicode writes it, such as `U+202E`.
    var codePoint: String {
        let digits = String(value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
