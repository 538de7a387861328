extension PolicyFile {
    /// A permission of a class or common.
    public struct PermissionRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The number, from 1: bit *number* - 1 of an access vector.
        public var number: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// Permissions that several classes share.
    public struct CommonRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The number, from 1.
        public var number: UInt32 = 0
        /// The permissions.
        public var permissions = SymbolTable<PermissionRecord>()

        /// Creates an empty record.
        public init() {}
    }

    /// A class of objects.
    public struct ClassRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The common whose permissions it has first; empty for none.
        public var common = ""
        /// The number, from 1.
        public var number: UInt32 = 0
        /// Its own permissions.
        public var permissions = SymbolTable<PermissionRecord>()
        /// What must be true for permissions.
        public var constraints: [ConstraintRecord] = []
        /// What must be true for a change of label: `validatetrans`. From version 19.
        public var transitionConstraints: [ConstraintRecord] = []
        /// Whose user a new object gets: 0 as ever, 1 the source's, 2 the target's.
        /// From version 27.
        public var defaultUser: UInt32 = 0
        /// Whose role. From version 27.
        public var defaultRole: UInt32 = 0
        /// Whose levels: 0 as ever, 1 to 3 the source's low, high, both, 4 to 6 the target's,
        /// 7 the greatest lower and least upper bound. From version 27.
        public var defaultRange: UInt32 = 0
        /// Whose type. From version 28.
        public var defaultType: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// Permissions that are withheld where an expression is false.
    public struct ConstraintRecord: Equatable, Sendable {
        /// The permissions, as bits; nothing for a change of label.
        public var permissions: UInt32 = 0
        /// The expression, in postfix order.
        public var terms: [ConstraintTerm] = []

        /// Creates an empty record.
        public init() {}
    }

    /// One operand or operator.
    public struct ConstraintTerm: Equatable, Sendable {
        /// 1 not, 2 and, 3 or, 4 a comparison, 5 a comparison with names.
        public var kind: UInt32 = 0
        /// What is compared: 1 users, 2 roles, 4 types, and with names + 8 for the target's,
        /// + 16 for the changed object's; 32 to 1024 levels: `l1 l2`, `l1 h2`, `h1 l2`, `h1 h2`,
        /// `l1 h1`, `l2 h2`.
        public var attribute: UInt32 = 0
        /// 1 equal, 2 not equal, 3 dominates, 4 is dominated by, 5 incomparable.
        public var comparison: UInt32 = 0
        /// The names of kind 5, attributes expanded. Bit *n* is number *n* + 1.
        public var names = PolicyBitmap()
        /// The types and attributes as the source says them. From version 29.
        public var sourceTypes = PolicyBitmap()
        /// Those that the source takes away again. From version 29.
        public var excludedTypes = PolicyBitmap()
        /// 1 all types, 2 all others. From version 29.
        public var sourceFlags: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// A role.
    public struct RoleRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The number, from 1.
        public var number: UInt32 = 0
        /// The role that it is bounded by; 0 for none. From version 24.
        public var bounds: UInt32 = 0
        /// The roles that it dominates. Bit *n* is role *n* + 1.
        public var dominates = PolicyBitmap()
        /// The types that may have it.
        public var types = PolicyBitmap()

        /// Creates an empty record.
        public init() {}
    }

    /// A type, another name of one, or an attribute.
    public struct TypeRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The number, from 1; that of its type for another name.
        public var number: UInt32 = 0
        /// Bit 0: not another name. Bit 1: an attribute; before version 24 these have no names.
        public var properties: UInt32 = 0
        /// The type that it is bounded by; 0 for none. From version 24.
        public var bounds: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// A user.
    public struct UserRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The number, from 1.
        public var number: UInt32 = 0
        /// The user that it is bounded by; 0 for none. From version 24.
        public var bounds: UInt32 = 0
        /// The roles. Bit *n* is role *n* + 1.
        public var roles = PolicyBitmap()
        /// The levels.
        public var range = RangeRecord()
        /// The level to begin with.
        public var defaultLevel = LevelRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// A Boolean and its state.
    public struct BooleanRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The number, from 1.
        public var number: UInt32 = 0
        /// 1 for true, 0 for false.
        public var state: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }

    /// A sensitivity, or another name of one.
    public struct SensitivityRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// 1 for another name, 0 otherwise.
        public var isAlias: UInt32 = 0
        /// Its number, and the categories that may go with it.
        public var level = LevelRecord()

        /// Creates an empty record.
        public init() {}
    }

    /// A category, or another name of one.
    public struct CategoryRecord: Equatable, Sendable {
        /// The name.
        public var name = ""
        /// The number, from 1.
        public var number: UInt32 = 0
        /// 1 for another name, 0 otherwise.
        public var isAlias: UInt32 = 0

        /// Creates an empty record.
        public init() {}
    }
}

