/// SHA-1 (FIPS 180-4, section 6.1), for TPM banks and event logs only: it resists no attacker.
///
/// - Invariant: *(buffered)* `bufferedCount` is less than the block length between calls.
public struct SHA1: MessageHash {
    private var chain: InlineArray<5, UInt32> = [
        0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0,
    ]
    private var buffer = InlineArray<64, UInt8>(repeating: 0)
    private var bufferedCount = 0
    private var messageByteCount: UInt64 = 0

    /// Starts an empty message.
    public init() {}

    /// Appends `bytes` to the message.
    public mutating func update(_ bytes: Span<UInt8>) {
        // WRAPS: FIPS 180-4 defines no digest for messages of 2^61 bytes or more.
        messageByteCount &+= UInt64(truncatingIfNeeded: bytes.count)
        for index in bytes.indices {
            buffer[bufferedCount] = bytes[index]
            bufferedCount += 1
            if bufferedCount == 64 {
                compressSHA1(&chain, buffer.span)
                bufferedCount = 0
            }
        }
    }

    /// Ends the message and returns its digest.
    public consuming func finalize() -> Digest160 {
        pad()
        let result = chain
        return Digest160(
            InlineArray { index in
                UInt8(truncatingIfNeeded: result[index >> 2] >> UInt32(24 - 8 * (index & 3)))
            })
    }

    /// Appends the bit 1, zeros and the message's length in bits (FIPS 180-4, section 5.1).
    private mutating func pad() {
        buffer[bufferedCount] = 0x80
        for index in bufferedCount + 1..<64 { buffer[index] = 0 }
        if bufferedCount >= 56 {
            compressSHA1(&chain, buffer.span)
            for index in 0..<64 { buffer[index] = 0 }
        }
        let bitCount = messageByteCount << 3
        for index in 0..<8 {
            buffer[56 + index] = UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * index))
        }
        compressSHA1(&chain, buffer.span)
    }
}

/// Absorbs one block of 64 bytes into `chain` (FIPS 180-4, section 6.1.2).
private func compressSHA1(_ chain: inout InlineArray<5, UInt32>, _ block: Span<UInt8>) {
    guard block.count == 64 else { return }
    var w = InlineArray<16, UInt32> { index in
        bigEndianWord(
            block[4 * index], block[4 * index + 1], block[4 * index + 2], block[4 * index + 3])
    }
    var a = chain[0]
    var b = chain[1]
    var c = chain[2]
    var d = chain[3]
    var e = chain[4]
    for t in 0..<80 {
        if t >= 16 {
            let mixed = w[(t + 13) & 15] ^ w[(t + 8) & 15] ^ w[(t + 2) & 15] ^ w[t & 15]
            w[t & 15] = rotateRight(mixed, 31)
        }
        let (function, constant) = roundFunction(t, b, c, d)
        // WRAPS: FIPS 180-4 adds modulo 2^32.
        let next = rotateRight(a, 27) &+ function &+ e &+ constant &+ w[t & 15]
        e = d
        d = c
        c = rotateRight(b, 2)
        b = a
        a = next
    }
    // WRAPS: FIPS 180-4 adds modulo 2^32.
    chain[0] &+= a
    chain[1] &+= b
    chain[2] &+= c
    chain[3] &+= d
    chain[4] &+= e
}

/// Returns the function's value and the constant of round `t` (FIPS 180-4, 4.1.1 and 4.2.1).
@inline(__always)
private func roundFunction(
    _ t: Int, _ b: UInt32, _ c: UInt32, _ d: UInt32
) -> (UInt32, UInt32) {
    if t < 20 { return (d ^ (b & (c ^ d)), 0x5a82_7999) }
    if t < 40 { return (b ^ c ^ d, 0x6ed9_eba1) }
    if t < 60 { return ((b & c) | (d & (b | c)), 0x8f1b_bcdc) }
    return (b ^ c ^ d, 0xca62_c1d6)
}
