import PolicyDatabaseModel

/// Where rules go: those that always hold, and those of the two branches of each conditional.
struct RuleTables {
    var always = AccessTable()
    var branches: [(whenTrue: AccessTable, whenFalse: AccessTable)] = []
    /// For each conditional of the source its place in `branches`; nil when the branch is known.
    var places: [Int?] = []
    /// For each conditional whose branch is known which one it is.
    var known: [Bool] = []
}

extension PolicyBuilder {
    mutating func addRules() {
        var tables = RuleTables()
        attempt { (builder) throws(SourceFailure) in tables = try builder.conditionalTables() }
        guard failures.isEmpty else { return }
        for rule in source.rules where isEnabled[Int(rule.block)] && rule.kind != .neverAllow {
            attempt { (builder) throws(SourceFailure) in try builder.add(rule, to: &tables) }
        }
        var operations = OperationTable()
        for rule in source.extendedRules
        where isEnabled[Int(rule.block)] && rule.kind != .neverAllow {
            attempt { (builder) throws(SourceFailure) in try builder.add(rule, to: &operations) }
        }
        attempt { (builder) throws(SourceFailure) in try builder.checkTypeRules(tables) }
        if !source.denials.isEmpty, failures.isEmpty { deny(&tables) }
        if options.checksNeverAllow, failures.isEmpty {
            checkNeverAllow(tables, operations)
            checkBounds(tables)
        }
        if !operations.isEmpty, options.format.target != .linux || options.format.version < 30 {
            leaveOut("rules about operations")
            operations = OperationTable()
        }
        file.accessRules.rules = tables.always.records()
        operations.append(to: &file.accessRules)
        for place in tables.branches.indices {
            let isTrue = file.conditionals[place].state == 1
            file.conditionals[place].whenTrue.rules =
                tables.branches[place].whenTrue.records(isEnabled: isTrue)
            file.conditionals[place].whenFalse.rules =
                tables.branches[place].whenFalse.records(isEnabled: !isTrue)
        }
        attempt { (builder) throws(SourceFailure) in try builder.addNamedTransitions() }
        attempt { (builder) throws(SourceFailure) in try builder.addRoleRules() }
        attempt { (builder) throws(SourceFailure) in try builder.addRangeTransitions() }
    }

    // MARK: Conditionals

    /// Makes a record for each expression over Booleans, and decides those over tunables alone.
    private mutating func conditionalTables() throws(SourceFailure) -> RuleTables {
        var tables = RuleTables()
        for conditional in source.conditionals {
            // Nothing hangs on a condition of a block that is left out.
            guard !conditional.terms.isEmpty else {
                tables.known.append(false)
                tables.places.append(nil)
                continue
            }
            var terms: [PolicyFile.ConditionalTerm] = []
            var stack: [Bool] = []
            var tunables = 0
            var booleans = 0
            for term in conditional.terms {
                var record = PolicyFile.ConditionalTerm()
                record.kind = term.kind
                if let name = term.boolean {
                    guard let declared = source.booleans[name] else {
                        throw undeclared("Boolean", name, conditional.offset)
                    }
                    stack.append(source.booleanStates[Int(declared) - 1].isTrue)
                    if let number = booleanNumber(name) {
                        record.boolean = number
                        booleans += 1
                    } else {
                        tunables += 1
                    }
                } else {
                    PolicyBuilder.apply(term.kind, &stack)
                }
                terms.append(record)
            }
            guard tunables == 0 || booleans == 0 else {
                throw SourceFailure(
                    .wrongKind, "an expression is over Booleans or over tunables, not over both",
                    at: conditional.offset)
            }
            let isTrue = stack.last ?? false
            tables.known.append(isTrue)
            guard tunables == 0 else {
                tables.places.append(nil)
                continue
            }
            if let place = file.conditionals.firstIndex(where: { $0.terms == terms }) {
                tables.places.append(place)
                continue
            }
            var record = PolicyFile.ConditionalRecord()
            record.state = isTrue ? 1 : 0
            record.terms = terms
            tables.places.append(file.conditionals.count)
            file.conditionals.append(record)
            tables.branches.append((AccessTable(), AccessTable()))
        }
        return tables
    }

    private static func apply(_ kind: UInt32, _ stack: inout [Bool]) {
        let right = stack.popLast() ?? false
        if kind == 2 { return stack.append(!right) }
        let left = stack.popLast() ?? false
        switch kind {
        case 3: stack.append(left || right)
        case 4: stack.append(left && right)
        case 6: stack.append(left == right)
        default: stack.append(left != right)
        }
    }

