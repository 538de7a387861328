internal import Digests
internal import TPMStructures

/// Encrypts for the endorsement key of a TPM 1.2: RSAES-OAEP with SHA-1, MGF1 and the label "TCPA".
///
/// swift-crypto has OAEP without a label and offers no operation below it, so the padding and the
/// public operation stand here. What is encrypted is a secret of one exchange; how long the
/// operation takes tells nothing that outlives it.
///
/// - Source: RFC 8017, section 7.1.1 (RSAES-OAEP-ENCRYPT), B.2.1 (MGF1), 5.1.1 (RSAEP); TPM Main
///   1.2, Part 1, section 31.1.1 (`TPM_ES_RSAESOAEP_SHA1_MGF1`: the label).
enum TCPAEncryption {
    /// The length of a block, and of a modulus.
    private static let size = 256
    private static let hashSize = 20

    /// Encrypts a message.
    ///
    /// - Parameter seed: 20 random bytes, new each time.
    /// - Returns: nil when the message has more than 214 bytes.
    static func encrypt(_ message: [UInt8], for key: OnePointTwoKey, seed: [UInt8]) -> [UInt8]? {
        let room = size - 2 * hashSize - 2
        guard message.count <= room, seed.count == hashSize else { return nil }
        let padding = [UInt8](repeating: 0, count: room - message.count)
        let block = SHA1.hash(Array("TCPA".utf8).span).array + padding + [1] + message
        let maskedBlock = masked(block, by: seed)
        let encoded = [0] + masked(seed, by: maskedBlock) + maskedBlock
        return Modulus(key.modulus).raised(encoded)
    }

    /// MGF1 with SHA-1, exclusive-ored.
    private static func masked(_ bytes: [UInt8], by seed: [UInt8]) -> [UInt8] {
        var mask: [UInt8] = []
        var counter: UInt32 = 0
        while mask.count < bytes.count {
            let number = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: counter >> $0) }
            mask += SHA1.hash((seed + number).span).array
            counter += 1
        }
        return zip(bytes, mask).map { $0 ^ $1 }
    }
}

/// Arithmetic modulo an odd number of 2,048 bits whose highest bit is set, by doubling and adding.
private struct Modulus {
    /// The least significant word first.
    private let words: [UInt64]
    private static let count = 32

    init(_ bytes: [UInt8]) { words = Modulus.words(of: bytes) }

    /// Raises a number below the modulus to the power of 65,537: 2 to the 16th, and once more.
    func raised(_ bytes: [UInt8]) -> [UInt8] {
        let base = Modulus.words(of: bytes)
        var power = base
        for _ in 0..<16 { power = product(power, power) }
        return Modulus.bytes(of: product(power, base))
    }

    private func product(_ left: [UInt64], _ right: [UInt64]) -> [UInt64] {
        var result = [UInt64](repeating: 0, count: Modulus.count)
        for place in (0..<64 * Modulus.count).reversed() {
            result = sum(result, result)
            if right[place / 64] & (1 << UInt64(place % 64)) != 0 { result = sum(result, left) }
        }
        return result
    }

    /// The sum of two numbers below the modulus.
    private func sum(_ left: [UInt64], _ right: [UInt64]) -> [UInt64] {
        var result = left
        var carry: UInt64 = 0
        for index in 0..<Modulus.count {
            let (first, one) = result[index].addingReportingOverflow(right[index])
            let (second, two) = first.addingReportingOverflow(carry)
            result[index] = second
            carry = one || two ? 1 : 0
        }
        guard carry == 1 || !isBelow(result) else { return result }
        var borrow: UInt64 = 0
        for index in 0..<Modulus.count {
            let (first, one) = result[index].subtractingReportingOverflow(words[index])
            let (second, two) = first.subtractingReportingOverflow(borrow)
            result[index] = second
            borrow = one || two ? 1 : 0
        }
        return result
    }

    private func isBelow(_ number: [UInt64]) -> Bool {
        for index in (0..<Modulus.count).reversed() where number[index] != words[index] {
            return number[index] < words[index]
        }
        return false
    }

    private static func words(of bytes: [UInt8]) -> [UInt64] {
        (0..<count).map { index in
            let end = bytes.count - 8 * index
            return bytes[end - 8..<end].reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    private static func bytes(of words: [UInt64]) -> [UInt8] {
        words.reversed().flatMap { word in
            [56, 48, 40, 32, 24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }
}
