extension PolicyFile {
    /// The policy as lines in the words of the kernel policy language, in an order that does not
    /// depend on that of the file: symbols by number, rules by class and names.
    ///
    /// What is read is shown with its number when it has no name, so any policy can be listed.
    /// - Source: docs/commands.md, the stage `policy`.
    public var listing: String {
        let names = ListingNames(self)
        var lines = ["policy \(format.target == .xen ? "xen" : "linux") \(format.version)"]
        lines[0] += isMultilevel ? " multilevel" : ""
        lines += symbolLines(names)
        lines += constraintLines(names)
        lines += accessRules.rules.map { names.line(of: $0) }.sorted()
        lines += rangeTransitions.map { names.line(of: $0) }.sorted()
        lines += roleTransitions.map { names.line(of: $0) }.sorted()
        lines += roleAllows.map { "allow \(names.role($0.role)) \(names.role($0.newRole));" }
            .sorted()
        lines += conditionalLines(names)
        lines += contextLines(names)
        return lines.map { $0 + "\n" }.joined()
    }

    private func symbolLines(_ names: ListingNames) -> [String] {
        var lines = classes.symbols.sorted { $0.number < $1.number }.map { record in
            let common = record.common.isEmpty ? "" : " inherits \(record.common)"
            return "class \(record.name)\(common) { \(ListingNames.own(record)) }"
        }
        let levels = sensitivities.symbols.filter { $0.isAlias == 0 }
            .sorted { $0.level.sensitivity < $1.level.sensitivity }
        lines.append("dominance { \(levels.map(\.name).joined(separator: " ")) }")
        lines += categories.symbols.filter { $0.isAlias == 0 }.sorted { $0.number < $1.number }
            .map { "category \($0.name);" }
        let attributes = types.symbols.filter { $0.properties & 2 != 0 }
        lines += attributes.sorted { $0.number < $1.number }.map { "attribute \($0.name);" }
        for type in types.symbols.filter({ $0.properties & 3 == 1 }).sorted(by: {
            $0.number < $1.number
        }) {
            let index = Int(type.number) - 1
            let sets = typeAttributes.indices.contains(index) ? typeAttributes[index].numbers : []
            let others = sets.map { names.type($0 + 1) }.filter { $0 != type.name }
            lines.append("type \(([type.name] + others).joined(separator: ", "));")
        }
        lines += booleans.symbols.sorted { $0.number < $1.number }.map {
            "bool \($0.name) \($0.state == 0 ? "false" : "true");"
        }
        lines += roles.symbols.sorted { $0.number < $1.number }.map { role in
            let types = role.types.numbers.map { names.type($0 + 1) }
            return "role \(role.name) types { \(types.joined(separator: " ")) };"
        }
        lines += users.symbols.sorted { $0.number < $1.number }.map { user in
            let roles = user.roles.numbers.map { names.role($0 + 1) }.joined(separator: " ")
            return "user \(user.name) roles { \(roles) } range \(names.range(user.range));"
        }
        return lines
    }

    private func constraintLines(_ names: ListingNames) -> [String] {
        classes.symbols.sorted { $0.number < $1.number }.flatMap { record in
            record.constraints.map { constraint in
                let permissions = names.permissions(constraint.permissions, record.number)
                return "constrain \(record.name) { \(permissions) } "
                    + "\(names.expression(constraint.terms));"
            }
        }
    }

    private func conditionalLines(_ names: ListingNames) -> [String] {
        conditionals.flatMap { conditional in
            let terms = conditional.terms.map { term in
                term.kind == 1
                    ? names.boolean(term.boolean) : ListingNames.booleanOperator(term.kind)
            }
            return ["if ( \(terms.joined(separator: " ")) )"]
                + conditional.whenTrue.rules.map { "  \(names.line(of: $0))" }.sorted()
                + ["else"]
                + conditional.whenFalse.rules.map { "  \(names.line(of: $0))" }.sorted()
        }
    }

    private func contextLines(_ names: ListingNames) -> [String] {
        let tables = objectContexts
        var lines = tables.initialIdentifiers.sorted { $0.number < $1.number }.map {
            "sid \($0.number) \(names.context($0.context))"
        }
        lines += tables.interrupts.map { "pirqcon \($0.number) \(names.context($0.context))" }
        lines += tables.frames.map {
            "iomemcon 0x\(String($0.first, radix: 16))-0x\(String($0.last, radix: 16)) "
                + names.context($0.context)
        }
        lines += tables.ports.map {
            "ioportcon 0x\(String($0.first, radix: 16))-0x\(String($0.last, radix: 16)) "
                + names.context($0.context)
        }
        lines += tables.pciDevices.map {
            "pcidevicecon 0x\(String($0.number, radix: 16)) \(names.context($0.context))"
        }
        lines += tables.deviceTreePaths.map {
            "devicetreecon \($0.name) \(names.context($0.context))"
        }
        return lines
    }
}

/// The names that a policy gives to its numbers, and its rules in these names.
private struct ListingNames {
    private var classes: [UInt32: PolicyFile.ClassRecord] = [:]
    private var commons: [String: PolicyFile.CommonRecord] = [:]
    private var roles: [UInt32: String] = [:]
    private var types: [UInt32: String] = [:]
    private var users: [UInt32: String] = [:]
    private var booleans: [UInt32: String] = [:]
    private let levels: LevelNames

    init(_ policy: PolicyFile) {
        for record in policy.classes.symbols { classes[record.number] = record }
        for record in policy.commons.symbols { commons[record.name] = record }
        for record in policy.roles.symbols { roles[record.number] = record.name }
        for record in policy.types.symbols where record.properties & 3 != 0 {
            types[record.number] = record.name
        }
        for record in policy.users.symbols { users[record.number] = record.name }
        for record in policy.booleans.symbols { booleans[record.number] = record.name }
        levels = LevelNames(policy)
    }