    // MARK: Access rules

    private mutating func add(_ rule: Rule, to tables: inout RuleTables) throws(SourceFailure) {
        guard rule.branch >= 0 else { return try expand(rule, &tables.always) }
        let index = Int(rule.branch) / 2
        let isElse = rule.branch & 1 == 1
        guard let place = tables.places[index] else {
            if tables.known[index] != isElse { try expand(rule, &tables.always) }
            return
        }
        if isElse {
            try expand(rule, &tables.branches[place].whenFalse)
        } else {
            try expand(rule, &tables.branches[place].whenTrue)
        }
    }

    /// The most pairs of types, times classes, that all rules together may stand for.
    private static let mostPairs = 1 << 24

    /// Counts what a rule stands for, before it is written out.
    ///
    /// - Throws: `.limit` when all rules so far stand for too much.
    mutating func spend(
        _ sources: [UInt16], _ targets: [UInt16], _ classes: Int, _ offset: Int
    ) throws(SourceFailure) {
        try spend(sources.count * (targets.count + 1) * classes, offset)
    }

    private mutating func spend(_ count: Int, _ offset: Int) throws(SourceFailure) {
        pairs += count
        guard pairs <= PolicyBuilder.mostPairs else {
            throw SourceFailure(
                .limit, "the rules up to here stand for more than 16,777,216 pairs of types",
                at: offset)
        }
    }

    private mutating func expand(
        _ rule: Rule, _ table: inout AccessTable
    ) throws(SourceFailure) {
        let offset = Int(rule.offset)
        let classes = try classNumbers(rule.classes)
        if rule.kind.isAboutTypes {
            return try expandTypeRule(rule, classes, &table)
        }
        let pairs = try typeSets.pairs(rule.source, rule.target, source)
        let kind: AccessTable.Kind =
            switch rule.kind {
            case .allow: .allowed
            case .auditAllow: .auditAllowed
            default: .auditDenied
            }
        try spend(pairs.sources, pairs.targets, classes.count, offset)
        for objectClass in classes {
            var mask = try mask(rule.permissions, objectClass, at: offset)
            if rule.kind == .doNotAudit { mask = ~mask }
            pairs.each { table.grant(.init($0, $1, objectClass, kind), mask) }
        }
    }

    private mutating func expandTypeRule(
        _ rule: Rule, _ classes: [UInt16], _ table: inout AccessTable
    ) throws(SourceFailure) {
        let offset = Int(rule.offset)
        let result = try type(rule.permissions, offset)
        let kind: AccessTable.Kind =
            switch rule.kind {
            case .member: .member
            case .change: .change
            default: .transition
            }
        let hasSelf = try typeSets.resolve(rule.target, source).hasSelf
        let targets = try typeSets.expand(rule.target, source)
        let sources = try typeSets.expand(rule.source, source)
        try spend(sources, targets, classes.count, offset)
        for one in sources {
            for other in hasSelf ? targets + [one] : targets {
                for objectClass in classes {
                    let key = AccessTable.Key(one, other, objectClass, kind)
                    guard table.setType(key, result) == result else {
                        throw SourceFailure(
                            .conflict,
                            "another rule gives the same a type other than "
                                + "`\(typeName(result))`", at: offset)
                    }
                }
            }
        }
    }

    /// Returns the one type that a set names.
    private func type(_ set: SetID, _ offset: Int) throws(SourceFailure) -> UInt16 {
        guard let name = source.sets.single(set) else {
            throw SourceFailure(.syntax, "a rule gives one type", at: offset)
        }
        return try type(name, offset)
    }

    func type(_ name: Name, _ offset: Int) throws(SourceFailure) -> UInt16 {
        guard let number = source.types.numbering[name] else {
            throw undeclared("type", name, offset)
        }
        guard !source.types.isAttribute[Int(number) - 1] else {
            throw SourceFailure(
                .wrongKind, "`\(text(name))` is an attribute, not a type", at: offset)
        }
        return UInt16(truncatingIfNeeded: number)
    }

    func typeName(_ number: UInt16) -> String {
        text(source.types.numbering.names[Int(number) - 1])
    }

