import PolicyDatabaseModel
import TestSupport

/// Changes of policies record by record: a policy is read, one record is changed, left out,
/// doubled or moved, and it is written again with right counts and lengths. So a change comes past
/// the shape of the file to the rule that it breaks. Now and then words are changed instead.
enum PolicyChanges {
    static func change(
        _ bytes: inout [UInt8], _ others: [[UInt8]], _ random: inout SeededGenerator
    ) {
        let isPlain = Int.random(in: 0..<4, using: &random) == 0
        guard !isPlain, var file = try? PolicyFile(validating: bytes) else {
            return WordChanges.change(&bytes, others, &random)
        }
        var change = Change(random)
        change.apply(to: &file)
        random = change.random
        if let encoded = try? file.encoded() { bytes = encoded }
    }

    /// One change, with the numbers to choose it.
    private struct Change {
        var random: SeededGenerator

        init(_ random: SeededGenerator) { self.random = random }

        mutating func below(_ bound: Int) -> Int {
            Int.random(in: 0..<max(1, bound), using: &random)
        }

        /// A number as it may stand in a policy: mostly small.
        mutating func number() -> UInt32 {
            below(3) == 0 ? WordChanges.value(&random) : UInt32(below(24))
        }

        mutating func apply(to file: inout PolicyFile) {
            switch below(13) {
            case 0: header(&file)
            case 11: extremes(&file)
            case 1, 2: symbols(&file)
            case 3, 4: classes(&file)
            case 5: rules(&file.accessRules)
            case 6: conditionals(&file)
            case 7: roleRules(&file)
            case 8, 9: contexts(&file.objectContexts)
            case 10: ranges(&file)
            default: names(&file)
            }
        }

        /// Changes, leaves out, doubles or moves one record.
        mutating func vary<Record>(
            _ records: inout [Record], _ change: (inout Record, inout Change) -> Void
        ) {
            guard !records.isEmpty else { return }
            let index = below(records.count)
            switch below(12) {
            case 0: records.remove(at: index)
            case 1: records.insert(records[index], at: below(records.count))
            case 2: records.swapAt(index, below(records.count))
            default: change(&records[index], &self)
            }
        }

        mutating func vary<Symbol>(
            _ table: inout PolicyFile.SymbolTable<Symbol>,
            _ change: (inout Symbol, inout Change) -> Void
        ) {
            let count = table.symbols.count
            vary(&table.symbols, change)
            if below(3) > 0 {
                let step = table.symbols.count - count
                table.primaryCount = UInt32(clamping: Int(table.primaryCount) + step)
            } else if below(8) == 0 {
                table.primaryCount = number()
            }
        }

        mutating func bitmap(_ bitmap: inout PolicyBitmap) {
            var numbers = bitmap.numbers
            if below(3) == 0, !numbers.isEmpty {
                numbers.remove(at: below(numbers.count))
            } else {
                numbers.append(below(4) == 0 ? number() : UInt32(below(300)))
            }
            bitmap = PolicyBitmap(numbers)
        }

        mutating func rename(_ name: inout String) {
            let other = [
                "a", "object_r", "t1", "r2", "read",
                String(repeating: "x", count: below(2) == 0 ? 30 : 256),
            ]
            name = below(2) == 0 ? name + "x" : other[below(other.count)]
        }

        mutating func range(_ range: inout PolicyFile.RangeRecord) {
            switch below(5) {
            case 0: range.low.sensitivity = number()
            case 1: bitmap(&range.low.categories)
            case 2: range.high = below(2) == 0 ? nil : range.low
            case 3: range.high?.sensitivity = number()
            default:
                var high = range.high ?? range.low
                bitmap(&high.categories)
                range.high = high
            }
        }

        mutating func context(_ context: inout PolicyFile.ContextRecord) {
            switch below(5) {
            case 0: context.user = number()
            case 1: context.role = number()
            case 2: context.type = number()
            default: range(&context.range)
            }
        }