    func type(_ number: UInt32) -> String { types[number] ?? "#\(number)" }
    func role(_ number: UInt32) -> String { roles[number] ?? "#\(number)" }
    func boolean(_ number: UInt32) -> String { booleans[number] ?? "#\(number)" }
    private func user(_ number: UInt32) -> String { users[number] ?? "#\(number)" }
    private func objectClass(_ number: UInt32) -> String { classes[number]?.name ?? "#\(number)" }

    /// The permissions of a class that are not of its common, by number.
    static func own(_ record: PolicyFile.ClassRecord) -> String {
        record.permissions.symbols.sorted { $0.number < $1.number }.map(\.name)
            .joined(separator: " ")
    }

    func permissions(_ vector: UInt32, _ number: UInt32) -> String {
        guard let record = classes[number] else { return "#\(vector)" }
        let shared = commons[record.common]?.permissions.symbols ?? []
        let all = shared + record.permissions.symbols
        return (0..<32).filter { vector >> $0 & 1 == 1 }.map { bit in
            all.first { $0.number == bit + 1 }?.name ?? "#\(bit + 1)"
        }.joined(separator: " ")
    }

    func range(_ range: PolicyFile.RangeRecord) -> String {
        let low = level(range.low)
        return range.high.map { "\(low)..\(level($0))" } ?? low
    }

    private func level(_ record: PolicyFile.LevelRecord) -> String {
        levels.text(
            sensitivity: record.sensitivity, categories: record.categories.numbers.map { $0 + 1 })
    }

    func context(_ record: PolicyFile.ContextRecord) -> String {
        "\(user(record.user)):\(role(record.role)):\(type(record.type)):\(range(record.range))"
    }

    func line(of rule: PolicyFile.AccessRule) -> String {
        let objectClass = UInt32(rule.objectClass)
        let pair =
            "\(type(UInt32(rule.source))) \(type(UInt32(rule.target))):"
            + self.objectClass(objectClass)
        func granting(_ word: String) -> String {
            "\(word) \(pair) { \(permissions(rule.data, objectClass)) };"
        }
        switch rule.kind {
        case .allowed: return granting("allow")
        case .auditAllowed: return granting("auditallow")
        case .auditDenied:
            // The file holds what is recorded; the language says what is not.
            return "dontaudit \(pair) { \(permissions(~rule.data, objectClass)) };"
        case .transition: return "type_transition \(pair) \(type(rule.data));"
        case .member: return "type_member \(pair) \(type(rule.data));"
        case .change: return "type_change \(pair) \(type(rule.data));"
        case .extendedAllowed: return "allowxperm \(pair) #\(rule.data);"
        case .extendedAuditAllowed: return "auditallowxperm \(pair) #\(rule.data);"
        case .extendedUnauditedDenied: return "dontauditxperm \(pair) #\(rule.data);"
        }
    }

    func line(of rule: PolicyFile.RangeTransitionRecord) -> String {
        "range_transition \(type(rule.source)) \(type(rule.target)):"
            + "\(objectClass(rule.objectClass)) \(range(rule.range));"
    }

    func line(of rule: PolicyFile.RoleTransitionRecord) -> String {
        "role_transition \(role(rule.role)) \(type(rule.type)):"
            + "\(objectClass(rule.objectClass)) \(role(rule.newRole));"
    }

    static func booleanOperator(_ kind: UInt32) -> String {
        let words: [UInt32: String] = [2: "not", 3: "or", 4: "and", 5: "xor", 6: "eq", 7: "neq"]
        return words[kind] ?? "#\(kind)"
    }

    /// A postfix expression with brackets; what is no expression is shown term by term.
    func expression(_ terms: [PolicyFile.ConstraintTerm]) -> String {
        var stack: [String] = []
        for term in terms {
            switch term.kind {
            case 1 where !stack.isEmpty: stack.append("( not \(stack.removeLast()) )")
            case 2 where stack.count > 1, 3 where stack.count > 1:
                let right = stack.removeLast()
                let left = stack.removeLast()
                stack.append("( \(left) \(term.kind == 2 ? "and" : "or") \(right) )")
            default: stack.append(operand(term))
            }
        }
        return stack.joined(separator: " ")
    }

    private func operand(_ term: PolicyFile.ConstraintTerm) -> String {
        let comparisons: [UInt32: String] = [
            1: "==", 2: "!=", 3: "dom", 4: "domby", 5: "incomp",
        ]
        let pairs: [UInt32: (String, String)] = [
            1: ("u1", "u2"), 2: ("r1", "r2"), 4: ("t1", "t2"), 32: ("l1", "l2"), 64: ("l1", "h2"),
            128: ("h1", "l2"), 256: ("h1", "h2"), 512: ("l1", "h1"), 1024: ("l2", "h2"),
        ]
        let comparison = comparisons[term.comparison] ?? "#\(term.comparison)"
        guard term.kind == 5 else {
            let pair = pairs[term.attribute] ?? ("#\(term.attribute)", "#\(term.attribute)")
            return "( \(pair.0) \(comparison) \(pair.1) )"
        }
        let place = pairs[term.attribute & 7] ?? ("#\(term.attribute)", "#\(term.attribute)")
        let subject =
            term.attribute & 16 != 0
            ? place.0.dropLast() + "3" : Substring(term.attribute & 8 != 0 ? place.1 : place.0)
        let names = term.names.numbers.map { number in
            switch term.attribute & 7 {
            case 1: return user(number + 1)
            case 2: return role(number + 1)
            default: return type(number + 1)
            }
        }
        return "( \(subject) \(comparison) { \(names.joined(separator: " ")) } )"
    }
}
