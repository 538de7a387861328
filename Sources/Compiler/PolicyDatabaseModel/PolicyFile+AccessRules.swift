extension PolicyFile {
    /// What an access rule does. A rule of a file has one of these, and bit 15 besides while it is
    /// the rule of a conditional that holds.
    public enum AccessRuleKind: UInt16, Sendable, CaseIterable {
        /// Grants permissions.
        case allowed = 0x1
        /// Asks for granted permissions to be recorded.
        case auditAllowed = 0x2
        /// Says which denials are to be recorded.
        case auditDenied = 0x4
        /// Gives new objects a type.
        case transition = 0x10
        /// Gives members of polyinstantiated objects a type.
        case member = 0x20
        /// Gives relabelled objects a type.
        case change = 0x40
        /// Limits a granted permission to operations. From Linux's version 30.
        case extendedAllowed = 0x100
        /// Asks for granted operations to be recorded.
        case extendedAuditAllowed = 0x200
        /// Asks for denied operations not to be recorded.
        case extendedUnauditedDenied = 0x400

        /// Whether the data are operations.
        public var isExtended: Bool { rawValue >= 0x100 }
    }

    /// An access rule.
    public struct AccessRule: Equatable, Sendable {
        /// The type or attribute that acts.
        public var source: UInt16 = 0
        /// The type or attribute that is acted on.
        public var target: UInt16 = 0
        /// The class of the object.
        public var objectClass: UInt16 = 0
        /// Whether the rule stands in a conditional and holds.
        public var isEnabled = false
        /// What it does.
        public var kind = AccessRuleKind.allowed
        /// The permissions as bits, the type; or for an extended kind the position among the
        /// table's `operations`.
        public var data: UInt32 = 0
        /// Before version 20: whether the rule stands in one record with the rule before it, which
        /// has the same source, target and class. Newer versions do not say it.
        public var isJoined = false

        /// Creates a rule without permissions.
        public init() {}
    }

    /// The operations of one extended rule.
    public struct OperationSet: Equatable, Sendable {
        /// How they are meant: 1 `ioctl` commands of a driver, 2 drivers.
        public var form: UInt8 = 0
        /// The driver: the high byte of a command.
        public var driver: UInt8 = 0
        /// Commands or drivers 0 to 63, the lowest as bit 0.
        public var first: UInt64 = 0
        /// 64 to 127.
        public var second: UInt64 = 0
        /// 128 to 191.
        public var third: UInt64 = 0
        /// 192 to 255.
        public var fourth: UInt64 = 0

        /// Creates a set without operations.
        public init() {}
    }

    /// Access rules, in the file's order.
    public struct AccessRuleTable: Equatable, Sendable {
        /// The rules.
        public var rules: [AccessRule] = []
        /// The operations of the extended rules, in their order.
        public var operations: [OperationSet] = []

        /// Creates an empty table.
        public init() {}
    }
}

extension PolicyFile.AccessRuleTable {
    /// Reads or writes the rules with their number before them.
    ///
    /// A rule with operations takes 42 bytes, one without 12.
    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        guard pass.format.has(.compactRules) else { return try layOutJoined(&pass) }
        guard isConsistent else { throw pass.failure(.badRule) }
        let count = try pass.count(rules.count)
        var operations = operations
        var position = 0
        try pass.each(&rules, count: count) { (rule, pass) throws(PolicyFileError) in
            try rule.layOut(&pass)
            guard rule.kind.isExtended else { return }
            // A reader begins without any.
            if position == operations.count { operations.append(PolicyFile.OperationSet()) }
            try pass.record(&operations[position])
            rule.data = UInt32(truncatingIfNeeded: position)
            position += 1
        }
        self.operations = operations
    }

    /// The form before version 20: one record for all kinds of one source, target and class.
    private mutating func layOutJoined(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.leaveOut(!operations.isEmpty)
        var records: [JoinedAccessRules] = []
        for rule in rules {
            if !rule.isJoined || records.isEmpty { records.append(JoinedAccessRules()) }
            records[records.count - 1].rules.append(rule)
        }
        try pass.table(&records)
        rules = records.flatMap(\.rules)
    }

    /// Whether the extended rules name the operations in their order.
    private var isConsistent: Bool {
        var position = 0
        for rule in rules where rule.kind.isExtended {
            guard Int(exactly: rule.data) == position else { return false }
            position += 1
        }
        return position == operations.count
    }
}

extension PolicyFile.AccessRule: LayoutRecord {
    static let leastByteCount = 12

    /// The key and, for a kind without operations, the data.
    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.halfWord(&source)
        try pass.halfWord(&target)
        try pass.halfWord(&objectClass)
        var specified = kind.rawValue | (isEnabled ? 0x8000 : 0)
        try pass.halfWord(&specified)
        guard let found = PolicyFile.AccessRuleKind(rawValue: specified & 0x7fff) else {
            throw pass.failure(.badRule)
        }
        kind = found
        isEnabled = specified & 0x8000 != 0
        if !kind.isExtended {
            try pass.word(&data)
        } else if !pass.format.has(.extendedPermissions) {
            throw pass.failure(.notInFormat)
        }
    }
}

/// Rules of one source, target and class, of several kinds, as versions before 20 have them.
private struct JoinedAccessRules: LayoutRecord {
    static let leastByteCount = 24

    /// The order in which the data of the kinds stand; libsepol's `spec_order`.
    private static let kinds: [PolicyFile.AccessRuleKind] = [
        .allowed, .auditDenied, .auditAllowed, .transition, .change, .member,
    ]
    /// Says that a conditional's rule holds; libsepol's `AVTAB_ENABLED_OLD`.
    private static let enabled: UInt32 = 0x8000_0000

    var rules: [PolicyFile.AccessRule] = []

    /// How many words follow, source, target, class, the kinds as bits, then each kind's data.
    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let first = rules.first ?? PolicyFile.AccessRule()
        var (source, target) = (UInt32(first.source), UInt32(first.target))
        var objectClass = UInt32(first.objectClass)
        var specified = first.isEnabled ? Self.enabled : 0
        for rule in rules { specified |= UInt32(rule.kind.rawValue) }
        let wordCount = try pass.count(4 + rules.count)
        try pass.words(&source, &target)
        try pass.words(&objectClass, &specified)
        let kinds = Self.kinds.filter { specified & UInt32($0.rawValue) != 0 }
        let known = kinds.reduce(Self.enabled) { $0 | UInt32($1.rawValue) }
        guard !kinds.isEmpty, specified & ~known == 0, Int(exactly: wordCount) == 4 + kinds.count,
            let source = UInt16(exactly: source), let target = UInt16(exactly: target),
            let objectClass = UInt16(exactly: objectClass)
        else { throw pass.failure(.badRule) }
        let found = kinds.enumerated().map { index, kind in
            var rule = PolicyFile.AccessRule()
            rule.source = source
            rule.target = target
            rule.objectClass = objectClass
            rule.isEnabled = specified & Self.enabled != 0
            rule.kind = kind
            rule.isJoined = index > 0
            if index < rules.count { rule.data = rules[index].data }
            return rule
        }
        // A reader begins without any; a writer's are as a reader would find them.
        guard rules.isEmpty || rules == found else { throw pass.failure(.badRule) }
        rules = found
        for index in rules.indices { try pass.word(&rules[index].data) }
    }
}

extension PolicyFile.OperationSet: LayoutRecord {
    static let leastByteCount = 34

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.byte(&form)
        try pass.byte(&driver)
        try pass.doubleWord(&first)
        try pass.doubleWord(&second)
        try pass.doubleWord(&third)
        try pass.doubleWord(&fourth)
    }
}
