/// SHA-384 (FIPS 180-4, sections 6.4 and 6.5).
///
/// - Invariant: *(buffered)* `bufferedCount` is less than the block length between calls.
public struct SHA384: MessageHash {
    private var chain: InlineArray<8, UInt64> = [
        0xcbbb9d5d_c1059ed8, 0x629a292a_367cd507, 0x9159015a_3070dd17,
        0x152fecd8_f70e5939, 0x67332667_ffc00b31, 0x8eb44a87_68581511,
        0xdb0c2e0d_64f98fa7, 0x47b5481d_befa4fa4,
    ]
    private var buffer = InlineArray<128, UInt8>(repeating: 0)
    private var bufferedCount = 0
    private var messageByteCount: UInt64 = 0

    /// Starts an empty message.
    public init() {}

    /// Appends `bytes` to the message.
    public mutating func update(_ bytes: Span<UInt8>) {
        // WRAPS: a message of 2^61 bytes or more does not fit any address space.
        messageByteCount &+= UInt64(truncatingIfNeeded: bytes.count)
        var position = 0
        if bufferedCount > 0 {
            while bufferedCount < 128, position < bytes.count {
                buffer[bufferedCount] = bytes[position]
                bufferedCount += 1
                position += 1
            }
            guard bufferedCount == 128 else { return }
            compressSHA384(&chain, buffer.span)
            bufferedCount = 0
        }
        while bytes.count - position >= 128 {
            compressSHA384(&chain, bytes.extracting(position..<position + 128))
            position += 128
        }
        while position < bytes.count {
            buffer[bufferedCount] = bytes[position]
            bufferedCount += 1
            position += 1
        }
    }

    /// Ends the message and returns its digest.
    public consuming func finalize() -> Digest384 {
        pad()
        let result = chain
        return Digest384(
            InlineArray { index in
                UInt8(truncatingIfNeeded: result[index >> 3] >> UInt64(56 - 8 * (index & 7)))
            })
    }

    /// Appends the bit 1, zeros and the message's length in bits (FIPS 180-4, section 5.1).
    private mutating func pad() {
        buffer[bufferedCount] = 0x80
        for index in bufferedCount + 1..<128 { buffer[index] = 0 }
        if bufferedCount >= 112 {
            compressSHA384(&chain, buffer.span)
            for index in 0..<128 { buffer[index] = 0 }
        }
        let bitCount = messageByteCount << 3
        for index in 0..<8 {
            buffer[120 + index] = UInt8(truncatingIfNeeded: bitCount >> UInt64(56 - 8 * index))
        }
        compressSHA384(&chain, buffer.span)
    }
}

