import SecurityLattice

// The records of a policy, as they stand in the file. Reading one checks its shape; what its
// numbers mean is checked when all tables are known.

/// `u32 len len2 value nprim nel ncons`, name, permissions, constraints, defaults.
struct ClassRecord {
    let value: UInt32
    let name: NamePlace
    let permissions: Table
    let constraints: Table
}

/// `u32 len value`, name.
struct PermissionRecord {
    let value: UInt32
    let name: NamePlace
}

/// `u32 len value bounds`, name, dominated roles, types.
struct RoleRecord {
    let value: UInt32
    let name: NamePlace
    let dominates: Bitmap
    let types: Bitmap
}

/// `u32 len value properties bounds`, name.
struct TypeRecord {
    let value: UInt32
    let name: NamePlace
    let isPrimary: Bool
    let isAttribute: Bool
}

/// `u32 len value bounds`, name, roles, range, default level.
struct UserRecord {
    let value: UInt32
    let name: NamePlace
    let roles: Bitmap
    let range: SecurityRange
    let defaultLevel: SecurityLevel
}

/// `u32 value state len`, name.
struct BooleanRecord {
    let value: UInt32
    let name: NamePlace
    let state: Bool
}

/// `u32 len isalias`, name, level: a sensitivity and the categories that may go with it.
struct LevelRecord {
    let name: NamePlace
    let isAlias: Bool
    let level: SecurityLevel
}

/// `u32 len value isalias`, name.
struct CategoryRecord {
    let value: UInt32
    let name: NamePlace
    let isAlias: Bool
}

/// `u32 permissions nexpr`, then the expression.
struct ConstraintRecord {
    let permissions: UInt32
    let termCount: Int
}

/// `u32 type attr op`, and for type 5 the names.
struct ConstraintTerm {
    let kind: UInt32
    let attribute: UInt32
    let comparison: UInt32
    let names: Bitmap
}

/// `u16 source target class specified`, `u32 data`.
struct AccessRule {
    let source: UInt32
    let target: UInt32
    let objectClass: UInt32
    let specified: UInt32
    let data: UInt32

    static let size = 12
    static let allowed: UInt32 = 1
    static let auditAllowed: UInt32 = 2
    static let auditDenied: UInt32 = 4
    static let transition: UInt32 = 16
    static let member: UInt32 = 32
    static let change: UInt32 = 64
    static let enabled: UInt32 = 0x8000
}

/// `u32 state`, expression, rules when true, rules when false.
struct ConditionalRecord {
    let state: UInt32
    let expression: Table
    let whenTrue: Table
    let whenFalse: Table
}

extension DatabaseCursor {
    mutating func readPermission() throws(PolicyDatabaseError) -> PermissionRecord {
        let length = try readUInt32()
        let value = try readUInt32()
        return PermissionRecord(value: value, name: try readName(length))
    }

    mutating func readClass(version: UInt32) throws(PolicyDatabaseError) -> ClassRecord {
        let length = try readUInt32()
        guard try readUInt32() == 0 else { throw .classInheritsCommon }
        let value = try readUInt32()
        let primaryCount = Int(try readUInt32())
        let count = Int(try readUInt32())
        let constraintCount = Int(try readUInt32())
        let name = try readName(length)
        let permissions = Table(offset: offset, count: count, primaryCount: primaryCount)
        for _ in 0..<count { _ = try readPermission() }
        let constraints = Table(offset: offset, count: constraintCount)
        for _ in 0..<constraintCount {
            let constraint = try readConstraint()
            for _ in 0..<constraint.termCount { _ = try readTerm(version: version) }
        }
        guard try readUInt32() == 0 else { throw .validateTransitionUnsupported }
        // Defaults of user, role, range and type: Xen ignores them, and so do we.
        if version >= 27 { try skip(12) }
        if version >= 28 { try skip(4) }
        return ClassRecord(
            value: value, name: name, permissions: permissions, constraints: constraints)
    }

