/// A need-to-know: one subject of information, held or not held, without an order.
public struct Category: Equatable, Sendable, BitwiseCopyable {
    /// The number of categories that a `CategorySet` can tell apart.
    public static let capacity = 256

    /// The position in the declared list, 0-based.
    public let index: UInt8

    /// Creates the category of an index, 0-based.
    public init(index: UInt8) { self.index = index }

    /// Creates a category from its number in a policy database or manifest, which is 1-based.
    ///
    /// - Returns: nil when the value is 0 or above `capacity`.
    /// - Trust: any value; nothing traps.
    public init?(databaseValue: UInt32) {
        guard databaseValue >= 1, let index = UInt8(exactly: databaseValue - 1) else { return nil }
        self.index = index
    }

    /// The number in a policy database or manifest, 1-based.
    public var databaseValue: UInt32 { UInt32(index) + 1 }
}
