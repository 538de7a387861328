/// A kind of object with its own permissions, by its number in a policy (from 1).
///
/// The numbers are Xen's for classes 1 to 13 and ours after them; the generated class map holds
/// them. A value outside the class map cannot be made.
public struct ObjectClass: Equatable, Sendable, BitwiseCopyable {
    /// The number, 1 to `count`.
    public let number: UInt8

    /// Creates the class of a number; nil when there is none.
    public init?(number: Int) {
        guard number >= 1, number <= ObjectClass.count else { return nil }
        self.number = UInt8(truncatingIfNeeded: number)
    }

    init(knownNumber number: UInt8) { self.number = number }
}

/// One thing that a subject may do to an object of one class.
public struct Permission: Equatable, Sendable, BitwiseCopyable {
    /// The class whose objects it is done to.
    public let objectClass: ObjectClass
    /// The position in the class's access vector, 0 to 31.
    public let bit: UInt8

    /// Creates the permission of a position; nil when the class has none there.
    public init?(_ objectClass: ObjectClass, at bit: Int) {
        guard bit >= 0, bit < objectClass.permissionCount else { return nil }
        self.init(objectClass, bit: UInt8(truncatingIfNeeded: bit))
    }

    init(_ objectClass: ObjectClass, bit: UInt8) {
        self.objectClass = objectClass
        self.bit = bit
    }

    /// The place among the permissions of all classes: 32 for each class, of which not all are
    /// used.
    public var position: UInt32 { UInt32(objectClass.number) &<< 5 | UInt32(bit) }

    /// The number of places.
    public static var positionCount: Int { 512 }

    /// The permission's bit in an access vector.
    public var mask: UInt32 { 1 &<< UInt32(bit) }
}

/// A set of permissions of one class: bit *n* is the class's permission *n*.
public struct AccessVector: Equatable, Sendable, BitwiseCopyable {
    /// The bits.
    public let bits: UInt32

    /// Creates a set from its bits.
    public init(bits: UInt32) { self.bits = bits }

    /// Returns whether `permission` is in the set. The class is the caller's to know.
    public func contains(_ permission: Permission) -> Bool { bits & permission.mask != 0 }
}

/// A name of at most 24 bytes, comparable without a pointer: byte *n* of the name stands in bits
/// 8 (n mod 8) of word n div 8; unused bytes are zero.
struct PackedName: Equatable {
    var word0: UInt64
    var word1: UInt64
    var word2: UInt64

    init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64) {
        self.word0 = word0
        self.word1 = word1
        self.word2 = word2
    }

    /// Packs a name; nil when it is too long or holds a NUL, and so can equal no known name.
    init?(_ name: Span<UInt8>) {
        guard name.count <= 24 else { return nil }
        self.init(0, 0, 0)
        for index in name.indices {
            guard name[index] != 0 else { return nil }
            let part = UInt64(name[index]) &<< UInt64(8 * (index % 8))
            switch index / 8 {
            case 0: word0 |= part
            case 1: word1 |= part
            default: word2 |= part
            }
        }
    }
}
