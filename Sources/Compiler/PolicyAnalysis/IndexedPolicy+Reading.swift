import PolicyDatabaseModel

extension IndexedPolicy {
    private static let mostSymbols: UInt32 = 65_535

    private static func tooLarge(_ what: String) -> PolicyAnalysisError {
        PolicyAnalysisError(.policyTooLarge, "the policy has more \(what) than can be analysed")
    }

    private static func unknown(_ what: String, _ number: UInt32) -> PolicyAnalysisError {
        PolicyAnalysisError(
            .unknownNumber, "the policy names \(what) \(number), which is not there")
    }

    /// The index of a number among `count` symbols.
    private static func index(
        _ number: UInt32, _ count: Int, _ what: String
    ) throws(PolicyAnalysisError) -> Int {
        guard number > 0, Int(number) <= count else { throw unknown(what, number) }
        return Int(number) - 1
    }

    /// The indexes of a set whose bit *n* is number *n* + 1.
    private static func indexes(
        _ bits: PolicyBitmap, _ count: Int, _ what: String
    ) throws(PolicyAnalysisError) -> [Int] {
        if let last = bits.words.last, Int(last.first) + 63 - last.bits.leadingZeroBitCount >= count
        {
            throw unknown(what, last.first &+ UInt32(64 - last.bits.leadingZeroBitCount))
        }
        return bits.numbers.map(Int.init)
    }

    /// Names by index; `count` is the file's, and every number must be below it.
    private static func names(
        _ symbols: [(UInt32, String)], _ count: UInt32, _ what: String
    ) throws(PolicyAnalysisError) -> [String] {
        guard count <= mostSymbols else { throw tooLarge(what + "s") }
        var names: [String?] = Array(repeating: nil, count: Int(count))
        for (number, name) in symbols {
            names[try index(number, Int(count), what)] = name
        }
        return names.enumerated().map { $1 ?? "#\($0 + 1)" }
    }

    mutating func indexTypes() throws(PolicyAnalysisError) {
        let table = file.types
        guard table.primaryCount <= Self.mostSymbols else { throw Self.tooLarge("types") }
        let count = Int(table.primaryCount)
        var names: [String?] = Array(repeating: nil, count: count)
        isAttribute = Array(repeating: false, count: count)
        // Before version 24 every symbol is a type or another name, and 1 says which.
        for record in table.symbols {
            let index = try Self.index(record.number, count, "type")
            typeIndexes[record.name] = index
            guard record.properties & 3 != 0 else {
                aliases[index, default: []].append(record.name)
                continue
            }
            names[index] = record.name
            isAttribute[index] = record.properties & 2 != 0
            if record.bounds != 0 {
                bounds[index] = try Self.index(record.bounds, count, "type")
            }
        }
        // Versions 20 to 23 have attributes without names.
        for index in names.indices where names[index] == nil {
            let digits = String(index + 1)
            let name =
                "attribute_" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            names[index] = name
            isAttribute[index] = true
            typeIndexes[name] = index
        }
        typeNames = names.map { $0 ?? "" }
        for index in aliases.keys { aliases[index]?.sort() }
        try indexSets(count)
    }

    private mutating func indexSets(_ count: Int) throws(PolicyAnalysisError) {
        let attributeIndexes = isAttribute.indices.filter { isAttribute[$0] }
        guard attributeIndexes.count * count <= 1 << 29 else { throw Self.tooLarge("attributes") }
        attributes = Array(repeating: [], count: count)
        var sets: [TypeSet?] = Array(repeating: nil, count: count)
        for index in attributeIndexes { sets[index] = TypeSet(size: count) }
        for (type, bits) in file.typeAttributes.enumerated().prefix(count) {
            let holders = try Self.indexes(bits, count, "attribute")
            guard !isAttribute[type] else { continue }
            for holder in holders where isAttribute[holder] {
                sets[holder]?.insert(type)
                attributes[type].append(holder)
            }
        }
        for index in attributeIndexes { members[index] = sets[index] }
    }

