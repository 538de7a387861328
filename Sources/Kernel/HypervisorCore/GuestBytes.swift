/// Up to 128 bytes that were copied from a guest once, or are about to be copied to it. Nothing
/// rereads the guest's memory afterwards, so what was checked is what is used.
public struct GuestBytes: BitwiseCopyable {
    /// How many bytes it can hold.
    public static var capacity: Int { 128 }

    private var storage = InlineArray<128, UInt8>(repeating: 0)

    /// How many bytes it holds.
    public let count: Int

    /// Makes `count` zero bytes; a count beyond the capacity, or below 0, becomes the next bound.
    public init(count: Int) {
        self.count = count < 0 ? 0 : (count > 128 ? 128 : count)
    }

    /// The byte at `index`; reading past the end gives 0, writing past it changes nothing.
    public subscript(index: Int) -> UInt8 {
        get { index >= 0 && index < count ? storage[index] : 0 }
        set {
            guard index >= 0, index < count else { return }
            storage[index] = newValue
        }
    }

    /// The little-endian number of `size` bytes (1 to 8) at `offset`.
    private func number(at offset: Int, size: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<size {
            value |= UInt64(self[offset + index]) << UInt64(8 * index)
        }
        return value
    }

    /// The `u16` at `offset`.
    public func u16(at offset: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: number(at: offset, size: 2))
    }

    /// The `u32` at `offset`.
    public func u32(at offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: number(at: offset, size: 4))
    }

    /// The `u64` at `offset`.
    public func u64(at offset: Int) -> UInt64 { number(at: offset, size: 8) }

    /// Writes `value` as a `u16` at `offset`.
    public mutating func set(u16 value: UInt16, at offset: Int) {
        set(UInt64(value), size: 2, at: offset)
    }

    /// Writes `value` as a `u32` at `offset`.
    public mutating func set(u32 value: UInt32, at offset: Int) {
        set(UInt64(value), size: 4, at: offset)
    }

    /// Writes `value` as a `u64` at `offset`.
    public mutating func set(u64 value: UInt64, at offset: Int) {
        set(value, size: 8, at: offset)
    }

    private mutating func set(_ value: UInt64, size: Int, at offset: Int) {
        for index in 0..<size {
            self[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }
}
