/// A set of compartments of one system, by index.
///
/// - Layout: 64 bytes; bit *n* of word *w* is compartment 64 *w* + *n*.
public struct CompartmentSet: Hashable, Sendable {
    /// One more than the largest index.
    public static let capacity = 512

    private var words: SIMD8<UInt64>

    /// Creates the empty set.
    public init() { words = .zero }

    /// Creates a set of compartments 0 to 63 from their bits.
    public init(bits: UInt64) {
        words = .zero
        words[0] = bits
    }

    /// Creates the set of one compartment; empty for an index outside 0 to 511.
    public init(index: Int) {
        words = .zero
        insert(index)
    }

    /// Creates the set of several compartments; indices outside 0 to 511 add nothing.
    public init(_ indices: some Sequence<Int>) {
        words = .zero
        for index in indices { insert(index) }
    }

    /// Whether no compartment is in the set.
    public var isEmpty: Bool { words == .zero }

    /// The number of compartments in the set.
    public var count: Int {
        (0..<8).reduce(0) { $0 + words[$1].nonzeroBitCount }
    }

    /// The indices of the set's compartments, rising.
    public var indices: Indices { Indices(words) }

    /// Returns whether the compartment of `index` is in the set.
    public func contains(_ index: Int) -> Bool {
        guard index >= 0, index < CompartmentSet.capacity else { return false }
        return words[index >> 6] >> UInt64(index & 63) & 1 != 0
    }

    /// Adds the compartment of `index`; an index outside 0 to 511 adds nothing.
    public mutating func insert(_ index: Int) {
        guard index >= 0, index < CompartmentSet.capacity else { return }
        words[index >> 6] |= 1 << UInt64(index & 63)
    }

    /// Adds all compartments of another set.
    public mutating func formUnion(_ other: CompartmentSet) { words |= other.words }

    /// Returns the set without the compartment of `index`.
    public func removing(_ index: Int) -> CompartmentSet {
        subtracting(CompartmentSet(index: index))
    }

    /// Returns the compartments of either set.
    public func union(_ other: CompartmentSet) -> CompartmentSet {
        var result = self
        result.formUnion(other)
        return result
    }

    /// Returns the compartments of both sets.
    public func intersection(_ other: CompartmentSet) -> CompartmentSet {
        var result = self
        result.words &= other.words
        return result
    }

    /// Returns the compartments that are not in another set.
    public func subtracting(_ other: CompartmentSet) -> CompartmentSet {
        var result = self
        result.words &= ~other.words
        return result
    }

    /// Returns 64 bits of the set: compartment 64 `index` is the lowest; 0 outside 0 to 7.
    public func word(at index: Int) -> UInt64 {
        index >= 0 && index < 8 ? words[index] : 0
    }

    /// The indices of a set, rising.
    public struct Indices: Sequence, IteratorProtocol, Sendable {
        private let words: SIMD8<UInt64>
        private var rest: UInt64
        private var word = 0

        fileprivate init(_ words: SIMD8<UInt64>) {
            self.words = words
            rest = words[0]
        }

        /// Returns the next index; nil after the last.
        public mutating func next() -> Int? {
            while rest == 0 {
                guard word < 7 else { return nil }
                word += 1
                rest = words[word]
            }
            let bit = rest.trailingZeroBitCount
            rest &= rest &- 1  // WRAPS: `rest` is not 0.
            return word << 6 | bit
        }
    }
}