extension PolicyFile.PermissionRecord: LayoutRecord {
    static let leastByteCount = 9

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.word(&number)
        try pass.text(&name, byteCount: length)
    }
}

extension PolicyFile.CommonRecord: LayoutRecord {
    static let leastByteCount = 17

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.words(&number, &permissions.primaryCount)
        let count = try pass.count(permissions.symbols.count)
        try pass.text(&name, byteCount: length)
        try pass.items(&permissions.symbols, count: count)
    }
}

extension PolicyFile.ClassRecord: LayoutRecord {
    static let leastByteCount = 25

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        let commonLength = try pass.length(of: common)
        try pass.words(&number, &permissions.primaryCount)
        let permissionCount = try pass.count(permissions.symbols.count)
        let constraintCount = try pass.count(constraints.count)
        try pass.text(&name, byteCount: length)
        if commonLength > 0 { try pass.text(&common, byteCount: commonLength) }
        try pass.items(&permissions.symbols, count: permissionCount)
        try pass.items(&constraints, count: constraintCount)
        if pass.format.has(.levels) {
            try pass.table(&transitionConstraints)
        } else {
            try pass.leaveOut(!transitionConstraints.isEmpty)
        }
        if pass.format.has(.objectDefaults) {
            try pass.words(&defaultUser, &defaultRole)
            try pass.word(&defaultRange)
        } else {
            try pass.leaveOut(defaultUser | defaultRole | defaultRange != 0)
        }
        if pass.format.has(.defaultTypes) {
            try pass.word(&defaultType)
        } else {
            try pass.leaveOut(defaultType != 0)
        }
    }
}

extension PolicyFile.ConstraintRecord: LayoutRecord {
    static let leastByteCount = 8

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.word(&permissions)
        try pass.table(&terms)
    }
}

extension PolicyFile.ConstraintTerm: LayoutRecord {
    static let leastByteCount = 12

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&kind, &attribute)
        try pass.word(&comparison)
        guard kind == 5 else {
            return try pass.leaveOut(
                names != PolicyBitmap() || sourceTypes != PolicyBitmap()
                    || excludedTypes != PolicyBitmap() || sourceFlags != 0)
        }
        try pass.record(&names)
        if pass.format.has(.constraintNames) {
            try pass.record(&sourceTypes)
            try pass.record(&excludedTypes)
            try pass.word(&sourceFlags)
        } else {
            try pass.leaveOut(
                sourceTypes != PolicyBitmap() || excludedTypes != PolicyBitmap() || sourceFlags != 0
            )
        }
    }
}

extension PolicyFile.RoleRecord: LayoutRecord {
    static let leastByteCount = 33

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.word(&number)
        try pass.bounds(&bounds)
        try pass.text(&name, byteCount: length)
        try pass.record(&dominates)
        try pass.record(&types)
    }
}

extension PolicyFile.TypeRecord: LayoutRecord {
    static let leastByteCount = 13

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.words(&number, &properties)
        try pass.bounds(&bounds)
        try pass.text(&name, byteCount: length)
    }
}

extension PolicyFile.UserRecord: LayoutRecord {
    static let leastByteCount = 21

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.word(&number)
        try pass.bounds(&bounds)
        try pass.text(&name, byteCount: length)
        try pass.record(&roles)
        if pass.format.has(.levels) {
            try pass.record(&range)
            try pass.record(&defaultLevel)
        } else {
            try pass.leaveOut(
                range != PolicyFile.RangeRecord() || defaultLevel != PolicyFile.LevelRecord())
        }
    }
}

extension PolicyFile.BooleanRecord: LayoutRecord {
    static let leastByteCount = 13

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        try pass.words(&number, &state)
        try pass.name(&name)
    }
}

extension PolicyFile.SensitivityRecord: LayoutRecord {
    static let leastByteCount = 25

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.word(&isAlias)
        try pass.text(&name, byteCount: length)
        try pass.record(&level)
    }
}

extension PolicyFile.CategoryRecord: LayoutRecord {
    static let leastByteCount = 13

    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError) {
        let length = try pass.length(of: name)
        try pass.words(&number, &isAlias)
        try pass.text(&name, byteCount: length)
    }
}
