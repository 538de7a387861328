import SecurityLattice

extension PolicyDatabase {
    /// Numbers are exactly 1 to the table's highest, each given once; names are given once.
    func validateSymbols() throws(PolicyDatabaseError) {
        for index in 0..<8 {
            guard let kind = SymbolKind(rawValue: index) else { throw .badTableCount }
            let table = layout[kind]
            var symbols = cursor(at: table)
            var primaryCount = 0
            for _ in 0..<table.count {
                let symbol = try symbols.readSymbol(kind, version: version)
                guard symbol.value >= 1, symbol.value <= UInt32(table.primaryCount) else {
                    throw .badSymbolValue
                }
                if symbol.isPrimary { primaryCount += 1 }
            }
            for first in stride(from: 0, to: table.count, by: SymbolWindow.capacity) {
                try validateDistinct(kind, from: first)
            }
            // With no number given twice and none out of range, the count says that none misses.
            guard primaryCount == table.primaryCount else { throw .badSymbolValue }
        }
    }

    /// No symbol after one of the window that begins at `first` has its number or its name.
    private func validateDistinct(
        _ kind: SymbolKind, from first: Int
    ) throws(PolicyDatabaseError) {
        let table = layout[kind]
        var symbols = cursor(at: table)
        for _ in 0..<first { _ = try symbols.readSymbol(kind, version: version) }
        var window = SymbolWindow()
        for _ in first..<table.count {
            let symbol = try symbols.readSymbol(kind, version: version)
            let name = name(symbol.name)
            let digest = fingerprint(name)
            for index in 0..<window.count {
                if symbol.isPrimary, window.values[index] == symbol.value {
                    throw .badSymbolValue
                }
                if window.digests[index] == digest,
                    self.name(window.names[index]).hasSameBytes(as: name)
                {
                    throw .badSymbolName
                }
            }
            window.append(symbol, digest)
        }
    }

    /// FNV-1a over bytes: it only finds candidates, which are then compared.
    private func fingerprint(_ name: Span<UInt8>) -> UInt32 {
        var digest: UInt32 = 0x811c_9dc5
        for index in name.indices {
            // WRAPS: the hash is defined modulo 2^32.
            digest = (digest ^ UInt32(name[index])) &* 0x0100_0193
        }
        return digest
    }

    /// Classes and permissions are those of the class map; 14 and 15 may be absent.
    func validateClasses() throws(PolicyDatabaseError) {
        guard classCount >= ObjectClass.xenCount else { throw .classMapMismatch }
        var classes = cursor(at: layout[.classes])
        for _ in 0..<layout[.classes].count {
            let record = try classes.readClass(version: version)
            guard let objectClass = ObjectClass(number: Int(record.value)),
                objectClass.policyName.isSpelled(name(record.name)),
                record.permissions.count == objectClass.permissionCount,
                record.permissions.primaryCount == objectClass.permissionCount
            else { throw .classMapMismatch }
            try validatePermissions(of: objectClass, at: record.permissions)
            try validateConstraints(of: objectClass, at: record.constraints)
        }
    }

    private func validatePermissions(
        of objectClass: ObjectClass, at table: Table
    ) throws(PolicyDatabaseError) {
        var seen: UInt32 = 0
        var permissions = cursor(at: table)
        for _ in 0..<table.count {
            let record = try permissions.readPermission()
            guard record.value >= 1, record.value <= 32,
                let permission = Permission(objectClass, at: Int(record.value) - 1),
                permission.policyName.isSpelled(name(record.name)),
                seen & permission.mask == 0
            else { throw .classMapMismatch }
            seen |= permission.mask
        }
    }

    func validateRoles() throws(PolicyDatabaseError) {
        var roles = cursor(at: layout[.roles])
        for _ in 0..<layout[.roles].count {
            let record = try roles.readRole()
            guard record.dominates.bitCount <= UInt32(roleCount),
                record.types.bitCount <= UInt32(typeCount)
            else { throw .bitOutOfRange }
            // `object_r`, as a little-endian number.
            if record.value == objectRole {
                guard record.name.count == 8,
                    bytes.littleEndian64(at: record.name.offset) == 0x725f_7463_656a_626f
                else { throw .badObjectRole }
            }
        }
    }