    mutating func indexClasses() throws(PolicyAnalysisError) {
        guard file.classes.primaryCount <= Self.mostSymbols else { throw Self.tooLarge("classes") }
        let count = Int(file.classes.primaryCount)
        classes = Array(repeating: ObjectClassEntry(), count: count)
        for index in 0..<count { classes[index].name = "#\(index + 1)" }
        let commons = Dictionary(file.commons.symbols.map { ($0.name, $0) }) { first, _ in first }
        for record in file.classes.symbols {
            let index = try Self.index(record.number, count, "class")
            var entry = ObjectClassEntry()
            entry.name = record.name
            entry.common = record.common
            entry.record = record
            let shared = commons[record.common]?.permissions.symbols ?? []
            entry.commonCount = shared.count
            for permission in shared + record.permissions.symbols {
                let bit = try Self.index(permission.number, 32, "permission")
                entry.permissions[bit] = permission.name
                entry.mask |= 1 << UInt32(bit)
            }
            entry.constraints = record.constraints
            entry.transitionConstraints = record.transitionConstraints
            classes[index] = entry
        }
    }

    mutating func indexOthers() throws(PolicyAnalysisError) {
        roleNames = try Self.names(
            file.roles.symbols.map { ($0.number, $0.name) }, file.roles.primaryCount, "role")
        userNames = try Self.names(
            file.users.symbols.map { ($0.number, $0.name) }, file.users.primaryCount, "user")
        let states = Dictionary(file.booleans.symbols.map { ($0.number, $0.state != 0) }) { $1 }
        booleans = try Self.names(
            file.booleans.symbols.map { ($0.number, $0.name) }, file.booleans.primaryCount,
            "boolean"
        ).enumerated().map { ($1, states[UInt32($0) + 1] ?? false) }
        // Compilers count other names among the primary ones here.
        let ranks = file.sensitivities.symbols.filter { $0.isAlias == 0 }
            .map { ($0.level.sensitivity, $0.name) }
        sensitivityNames = try Self.names(ranks, ranks.map(\.0).max() ?? 0, "sensitivity")
        let needs = file.categories.symbols.filter { $0.isAlias == 0 }.map { ($0.number, $0.name) }
        categoryNames = try Self.names(needs, needs.map(\.0).max() ?? 0, "category")
        roleTypes = Array(repeating: TypeSet(size: typeCount), count: roleNames.count)
        for record in file.roles.symbols {
            let types = try Self.indexes(record.types, typeCount, "type")
            _ = try Self.indexes(record.dominates, roleNames.count, "role")
            for type in types { roleTypes[Int(record.number) - 1].insert(type) }
            if record.bounds != 0 { _ = try Self.index(record.bounds, roleNames.count, "role") }
        }
        userRoles = Array(repeating: [], count: userNames.count)
        userRanges = Array(repeating: LevelRange(), count: userNames.count)
        for record in file.users.symbols {
            let index = Int(record.number) - 1
            userRoles[index] = try Self.indexes(record.roles, roleNames.count, "role")
            userRanges[index] = try levelRange(record.range)
            if record.bounds != 0 { _ = try Self.index(record.bounds, userNames.count, "user") }
        }
    }

    mutating func indexRules() throws(PolicyAnalysisError) {
        rules.reserveCapacity(file.accessRules.rules.count)
        try indexRules(of: file.accessRules, conditional: -1, branch: true)
        guard file.conditionals.count <= 1 << 20 else { throw Self.tooLarge("conditionals") }
        for (index, conditional) in file.conditionals.enumerated() {
            for term in conditional.terms where term.kind == 1 {
                _ = try Self.index(term.boolean, booleans.count, "boolean")
            }
            let number = Int32(index)
            try indexRules(of: conditional.whenTrue, conditional: number, branch: true)
            try indexRules(of: conditional.whenFalse, conditional: number, branch: false)
        }
        for rule in file.roleTransitions {
            _ = try Self.index(rule.role, roleNames.count, "role")
            _ = try Self.index(rule.newRole, roleNames.count, "role")
            _ = try Self.index(rule.type, typeCount, "type")
            if rule.objectClass != 0 {
                _ = try Self.index(rule.objectClass, classes.count, "class")
            }
        }
        for rule in file.roleAllows {
            _ = try Self.index(rule.role, roleNames.count, "role")
            _ = try Self.index(rule.newRole, roleNames.count, "role")
        }
        for rule in file.rangeTransitions {
            _ = try Self.index(rule.source, typeCount, "type")
            _ = try Self.index(rule.target, typeCount, "type")
            if rule.objectClass != 0 {
                _ = try Self.index(rule.objectClass, classes.count, "class")
            }
            _ = try levelRange(rule.range)
        }
        for rule in file.filenameTransitions {
            _ = try Self.index(rule.target, typeCount, "type")
            _ = try Self.index(rule.objectClass, classes.count, "class")
            for result in rule.results {
                _ = try Self.indexes(result.sources, typeCount, "type")
                _ = try Self.index(result.newType, typeCount, "type")
            }
        }
    }

