extension PolicyFile {
    /// Access rules that hold while an expression over Booleans is true, and others while not.
    public struct ConditionalRecord: Equatable, Sendable {
        /// Whether the expression is true at the Booleans' states: 1 or 0.
        public var state: UInt32 = 0
        /// The expression, in postfix order.
        public var terms: [ConditionalTerm] = []
        /// The rules while it is true.
        public var whenTrue = AccessRuleTable()
        /// The rules while it is false.
        public var whenFalse = AccessRuleTable()

        /// Creates an empty record.
        public init() {}
    }

    /// One operand or operator.
    public struct ConditionalTerm: Equatable, Sendable {
        /// 1 a Boolean, 2 not, 3 or, 4 and, 5 either but not both, 6 both or neither,
        /// 7 either but not both, as 5.
        public var kind: UInt32 = 0
        /// The Boolean's number; 0 for an operator.
        public var boolean: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// The role that a new object gets.
    public struct RoleTransitionRecord: Equatable, Sendable {
        /// The role that acts.
        public var role: UInt32 = 0
        /// The type in relation to which it acts.
        public var type: UInt32 = 0
        /// The role of the new object.
        public var newRole: UInt32 = 0
        /// The class of the new object. From version 26; before, always processes.
        public var objectClass: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// Two roles between which a domain may change.
    public struct RoleAllowRecord: Equatable, Sendable {
        /// The role before.
        public var role: UInt32 = 0
        /// The role after.
        public var newRole: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// The type that new files of a name get in a folder.
    ///
    /// Before version 33 each has one result for one source.
    public struct FilenameTransitionRecord: Equatable, Sendable {
        /// The last component of the path.
        public var name = ""
        /// The folder's type.
        public var target: UInt32 = 0
        /// The class of the new file.
        public var objectClass: UInt32 = 0
        /// The new types.
        public var results: [FilenameTransitionResult] = []

        /// Creates an empty record.
        public init() {}
    }

    /// A new type, and for whom.
    public struct FilenameTransitionResult: Equatable, Sendable {
        /// The types that create. Bit *n* is type *n* + 1.
        public var sources = PolicyBitmap()
        /// The type of the new file.
        public var newType: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// The levels that new objects get.
    public struct RangeTransitionRecord: Equatable, Sendable {
        /// The type that creates.
        public var source: UInt32 = 0
        /// The type in relation to which it creates.
        public var target: UInt32 = 0
        /// The class of the new object. From version 21; before, always processes.
        public var objectClass: UInt32 = 0
        /// The levels.
        public var range = RangeRecord()

        /// Creates an empty record.
        public init() {}
    }
}

extension PolicyFile.ConditionalRecord: LayoutRecord {
    static let leastByteCount = 16

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.word(&state)
        try pass.table(&terms)
        try whenTrue.layOut(&pass)
        try whenFalse.layOut(&pass)
    }
}

extension PolicyFile.ConditionalTerm: LayoutRecord {
    static let leastByteCount = 8

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&kind, &boolean)
    }
}

extension PolicyFile.RoleTransitionRecord: LayoutRecord {
    static let leastByteCount = 12

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&role, &type)
        try pass.word(&newRole)
        if pass.format.has(.roleTransitionClasses) {
            try pass.word(&objectClass)
        } else {
            try pass.leaveOut(objectClass != 0)
        }
    }
}

extension PolicyFile.RoleAllowRecord: LayoutRecord {
    static let leastByteCount = 8

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&role, &newRole)
    }
}

extension PolicyFile.FilenameTransitionRecord: LayoutRecord {
    static let leastByteCount = 17

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.text(&name, byteCount: length)
        guard pass.format.has(.groupedFilenameTransitions) else { return try layOutSingle(&pass) }
        try pass.words(&target, &objectClass)
        try pass.table(&results)
    }
}

extension PolicyFile.FilenameTransitionResult: LayoutRecord {
    static let leastByteCount = 16

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.record(&sources)
        try pass.word(&newType)
    }
}

extension PolicyFile.RangeTransitionRecord: LayoutRecord {
    static let leastByteCount = 28

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&source, &target)
        if pass.format.has(.rangeTransitionClasses) {
            try pass.word(&objectClass)
        } else {
            try pass.leaveOut(objectClass != 0)
        }
        try pass.record(&range)
    }
}

extension PolicyFile.FilenameTransitionRecord {
    /// The form before version 33, where the source stands between name and target.
    private mutating func layOutSingle(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.leaveOut(results.count > 1)
        var result = results.first ?? PolicyFile.FilenameTransitionResult()
        var source: UInt32 = 0
        if let known = result.sources.single { source = known + 1 }
        try pass.words(&source, &target)
        try pass.words(&objectClass, &result.newType)
        guard source > 0 else { throw pass.failure(.badRule) }
        let sources = PolicyBitmap(CollectionOfOne(source - 1))
        guard sources.single == source - 1 else { throw pass.failure(.badRule) }
        result.sources = sources
        results = [result]
    }
}
