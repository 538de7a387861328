/// A binary policy, record for record and in the file's order.
///
/// For: reading policies that others compiled, to show, compare and translate them, and writing
/// them back. What was read is written byte for byte; so hash-table order is kept where the format
/// has it. Not for: deciding. `PolicyDatabase` does that, for the policies that the hypervisor
/// takes, and checks what the records say of each other; this type checks only that they can be
/// read and written.
///
/// - Invariant (total): any bytes are read or refused, in time and memory proportional to their
///   number. No count is believed before the bytes that it announces are there.
/// - Invariant (faithful): `try PolicyFile(validating: bytes).encoded() == bytes`.
/// - Layout: all numbers are little-endian and packed; see `docs/policy-format.md`.
public struct PolicyFile: Equatable, Sendable {
    /// For whom the policy is, and the version of the format.
    public var format: PolicyFormat
    /// Whether levels mean something. They are in the file in any case, from version 19.
    public var isMultilevel = false
    /// What becomes of classes and permissions that the policy does not know.
    public var unknownHandling = UnknownHandling.deny
    /// The capabilities: what the policy expects of the kernel. Bit *n* is capability *n*.
    /// From version 22.
    public var capabilities = PolicyBitmap()
    /// The types whose denials are only recorded. Bit *n* is type *n*, not *n* + 1.
    /// From version 23.
    public var permissiveTypes = PolicyBitmap()

    /// Permissions that several classes share.
    public var commons = SymbolTable<CommonRecord>()
    /// The classes of objects.
    public var classes = SymbolTable<ClassRecord>()
    /// The roles.
    public var roles = SymbolTable<RoleRecord>()
    /// The types, their other names, and attributes.
    public var types = SymbolTable<TypeRecord>()
    /// The users.
    public var users = SymbolTable<UserRecord>()
    /// The Booleans that conditionals ask.
    public var booleans = SymbolTable<BooleanRecord>()
    /// The sensitivities, and their other names.
    public var sensitivities = SymbolTable<SensitivityRecord>()
    /// The categories, and their other names.
    public var categories = SymbolTable<CategoryRecord>()

    /// The access rules.
    public var accessRules = AccessRuleTable()
    /// The conditional access rules. From version 16.
    public var conditionals: [ConditionalRecord] = []
    /// The role transitions.
    public var roleTransitions: [RoleTransitionRecord] = []
    /// The pairs of roles between which a domain may change.
    public var roleAllows: [RoleAllowRecord] = []
    /// The type transitions that depend on a file's name. From version 25.
    public var filenameTransitions: [FilenameTransitionRecord] = []
    /// The labels of initial identifiers, devices, networks and file systems.
    public var objectContexts = ObjectContextTables()
    /// The labels in file systems without labels of their own.
    public var genericFileSystems: [GenericFileSystemRecord] = []
    /// The range transitions. From version 19.
    public var rangeTransitions: [RangeTransitionRecord] = []
    /// For each type and attribute, in rising order, the attributes that contain it, and itself.
    /// Bit *n* is number *n* + 1. From version 20; before, rules are about types only.
    public var typeAttributes: [PolicyBitmap] = []

    /// Creates a policy without anything in it. It can be written, and nothing loads it.
    public init(format: PolicyFormat) { self.format = format }

    /// Reads a policy.
    ///
    /// - Throws: `PolicyFileError` with the reason and its place: see each `Reason`.
    /// - Complexity: linear in the number of bytes, in time and memory.
    /// - Source: libsepol `policydb.c`; Xen `xsm/flask/ss/policydb.c`; for the layout.
    public init(validating bytes: [UInt8]) throws(PolicyFileError) {
        // The header says the true format.
        format = .xen30
        var reader = LayoutReader(bytes, format: format)
        try layOut(&reader)
        try reader.finish()
    }

    /// Writes the policy.
    ///
    /// - Throws: `PolicyFileError`, with the place that was reached: `.notInFormat` when something
    ///   has no place in the version; `.badName`, `.badBitmap`, `.badRule`, `.wrongTableCount` when
    ///   a reader would refuse the result.
    public func encoded() throws(PolicyFileError) -> [UInt8] {
        var writer = LayoutWriter(format: format)
        var copy = self
        try copy.layOut(&writer)
        return writer.bytes
    }
}

