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

/// A name of the class map, as policies spell it.
///
/// For comparing with what a policy says, and for people.
public struct ClassMapName {
    /// The number of its bytes, ASCII.
    public let count: Int
    /// Where it begins in `classMapText`.
    private let start: Int

    /// Finds name `number` of a class: 0 is its own, the others are its permissions'.
    ///
    /// - Complexity: linear in the class's names.
    fileprivate init(_ objectClass: ObjectClass, _ number: Int) {
        var start = Int(classNameStarts[Int(objectClass.number)])
        for _ in 0..<number { start = ClassMapName.end(start) + 1 }
        self.start = start
        count = ClassMapName.end(start) - start
    }

    /// Where the name that begins at `start` ends.
    private static func end(_ start: Int) -> Int {
        var end = start
        while byte(end) != 0 { end += 1 }
        return end
    }

    private static func byte(_ place: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: classMapText[place / 8] >> UInt64(place % 8 * 8))
    }

    /// The byte at a place below `count`.
    public subscript(index: Int) -> UInt8 { ClassMapName.byte(start + index) }

    /// Returns whether `name` is this name.
    func isSpelled(_ name: Span<UInt8>) -> Bool {
        guard name.count == count else { return false }
        for index in name.indices where name[index] != self[index] { return false }
        return true
    }
}

extension ObjectClass {
    /// The name in policies.
    public var policyName: ClassMapName { ClassMapName(self, 0) }

    /// The number of permissions.
    public var permissionCount: Int { Int(classPermissionCounts[Int(number)]) }
}

extension Permission {
    /// The name in policies.
    public var policyName: ClassMapName { ClassMapName(objectClass, 1 + Int(bit)) }
}