    /// A rule of a conditional gives no type where one that always holds does.
    private func checkTypeRules(_ tables: RuleTables) throws(SourceFailure) {
        for (place, (whenTrue, whenFalse)) in tables.branches.enumerated() {
            for key in whenTrue.keys + whenFalse.keys {
                guard let kind = key.kind, [.transition, .member, .change].contains(kind),
                    tables.always[key] != nil
                else { continue }
                let conditional = tables.places.firstIndex(of: place)
                throw SourceFailure(
                    .conflict,
                    "a conditional gives `\(typeName(key.source))` and `\(typeName(key.target))` "
                        + "a type, and another rule does always",
                    at: conditional.map { source.conditionals[$0].offset } ?? 0)
            }
        }
    }

    // MARK: Roles and ranges

    private func classes(_ set: SetID?, _ offset: Int) throws(SourceFailure) -> [UInt32] {
        if let set { return try classNumbers(set).map { UInt32($0) } }
        guard let name = source.classNumbers.names.first(where: { text($0) == "process" }),
            let number = source.classNumbers[name]
        else {
            throw SourceFailure(
                .missing, "the rule is about the class `process`, which is not declared",
                at: offset)
        }
        return [number]
    }

    private mutating func addRoleRules() throws(SourceFailure) {
        var known: [[UInt32]: UInt32] = [:]
        for rule in source.roleTransitions where isEnabled[Int(rule.block)] {
            guard let newRole = source.roles[rule.role] else {
                throw undeclared("role", rule.role, rule.offset)
            }
            let types = try typeSets.expand(rule.types, source)
            let classes = try classes(rule.classes, rule.offset)
            let roles = try roleNumbers(rule.roles)
            try spend(8 * types.count * roles.count * classes.count, rule.offset)
            for role in roles {
                for type in types {
                    for objectClass in classes {
                        let key = [role, UInt32(type), objectClass]
                        if let old = known[key] {
                            guard old == newRole else {
                                throw SourceFailure(
                                    .conflict, "another rule gives the same another role",
                                    at: rule.offset)
                            }
                            continue
                        }
                        known[key] = newRole
                        addRoleTransition(key, newRole)
                    }
                }
            }
        }
        var seen: Set<UInt64> = []
        for (from, to, block) in source.roleAllows where isEnabled[Int(block)] {
            let (roles, newRoles) = (try roleNumbers(from), try roleNumbers(to))
            try spend(roles.count * newRoles.count, source.sets.offset(from))
            for role in roles {
                for newRole in newRoles
                where seen.insert(UInt64(role) << 32 | UInt64(newRole)).inserted {
                    var record = PolicyFile.RoleAllowRecord()
                    record.role = role
                    record.newRole = newRole
                    file.roleAllows.append(record)
                }
            }
        }
    }

    private mutating func addRoleTransition(_ key: [UInt32], _ newRole: UInt32) {
        var record = PolicyFile.RoleTransitionRecord()
        record.role = key[0]
        record.type = key[1]
        record.newRole = newRole
        if options.format.version >= 26 {
            record.objectClass = key[2]
        } else if file.classes.symbols[Int(key[2]) - 1].name != "process" {
            return leaveOut("role transitions of other classes than `process`")
        }
        file.roleTransitions.append(record)
    }

    private mutating func addRangeTransitions() throws(SourceFailure) {
        var known: [[UInt32]: PolicyFile.RangeRecord] = [:]
        for rule in source.rangeTransitions where isEnabled[Int(rule.block)] {
            let range = try range(rule.range)
            let classes = try classes(rule.classes, rule.offset)
            let hasSelf = try typeSets.resolve(rule.target, source).hasSelf
            let targets = try typeSets.expand(rule.target, source)
            let sources = try typeSets.expand(rule.source, source)
            try spend(sources, targets, 8 * classes.count, rule.offset)
            for one in sources {
                for other in hasSelf ? targets + [one] : targets {
                    for objectClass in classes {
                        let key = [UInt32(one), UInt32(other), objectClass]
                        if let old = known[key] {
                            guard old == range else {
                                throw SourceFailure(
                                    .conflict, "another rule gives the same another range",
                                    at: rule.offset)
                            }
                            continue
                        }
                        known[key] = range
                        addRangeTransition(key, range)
                    }
                }
            }
        }
    }

    private mutating func addRangeTransition(_ key: [UInt32], _ range: PolicyFile.RangeRecord) {
        var record = PolicyFile.RangeTransitionRecord()
        record.source = key[0]
        record.target = key[1]
        record.range = range
        record.objectClass = key[2]
        file.rangeTransitions.append(record)
    }
}
