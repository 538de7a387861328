/// SHA-256 (FIPS 180-4, section 6.2).
///
/// - Invariant: *(buffered)* `bufferedCount` is less than the block length between calls.
public struct SHA256: MessageHash {
    private var chain: InlineArray<8, UInt32> = [
        0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a,
        0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
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
        var position = 0
        if bufferedCount > 0 {
            while bufferedCount < 64, position < bytes.count {
                buffer[bufferedCount] = bytes[position]
                bufferedCount += 1
                position += 1
            }
            guard bufferedCount == 64 else { return }
            compressSHA256(&chain, buffer.span)
            bufferedCount = 0
        }
        while bytes.count - position >= 64 {
            compressSHA256(&chain, bytes.extracting(position..<position + 64))
            position += 64
        }
        while position < bytes.count {
            buffer[bufferedCount] = bytes[position]
            bufferedCount += 1
            position += 1
        }
    }

    /// Ends the message and returns its digest.
    public consuming func finalize() -> Digest256 {
        pad()
        let result = chain
        return Digest256(
            InlineArray { index in
                UInt8(truncatingIfNeeded: result[index >> 2] >> UInt32(24 - 8 * (index & 3)))
            })
    }

    /// Appends the bit 1, zeros and the message's length in bits (FIPS 180-4, section 5.1).
    private mutating func pad() {
        buffer[bufferedCount] = 0x80
        for index in bufferedCount + 1..<64 { buffer[index] = 0 }
        if bufferedCount >= 56 {
            compressSHA256(&chain, buffer.span)
            for index in 0..<64 { buffer[index] = 0 }
        }
        let bitCount = messageByteCount << 3
        for index in 0..<8 {
            buffer[56 + index] = UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * index))
        }
        compressSHA256(&chain, buffer.span)
    }
}

/// Absorbs one block of 64 bytes into `chain` (FIPS 180-4, section 6.2.2).
private func compressSHA256(_ chain: inout InlineArray<8, UInt32>, _ block: Span<UInt8>) {
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
    var f = chain[5]
    var g = chain[6]
    var h = chain[7]
    var t = 0
    while true {
        round(a, b, c, &d, e, f, g, &h, roundConstants256[t], w[t & 15])
        round(h, a, b, &c, d, e, f, &g, roundConstants256[t + 1], w[(t + 1) & 15])
        round(g, h, a, &b, c, d, e, &f, roundConstants256[t + 2], w[(t + 2) & 15])
        round(f, g, h, &a, b, c, d, &e, roundConstants256[t + 3], w[(t + 3) & 15])
        round(e, f, g, &h, a, b, c, &d, roundConstants256[t + 4], w[(t + 4) & 15])
        round(d, e, f, &g, h, a, b, &c, roundConstants256[t + 5], w[(t + 5) & 15])
        round(c, d, e, &f, g, h, a, &b, roundConstants256[t + 6], w[(t + 6) & 15])
        round(b, c, d, &e, f, g, h, &a, roundConstants256[t + 7], w[(t + 7) & 15])
        t += 8
        if t == 64 { break }
        if t & 15 == 0 { expand(&w) }
    }
    // WRAPS: FIPS 180-4 adds modulo 2^32.
    chain[0] &+= a
    chain[1] &+= b
    chain[2] &+= c
    chain[3] &+= d
    chain[4] &+= e
    chain[5] &+= f
    chain[6] &+= g
    chain[7] &+= h
}

/// Replaces sixteen words of the message schedule by the next sixteen.
@inline(__always)
private func expand(_ w: inout InlineArray<16, UInt32>) {
    for index in 0..<16 {
        let x = w[(index + 1) & 15]
        let y = w[(index + 14) & 15]
        let small0 = rotateRight(x, 7) ^ rotateRight(x, 18) ^ (x >> 3)
        let small1 = rotateRight(y, 17) ^ rotateRight(y, 19) ^ (y >> 10)
        // WRAPS: FIPS 180-4 adds modulo 2^32.
        w[index] = w[index] &+ small0 &+ w[(index + 9) & 15] &+ small1
    }
}

/// One round, without moving the eight working variables: the caller rotates their names.
@inline(__always)
private func round(
    _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32,
    _ e: UInt32, _ f: UInt32, _ g: UInt32, _ h: inout UInt32,
    _ constant: UInt32, _ word: UInt32
) {
    let big1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25)
    let choice = g ^ (e & (f ^ g))
    let big0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22)
    let majority = (a & b) | (c & (a | b))
    // WRAPS: FIPS 180-4 adds modulo 2^32.
    let sum = h &+ big1 &+ choice &+ constant &+ word
    d = d &+ sum
    h = sum &+ big0 &+ majority
}

/// The round constants (FIPS 180-4, section 4.2.2).
private let roundConstants256: InlineArray<64, UInt32> = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5,
    0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3,
    0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc,
    0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
    0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13,
    0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3,
    0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5,
    0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208,
    0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
]