        mutating func header(_ file: inout PolicyFile) {
            switch below(6) {
            case 0: file.format = PolicyFormat.all[below(PolicyFormat.all.count)]
            case 1: file.isMultilevel.toggle()
            case 2: file.unknownHandling = PolicyFile.UnknownHandling.allCases[below(3)]
            case 3: bitmap(&file.capabilities)
            case 4: bitmap(&file.permissiveTypes)
            default:
                vary(&file.typeAttributes) { $1.bitmap(&$0) }
                file.types.primaryCount = UInt32(clamping: file.typeAttributes.count)
            }
        }

        mutating func symbols(_ file: inout PolicyFile) {
            switch below(7) {
            case 0:
                vary(&file.roles) { role, change in
                    switch change.below(5) {
                    case 0: role.number = change.number()
                    case 1: role.bounds = change.number()
                    case 2: change.bitmap(&role.dominates)
                    case 3: change.bitmap(&role.types)
                    default: change.rename(&role.name)
                    }
                }
            case 1:
                vary(&file.types.symbols) { type, change in
                    switch change.below(4) {
                    case 0: type.number = change.number()
                    case 1: type.properties = change.number()
                    case 2: type.bounds = change.number()
                    default: change.rename(&type.name)
                    }
                }
            case 2: vary(&file.users) { $1.user(&$0) }
            case 3:
                vary(&file.booleans) { boolean, change in
                    switch change.below(3) {
                    case 0: boolean.number = change.number()
                    case 1: boolean.state = UInt32(change.below(3))
                    default: change.rename(&boolean.name)
                    }
                }
            case 4:
                vary(&file.sensitivities) { sensitivity, change in
                    switch change.below(4) {
                    case 0: sensitivity.isAlias = change.number()
                    case 1: sensitivity.level.sensitivity = change.number()
                    case 2: change.bitmap(&sensitivity.level.categories)
                    default: change.rename(&sensitivity.name)
                    }
                }
            case 5:
                vary(&file.categories) { category, change in
                    switch change.below(3) {
                    case 0: category.number = change.number()
                    case 1: category.isAlias = change.number()
                    default: change.rename(&category.name)
                    }
                }
            default:
                var common = PolicyFile.CommonRecord()
                common.name = "c\(below(9))"
                common.number = number()
                file.commons.symbols.append(common)
            }
        }

        /// What no step from record to record comes to.
        mutating func extremes(_ file: inout PolicyFile) {
            switch below(10) {
            case 6: manyTypes(&file)
            case 7:
                let least = 1 + below(13)
                file.objectContexts.initialIdentifiers.removeAll { $0.number <= least }
            case 8:
                for index in file.conditionals.indices {
                    if below(2) == 0, !file.conditionals[index].whenTrue.rules.isEmpty {
                        file.conditionals[index].whenTrue.rules[0].kind = .auditAllowed
                    } else if !file.conditionals[index].whenFalse.rules.isEmpty {
                        file.conditionals[index].whenFalse.rules[0].kind = .auditAllowed
                    }
                }
            case 0:
                let most = below(4)
                file.classes.symbols.removeAll { $0.number > 15 - most }
                file.classes.primaryCount = UInt32(file.classes.symbols.count)
            case 1: file.accessRules.rules = []
            case 2:
                file.categories.symbols = (1...257).map {
                    var category = PolicyFile.CategoryRecord()
                    category.name = "c\($0)"
                    category.number = UInt32($0)
                    return category
                }
                file.categories.primaryCount = 257
            case 3:
                guard !file.conditionals.isEmpty, let term = file.conditionals[0].terms.first else {
                    return
                }
                file.conditionals[0].terms += Array(repeating: term, count: 10)
            case 4:
                for index in file.accessRules.rules.indices where below(40) == 0 {
                    file.accessRules.rules[index].kind = .auditAllowed
                }
            case 5: roleTransition(&file)
            default: file.accessRules.rules.reverse()
            }
        }

        /// Types with numbers so far from those of their attributes that sets have gaps.
        mutating func manyTypes(_ file: inout PolicyFile) {
            let first = file.types.primaryCount
            guard first < 400, file.typeAttributes.count == Int(first) else { return }
            for number in first + 1...first + 140 {
                var type = PolicyFile.TypeRecord()
                type.name = "far\(number)"
                type.number = number
                type.properties = 1
                file.types.symbols.append(type)
                file.typeAttributes.append(PolicyBitmap([0, number - 1]))
            }
            file.types.primaryCount = first + 140
            for index in file.accessRules.rules.indices where below(4) == 0 {
                file.accessRules.rules[index].source = UInt16(1 + below(Int(first) + 140))
            }
            for index in file.objectContexts.initialIdentifiers.indices where below(2) == 0 {
                file.objectContexts.initialIdentifiers[index].context.type = first + 139
                file.objectContexts.initialIdentifiers[index].context.role = 1
            }
        }

