/// A set of compartments of one system, by index.
///
/// - Layout: bit *n* of `bits` is compartment *n*, as in the flow certificate's rows.
public struct CompartmentSet: Equatable, Sendable {
    /// One bit for each compartment.
    public var bits: UInt32

    /// Creates a set from its bits.
    public init(bits: UInt32 = 0) { self.bits = bits }

    /// Creates the set of one compartment; empty for an index outside 0 to 31.
    public init(index: Int) { bits = CompartmentSet.bit(index) }

    /// Whether no compartment is in the set.
    public var isEmpty: Bool { bits == 0 }

    /// The number of compartments in the set.
    public var count: Int { bits.nonzeroBitCount }

    /// The indices of the set's compartments, rising.
    public var indices: [Int] { (0..<UInt32.bitWidth).filter(contains) }

    /// Returns whether the compartment of `index` is in the set.
    public func contains(_ index: Int) -> Bool { bits & CompartmentSet.bit(index) != 0 }

    /// Adds the compartment of `index`; an index outside 0 to 31 adds nothing.
    public mutating func insert(_ index: Int) { bits |= CompartmentSet.bit(index) }

    /// Returns the set without the compartment of `index`.
    public func removing(_ index: Int) -> CompartmentSet {
        CompartmentSet(bits: bits & ~CompartmentSet.bit(index))
    }

    private static func bit(_ index: Int) -> UInt32 {
        (0..<UInt32.bitWidth).contains(index) ? 1 << UInt32(index) : 0
    }
}
