/// ChaCha20-Poly1305: what was sealed under a key is opened with it, or not at all.
///
/// - Source: RFC 8439, sections 2.1 to 2.8.
struct AuthenticatedCipher {
    private let key: [UInt32]

    /// The size of a key, a nonce and a tag, in bytes.
    static var keySize: Int { 32 }
    static var nonceSize: Int { 12 }
    static var tagSize: Int { 16 }

    /// Takes a key; nil when it has another size.
    init?(key: [UInt8]) {
        guard key.count == AuthenticatedCipher.keySize else { return nil }
        self.key = AuthenticatedCipher.words(key)
    }

    /// Returns the cipher text of `text` and its tag.
    ///
    /// - Precondition: no other text was or will be sealed with the nonce, of 12 bytes.
    func seal(_ text: [UInt8], nonce: [UInt8], authenticating data: [UInt8] = []) -> [UInt8] {
        let hidden = crypt(text, nonce)
        return hidden + tag(hidden, data, nonce)
    }

    /// Returns the text of what `seal` returned for the same key, nonce and data; nil for anything
    /// else.
    func open(_ sealed: [UInt8], nonce: [UInt8], authenticating data: [UInt8] = []) -> [UInt8]? {
        let size = sealed.count - AuthenticatedCipher.tagSize
        guard size >= 0 else { return nil }
        let hidden = Array(sealed[..<size])
        // All bytes are compared, so that the time tells nothing.
        var difference: UInt8 = 0
        for (one, other) in zip(tag(hidden, data, nonce), sealed[size...]) {
            difference |= one ^ other
        }
        return difference == 0 ? crypt(hidden, nonce) : nil
    }

    // MARK: ChaCha20

    private static func words(_ bytes: [UInt8]) -> [UInt32] {
        (0..<bytes.count / 4).map { place in
            var word: UInt32 = 0
            for index in 0..<4 { word |= UInt32(bytes[4 * place + index]) << UInt32(8 * index) }
            return word
        }
    }

    private static func mix(_ s: inout [UInt32], _ a: Int, _ b: Int, _ c: Int, _ d: Int) {
        // WRAPS: additions modulo 2^32, as the cipher defines them.
        s[a] &+= s[b]
        s[d] = rotate(s[d] ^ s[a], 16)
        s[c] &+= s[d]
        s[b] = rotate(s[b] ^ s[c], 12)
        s[a] &+= s[b]
        s[d] = rotate(s[d] ^ s[a], 8)
        s[c] &+= s[d]
        s[b] = rotate(s[b] ^ s[c], 7)
    }

    private static func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 {
        word << count | word >> (32 - count)
    }