        mutating func roleTransition(_ file: inout PolicyFile) {
            for type in 1...max(1, min(file.types.primaryCount, 40)) {
                var rule = PolicyFile.RoleTransitionRecord()
                rule.role = 1 + UInt32(below(4))
                rule.type = type
                rule.newRole = 1 + UInt32(below(4))
                rule.objectClass = 3
                file.roleTransitions.append(rule)
            }
        }

        mutating func user(_ user: inout PolicyFile.UserRecord) {
            switch below(6) {
            case 0: user.number = number()
            case 1: user.bounds = number()
            case 2: bitmap(&user.roles)
            case 3: range(&user.range)
            case 4: user.defaultLevel.sensitivity = number()
            default: bitmap(&user.defaultLevel.categories)
            }
        }

        mutating func classes(_ file: inout PolicyFile) {
            vary(&file.classes) { record, change in
                switch change.below(10) {
                case 0: record.number = change.number()
                case 1: change.rename(&record.common)
                case 2: record.defaultRange = change.number()
                case 3: record.defaultType = change.number()
                case 4: record.transitionConstraints = record.constraints
                case 5:
                    change.vary(&record.permissions) { permission, change in
                        if change.below(2) == 0 { permission.number = change.number() }
                        if change.below(3) == 0 { change.rename(&permission.name) }
                    }
                default:
                    if record.constraints.isEmpty { record.constraints = [.init()] }
                    change.vary(&record.constraints) { $1.constraint(&$0) }
                }
            }
        }

        mutating func constraint(_ constraint: inout PolicyFile.ConstraintRecord) {
            if constraint.terms.isEmpty || below(6) == 0 { constraint.terms.append(.init()) }
            if below(6) == 0 { constraint.permissions = number() }
            vary(&constraint.terms) { term, change in
                switch change.below(6) {
                case 5: term = change.levelComparison()
                case 0:
                    term.kind = UInt32(change.below(7))
                    if term.kind != 5 {
                        term.names = PolicyBitmap()
                        term.sourceTypes = PolicyBitmap()
                        term.excludedTypes = PolicyBitmap()
                        term.sourceFlags = 0
                    }
                case 1: term.attribute = 1 << UInt32(change.below(12))
                case 2: term.attribute = change.number()
                case 3: term.comparison = UInt32(change.below(7))
                default: if term.kind == 5 { change.bitmap(&term.names) }
                }
            }
        }

        /// A whole comparison of two levels, which one field after the other hardly becomes.
        mutating func levelComparison() -> PolicyFile.ConstraintTerm {
            var term = PolicyFile.ConstraintTerm()
            term.kind = 4
            term.attribute = 32 << UInt32(below(6))
            term.comparison = 1 + UInt32(below(5))
            return term
        }

        mutating func rules(_ table: inout PolicyFile.AccessRuleTable) {
            guard table.operations.isEmpty || below(2) == 0 else {
                let index = below(table.operations.count)
                table.operations[index].form = UInt8(below(4))
                return
            }
            vary(&table.rules) { rule, change in
                switch change.below(6) {
                case 0: rule.source = UInt16(truncatingIfNeeded: change.number())
                case 1: rule.target = UInt16(truncatingIfNeeded: change.number())
                case 2: rule.objectClass = UInt16(truncatingIfNeeded: change.number())
                case 3: rule.isEnabled.toggle()
                case 4:
                    let kinds = PolicyFile.AccessRuleKind.allCases
                    rule.kind = kinds[change.below(kinds.count)]
                default: rule.data = change.number()
                }
            }
        }

        mutating func conditionals(_ file: inout PolicyFile) {
            vary(&file.conditionals) { record, change in
                switch change.below(6) {
                case 0: record.state = change.number()
                case 1: change.rules(&record.whenTrue)
                case 2: change.rules(&record.whenFalse)
                default:
                    if change.below(4) == 0 { record.terms.append(.init()) }
                    change.vary(&record.terms) { term, change in
                        term.kind = UInt32(change.below(9))
                        term.boolean = UInt32(change.below(5))
                    }
                }
            }
        }