    private mutating func indexRules(
        of table: PolicyFile.AccessRuleTable, conditional: Int32, branch: Bool
    ) throws(PolicyAnalysisError) {
        let firstOperation = UInt32(operations.count)
        operations += table.operations
        for rule in table.rules {
            let source = try Self.index(UInt32(rule.source), typeCount, "type")
            let target = try Self.index(UInt32(rule.target), typeCount, "type")
            let objectClass = try Self.index(UInt32(rule.objectClass), classes.count, "class")
            var data = rule.data
            switch rule.kind {
            case .transition, .member, .change:
                data = UInt32(try Self.index(data, typeCount, "type"))
            case .extendedAllowed, .extendedAuditAllowed, .extendedUnauditedDenied:
                data &+= firstOperation
                guard Int(data) < operations.count else { throw Self.unknown("operations", data) }
            case .auditDenied: data = ~data & classes[objectClass].mask
            case .allowed, .auditAllowed: data &= classes[objectClass].mask
            }
            rules.append(
                IndexedRule(
                    source: Int32(source), target: Int32(target), objectClass: Int32(objectClass),
                    kind: rule.kind, conditional: conditional, branch: branch, data: data))
        }
    }

    /// Checks the numbers of constraints and labels.
    func checkLabels() throws(PolicyAnalysisError) {
        for entry in classes {
            for constraint in entry.constraints + entry.transitionConstraints {
                for term in constraint.terms where term.kind == 5 {
                    let (count, what) =
                        switch term.attribute & 7 {
                        case 1: (userNames.count, "user")
                        case 2: (roleNames.count, "role")
                        default: (typeCount, "type")
                        }
                    _ = try Self.indexes(term.names, count, what)
                    _ = try Self.indexes(term.sourceTypes, typeCount, "type")
                    _ = try Self.indexes(term.excludedTypes, typeCount, "type")
                }
            }
        }
        for context in file.objectContexts.all { try check(context) }
        for system in file.genericFileSystems {
            for path in system.paths {
                try check(path.context)
                if path.objectClass != 0 {
                    _ = try Self.index(path.objectClass, classes.count, "class")
                }
            }
        }
        for record in file.sensitivities.symbols {
            _ = try Self.indexes(record.level.categories, categoryNames.count, "category")
            _ = try Self.index(record.level.sensitivity, sensitivityNames.count, "sensitivity")
        }
        for record in file.users.symbols where file.isMultilevel {
            _ = try level(record.defaultLevel)
        }
        if let last = file.permissiveTypes.numbers.last, Int(last) > typeCount {
            throw Self.unknown("type", last)
        }
    }

    private func check(_ context: PolicyFile.ContextRecord) throws(PolicyAnalysisError) {
        _ = try Self.index(context.user, userNames.count, "user")
        _ = try Self.index(context.role, roleNames.count, "role")
        _ = try Self.index(context.type, typeCount, "type")
        _ = try levelRange(context.range)
    }

    func level(_ record: PolicyFile.LevelRecord) throws(PolicyAnalysisError) -> Level {
        guard file.isMultilevel else { return Level() }
        return Level(
            sensitivity: try Self.index(
                record.sensitivity, sensitivityNames.count, "sensitivity"),
            categories: try Self.indexes(record.categories, categoryNames.count, "category"))
    }

    func levelRange(_ record: PolicyFile.RangeRecord) throws(PolicyAnalysisError) -> LevelRange {
        let low = try level(record.low)
        guard let high = record.high else { return LevelRange(low: low, high: low) }
        return LevelRange(low: low, high: try level(high))
    }
}

extension PolicyFile.ObjectContextTables {
    /// Every label of every table.
    var all: [PolicyFile.ContextRecord] {
        var all = initialIdentifiers.map(\.context)
        all += interrupts.map(\.context) + ports.map(\.context) + frames.map(\.context)
        all += pciDevices.map(\.context) + deviceTreePaths.map(\.context)
        all += fileSystems.flatMap { [$0.context, $0.contentContext] }
        all += networkPorts.map(\.context)
        all += networkInterfaces.flatMap { [$0.context, $0.contentContext] }
        all += nodes.map(\.context) + fileSystemUses.map(\.context)
        all += wideNodes.map(\.context)
        all += infinibandKeys.map(\.context) + infinibandPorts.map(\.context)
        return all
    }
}