/// Absorbs one block of 128 bytes into `chain` (FIPS 180-4, section 6.4.2).
private func compressSHA384(_ chain: inout InlineArray<8, UInt64>, _ block: Span<UInt8>) {
    guard block.count == 128 else { return }
    var w = InlineArray<16, UInt64> { index in
        let high = bigEndianWord(
            block[8 * index], block[8 * index + 1], block[8 * index + 2], block[8 * index + 3])
        let low = bigEndianWord(
            block[8 * index + 4], block[8 * index + 5], block[8 * index + 6], block[8 * index + 7])
        return UInt64(high) << 32 | UInt64(low)
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
        round(a, b, c, &d, e, f, g, &h, roundConstants384[t], w[t & 15])
        round(h, a, b, &c, d, e, f, &g, roundConstants384[t + 1], w[(t + 1) & 15])
        round(g, h, a, &b, c, d, e, &f, roundConstants384[t + 2], w[(t + 2) & 15])
        round(f, g, h, &a, b, c, d, &e, roundConstants384[t + 3], w[(t + 3) & 15])
        round(e, f, g, &h, a, b, c, &d, roundConstants384[t + 4], w[(t + 4) & 15])
        round(d, e, f, &g, h, a, b, &c, roundConstants384[t + 5], w[(t + 5) & 15])
        round(c, d, e, &f, g, h, a, &b, roundConstants384[t + 6], w[(t + 6) & 15])
        round(b, c, d, &e, f, g, h, &a, roundConstants384[t + 7], w[(t + 7) & 15])
        t += 8
        if t == 80 { break }
        if t & 15 == 0 { expand(&w) }
    }
    // WRAPS: FIPS 180-4 adds modulo 2^64.
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
private func expand(_ w: inout InlineArray<16, UInt64>) {
    for index in 0..<16 {
        let x = w[(index + 1) & 15]
        let y = w[(index + 14) & 15]
        let small0 = rotateRight(x, 1) ^ rotateRight(x, 8) ^ (x >> 7)
        let small1 = rotateRight(y, 19) ^ rotateRight(y, 61) ^ (y >> 6)
        // WRAPS: FIPS 180-4 adds modulo 2^64.
        w[index] = w[index] &+ small0 &+ w[(index + 9) & 15] &+ small1
    }
}

/// One round, without moving the eight working variables: the caller rotates their names.
@inline(__always)
private func round(
    _ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: inout UInt64,
    _ e: UInt64, _ f: UInt64, _ g: UInt64, _ h: inout UInt64,
    _ constant: UInt64, _ word: UInt64
) {
    let big1 = rotateRight(e, 14) ^ rotateRight(e, 18) ^ rotateRight(e, 41)
    let choice = g ^ (e & (f ^ g))
    let big0 = rotateRight(a, 28) ^ rotateRight(a, 34) ^ rotateRight(a, 39)
    let majority = (a & b) | (c & (a | b))
    // WRAPS: FIPS 180-4 adds modulo 2^64.
    let sum = h &+ big1 &+ choice &+ constant &+ word
    d = d &+ sum
    h = sum &+ big0 &+ majority
}

/// The round constants (FIPS 180-4, section 4.2.3).
private let roundConstants384: InlineArray<80, UInt64> = [
    0x428a2f98_d728ae22, 0x71374491_23ef65cd, 0xb5c0fbcf_ec4d3b2f,
    0xe9b5dba5_8189dbbc, 0x3956c25b_f348b538, 0x59f111f1_b605d019,
    0x923f82a4_af194f9b, 0xab1c5ed5_da6d8118, 0xd807aa98_a3030242,
    0x12835b01_45706fbe, 0x243185be_4ee4b28c, 0x550c7dc3_d5ffb4e2,
    0x72be5d74_f27b896f, 0x80deb1fe_3b1696b1, 0x9bdc06a7_25c71235,
    0xc19bf174_cf692694, 0xe49b69c1_9ef14ad2, 0xefbe4786_384f25e3,
    0x0fc19dc6_8b8cd5b5, 0x240ca1cc_77ac9c65, 0x2de92c6f_592b0275,
    0x4a7484aa_6ea6e483, 0x5cb0a9dc_bd41fbd4, 0x76f988da_831153b5,
    0x983e5152_ee66dfab, 0xa831c66d_2db43210, 0xb00327c8_98fb213f,
    0xbf597fc7_beef0ee4, 0xc6e00bf3_3da88fc2, 0xd5a79147_930aa725,
    0x06ca6351_e003826f, 0x14292967_0a0e6e70, 0x27b70a85_46d22ffc,
    0x2e1b2138_5c26c926, 0x4d2c6dfc_5ac42aed, 0x53380d13_9d95b3df,
    0x650a7354_8baf63de, 0x766a0abb_3c77b2a8, 0x81c2c92e_47edaee6,
    0x92722c85_1482353b, 0xa2bfe8a1_4cf10364, 0xa81a664b_bc423001,
    0xc24b8b70_d0f89791, 0xc76c51a3_0654be30, 0xd192e819_d6ef5218,
    0xd6990624_5565a910, 0xf40e3585_5771202a, 0x106aa070_32bbd1b8,
    0x19a4c116_b8d2d0c8, 0x1e376c08_5141ab53, 0x2748774c_df8eeb99,
    0x34b0bcb5_e19b48a8, 0x391c0cb3_c5c95a63, 0x4ed8aa4a_e3418acb,
    0x5b9cca4f_7763e373, 0x682e6ff3_d6b2b8a3, 0x748f82ee_5defb2fc,
    0x78a5636f_43172f60, 0x84c87814_a1f0ab72, 0x8cc70208_1a6439ec,
    0x90befffa_23631e28, 0xa4506ceb_de82bde9, 0xbef9a3f7_b2c67915,
    0xc67178f2_e372532b, 0xca273ece_ea26619c, 0xd186b8c7_21c0c207,
    0xeada7dd6_cde0eb1e, 0xf57d4f7f_ee6ed178, 0x06f067aa_72176fba,
    0x0a637dc5_a2c898a6, 0x113f9804_bef90dae, 0x1b710b35_131c471b,
    0x28db77f5_23047d84, 0x32caab7b_40c72493, 0x3c9ebe0a_15c9bebc,
    0x431d67c4_9c100d4c, 0x4cc5d4be_cb3e42b6, 0x597f299c_fc657e2a,
    0x5fcb6fab_3ad6faec, 0x6c44198c_4a475817,
]
