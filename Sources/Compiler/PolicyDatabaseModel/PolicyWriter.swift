import PolicyDatabase
import SecurityLattice

/// Why a model cannot be written.
public enum PolicyWriterError: Error, Equatable {
    /// A name is empty or longer than 255 bytes.
    case badName(String)
    /// A number does not fit into its field: types above 65,535.
    case numberOutOfRange
    /// An expression needs a deeper stack than the format's readers have.
    case expressionTooDeep
    /// A device needs version 30, or is out of the range of the version.
    case deviceNeedsVersion30
}

/// A version of the format. Xen takes no other.
public enum PolicyVersion: UInt32, Sendable, CaseIterable {
    /// Xen before 4.6.
    case xen24 = 24
    /// Xen since 4.6.
    case xen30 = 30
}

extension PolicyDatabaseModel {
    /// Writes the policy.
    ///
    /// The result is what the model says, valid or not: only `PolicyDatabase` finds out.
    /// - Throws: `.badName`, `.numberOutOfRange`, `.expressionTooDeep`, `.deviceNeedsVersion30`,
    ///   each when the file has no way to say what the model says.
    /// - Source: libsepol `write.c` for the layout, with target `xen`.
    public func encoded(version: PolicyVersion = .xen30) throws(PolicyWriterError) -> [UInt8] {
        var writer = PolicyWriter(version: version.rawValue)
        try writer.write(self)
        return writer.bytes
    }
}

/// Writes one table after another.
struct PolicyWriter {
    let version: UInt32
    private(set) var bytes: [UInt8] = []

    init(version: UInt32) { self.version = version }

    mutating func write(_ model: PolicyDatabaseModel) throws(PolicyWriterError) {
        write32(0xf97c_ff8c)
        write32(8)
        bytes += Array("XenFlask".utf8)
        // Configuration: levels. What is unknown is denied.
        write32(version, 1, 8, version >= 30 ? 6 : 5)
        writeBitmap([])
        writeBitmap([])
        write32(0, 0)
        try writeClasses(model.classes)
        try writeRoles(model.roles)
        try writeTypes(model.types)
        try writeUsers(model.users)
        try writeBooleans(model.booleans)
        try writeSensitivities(model.sensitivities)
        try writeCategories(model.categories)
        try writeRules(model.accessRules, enabled: false)
        try writeConditionals(model)
        writeRoleRules(model)
        if version >= 25 { write32(0) }
        try writeObjectContexts(model)
        write32(0)
        writeRangeTransitions(model.rangeTransitions)
        for (index, type) in model.types.enumerated() {
            writeBitmap(type.attributes + [UInt32(index) + 1])
        }
    }

    // MARK: Primitives

    mutating func write16(_ value: UInt16) {
        bytes.append(UInt8(truncatingIfNeeded: value))
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    }

    mutating func write32(_ values: UInt32...) {
        for value in values {
            write16(UInt16(truncatingIfNeeded: value))
            write16(UInt16(truncatingIfNeeded: value >> 16))
        }
    }

    mutating func write64(_ value: UInt64) {
        write32(UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32))
    }

    func length(of name: String) throws(PolicyWriterError) -> UInt32 {
        let count = name.utf8.count
        guard count >= 1, count <= 255 else { throw .badName(name) }
        return UInt32(count)
    }

    mutating func writeText(_ name: String) { bytes += Array(name.utf8) }

    /// Writes a set of numbers, which start at 1; bit *n* is number n + 1.
    mutating func writeBitmap(_ numbers: [UInt32]) {
        var words: [UInt32: UInt64] = [:]
        for number in numbers where number >= 1 {
            words[(number - 1) / 64, default: 0] |= 1 << UInt64((number - 1) % 64)
        }
        writeNodes(words)
    }

    mutating func writeBitmap(_ categories: CategorySet) {
        var words: [UInt32: UInt64] = [:]
        for index in 0..<4 where categories.word(at: index) != 0 {
            words[UInt32(index)] = categories.word(at: index)
        }
        writeNodes(words)
    }

    private mutating func writeNodes(_ words: [UInt32: UInt64]) {
        let indices = words.keys.sorted()
        write32(64, indices.last.map { ($0 + 1) * 64 } ?? 0, UInt32(indices.count))
        for index in indices {
            write32(index * 64)
            write64(words[index] ?? 0)
        }
    }

    mutating func write(_ range: SecurityRange) {
        let levels = range.isSingleLevel ? [range.low] : [range.low, range.high]
        write32(UInt32(levels.count))
        for level in levels { write32(level.sensitivity.databaseValue) }
        for level in levels { writeBitmap(level.categories) }
    }

    mutating func write(_ context: SecurityContext) {
        write32(context.user, context.role, context.type)
        write(context.range)
    }
}
