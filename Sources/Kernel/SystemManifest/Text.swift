/// Returns whether `text` is UTF-8 without a NUL: no overlong form, no surrogate, nothing above
/// U+10FFFF, no character cut at the end.
///
/// - Source: Unicode Standard, table 3-7, well-formed UTF-8 byte sequences.
func isText(_ text: Span<UInt8>) -> Bool {
    var index = 0
    while index < text.count {
        let lead = text[index]
        guard let shape = CharacterShape(lead: lead), shape.length <= text.count - index else {
            return false
        }
        if shape.length > 1 {
            guard shape.second.contains(text[index + 1]) else { return false }
        }
        for offset in 2..<max(2, shape.length) where !isContinuation(text[index + offset]) {
            return false
        }
        index += shape.length
    }
    return true
}

/// Returns whether `byte` can only stand inside a character.
func isContinuation(_ byte: UInt8) -> Bool { byte & 0xc0 == 0x80 }

/// What the first byte of a character says about the rest.
private struct CharacterShape {
    let length: Int
    let second: ClosedRange<UInt8>

    init?(lead: UInt8) {
        switch lead {
        case 0x01...0x7f: (length, second) = (1, 0...0)
        case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xe1...0xec, 0xee, 0xef: (length, second) = (3, 0x80...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: return nil
        }
    }
}