    /// 64 bytes of the key stream.
    private func block(_ number: UInt32, _ nonce: [UInt32]) -> [UInt8] {
        let start: [UInt32] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574] + key + [number]
        let initial = start + nonce
        var state = initial
        for _ in 0..<10 {
            AuthenticatedCipher.mix(&state, 0, 4, 8, 12)
            AuthenticatedCipher.mix(&state, 1, 5, 9, 13)
            AuthenticatedCipher.mix(&state, 2, 6, 10, 14)
            AuthenticatedCipher.mix(&state, 3, 7, 11, 15)
            AuthenticatedCipher.mix(&state, 0, 5, 10, 15)
            AuthenticatedCipher.mix(&state, 1, 6, 11, 12)
            AuthenticatedCipher.mix(&state, 2, 7, 8, 13)
            AuthenticatedCipher.mix(&state, 3, 4, 9, 14)
        }
        var bytes: [UInt8] = []
        for index in 0..<16 {
            // WRAPS: modulo 2^32, as the cipher defines it.
            AuthenticatedCipher.append(state[index] &+ initial[index], to: &bytes)
        }
        return bytes
    }

    private static func append(_ word: UInt32, to bytes: inout [UInt8]) {
        for index in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: word >> UInt32(8 * index))) }
    }

    /// Hides a text, or shows it again.
    private func crypt(_ text: [UInt8], _ nonce: [UInt8]) -> [UInt8] {
        let words = AuthenticatedCipher.words(nonce)
        var result: [UInt8] = []
        var stream: [UInt8] = []
        for (place, byte) in text.enumerated() {
            if place % 64 == 0 { stream = block(UInt32(1 + place / 64), words) }
            result.append(byte ^ stream[place % 64])
        }
        return result
    }

    // MARK: Poly1305

    private func tag(_ hidden: [UInt8], _ data: [UInt8], _ nonce: [UInt8]) -> [UInt8] {
        func padded(_ bytes: [UInt8]) -> [UInt8] {
            bytes + [UInt8](repeating: 0, count: (16 - bytes.count % 16) % 16)
        }
        var sizes: [UInt8] = []
        for count in [data.count, hidden.count] {
            AuthenticatedCipher.append(UInt32(count), to: &sizes)
            AuthenticatedCipher.append(0, to: &sizes)
        }
        let oneTimeKey = block(0, AuthenticatedCipher.words(nonce))
        return AuthenticatedCipher.authenticator(
            of: padded(data) + padded(hidden) + sizes, under: oneTimeKey)
    }

    /// Five numbers of 26 bits each for a number below 2^130.
    private static func limbs(_ w: [UInt32], _ top: UInt64) -> [UInt64] {
        let w = w.map { UInt64($0) }
        let mask: UInt64 = 0x3ff_ffff
        var limbs: [UInt64] = [w[0] & mask]
        for index in 1..<4 {
            let shift = UInt64(32 - 6 * index)
            limbs.append((w[index - 1] >> shift | w[index] << (32 - shift)) & mask)
        }
        limbs.append(w[3] >> 8 | top << 24)
        return limbs
    }

    /// The authenticator of whole blocks of 16 bytes.
    private static func authenticator(of bytes: [UInt8], under key: [UInt8]) -> [UInt8] {
        var clamped = words(Array(key[..<16]))
        clamped[0] &= 0x0fff_ffff
        for index in 1..<4 { clamped[index] &= 0x0fff_fffc }
        let r = limbs(clamped, 0)
        var h: [UInt64] = [0, 0, 0, 0, 0]
        let mask: UInt64 = 0x3ff_ffff
        for start in stride(from: 0, to: bytes.count, by: 16) {
            let block = limbs(words(Array(bytes[start..<start + 16])), 1)
            for index in 0..<5 { h[index] += block[index] }
            // Products of 27 and 26 bits, five of them, times 5: no sum reaches 2^60.
            var sums: [UInt64] = [0, 0, 0, 0, 0]
            for one in 0..<5 {
                for other in 0..<5 {
                    let place = one + other
                    sums[place % 5] += h[one] * r[other] * (place < 5 ? 1 : 5)
                }
            }
            var carry: UInt64 = 0
            for index in 0..<5 {
                sums[index] += carry
                carry = sums[index] >> 26
                h[index] = sums[index] & mask
            }
            h[0] += carry * 5
            h[1] += h[0] >> 26
            h[0] &= mask
        }
        return finish(h, words(Array(key[16..<32])))
    }

    /// Reduces modulo 2^130 - 5 and adds the second half of the key modulo 2^128.
    private static func finish(_ sum: [UInt64], _ pad: [UInt32]) -> [UInt8] {
        var h = sum
        let mask: UInt64 = 0x3ff_ffff
        for _ in 0..<2 {
            var carry: UInt64 = 0
            for index in 0..<5 {
                h[index] += carry
                carry = h[index] >> 26
                h[index] &= mask
            }
            h[0] += carry * 5
        }
        // h - p, of which the top bit says whether h was below p.
        var less: [UInt64] = h
        less[0] += 5
        for index in 0..<4 {
            less[index + 1] += less[index] >> 26
            less[index] &= mask
        }
        let isReduced = less[4] >> 26 != 0
        less[4] &= mask
        if isReduced { h = less }
        // 32 bits from place 32 n of a number whose limbs have 26.
        var low: [UInt64] = [0, 0, 0, 0]
        for index in 0..<4 {
            let shift = UInt64(6 * index)
            low[index] = (h[index] >> shift | h[index + 1] << (26 - shift)) & 0xffff_ffff
        }
        var bytes: [UInt8] = []
        var carry: UInt64 = 0
        for index in 0..<4 {
            let word = low[index] + UInt64(pad[index]) + carry
            append(UInt32(truncatingIfNeeded: word), to: &bytes)
            carry = word >> 32
        }
        return bytes
    }
}