extension PolicyFile {
    /// What becomes of classes and permissions that the policy does not know.
    public enum UnknownHandling: UInt32, Sendable, CaseIterable {
        /// They are denied.
        case deny = 0
        /// The policy is not loaded: `REJECT_UNKNOWN`.
        case reject = 2
        /// They are allowed: `ALLOW_UNKNOWN`.
        case allow = 4
    }

    /// A table of symbols, in the file's order.
    public struct SymbolTable<Symbol: Equatable & Sendable>: Equatable, Sendable {
        /// The highest number of a symbol: how many there are without their other names.
        public var primaryCount: UInt32 = 0
        /// The symbols and their other names.
        public var symbols: [Symbol] = []

        /// Creates an empty table.
        public init() {}
    }
}

extension PolicyFile {
    /// Reads or writes the whole file: the one place that says in which order the tables stand.
    private mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try layOutHeader(&pass)
        if pass.format.has(.capabilities) {
            try pass.record(&capabilities)
        } else {
            try pass.leaveOut(capabilities != PolicyBitmap())
        }
        if pass.format.has(.permissiveTypes) {
            try pass.record(&permissiveTypes)
        } else {
            try pass.leaveOut(permissiveTypes != PolicyBitmap())
        }
        try pass.symbols(&commons)
        try pass.symbols(&classes)
        try pass.symbols(&roles)
        try pass.symbols(&types)
        try pass.symbols(&users)
        try layOutNewerSymbols(&pass)
        try accessRules.layOut(&pass)
        if pass.format.has(.booleans) {
            try pass.table(&conditionals)
        } else {
            try pass.leaveOut(!conditionals.isEmpty)
        }
        try pass.table(&roleTransitions)
        try pass.table(&roleAllows)
        if pass.format.has(.filenameTransitions) {
            try pass.table(&filenameTransitions)
        } else {
            try pass.leaveOut(!filenameTransitions.isEmpty)
        }
        try objectContexts.layOut(&pass)
        try pass.table(&genericFileSystems)
        if pass.format.has(.levels) {
            try pass.table(&rangeTransitions)
        } else {
            try pass.leaveOut(!rangeTransitions.isEmpty)
        }
        if pass.format.has(.compactRules) {
            try pass.items(&typeAttributes, count: types.primaryCount)
        } else {
            try pass.leaveOut(!typeAttributes.isEmpty)
        }
    }

    /// The tables of symbols that came later than the others.
    private mutating func layOutNewerSymbols(
        _ pass: inout some LayoutPass
    ) throws(PolicyFileError) {
        if pass.format.has(.booleans) {
            try pass.symbols(&booleans)
        } else {
            try pass.leaveOut(booleans != SymbolTable())
        }
        if pass.format.has(.levels) {
            try pass.symbols(&sensitivities)
            try pass.symbols(&categories)
        } else {
            try pass.leaveOut(sensitivities != SymbolTable() || categories != SymbolTable())
        }
    }

    private mutating func layOutHeader(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.constant(0xf97c_ff8c, orElse: .notAPolicy)
        // Both names have eight bytes.
        try pass.constant(8, orElse: .notAPolicy)
        var target = format.target.rawValue
        try pass.text(&target, byteCount: 8)
        guard let known = PolicyFormat.Target(rawValue: target) else {
            throw pass.failure(.notAPolicy)
        }
        var version = format.version
        try pass.word(&version)
        guard let found = PolicyFormat(known, version: version) else {
            throw pass.failure(.unsupportedVersion)
        }
        format = found
        pass.format = found

        var configuration = unknownHandling.rawValue | (isMultilevel ? 1 : 0)
        try pass.word(&configuration)
        guard let handling = UnknownHandling(rawValue: configuration & ~1) else {
            throw pass.failure(.badConfiguration)
        }
        unknownHandling = handling
        isMultilevel = configuration & 1 == 1
        if !found.has(.levels) { try pass.leaveOut(isMultilevel) }
        try pass.constant(found.symbolTableCount, orElse: .wrongTableCount)
        try pass.constant(found.objectContextTableCount, orElse: .wrongTableCount)
    }
}
