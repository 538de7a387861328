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
    public func encoded(version: PolicyVersion = .xen30) throws(PolicyWriterError) -> [UInt8] {
        let file = try file(version: version)
        do throws(PolicyFileError) {
            return try file.encoded()
        } catch {
            throw .numberOutOfRange
        }
    }

    /// Returns the policy as the records of a file.
    private func file(version: PolicyVersion) throws(PolicyWriterError) -> PolicyFile {
        guard let format = PolicyFormat(.xen, version: version.rawValue) else {
            throw .numberOutOfRange
        }
        var file = PolicyFile(format: format)
        // What is unknown is denied.
        file.isMultilevel = true
        try addSymbols(to: &file)
        try addLevels(to: &file)
        file.accessRules = try Self.table(accessRules, isEnabled: false)
        try addConditionals(to: &file)
        addRoleRules(to: &file)
        try addObjectContexts(to: &file)
        addRangeTransitions(to: &file)
        return file
    }

    // MARK: Symbols

    private func addSymbols(to file: inout PolicyFile) throws(PolicyWriterError) {
        file.classes.primaryCount = UInt32(classes.count)
        for (index, entry) in classes.enumerated() {
            var record = PolicyFile.ClassRecord()
            record.name = try Self.name(entry.name)
            record.number = UInt32(index) + 1
            record.permissions.primaryCount = UInt32(entry.permissions.count)
            for (bit, permission) in entry.permissions.enumerated() {
                var symbol = PolicyFile.PermissionRecord()
                symbol.name = try Self.name(permission)
                symbol.number = UInt32(bit) + 1
                record.permissions.symbols.append(symbol)
            }
            for constraint in entry.constraints {
                record.constraints.append(try Self.record(constraint, file.format))
            }
            file.classes.symbols.append(record)
        }
        file.roles.primaryCount = UInt32(roles.count)
        for (index, role) in roles.enumerated() {
            var record = PolicyFile.RoleRecord()
            record.name = try Self.name(role.name)
            record.number = UInt32(index) + 1
            record.dominates = Self.bitmap(role.dominates)
            record.types = Self.bitmap(role.types)
            file.roles.symbols.append(record)
        }
        file.types.primaryCount = UInt32(types.count)
        for (index, type) in types.enumerated() {
            let number = UInt32(index) + 1
            for (place, name) in ([type.name] + type.aliases).enumerated() {
                var record = PolicyFile.TypeRecord()
                record.name = try Self.name(name)
                record.number = number
                // Bit 0: no other name; bit 1: an attribute.
                if place == 0 { record.properties = type.isAttribute ? 3 : 1 }
                file.types.symbols.append(record)
            }
            file.typeAttributes.append(Self.bitmap(type.attributes + [number]))
        }
        file.users.primaryCount = UInt32(users.count)
        for (index, user) in users.enumerated() {
            var record = PolicyFile.UserRecord()
            record.name = try Self.name(user.name)
            record.number = UInt32(index) + 1
            record.roles = Self.bitmap(user.roles)
            record.range = Self.record(user.range)
            record.defaultLevel = Self.record(user.range.low)
            file.users.symbols.append(record)
        }
    }

    private func addLevels(to file: inout PolicyFile) throws(PolicyWriterError) {
        file.booleans.primaryCount = UInt32(booleans.count)
        for (index, boolean) in booleans.enumerated() {
            var record = PolicyFile.BooleanRecord()
            record.name = try Self.name(boolean.name)
            record.number = UInt32(index) + 1
            record.state = boolean.state ? 1 : 0
            file.booleans.symbols.append(record)
        }
        file.sensitivities.primaryCount = UInt32(sensitivities.count)
        for (index, sensitivity) in sensitivities.enumerated() {
            for (place, name) in ([sensitivity.name] + sensitivity.aliases).enumerated() {
                var record = PolicyFile.SensitivityRecord()
                record.name = try Self.name(name)
                record.isAlias = place == 0 ? 0 : 1
                record.level.sensitivity = UInt32(index) + 1
                record.level.categories = Self.bitmap(sensitivity.categories)
                file.sensitivities.symbols.append(record)
            }
        }
        file.categories.primaryCount = UInt32(categories.count)
        for (index, category) in categories.enumerated() {
            for (place, name) in ([category.name] + category.aliases).enumerated() {
                var record = PolicyFile.CategoryRecord()
                record.name = try Self.name(name)
                record.number = UInt32(index) + 1
                record.isAlias = place == 0 ? 0 : 1
                file.categories.symbols.append(record)
            }
        }
    }

    // MARK: Rules

    /// The rules in rising order of their keys.
    private static func table(
        _ rules: [AccessRuleKey: UInt32], isEnabled: Bool
    ) throws(PolicyWriterError) -> PolicyFile.AccessRuleTable {
        var table = PolicyFile.AccessRuleTable()
        table.rules.reserveCapacity(rules.count)
        for (key, data) in rules.sorted(by: { $0.key.order < $1.key.order }) {
            guard let source = UInt16(exactly: key.source),
                let target = UInt16(exactly: key.target),
                let objectClass = UInt16(exactly: key.objectClass),
                let kind = PolicyFile.AccessRuleKind(rawValue: key.kind.rawValue)
            else { throw .numberOutOfRange }
            var rule = PolicyFile.AccessRule()
            rule.source = source
            rule.target = target
            rule.objectClass = objectClass
            rule.kind = kind
            rule.isEnabled = isEnabled
            rule.data = data
            table.rules.append(rule)
        }
        return table
    }

    private func addConditionals(to file: inout PolicyFile) throws(PolicyWriterError) {
        for conditional in conditionals {
            let state = conditional.expression.value(booleans)
            var record = PolicyFile.ConditionalRecord()
            guard conditional.expression.appendPostfix(to: &record.terms) <= 10 else {
                throw .expressionTooDeep
            }
            record.state = state ? 1 : 0
            record.whenTrue = try Self.table(conditional.whenTrue, isEnabled: state)
            record.whenFalse = try Self.table(conditional.whenFalse, isEnabled: !state)
            file.conditionals.append(record)
        }
    }

    private func addRoleRules(to file: inout PolicyFile) {
        for rule in roleTransitions {
            var record = PolicyFile.RoleTransitionRecord()
            record.role = rule.role
            record.type = rule.type
            record.newRole = rule.newRole
            if file.format.has(.roleTransitionClasses) { record.objectClass = rule.objectClass }
            file.roleTransitions.append(record)
        }
        for rule in roleAllows {
            var record = PolicyFile.RoleAllowRecord()
            record.role = rule.role
            record.newRole = rule.newRole
            file.roleAllows.append(record)
        }
    }

    private func addRangeTransitions(to file: inout PolicyFile) {
        let sorted = rangeTransitions.sorted {
            ($0.key.source, $0.key.target, $0.key.objectClass)
                < ($1.key.source, $1.key.target, $1.key.objectClass)
        }
        for (key, range) in sorted {
            var record = PolicyFile.RangeTransitionRecord()
            record.source = key.source
            record.target = key.target
            record.objectClass = key.objectClass
            record.range = Self.record(range)
            file.rangeTransitions.append(record)
        }
    }

    private static func record(
        _ constraint: Constraint, _ format: PolicyFormat
    ) throws(PolicyWriterError) -> PolicyFile.ConstraintRecord {
        var terms: [ConstraintExpression] = []
        guard constraint.expression.appendPostfix(to: &terms) <= 5 else {
            throw .expressionTooDeep
        }
        var record = PolicyFile.ConstraintRecord()
        record.permissions = constraint.permissions
        record.terms = terms.map { term($0, format) }
        return record
    }

    private static func term(
        _ expression: ConstraintExpression, _ format: PolicyFormat
    ) -> PolicyFile.ConstraintTerm {
        var term = PolicyFile.ConstraintTerm()
        switch expression {
        case .not: term.kind = 1
        case .and: term.kind = 2
        case .or: term.kind = 3
        case .users(let comparison):
            (term.kind, term.attribute, term.comparison) = (4, 1, comparison.rawValue)
        case .roles(let comparison):
            (term.kind, term.attribute, term.comparison) = (4, 2, comparison.rawValue)
        case .types(let comparison):
            (term.kind, term.attribute, term.comparison) = (4, 4, comparison.rawValue)
        case .levels(let pair, let comparison):
            (term.kind, term.attribute, term.comparison) = (4, pair.rawValue, comparison.rawValue)
        case .names(let place, let numbers, let comparison):
            (term.kind, term.attribute, term.comparison) = (5, place.rawValue, comparison.rawValue)
            term.names = bitmap(numbers)
            // The types as a source said them; no flags.
            if place.namesTypes, format.has(.constraintNames) { term.sourceTypes = term.names }
        }
        return term
    }

    // MARK: Labels

    private func addObjectContexts(to file: inout PolicyFile) throws(PolicyWriterError) {
        var tables = PolicyFile.ObjectContextTables()
        for (sid, context) in initialContexts.sorted(by: { $0.key < $1.key }) {
            tables.initialIdentifiers.append(Self.numbered(sid, context))
        }
        let last = file.format.hasWideDevices ? UInt64.max : UInt64(UInt32.max)
        for entry in deviceContexts {
            switch entry.device {
            case .interrupt(let number):
                tables.interrupts.append(Self.numbered(number, entry.context))
            case .pci(let number):
                tables.pciDevices.append(Self.numbered(number, entry.context))
            case .ports(let first, let last):
                var record = PolicyFile.PortRangeContext()
                (record.first, record.last) = (first, last)
                record.context = Self.record(entry.context)
                tables.ports.append(record)
            case .frames(let first, let end):
                guard first <= last, end <= last else { throw .deviceNeedsVersion30 }
                var record = PolicyFile.FrameRangeContext()
                (record.first, record.last) = (first, end)
                record.context = Self.record(entry.context)
                tables.frames.append(record)
            case .deviceTree(let path):
                guard file.format.hasWideDevices else { throw .deviceNeedsVersion30 }
                var record = PolicyFile.NamedContext()
                record.name = try Self.name(path)
                record.context = Self.record(entry.context)
                tables.deviceTreePaths.append(record)
            }
        }
        file.objectContexts = tables
    }

    private static func numbered(
        _ number: UInt32, _ context: SecurityContext
    ) -> PolicyFile.NumberedContext {
        var record = PolicyFile.NumberedContext()
        record.number = number
        record.context = self.record(context)
        return record
    }

    private static func record(_ context: SecurityContext) -> PolicyFile.ContextRecord {
        var record = PolicyFile.ContextRecord()
        record.user = context.user
        record.role = context.role
        record.type = context.type
        record.range = self.record(context.range)
        return record
    }

    private static func record(_ range: SecurityRange) -> PolicyFile.RangeRecord {
        var record = PolicyFile.RangeRecord()
        record.low = self.record(range.low)
        if !range.isSingleLevel { record.high = self.record(range.high) }
        return record
    }

    private static func record(_ level: SecurityLevel) -> PolicyFile.LevelRecord {
        var record = PolicyFile.LevelRecord()
        record.sensitivity = level.sensitivity.databaseValue
        record.categories = bitmap(level.categories)
        return record
    }

    // MARK: Primitives

    private static func name(_ name: String) throws(PolicyWriterError) -> String {
        guard (1...255).contains(name.utf8.count) else { throw .badName(name) }
        return name
    }

    /// A set of numbers, which start at 1; bit *n* is number *n* + 1.
    private static func bitmap(_ numbers: [UInt32]) -> PolicyBitmap {
        PolicyBitmap(numbers.lazy.filter { $0 >= 1 }.map { $0 - 1 })
    }

    private static func bitmap(_ categories: CategorySet) -> PolicyBitmap {
        var numbers: [UInt32] = []
        for index in 0..<4 {
            var rest = categories.word(at: index)
            while rest != 0 {
                numbers.append(UInt32(index * 64 + rest.trailingZeroBitCount))
                rest &= rest - 1
            }
        }
        return PolicyBitmap(numbers)
    }
}

