/// A set of small numbers from 0 on, dense: one bit each.
///
/// For: sets of types and rows of flow graphs, which are joined and met word by word. Not for:
/// files; `PolicyBitmap` is their form.
/// - Invariant: no bit at or above the size that the set was made for is set.
package struct TypeSet: Equatable, Sendable {
    /// 64 numbers each, the lowest first.
    package var words: [UInt64]

    /// Creates an empty set of numbers below `size`.
    package init(size: Int) { words = Array(repeating: 0, count: (size + 63) / 64) }

    /// Creates a set of one number.
    package init(_ number: Int, size: Int) {
        self.init(size: size)
        insert(number)
    }

    /// Creates the set of all numbers below `size`.
    package init(all size: Int) {
        words = Array(repeating: ~0, count: (size + 63) / 64)
        if size % 64 != 0 { words[words.count - 1] = (1 << UInt64(size % 64)) - 1 }
    }

    /// Whether nothing is in the set.
    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// How many numbers are in the set.
    package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// Returns whether a number is in the set.
    package func contains(_ number: Int) -> Bool {
        words[number >> 6] >> UInt64(number & 63) & 1 == 1
    }

    /// Adds a number below the set's size.
    package mutating func insert(_ number: Int) { words[number >> 6] |= 1 << UInt64(number & 63) }

    /// Takes a number away.
    package mutating func remove(_ number: Int) {
        words[number >> 6] &= ~(1 << UInt64(number & 63))
    }

    /// Adds the numbers of a set of the same size.
    package mutating func formUnion(_ other: TypeSet) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    /// Keeps only what a set of the same size has too.
    package mutating func formIntersection(_ other: TypeSet) {
        for index in words.indices { words[index] &= other.words[index] }
    }

    /// Takes away what a set of the same size has.
    package mutating func subtract(_ other: TypeSet) {
        for index in words.indices { words[index] &= ~other.words[index] }
    }

    /// Returns whether a set of the same size has something of this one.
    package func intersects(_ other: TypeSet) -> Bool {
        for index in words.indices where words[index] & other.words[index] != 0 { return true }
        return false
    }

    /// Calls a body with each number, in rising order.
    package func forEach(_ body: (Int) -> Void) {
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                body(index << 6 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
    }

    /// The numbers, in rising order.
    package var numbers: [Int] {
        var numbers: [Int] = []
        forEach { numbers.append($0) }
        return numbers
    }
}
