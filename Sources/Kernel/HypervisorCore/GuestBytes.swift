import BootArena

/// Up to 128 bytes that were copied from a guest once, or are about to be copied to it. Nothing
/// rereads the guest's memory afterwards, so what was checked is what is used.
public struct GuestBytes: ~Copyable {
    private let place = InPlace()

    /// How many bytes it can hold.
    public static var capacity: Int { 128 }

    /// In words: the compiler takes an array of bytes apart, and copies it byte by byte.
    package var words = InlineArray<16, UInt64>(repeating: 0)

    /// How many bytes it holds.
    public let count: Int

    /// Makes `count` zero bytes; a count beyond the capacity, or below 0, becomes the next bound.
    public init(count: Int) {
        self.count = count < 0 ? 0 : (count > 128 ? 128 : count)
    }

    /// The byte at `index`; reading past the end gives 0, writing past it changes nothing.
    public subscript(index: Int) -> UInt8 {
        get { UInt8(truncatingIfNeeded: number(at: index, size: 1)) }
        set { set(UInt64(newValue), size: 1, at: index) }
    }

    /// The little-endian number of `size` bytes (1 to 8) at `offset`; 0 when it is not all inside.
    @inline(__always) private func number(at offset: Int, size: Int) -> UInt64 {
        guard offset >= 0, offset <= count - size else { return 0 }
        let (word, shift) = (offset >> 3, UInt64(truncatingIfNeeded: offset & 7) << 3)
        var value = words[word] >> shift
        if offset & 7 + size > 8 { value |= words[word + 1] << (64 - shift) }
        return value & GuestBytes.mask(size)
    }

    /// The lowest `size` bytes.
    @inline(__always)
    private static func mask(_ size: Int) -> UInt64 {
        UInt64.max >> (UInt64(truncatingIfNeeded: 8 - size) << 3)
    }

    /// The `u16` at `offset`.
    @inline(__always) public func u16(at offset: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: number(at: offset, size: 2))
    }

    /// The `u32` at `offset`.
    @inline(__always) public func u32(at offset: Int) -> UInt32 {
        UInt32(truncatingIfNeeded: number(at: offset, size: 4))
    }

    /// The `u64` at `offset`.
    @inline(__always) public func u64(at offset: Int) -> UInt64 { number(at: offset, size: 8) }

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

    /// Writes the lowest `size` bytes (1 to 8) of `value`; nothing when they are not all inside.
    @inline(never)
    private mutating func set(_ value: UInt64, size: Int, at offset: Int) {
        guard offset >= 0, offset <= count - size else { return }
        let (word, shift) = (offset >> 3, UInt64(truncatingIfNeeded: offset & 7) << 3)
        let mask = GuestBytes.mask(size)
        words[word] = words[word] & ~(mask << shift) | (value & mask) << shift
        guard offset & 7 + size > 8 else { return }
        let rest = 64 - shift
        words[word + 1] = words[word + 1] & ~(mask >> rest) | (value & mask) >> rest
    }
}
