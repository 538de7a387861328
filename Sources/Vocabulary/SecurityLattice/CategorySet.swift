/// A set of categories: 256 bits, compared and combined without a loop or a heap.
///
/// - Layout: 32 bytes; bit *n* of word *w* is the category of index 64 *w* + *n*, as in the
///   manifest's label record.
public struct CategorySet: Equatable, Sendable, BitwiseCopyable {
    /// Categories of index 0 to 63.
    public private(set) var word0: UInt64
    /// Categories of index 64 to 127.
    public private(set) var word1: UInt64
    /// Categories of index 128 to 191.
    public private(set) var word2: UInt64
    /// Categories of index 192 to 255.
    public private(set) var word3: UInt64

    /// The set without a category.
    public static let empty = CategorySet(words: 0, 0, 0, 0)

    /// Creates a set from its four words, lowest indices first.
    ///
    /// - Trust: any value; every combination of bits is a set.
    public init(words word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
        self.word3 = word3
    }

    /// Creates the set of one category.
    public init(_ category: Category) {
        self = .empty
        insert(category)
    }

    /// Whether the set holds no category.
    public var isEmpty: Bool { word0 | word1 | word2 | word3 == 0 }

    /// The number of categories in the set, 0 to 256.
    public var count: Int {
        word0.nonzeroBitCount + word1.nonzeroBitCount + word2.nonzeroBitCount
            + word3.nonzeroBitCount
    }

    /// Returns whether the set holds `category`.
    public func contains(_ category: Category) -> Bool {
        let bit = CategorySet.bit(of: category)
        switch category.index >> 6 {
        case 0: return word0 & bit != 0
        case 1: return word1 & bit != 0
        case 2: return word2 & bit != 0
        default: return word3 & bit != 0
        }
    }

    /// Adds `category`; nothing changes when the set holds it already.
    public mutating func insert(_ category: Category) {
        let bit = CategorySet.bit(of: category)
        switch category.index >> 6 {
        case 0: word0 |= bit
        case 1: word1 |= bit
        case 2: word2 |= bit
        default: word3 |= bit
        }
    }

    /// Returns whether every category of `other` is in this set.
    @inline(never) public func isSuperset(of other: CategorySet) -> Bool {
        (other.word0 & ~word0) | (other.word1 & ~word1) | (other.word2 & ~word2)
            | (other.word3 & ~word3) == 0
    }

    /// Returns the categories of either set.
    public func union(_ other: CategorySet) -> CategorySet {
        CategorySet(
            words: word0 | other.word0, word1 | other.word1, word2 | other.word2,
            word3 | other.word3)
    }

    /// Returns the categories of both sets.
    public func intersection(_ other: CategorySet) -> CategorySet {
        CategorySet(
            words: word0 & other.word0, word1 & other.word1, word2 & other.word2,
            word3 & other.word3)
    }

    /// Returns the category of least index in the set that is at least `index`.
    ///
    /// - Returns: nil when there is none, also for an index outside 0 to 255.
    /// - Complexity: at most four steps.
    public func first(from index: Int) -> Category? {
        guard index >= 0, index < Category.capacity else { return nil }
        var wordIndex = index >> 6
        var word = self.word(at: wordIndex) & (UInt64.max << UInt64(index & 63))
        while word == 0 {
            wordIndex += 1
            guard wordIndex < 4 else { return nil }
            word = self.word(at: wordIndex)
        }
        return Category(
            index: UInt8(truncatingIfNeeded: wordIndex << 6 + word.trailingZeroBitCount))
    }

    /// Returns the word that holds the indices from 64 `index`.
    ///
    /// - Returns: 0 for an index outside 0 to 3.
    public func word(at index: Int) -> UInt64 {
        switch index {
        case 0: return word0
        case 1: return word1
        case 2: return word2
        case 3: return word3
        default: return 0
        }
    }

    private static func bit(of category: Category) -> UInt64 {
        1 << UInt64(category.index & 63)
    }
}
