/// Returns the two lower-case hexadecimal digits of `byte`, as ASCII.
public func hexadecimalDigits(of byte: UInt8) -> (high: UInt8, low: UInt8) {
    (hexadecimalDigit(byte >> 4), hexadecimalDigit(byte & 15))
}

/// Returns the value of an ASCII hexadecimal digit of either case; `nil` for any other byte.
public func hexadecimalValue(of digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit &- 0x30
    case 0x41...0x46: digit &- 0x37
    case 0x61...0x66: digit &- 0x57
    default: nil
    }
}

/// Returns the ASCII digit of `value`, 0 to 15.
private func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 &+ value : 0x57 &+ value
}
