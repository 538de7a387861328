import Synchronization

/// A member that keeps the structure that has it where it is.
///
/// Swift passes a structure of any size in registers or copied to the stack, at each call of a
/// method that does not change it, and at each borrow of a member. A structure with an atomic value
/// has an address that may not change, so it is passed by that: nothing of it is copied. The value
/// itself is never used.
public struct InPlace: ~Copyable, Sendable {
    private let anchor = Atomic<UInt8>(0)

    /// Creates it.
    public init() {}
}
