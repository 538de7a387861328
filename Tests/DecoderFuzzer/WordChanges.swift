import TestSupport

/// Changes of bytes, and of the little-endian words that every binary format here is made of.
enum WordChanges {
    private static let interesting: [UInt32] = [
        0, 1, 2, 3, 4, 7, 8, 9, 13, 14, 15, 16, 24, 30, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256,
        257, 511, 512, 1023, 1024, 1025, 4095, 4096, 65_535, 65_536, 1 << 20, 1 << 24, 1 << 31,
        0x7fff_ffff, 0xffff_ff80, 0xffff_ffbf, 0xffff_ffc0, 0xffff_fffe, 0xffff_ffff,
    ]

    static func change(
        _ bytes: inout [UInt8], _ others: [[UInt8]], _ random: inout SeededGenerator
    ) {
        guard bytes.count >= 8 else {
            bytes += random.bytes(8)
            return
        }
        switch Int.random(in: 0..<14, using: &random) {
        case 0: flip(&bytes, &random)
        case 1: bytes[place(bytes, &random)] = UInt8.random(in: 0...255, using: &random)
        case 2, 3: setWord(&bytes, &random) { _, random in value(&random) }
        case 4, 5:
            setWord(&bytes, &random) { old, random in
                let step = UInt32.random(in: 1...4, using: &random)
                return Bool.random(using: &random) ? old &+ step : old &- step
            }
        case 12, 13:
            let offset = place(bytes, &random) / 2 * 2
            let small = UInt32(UInt8.random(in: 0..<16, using: &random))
            let half = Bool.random(using: &random) ? small : value(&random)
            store(half, in: &bytes, at: offset, count: 2)
        case 6:
            let copy = word(bytes, at: place(bytes, &random) / 4 * 4)
            setWord(&bytes, &random) { _, _ in copy }
        case 7: bytes.removeSubrange(block(bytes, &random))
        case 8:
            let copied = bytes[block(bytes, &random)]
            bytes.insert(contentsOf: copied, at: place(bytes, &random) / 4 * 4)
        case 9: splice(&bytes, others, &random)
        case 10:
            let isLonger = Bool.random(using: &random)
            if isLonger {
                bytes += [0, 0, 0, 0]
            } else {
                bytes.removeSubrange(place(bytes, &random)...)
            }
        default: swapWords(&bytes, &random)
        }
    }

    private static func place(_ bytes: [UInt8], _ random: inout SeededGenerator) -> Int {
        Int.random(in: 0..<bytes.count, using: &random)
    }

    static func value(_ random: inout SeededGenerator) -> UInt32 {
        interesting[Int.random(in: 0..<interesting.count, using: &random)]
    }

    private static func flip(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        bytes[place(bytes, &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    }

    /// A few words, most of them few.
    private static func block(_ bytes: [UInt8], _ random: inout SeededGenerator) -> Range<Int> {
        let start = place(bytes, &random) / 4 * 4
        let words = 1 << Int.random(in: 0..<6, using: &random)
        return start..<min(bytes.count, start + 4 * words)
    }

    private static func word(_ bytes: [UInt8], at offset: Int) -> UInt32 {
        guard offset + 4 <= bytes.count else { return 0 }
        return bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func store(
        _ value: UInt32, in bytes: inout [UInt8], at offset: Int, count: Int = 4
    ) {
        for index in 0..<count where offset + index < bytes.count {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
        }
    }

    /// Mostly at a multiple of 4.
    private static func setWord(
        _ bytes: inout [UInt8], _ random: inout SeededGenerator,
        _ change: (UInt32, inout SeededGenerator) -> UInt32
    ) {
        var offset = place(bytes, &random)
        if Int.random(in: 0..<4, using: &random) > 0 { offset = offset / 4 * 4 }
        store(change(word(bytes, at: offset), &random), in: &bytes, at: offset)
    }

    private static func swapWords(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        let (one, other) = (place(bytes, &random) / 4 * 4, place(bytes, &random) / 4 * 4)
        let kept = word(bytes, at: one)
        store(word(bytes, at: other), in: &bytes, at: one)
        store(kept, in: &bytes, at: other)
    }

    private static func splice(
        _ bytes: inout [UInt8], _ others: [[UInt8]], _ random: inout SeededGenerator
    ) {
        let other = others[Int.random(in: 0..<others.count, using: &random)]
        guard !other.isEmpty else { return }
        let part = other[block(other, &random)]
        let start = place(bytes, &random) / 4 * 4
        bytes.replaceSubrange(start..<min(bytes.count, start + part.count), with: part)
    }
}