    /// A sensitivity's categories exist. Aliases say the same as what they stand for.
    func validateLevels() throws(PolicyDatabaseError) {
        let categoryCount = UInt32(layout[.categories].primaryCount)
        guard categoryCount <= 256 else { throw .tooManyCategories }
        var levels = cursor(at: layout[.levels])
        for _ in 0..<layout[.levels].count {
            let level = try levels.readLevelSymbol().level
            guard level.categories.first(from: Int(categoryCount)) == nil else {
                throw .bitOutOfRange
            }
            guard try allowedCategories(with: level.sensitivity) == level.categories else {
                throw .badLevel
            }
        }
    }

    func validateUsers() throws(PolicyDatabaseError) {
        var users = cursor(at: layout[.users])
        for _ in 0..<layout[.users].count {
            let record = try users.readUser()
            guard record.roles.bitCount <= UInt32(roleCount) else { throw .bitOutOfRange }
            guard try isValid(record.range), try isValid(record.defaultLevel) else {
                throw .badLevel
            }
        }
    }

    func validateTypeAttributes() throws(PolicyDatabaseError) {
        var attributes = cursor(at: layout.typeAttributes)
        for number in 1..<UInt32(typeCount) + 1 {
            let bitmap = try attributes.readBitmap()
            guard bitmap.bitCount <= UInt32(typeCount) else { throw .bitOutOfRange }
            guard bytes.contains(number, in: bitmap) else { throw .badTypeAttributes }
        }
    }

    // MARK: Levels and contexts

    /// Returns the categories that may go with a sensitivity; nil when there is no such.
    func allowedCategories(
        with sensitivity: Sensitivity
    ) throws(PolicyDatabaseError) -> CategorySet? {
        var levels = cursor(at: layout[.levels])
        for _ in 0..<layout[.levels].count {
            let record = try levels.readLevelSymbol()
            if !record.isAlias, record.level.sensitivity == sensitivity {
                return record.level.categories
            }
        }
        return nil
    }

    @inline(never) func isValid(_ level: SecurityLevel) throws(PolicyDatabaseError) -> Bool {
        guard let allowed = try allowedCategories(with: level.sensitivity) else { return false }
        return allowed.isSuperset(of: level.categories)
    }

    @inline(never) func isValid(_ range: SecurityRange) throws(PolicyDatabaseError) -> Bool {
        guard try isValid(range.low) else { return false }
        return try isValid(range.high)
    }

    /// Returns whether user, role, type and levels go together.
    ///
    /// - Source: Xen `policydb_context_isvalid()`, `mls_context_isvalid()`; beyond them an
    ///   attribute is refused as a type.
    func isValidContext(_ context: SecurityContext) throws(PolicyDatabaseError) -> Bool {
        guard let type = try type(context.type), !type.isAttribute else { return false }
        return try isValidExceptType(context)
    }

    /// Returns whether a context is valid if its type is one, and not an attribute.
    func isValidExceptType(
        _ context: SecurityContext
    ) throws(PolicyDatabaseError) -> Bool {
        guard isUser(context.user), isRole(context.role), try isValid(context.range) else {
            return false
        }
        guard context.role != objectRole else { return true }
        guard let role = try role(context.role), let user = try user(context.user) else {
            return false
        }
        return bytes.contains(context.type, in: role.types)
            && bytes.contains(context.role, in: user.roles)
            && context.range.low.dominates(user.range.low)
            && user.range.high.dominates(context.range.high)
    }
}

extension Span<UInt8> {
    /// Returns whether both spans hold the same bytes.
    func hasSameBytes(as other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }
}

/// Some symbols of a table that stand together, to compare all later ones with.
private struct SymbolWindow {
    static let capacity = 128

    private(set) var count = 0
    /// The numbers; 0, which no symbol has, for another name.
    private(set) var values = InlineArray<128, UInt32>(repeating: 0)
    private(set) var digests = InlineArray<128, UInt32>(repeating: 0)
    private(set) var names = InlineArray<128, NamePlace>(repeating: NamePlace(offset: 0, count: 0))

    /// Adds a symbol while there is room.
    mutating func append(_ symbol: Symbol, _ digest: UInt32) {
        guard count < SymbolWindow.capacity else { return }
        values[count] = symbol.isPrimary ? symbol.value : 0
        digests[count] = digest
        names[count] = symbol.name
        count += 1
    }
}
