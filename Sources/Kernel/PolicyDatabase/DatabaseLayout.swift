import SecurityLattice

/// The symbol tables, in the order in which they stand in a policy.
enum SymbolKind: Int {
    case commons
    case classes
    case roles
    case types
    case users
    case booleans
    case levels
    case categories

    /// The most records of a table that this reader accepts.
    var maximumCount: Int {
        switch self {
        case .commons: 0
        case .classes: ObjectClass.count
        case .roles, .booleans: 256
        case .types: 16_384
        case .users: 1024
        case .levels: 1024
        case .categories: 512
        }
    }
}

/// What all symbols have.
struct Symbol {
    let value: UInt32
    let name: NamePlace
    let isPrimary: Bool
}

/// Where everything in a policy stands.
struct DatabaseLayout {
    let version: UInt32
    private(set) var symbols = InlineArray<8, Table>(repeating: Table())
    private(set) var accessRules = Table()
    private(set) var conditionals = Table()
    private(set) var roleTransitions = Table()
    private(set) var roleAllows = Table()
    private(set) var objectContexts = InlineArray<6, Table>(repeating: Table())
    private(set) var rangeTransitions = Table()
    /// The offset of the first type's attributes.
    private(set) var typeAttributes = 0
    /// The constraints of each class, by its number.
    private(set) var constraints = InlineArray<16, Table>(repeating: Table())

    /// Walks the whole file once, checking its shape.
    ///
    /// - Throws: what the header or a record's shape breaks; `.trailingBytes` if it ends early.
    init(scanning bytes: Span<UInt8>) throws(PolicyDatabaseError) {
        guard bytes.count <= 16 << 20 else { throw .tooLarge }
        var cursor = DatabaseCursor(bytes)
        version = try readHeader(&cursor)
        for index in symbols.indices { symbols[index] = try scanSymbols(index, &cursor) }
        accessRules = try cursor.readFixedTable(recordSize: AccessRule.size)
        guard accessRules.count > 0 else { throw .noAccessRules }
        conditionals = try scanConditionals(&cursor)
        roleTransitions = try cursor.readFixedTable(recordSize: roleTransitionSize)
        roleAllows = try cursor.readFixedTable(recordSize: 8)
        if version >= 25 {
            guard try cursor.readUInt32() == 0 else { throw .fileRulesUnsupported }
        }
        for index in 0..<objectContextKinds {
            objectContexts[index] = try scanObjectContexts(index, &cursor)
        }
        guard try cursor.readUInt32() == 0 else { throw .fileRulesUnsupported }
        rangeTransitions = try scanRangeTransitions(&cursor)
        typeAttributes = cursor.offset
        for _ in 0..<self[.types].primaryCount { _ = try cursor.readBitmap() }
        guard cursor.isAtEnd else { throw .trailingBytes }
        try findConstraints(bytes)
    }

    /// Notes where each class has its constraints; that numbers are distinct is checked later.
    private mutating func findConstraints(_ bytes: Span<UInt8>) throws(PolicyDatabaseError) {
        var classes = DatabaseCursor(bytes, at: self[.classes].offset)
        for _ in 0..<self[.classes].count {
            let record = try classes.readClass(version: version)
            guard record.value < 16 else { throw .classMapMismatch }
            constraints[Int(record.value)] = record.constraints
        }
    }

    subscript(_ kind: SymbolKind) -> Table { symbols[kind.rawValue] }

    /// The size of a role transition, in bytes: since version 26 it names a class.
    var roleTransitionSize: Int { version >= 26 ? 16 : 12 }

    /// The number of tables of object contexts: version 30 adds device-tree paths.
    var objectContextKinds: Int { version >= 30 ? 6 : 5 }

    private func scanSymbols(
        _ index: Int, _ cursor: inout DatabaseCursor
    ) throws(PolicyDatabaseError) -> Table {
        guard let kind = SymbolKind(rawValue: index) else { throw .badTableCount }
        let primaryCount = try cursor.readUInt32()
        let count = try cursor.readUInt32()
        guard count <= UInt32(kind.maximumCount), primaryCount <= count else {
            throw .tooManySymbols
        }
        let table = Table(
            offset: cursor.offset, count: Int(count), primaryCount: Int(primaryCount))
        for _ in 0..<count { _ = try cursor.readSymbol(kind, version: version) }
        return table
    }

    private func scanConditionals(
        _ cursor: inout DatabaseCursor
    ) throws(PolicyDatabaseError) -> Table {
        let count = try cursor.readUInt32()
        let table = Table(offset: cursor.offset, count: Int(count))
        for _ in 0..<count { _ = try cursor.readConditional() }
        return table
    }