extension PolicyDatabaseModel.ConstraintExpression {
    /// Appends the terms in postfix order and returns the depth of the stack that they need.
    ///
    /// NOTE: recursion on the host, over an expression that the compiler itself built.
    fileprivate func appendPostfix(to terms: inout [Self]) -> Int {
        switch self {
        case .not(let one):
            let depth = one.appendPostfix(to: &terms)
            terms.append(self)
            return depth
        case .and(let one, let other), .or(let one, let other):
            let first = one.appendPostfix(to: &terms)
            let second = other.appendPostfix(to: &terms)
            terms.append(self)
            return max(first, second + 1)
        default:
            terms.append(self)
            return 1
        }
    }
}

extension PolicyDatabaseModel.BooleanExpression {
    /// Returns the value at the Booleans' states; unknown Booleans are false.
    fileprivate func value(_ booleans: [PolicyDatabaseModel.Boolean]) -> Bool {
        switch self {
        case .boolean(let number):
            return number >= 1 && number <= booleans.count && booleans[Int(number) - 1].state
        case .not(let one): return !one.value(booleans)
        case .or(let one, let other): return one.value(booleans) || other.value(booleans)
        case .and(let one, let other): return one.value(booleans) && other.value(booleans)
        case .exclusiveOr(let one, let other):
            return one.value(booleans) != other.value(booleans)
        }
    }

    /// Appends the terms in postfix order; returns the depth of the stack that they need.
    fileprivate func appendPostfix(to terms: inout [PolicyFile.ConditionalTerm]) -> Int {
        var term = PolicyFile.ConditionalTerm()
        var depth = 1
        switch self {
        case .boolean(let number): (term.kind, term.boolean) = (1, number)
        case .not(let one):
            depth = one.appendPostfix(to: &terms)
            term.kind = 2
        case .or(let one, let other), .and(let one, let other),
            .exclusiveOr(let one, let other):
            let first = one.appendPostfix(to: &terms)
            depth = max(first, other.appendPostfix(to: &terms) + 1)
            term.kind = kindOfPair
        }
        terms.append(term)
        return depth
    }

    private var kindOfPair: UInt32 {
        switch self {
        case .or: 3
        case .and: 4
        default: 5
        }
    }
}
