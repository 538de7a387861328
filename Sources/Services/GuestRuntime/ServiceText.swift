/// A line that a service writes about itself: at most 240 bytes, of which none is a control
/// character. What does not fit is cut.
public struct ServiceText: BitwiseCopyable, Sendable {
    private var bytes = InlineArray<240, UInt8>(repeating: 0)
    /// How many bytes it has.
    public private(set) var count = 0

    /// Makes a line.
    public init(_ text: StaticString) { append(text) }

    /// The byte at `index`; 0 past the end.
    public subscript(index: Int) -> UInt8 { index >= 0 && index < count ? bytes[index] : 0 }

    /// Adds one byte; a control character becomes a dot.
    public mutating func append(_ byte: UInt8) {
        guard count < 240 else { return }
        bytes[count] = byte >= 0x20 && byte < 0x7f ? byte : 0x2e
        count += 1
    }

    /// Adds a text.
    public mutating func append(_ text: StaticString) {
        for index in 0..<text.byteCount { append(text.byte(at: index)) }
    }

    /// Adds bytes.
    public mutating func append(_ text: Span<UInt8>) {
        for index in text.indices { append(text[index]) }
    }

    /// Adds a number in decimal.
    public mutating func append(_ number: UInt64) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var rest = number
        var length = 0
        repeat {
            digits[length] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            length += 1
        } while rest > 0
        for index in 0..<length { append(digits[length - 1 - index]) }
    }

    /// Adds a number in hexadecimal, with its prefix.
    public mutating func append(hexadecimal number: UInt64) {
        append("0x")
        var hasBegun = false
        for position in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * position)) & 15
            hasBegun = hasBegun || digit != 0 || position == 15
            if hasBegun { append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
        }
    }
}