        mutating func roleRules(_ file: inout PolicyFile) {
            if file.roleTransitions.isEmpty { file.roleTransitions = [.init()] }
            if file.roleAllows.isEmpty { file.roleAllows = [.init()] }
            vary(&file.roleTransitions) { rule, change in
                switch change.below(5) {
                case 0: rule.role = change.number()
                case 1: rule.type = change.number()
                case 2: rule.newRole = change.number()
                case 3: rule.objectClass = change.number()
                default:
                    rule.role = 2
                    rule.type = 5
                    rule.newRole = 3
                    rule.objectClass = 3
                }
            }
            vary(&file.roleAllows) { rule, change in
                rule.role = UInt32(change.below(5))
                rule.newRole = UInt32(change.below(5))
            }
        }

        mutating func ranges(_ file: inout PolicyFile) {
            vary(&file.rangeTransitions) { rule, change in
                switch change.below(4) {
                case 0: rule.source = change.number()
                case 1: rule.target = change.number()
                case 2: rule.objectClass = change.number()
                default: change.range(&rule.range)
                }
            }
        }

        mutating func names(_ file: inout PolicyFile) {
            if file.filenameTransitions.isEmpty { file.filenameTransitions = [.init()] }
            vary(&file.filenameTransitions) { rule, change in
                change.rename(&rule.name)
                rule.target = change.number()
                if rule.results.isEmpty || change.below(4) == 0 { rule.results.append(.init()) }
                change.vary(&rule.results) { $1.bitmap(&$0.sources) }
            }
            if below(2) == 0 { file.genericFileSystems = [.init()] }
            vary(&file.genericFileSystems) { system, change in
                change.rename(&system.name)
                change.vary(&system.paths) { $1.context(&$0.context) }
            }
        }

        mutating func contexts(_ tables: inout PolicyFile.ObjectContextTables) {
            let model = tables.initialIdentifiers.first?.context ?? .init()
            switch below(9) {
            case 0, 1:
                vary(&tables.initialIdentifiers) { record, change in
                    if change.below(3) == 0 { record.number = change.number() }
                    change.context(&record.context)
                }
            case 2:
                var record = PolicyFile.NumberedContext()
                record.context = model
                record.number = number()
                tables.interrupts.append(record)
                if below(2) == 0 { tables.pciDevices.append(record) }
            case 3:
                var record = PolicyFile.PortRangeContext()
                record.context = model
                record.first = number()
                record.last = number()
                tables.ports.append(record)
            case 4:
                var record = PolicyFile.FrameRangeContext()
                record.context = model
                record.first = UInt64(number()) << UInt64(below(3))
                record.last = UInt64(number()) << UInt64(below(9))
                tables.frames.append(record)
            case 5:
                var record = PolicyFile.NamedContext()
                record.context = model
                record.name = "/a"
                tables.deviceTreePaths.append(record)
            case 6:
                vary(&tables.interrupts) { $1.context(&$0.context) }
                vary(&tables.ports) { $1.context(&$0.context) }
            case 7: linux(&tables)
            default:
                vary(&tables.frames) { $1.context(&$0.context) }
                vary(&tables.pciDevices) { $1.context(&$0.context) }
                vary(&tables.deviceTreePaths) { $1.rename(&$0.name) }
            }
        }

        mutating func linux(_ tables: inout PolicyFile.ObjectContextTables) {
            vary(&tables.fileSystems) { $1.context(&$0.context) }
            vary(&tables.networkPorts) { $1.context(&$0.context) }
            vary(&tables.networkInterfaces) { $1.rename(&$0.name) }
            vary(&tables.nodes) { $0.address = $1.number() }
            vary(&tables.fileSystemUses) { $0.behavior = $1.number() }
            vary(&tables.wideNodes) { $0.mask.third = $1.number() }
            vary(&tables.infinibandKeys) { $0.prefixLow = $1.number() }
            vary(&tables.infinibandPorts) { $0.port = $1.number() }
        }
    }
}
