/// A set of small numbers, as the format has it: words of 64 bits with their places.
public struct PolicyBitmap: Equatable, Sendable {
    /// 64 neighbouring numbers.
    public struct Word: Equatable, Sendable {
        /// The lowest of the numbers; a multiple of 64, below 4,294,967,232.
        public var first: UInt32 = 0
        /// Which of them are in the set, the lowest as bit 0. Not zero.
        public var bits: UInt64 = 0

        /// Creates an empty word.
        public init() {}
    }

    /// The words with something in them, in rising order.
    public private(set) var words: [Word] = []

    /// Creates an empty set.
    public init() {}

    /// Creates a set of numbers, in any order.
    ///
    /// Numbers from 4,294,967,232 on have no place in the format and are left out.
    public init(_ numbers: some Sequence<UInt32>) {
        for number in Set(numbers).sorted() where number < Self.limit {
            let first = number / 64 * 64
            if words.last?.first != first {
                var word = Word()
                word.first = first
                words.append(word)
            }
            words[words.count - 1].bits |= 1 << UInt64(number - first)
        }
    }

    /// The numbers, in rising order.
    public var numbers: [UInt32] {
        words.flatMap { word in
            (0..<64).filter { word.bits >> $0 & 1 == 1 }.map { word.first + $0 }
        }
    }

    /// The only number; nil when there is none or there are several.
    public var single: UInt32? {
        guard words.count == 1, words[0].bits.nonzeroBitCount == 1 else { return nil }
        return words[0].first + UInt32(words[0].bits.trailingZeroBitCount)
    }

    /// Returns whether a number is in the set.
    ///
    /// - Complexity: logarithmic in the number of words.
    public func contains(_ number: UInt32) -> Bool {
        var low = 0
        var high = words.count
        while low < high {
            let middle = (low + high) / 2
            let word = words[middle]
            if number < word.first {
                high = middle
            } else if number - word.first < 64 {
                return word.bits >> UInt64(number - word.first) & 1 == 1
            } else {
                low = middle + 1
            }
        }
        return false
    }

    /// The end of the last word that the format can hold: the end itself must fit into 32 bits.
    private static let limit: UInt32 = 0xffff_ffc0
}

extension PolicyBitmap.Word: LayoutRecord {
    static let leastByteCount = 12

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.word(&first)
        try pass.doubleWord(&bits)
    }
}

extension PolicyBitmap: LayoutRecord {
    static let leastByteCount = 12

    /// Source: libsepol `ebitmap.c`, `ebitmap_read`, which makes the same demands.
    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.constant(64, orElse: .badBitmap)
        var end = words.last.map { $0.first &+ 64 } ?? 0
        try pass.word(&end)
        try pass.table(&words)
        var next: UInt32 = 0
        for word in words {
            guard word.first >= next, word.first % 64 == 0, word.first < Self.limit, word.bits != 0
            else { throw pass.failure(.badBitmap) }
            next = word.first + 64
        }
        guard end == next else { throw pass.failure(.badBitmap) }
    }
}
