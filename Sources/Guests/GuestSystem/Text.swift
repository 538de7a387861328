/// Texts as bytes: Embedded Swift has no Unicode tables in these programs.
package enum Text {
    /// Whether the bytes are those of a text.
    package static func matches(_ bytes: [UInt8], _ text: StaticString) -> Bool {
        "\(text)".utf8.elementsEqual(bytes)
    }

    /// A decimal number of at most nine digits.
    package static func number(_ digits: [UInt8]) -> UInt32? {
        var value: UInt32 = 0
        guard !digits.isEmpty, digits.count <= 9 else { return nil }
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            value = value * 10 + UInt32(digit - 0x30)
        }
        return value
    }

    /// Bytes of two hexadecimal digits each.
    package static func bytes(hexadecimal digits: [UInt8]) -> [UInt8]? {
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for place in 0..<digits.count / 2 {
            guard let high = value(digits[2 * place]), let low = value(digits[2 * place + 1])
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x61...0x66: digit - 0x61 + 10
        default: nil
        }
    }

    /// Two hexadecimal digits for each byte.
    package static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                text.unicodeScalars.append(Unicode.Scalar(digit < 10 ? 0x30 + digit : 0x57 + digit))
            }
        }
        return text
    }

    /// Bytes as a text; what is not printable ASCII as a point.
    package static func printable(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            let isPrintable = byte >= 0x20 && byte < 0x7f
            text.unicodeScalars.append(Unicode.Scalar(isPrintable ? byte : 0x2e))
        }
        return text
    }

    /// Whether some bytes stand somewhere in others.
    package static func contains(_ bytes: [UInt8], _ part: [UInt8]) -> Bool {
        guard !part.isEmpty, part.count <= bytes.count else { return false }
        for start in 0...bytes.count - part.count
        where bytes[start..<start + part.count].elementsEqual(part) {
            return true
        }
        return false
    }

    /// ASCII letters as small ones.
    package static func lowercased(_ bytes: [UInt8]) -> [UInt8] {
        bytes.map { $0 >= 0x41 && $0 <= 0x5a ? $0 + 0x20 : $0 }
    }
}