    private func scanObjectContexts(
        _ index: Int, _ cursor: inout DatabaseCursor
    ) throws(PolicyDatabaseError) -> Table {
        let count = try cursor.readUInt32()
        guard count <= maximumObjectContexts else { throw .tooManyContexts }
        let table = Table(offset: cursor.offset, count: Int(count))
        for _ in 0..<count {
            _ = try cursor.readObjectKey(index, version: version)
            _ = try cursor.readContext()
        }
        return table
    }

    private func scanRangeTransitions(
        _ cursor: inout DatabaseCursor
    ) throws(PolicyDatabaseError) -> Table {
        let count = try cursor.readUInt32()
        guard count <= maximumRangeTransitions else { throw .tooManyContexts }
        let table = Table(offset: cursor.offset, count: Int(count))
        for _ in 0..<count {
            try cursor.skip(12)
            _ = try cursor.readRange()
        }
        return table
    }
}

/// The most object contexts of one kind, and the most range transitions. Checking one takes a pass
/// over symbols, so that these bound the time that a policy can take to be refused.
private let maximumObjectContexts: UInt32 = 1024
private let maximumRangeTransitions: UInt32 = 8192

/// Reads everything before the symbol tables and returns the version.
private func readHeader(_ cursor: inout DatabaseCursor) throws(PolicyDatabaseError) -> UInt32 {
    guard try cursor.readUInt32() == 0xf97c_ff8c else { throw .badMagic }
    // The target's name: "XenFlask". Anything else, "SE Linux" among it, is a foreign policy.
    guard try cursor.readUInt32() == 8, try cursor.readUInt64() == 0x6b73_616c_466e_6558 else {
        throw .foreignTarget
    }
    let version = try cursor.readUInt32()
    guard version == 24 || version == 30 else { throw .unsupportedVersion }
    let configuration = try cursor.readUInt32()
    guard configuration <= 7 else { throw .unknownConfiguration }
    guard configuration & 1 != 0 else { throw .multiLevelSecurityDisabled }
    guard try cursor.readUInt32() == 8, try cursor.readUInt32() == (version == 30 ? 6 : 5) else {
        throw .badTableCount
    }
    // Policy capabilities: Xen ignores them, and so do we.
    _ = try cursor.readBitmap()
    guard try cursor.readBitmap().count == 0 else { throw .permissiveType }
    return version
}

extension DatabaseCursor {
    /// Reads any symbol, for what all of them have.
    @inline(never)
    mutating func readSymbol(
        _ kind: SymbolKind, version: UInt32
    ) throws(PolicyDatabaseError) -> Symbol {
        switch kind {
        // Xen's classes inherit nothing, so the table of commons is empty.
        case .commons: throw .tooManySymbols
        case .classes:
            let record = try readClass(version: version)
            return Symbol(value: record.value, name: record.name, isPrimary: true)
        case .roles:
            let record = try readRole()
            return Symbol(value: record.value, name: record.name, isPrimary: true)
        case .types:
            let record = try readType()
            return Symbol(value: record.value, name: record.name, isPrimary: record.isPrimary)
        case .users:
            let record = try readUser()
            return Symbol(value: record.value, name: record.name, isPrimary: true)
        case .booleans:
            let record = try readBoolean()
            return Symbol(value: record.value, name: record.name, isPrimary: true)
        case .levels:
            let record = try readLevelSymbol()
            return Symbol(
                value: record.level.sensitivity.databaseValue, name: record.name,
                isPrimary: !record.isAlias)
        case .categories:
            let record = try readCategory()
            return Symbol(value: record.value, name: record.name, isPrimary: !record.isAlias)
        }
    }

    /// Reads which numbers an object context is about, of the kinds initial SID, interrupt, I/O
    /// port, I/O memory, PCI device; and the name of a device-tree path, which has none.
    @inline(never)
    mutating func readObjectKey(
        _ kind: Int, version: UInt32
    ) throws(PolicyDatabaseError) -> (first: UInt64, last: UInt64) {
        guard kind < 5 else {
            _ = try readName(try readUInt32())
            return (0, 0)
        }
        if kind == 3, version >= 30 {
            let first = try readUInt64()
            return (first, try readUInt64())
        }
        let first = try readUInt32()
        let last = kind == 2 || kind == 3 ? try readUInt32() : first
        return (UInt64(first), UInt64(last))
    }
}