    mutating func readConstraint() throws(PolicyDatabaseError) -> ConstraintRecord {
        let permissions = try readUInt32()
        return ConstraintRecord(permissions: permissions, termCount: Int(try readUInt32()))
    }

    @inline(never)
    mutating func readTerm(version: UInt32) throws(PolicyDatabaseError) -> ConstraintTerm {
        let kind = try readUInt32()
        let attribute = try readUInt32()
        let comparison = try readUInt32()
        var names = Bitmap(offset: offset, count: 0, bitCount: 0)
        if kind == 5 {
            names = try readBitmap()
            if version >= 29 {
                // The names as the source said them: for people, not for decisions.
                _ = try readBitmap()
                _ = try readBitmap()
                try skip(4)
            }
        }
        return ConstraintTerm(
            kind: kind, attribute: attribute, comparison: comparison, names: names)
    }

    @inline(never) mutating func readRole() throws(PolicyDatabaseError) -> RoleRecord {
        let length = try readUInt32()
        let value = try readUInt32()
        guard try readUInt32() == 0 else { throw .boundsUnsupported }
        let name = try readName(length)
        let dominates = try readBitmap()
        return RoleRecord(value: value, name: name, dominates: dominates, types: try readBitmap())
    }

    mutating func readType() throws(PolicyDatabaseError) -> TypeRecord {
        let length = try readUInt32()
        let value = try readUInt32()
        let properties = try readUInt32()
        // Bit 0: primary, not an alias; bit 1: an attribute, which libsepol marks primary as well.
        guard properties <= 3, properties != 2 else { throw .badTypeProperties }
        guard try readUInt32() == 0 else { throw .boundsUnsupported }
        return TypeRecord(
            value: value, name: try readName(length), isPrimary: properties & 1 != 0,
            isAttribute: properties & 2 != 0)
    }

    @inline(never) mutating func readUser() throws(PolicyDatabaseError) -> UserRecord {
        let length = try readUInt32()
        let value = try readUInt32()
        guard try readUInt32() == 0 else { throw .boundsUnsupported }
        let name = try readName(length)
        let roles = try readBitmap()
        let range = try readRange()
        return UserRecord(
            value: value, name: name, roles: roles, range: range, defaultLevel: try readLevel())
    }

    mutating func readBoolean() throws(PolicyDatabaseError) -> BooleanRecord {
        let value = try readUInt32()
        let state = try readUInt32()
        guard state <= 1 else { throw .badBoolean }
        return BooleanRecord(value: value, name: try readName(try readUInt32()), state: state == 1)
    }

    mutating func readLevelSymbol() throws(PolicyDatabaseError) -> LevelRecord {
        let length = try readUInt32()
        let isAlias = try readUInt32()
        guard isAlias <= 1 else { throw .badSymbolValue }
        let name = try readName(length)
        return LevelRecord(name: name, isAlias: isAlias == 1, level: try readLevel())
    }

    mutating func readCategory() throws(PolicyDatabaseError) -> CategoryRecord {
        let length = try readUInt32()
        let value = try readUInt32()
        let isAlias = try readUInt32()
        guard isAlias <= 1 else { throw .badSymbolValue }
        return CategoryRecord(value: value, name: try readName(length), isAlias: isAlias == 1)
    }

    @inline(never) mutating func readAccessRule() throws(PolicyDatabaseError) -> AccessRule {
        let source = UInt32(try readUInt16())
        let target = UInt32(try readUInt16())
        let objectClass = UInt32(try readUInt16())
        let specified = UInt32(try readUInt16())
        return AccessRule(
            source: source, target: target, objectClass: objectClass, specified: specified,
            data: try readUInt32())
    }

    @inline(never)
    mutating func readConditional() throws(PolicyDatabaseError) -> ConditionalRecord {
        let state = try readUInt32()
        let expression = try readFixedTable(recordSize: 8)
        let whenTrue = try readFixedTable(recordSize: AccessRule.size)
        let whenFalse = try readFixedTable(recordSize: AccessRule.size)
        return ConditionalRecord(
            state: state, expression: expression, whenTrue: whenTrue, whenFalse: whenFalse)
    }
}
