/// Numbers from 0, one bit each.
struct BitRow: Equatable {
    private(set) var words: [UInt64]

    init(count: Int, isFull: Bool = false) {
        words = Array(repeating: 0, count: (count + 63) / 64)
        guard isFull else { return }
        for number in 0..<count { insert(number) }
    }

    mutating func insert(_ number: Int) { words[number >> 6] |= 1 << UInt64(number & 63) }
    mutating func remove(_ number: Int) { words[number >> 6] &= ~(1 << UInt64(number & 63)) }
    func contains(_ number: Int) -> Bool { words[number >> 6] >> UInt64(number & 63) & 1 != 0 }

    mutating func formUnion(_ other: BitRow) {
        for place in words.indices { words[place] |= other.words[place] }
    }

    mutating func formIntersection(_ other: BitRow) {
        for place in words.indices { words[place] &= other.words[place] }
    }

    mutating func formDifference(_ other: BitRow) {
        for place in words.indices { words[place] ^= other.words[place] }
    }

    mutating func subtract(_ other: BitRow) {
        for place in words.indices { words[place] &= ~other.words[place] }
    }

    /// The numbers, in rising order.
    var numbers: [Int] {
        var found: [Int] = []
        for place in words.indices {
            var rest = words[place]
            while rest != 0 {
                found.append(place * 64 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
        return found
    }
}
