/// A policy in the XenFlask format, versions 24 and 30: a validated view of the file.
///
/// For: computing, while the machine starts, what the policy decides. It copies nothing, needs no
/// heap. Not for: decisions while compartments run; `ReferenceMonitor` tabulates those. It trusts
/// nothing about the bytes: a value of this type exists only after every record was checked, more
/// strictly than Xen does (`docs/security-policy.md` lists where), so no question to it can trap.
///
/// - Invariant (valid): every record of `bytes` satisfies the rules of `PolicyDatabaseError`.
/// - Source: Xen 4.17 `xen/xsm/flask/ss/policydb.c` for what a loader must accept; the layout is
///   also that of libsepol for target `xen`.
public struct PolicyDatabase: ~Escapable {
    let bytes: Span<UInt8>
    let layout: DatabaseLayout

    /// Validates a policy.
    ///
    /// - Parameter bytes: the whole file, at most 16 MiB.
    /// - Throws: the first rule that does not hold.
    /// - Trust: none. That the policy is the intended one, only its digest can say.
    /// - Complexity: linear in the file; quadratic in symbols (at most 4,096 of a kind), and in
    ///   access rules if they are not in rising order (at most 8,192 then).
    @_lifetime(copy bytes)
    public init(validating bytes: Span<UInt8>) throws(PolicyDatabaseError) {
        layout = try DatabaseLayout(scanning: bytes)
        self.bytes = bytes
        try validateRecords()
    }

    private func validateRecords() throws(PolicyDatabaseError) {
        try validateSymbols()
        try validateClasses()
        try validateRoles()
        try validateLevels()
        try validateUsers()
        try validateTypeAttributes()
        try validateAccessRules()
        try validateConditionals()
        try validateRoleRules()
        try validateObjectContexts()
        try validateRangeTransitions()
    }

    /// The version of the format: 24 or 30.
    public var version: UInt32 { layout.version }

    /// The number of classes, 13 to 15: a policy may leave out the classes that are not Xen's.
    public var classCount: Int { layout[.classes].primaryCount }

    /// The number of types and attributes, whose numbers start at 1.
    public var typeCount: Int { layout[.types].primaryCount }

    /// The number of users, whose numbers start at 1.
    public var userCount: Int { layout[.users].primaryCount }

    /// The number of roles, whose numbers start at 1.
    public var roleCount: Int { layout[.roles].primaryCount }

    @_lifetime(copy self)
    func cursor(at table: Table) -> DatabaseCursor { DatabaseCursor(bytes, at: table.offset) }

    @_lifetime(copy self)
    func cursor(at offset: Int) -> DatabaseCursor { DatabaseCursor(bytes, at: offset) }

    @_lifetime(copy self)
    func name(_ place: NamePlace) -> Span<UInt8> {
        bytes.extracting(place.offset..<place.offset + place.count)
    }
}

// MARK: Look-ups by number. The tables are small, and they are asked at start-up only.

extension PolicyDatabase {
    /// Returns a role; nil when there is none.
    ///
    /// NOTE: the file's sets of `object_r` are ignored, as Xen and libsepol ignore them
    /// (`role_read()`): it dominates nothing, not even itself.
    func role(_ number: UInt32) throws(PolicyDatabaseError) -> RoleRecord? {
        var cursor = cursor(at: layout[.roles])
        for _ in 0..<layout[.roles].count {
            let record = try cursor.readRole()
            guard record.value == number else { continue }
            guard number == objectRole else { return record }
            let none = Bitmap(offset: 0, count: 0, bitCount: 0)
            return RoleRecord(value: number, name: record.name, dominates: none, types: none)
        }
        return nil
    }

    func type(_ number: UInt32) throws(PolicyDatabaseError) -> TypeRecord? {
        var cursor = cursor(at: layout[.types])
        for _ in 0..<layout[.types].count {
            let record = try cursor.readType()
            if record.value == number, record.isPrimary { return record }
        }
        return nil
    }

    func user(_ number: UInt32) throws(PolicyDatabaseError) -> UserRecord? {
        var cursor = cursor(at: layout[.users])
        for _ in 0..<layout[.users].count {
            let record = try cursor.readUser()
            if record.value == number { return record }
        }
        return nil
    }

    func boolean(_ number: UInt32) throws(PolicyDatabaseError) -> BooleanRecord? {
        var cursor = cursor(at: layout[.booleans])
        for _ in 0..<layout[.booleans].count {
            let record = try cursor.readBoolean()
            if record.value == number { return record }
        }
        return nil
    }

    /// Returns the attributes of a type, itself among them.
    func attributes(ofType number: UInt32) throws(PolicyDatabaseError) -> Bitmap? {
        guard isType(number) else { return nil }
        var cursor = cursor(at: layout.typeAttributes)
        for _ in 1..<number { _ = try cursor.readBitmap() }
        return try cursor.readBitmap()
    }

    func isClass(_ number: UInt32) -> Bool { number >= 1 && number <= UInt32(classCount) }
    func isType(_ number: UInt32) -> Bool { number >= 1 && number <= UInt32(typeCount) }
    func isRole(_ number: UInt32) -> Bool { number >= 1 && number <= UInt32(roleCount) }
    func isUser(_ number: UInt32) -> Bool { number >= 1 && number <= UInt32(userCount) }
}
