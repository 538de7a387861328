import PolicyDatabaseModel

/// Writes CIL.
///
/// - Source: SELinux project, "CIL Reference Guide".
struct CILWriter {
    private let policy: IndexedPolicy
    private(set) var text = ""
    private(set) var notes: [String] = []

    init(_ policy: IndexedPolicy) { self.policy = policy }

    private mutating func line(_ line: String) { text += line + "\n" }

    private static func list(_ items: some Sequence<String>) -> String {
        "(" + items.joined(separator: " ") + ")"
    }

    mutating func writeAll() {
        text.reserveCapacity(policy.rules.count * 90)
        line("(handleunknown \(PolicySummary(policy).unknownHandling))")
        line("(mls \(policy.file.isMultilevel))")
        for number in policy.file.capabilities.numbers {
            line("(policycap \(PolicyCapability.name(number)))")
        }
        writeClasses()
        writeLevels()
        writeTypes()
        writeRolesAndUsers()
        var sets: [UInt64: String] = [:]
        for rule in policy.rules where rule.conditional < 0 { write(rule, "", &sets) }
        writeTransitions()
        writeConditionals(&sets)
        for entry in policy.classes { write(constraintsOf: entry) }
        writeLabels()
    }

    private mutating func writeClasses() {
        let file = policy.file
        for common in file.commons.symbols.sorted(by: { $0.number < $1.number }) {
            let names = common.permissions.symbols.sorted { $0.number < $1.number }.map(\.name)
            line("(common \(common.name) \(Self.list(names)))")
        }
        let entries = policy.classes.filter { $0.record != nil }
        for entry in entries {
            let own = entry.permissions.dropFirst(entry.commonCount).compactMap(\.self)
            line("(class \(entry.name) \(Self.list(own)))")
            if !entry.common.isEmpty { line("(classcommon \(entry.name) \(entry.common))") }
        }
        line("(classorder \(Self.list(entries.map(\.name))))")
        let tables = file.objectContexts
        let count = tables.initialIdentifiers.count
        let names = InitialIdentifier.names(file.format.target, count: count)
        let last = min(Int(tables.initialIdentifiers.map(\.number).max() ?? 0), names.count)
        for name in names.prefix(last) { line("(sid \(name))") }
        if last > 0 { line("(sidorder \(Self.list(names.prefix(last))))") }
        for entry in entries {
            for statement in IndexedPolicy.defaultStatements(entry) {
                // `default_user domain source;` is `(defaultuser domain source)` here.
                let words = statement.dropLast().split(separator: " ").map(String.init)
                let word = words[0].filter { $0 != "_" }
                line("(\(word) \(words.dropFirst().joined(separator: " ")))")
            }
        }
    }

    private mutating func writeLevels() {
        guard policy.file.isMultilevel else {
            // Labels have levels in any case.
            for text in [
                "(sensitivity s0)", "(sensitivityorder (s0))", "(category c0)",
                "(categoryorder (c0))",
            ] { line(text) }
            return
        }
        for name in policy.sensitivityNames { line("(sensitivity \(name))") }
        line("(sensitivityorder \(Self.list(policy.sensitivityNames)))")
        for record in policy.file.sensitivities.symbols where record.isAlias != 0 {
            line("(sensitivityalias \(record.name))")
            let name = policy.sensitivityNames[Int(record.level.sensitivity) - 1]
            line("(sensitivityaliasactual \(record.name) \(name))")
        }
        for name in policy.categoryNames { line("(category \(name))") }
        line("(categoryorder \(Self.list(policy.categoryNames)))")
        for record in policy.file.categories.symbols where record.isAlias != 0 {
            guard record.number > 0, Int(record.number) <= policy.categoryNames.count
            else { continue }
            line("(categoryalias \(record.name))")
            let name = policy.categoryNames[Int(record.number) - 1]
            line("(categoryaliasactual \(record.name) \(name))")
        }
        for record in policy.file.sensitivities.symbols where record.isAlias == 0 {
            let categories = record.level.categories.numbers.map { policy.categoryNames[Int($0)] }
            if !categories.isEmpty {
                line("(sensitivitycategory \(record.name) \(Self.list(categories)))")
            }
        }
    }

    private mutating func writeTypes() {
        for index in policy.typeNames.indices {
            let name = policy.typeNames[index]
            if name.contains(".") {
                notes.append("`\(name)` has a dot, which CIL takes for a block")
            }
            line(policy.isAttribute[index] ? "(typeattribute \(name))" : "(type \(name))")
            for alias in policy.aliases[index] ?? [] {
                line("(typealias \(alias))")
                line("(typealiasactual \(alias) \(name))")
            }
        }
        for index in policy.typeNames.indices where policy.isAttribute[index] {
            let types = policy.types(of: index).numbers.map { policy.typeNames[$0] }
            if !types.isEmpty {
                line("(typeattributeset \(policy.typeNames[index]) \(Self.list(types)))")
            }
        }
        for (child, parent) in policy.bounds.sorted(by: { $0.key < $1.key }) {
            line("(typebounds \(policy.typeNames[parent]) \(policy.typeNames[child]))")
        }
        for number in policy.file.permissiveTypes.numbers where number > 0 {
            line("(typepermissive \(policy.typeNames[Int(number) - 1]))")
        }
        for boolean in policy.booleans { line("(boolean \(boolean.name) \(boolean.state))") }
    }

    private mutating func writeRolesAndUsers() {
        for (index, name) in policy.roleNames.enumerated() where !name.hasPrefix("#") {
            line("(role \(name))")
            // Labels of objects are checked too: CIL wants to be told that any type may have it.
            let types = name == "object_r" ? policy.plainTypes : policy.roleTypes[index].numbers
            for type in types { text += "(roletype \(name) \(policy.typeNames[type]))\n" }
        }
        for record in policy.file.roles.symbols where record.bounds != 0 {
            line("(rolebounds \(policy.roleNames[Int(record.bounds) - 1]) \(record.name))")
        }
        for (index, name) in policy.userNames.enumerated() where !name.hasPrefix("#") {
            line("(user \(name))")
            for role in policy.userRoles[index] {
                line("(userrole \(name) \(policy.roleNames[role]))")
            }
            if policy.roleNames.contains("object_r") { line("(userrole \(name) object_r)") }
            let record = policy.file.users.symbols.first { Int($0.number) == index + 1 }
            let level = record.flatMap { try? policy.level($0.defaultLevel) } ?? Level()
            line("(userlevel \(name) \(self.level(level)))")
            line("(userrange \(name) \(range(policy.userRanges[index])))")
        }
    }

    // MARK: Rules

    private func words(_ kind: PolicyFile.AccessRuleKind) -> String {
        switch kind {
        case .allowed: "allow"
        case .auditAllowed: "auditallow"
        case .auditDenied: "dontaudit"
        case .transition: "typetransition"
        case .member: "typemember"
        case .change: "typechange"
        case .extendedAllowed: "allowx"
        case .extendedAuditAllowed: "auditallowx"
        case .extendedUnauditedDenied: "dontauditx"
        }
    }

    private mutating func write(
        _ rule: IndexedRule, _ indent: String, _ sets: inout [UInt64: String]
    ) {
        guard rule.kind.isExtended || rule.data != 0 || !rule.kind.grants else { return }
        let entry = policy.classes[Int(rule.objectClass)]
        text += "\(indent)(\(words(rule.kind)) \(policy.typeNames[Int(rule.source)]) "
        text += policy.typeNames[Int(rule.target)]
        switch rule.kind {
        case .allowed, .auditAllowed, .auditDenied:
            let key = UInt64(UInt32(rule.objectClass)) << 32 | UInt64(rule.data)
            let names = sets[key] ?? Self.list(entry.names(rule.data))
            sets[key] = names
            text += " (\(entry.name) \(names)))\n"
        case .transition, .member, .change:
            text += " \(entry.name) \(policy.typeNames[Int(rule.data)]))\n"
        default:
            let ranges = policy.operations[Int(rule.data)].ranges.map { range in
                let (low, high) = (
                    "0x" + String(range.lowerBound, radix: 16),
                    "0x" + String(range.upperBound, radix: 16)
                )
                return low == high ? low : "(range \(low) \(high))"
            }
            text += " (ioctl \(entry.name) \(Self.list(ranges))))\n"
        }
    }

    private mutating func writeTransitions() {
        for rule in policy.namedTransitions(where: { _, _, _, _ in true }) {
            line(
                "(typetransition \(policy.typeNames[rule.source]) \(policy.typeNames[rule.target]) "
                    + "\(policy.classes[rule.objectClass].name) \"\(rule.name)\" "
                    + "\(policy.typeNames[rule.result]))")
        }
        for rule in policy.file.rangeTransitions {
            let range = (try? policy.levelRange(rule.range)) ?? LevelRange()
            line(
                "(rangetransition \(policy.typeNames[Int(rule.source) - 1]) "
                    + "\(policy.typeNames[Int(rule.target) - 1]) "
                    + "\(policy.className(rule.objectClass)) \(self.range(range)))")
        }
        for rule in policy.file.roleTransitions {
            line(
                "(roletransition \(policy.roleNames[Int(rule.role) - 1]) "
                    + "\(policy.typeNames[Int(rule.type) - 1]) "
                    + "\(policy.className(rule.objectClass)) "
                    + "\(policy.roleNames[Int(rule.newRole) - 1]))")
        }
        for rule in policy.file.roleAllows {
            line(
                "(roleallow \(policy.roleNames[Int(rule.role) - 1]) "
                    + "\(policy.roleNames[Int(rule.newRole) - 1]))")
        }
    }

    private mutating func writeConditionals(_ sets: inout [UInt64: String]) {
        let byConditional = Dictionary(
            grouping: policy.rules.filter { $0.conditional >= 0 }, by: \.conditional)
        for (index, conditional) in policy.file.conditionals.enumerated() {
            guard let rules = byConditional[Int32(index)] else { continue }
            line("(booleanif \(condition(conditional.terms))")
            for branch in [true, false] where rules.contains(where: { $0.branch == branch }) {
                line("    (\(branch)")
                for rule in rules where rule.branch == branch { write(rule, "        ", &sets) }
                line("    )")
            }
            line(")")
        }
    }

    private func condition(_ terms: [PolicyFile.ConditionalTerm]) -> String {
        let names: [UInt32: String] = [3: "or", 4: "and", 5: "xor", 6: "eq", 7: "neq"]
        var stack: [String] = []
        for term in terms {
            if term.kind == 1 {
                stack.append(policy.booleans[Int(term.boolean) - 1].name)
            } else if term.kind == 2, let last = stack.popLast() {
                stack.append("(not \(last))")
            } else if stack.count > 1 {
                let right = stack.removeLast()
                let left = stack.removeLast()
                stack.append("(\(names[term.kind] ?? "eq") \(left) \(right))")
            }
        }
        return stack.last ?? "()"
    }

    // MARK: Constraints

    private mutating func write(constraintsOf entry: ObjectClassEntry) {
        for constraint in entry.constraints {
            let word =
                IndexedPolicy.isAboutLevels(constraint.terms) ? "mlsconstrain" : "constrain"
            let names = Self.list(entry.names(constraint.permissions))
            line("(\(word) (\(entry.name) \(names)) \(expression(constraint.terms)))")
        }
        for constraint in entry.transitionConstraints {
            let word =
                IndexedPolicy.isAboutLevels(constraint.terms) ? "mlsvalidatetrans" : "validatetrans"
            line("(\(word) \(entry.name) \(expression(constraint.terms)))")
        }
    }

    private func expression(_ terms: [PolicyFile.ConstraintTerm]) -> String {
        var stack: [String] = []
        for term in terms {
            switch term.kind {
            case 1 where !stack.isEmpty: stack.append("(not \(stack.removeLast()))")
            case 2 where stack.count > 1, 3 where stack.count > 1:
                let right = stack.removeLast()
                let left = stack.removeLast()
                stack.append("(\(term.kind == 2 ? "and" : "or") \(left) \(right))")
            default: stack.append(operand(term))
            }
        }
        return stack.last ?? "()"
    }

    private func operand(_ term: PolicyFile.ConstraintTerm) -> String {
        let words: [UInt32: String] = [1: "eq", 2: "neq", 3: "dom", 4: "domby", 5: "incomp"]
        let word = words[term.comparison] ?? "eq"
        guard term.kind == 5 else {
            let sides = IndexedPolicy.sides(term.attribute)
            return "(\(word) \(sides.0) \(sides.1))"
        }
        let names = policy.names(of: term)
        let text = names.count == 1 ? names[0] : Self.list(names)
        return "(\(word) \(IndexedPolicy.side(term.attribute)) \(text))"
    }

    // MARK: Labels

    private func level(_ level: Level) -> String {
        guard policy.file.isMultilevel else { return "(s0)" }
        let name = policy.sensitivityNames[level.sensitivity]
        let categories = level.categories.map { policy.categoryNames[$0] }
        return categories.isEmpty ? "(\(name))" : "(\(name) \(Self.list(categories)))"
    }

    private func range(_ range: LevelRange) -> String {
        "(\(level(range.low)) \(level(range.high)))"
    }

    private func label(_ context: PolicyFile.ContextRecord) -> String {
        let range = (try? policy.levelRange(context.range)) ?? LevelRange()
        return "(\(policy.userNames[Int(context.user) - 1]) "
            + "\(policy.roleNames[Int(context.role) - 1]) "
            + "\(policy.typeNames[Int(context.type) - 1]) \(self.range(range)))"
    }

    private mutating func writeLabels() {
        let tables = policy.file.objectContexts
        let names = InitialIdentifier.names(
            policy.file.format.target, count: tables.initialIdentifiers.count)
        for record in tables.initialIdentifiers.sorted(by: { $0.number < $1.number }) {
            guard record.number > 0, Int(record.number) <= names.count else {
                notes.append("the initial identifier \(record.number) has no name")
                continue
            }
            line("(sidcontext \(names[Int(record.number) - 1]) \(label(record.context)))")
        }
        func span(_ first: UInt64, _ last: UInt64) -> String {
            first == last ? "\(first)" : "(\(first) \(last))"
        }
        for record in tables.interrupts {
            line("(pirqcon \(record.number) \(label(record.context)))")
        }
        for record in tables.frames {
            line("(iomemcon \(span(record.first, record.last)) \(label(record.context)))")
        }
        for record in tables.ports {
            let ports = span(UInt64(record.first), UInt64(record.last))
            line("(ioportcon \(ports) \(label(record.context)))")
        }
        for record in tables.pciDevices {
            line("(pcidevicecon \(record.number) \(label(record.context)))")
        }
        for record in tables.deviceTreePaths {
            line("(devicetreecon \"\(record.name)\" \(label(record.context)))")
        }
        if !tables.fileSystems.isEmpty { notes.append("labels of file systems by device number") }
        writeLinuxLabels()
    }

    private mutating func writeLinuxLabels() {
        let tables = policy.file.objectContexts
        for record in tables.fileSystemUses {
            let word = IndexedPolicy.fileSystemUse(record.behavior).dropFirst(7)
            line("(fsuse \(word) \(record.name) \(label(record.context)))")
        }
        let kinds = [
            "file": "file", "dir": "dir", "chr_file": "char", "blk_file": "block",
            "sock_file": "socket", "fifo_file": "pipe", "lnk_file": "symlink",
        ]
        for system in policy.file.genericFileSystems {
            for path in system.paths {
                let kind =
                    path.objectClass == 0
                    ? nil : kinds[policy.classes[Int(path.objectClass) - 1].name]
                let word = kind.map { " \($0)" } ?? ""
                line("(genfscon \(system.name) \"\(path.path)\"\(word) \(label(path.context)))")
            }
        }
        for record in tables.networkPorts {
            let protocols: [UInt32: String] = [6: "tcp", 17: "udp", 33: "dccp", 132: "sctp"]
            guard let name = protocols[record.networkProtocol] else { continue }
            let ports =
                record.first == record.last
                ? "\(record.first)" : "(\(record.first) \(record.last))"
            line("(portcon \(name) \(ports) \(label(record.context)))")
        }
        for record in tables.networkInterfaces {
            let labels = "\(label(record.context)) \(label(record.contentContext))"
            line("(netifcon \(record.name) \(labels))")
        }
        for record in tables.nodes {
            let (address, mask) = (
                IndexedPolicy.address(record.address), IndexedPolicy.address(record.mask)
            )
            line("(nodecon (\(address)) (\(mask)) \(label(record.context)))")
        }
        for record in tables.wideNodes {
            let (address, mask) = (
                IndexedPolicy.address(record.address), IndexedPolicy.address(record.mask)
            )
            line("(nodecon (\(address)) (\(mask)) \(label(record.context)))")
        }
        for record in tables.infinibandKeys {
            var prefix = PolicyFile.WideAddress()
            prefix.first = record.prefixHigh
            prefix.second = record.prefixLow
            let keys =
                record.first == record.last
                ? "\(record.first)" : "(\(record.first) \(record.last))"
            line("(ibpkeycon \(IndexedPolicy.address(prefix)) \(keys) \(label(record.context)))")
        }
        for record in tables.infinibandPorts {
            line("(ibendportcon \(record.device) \(record.port) \(label(record.context)))")
        }
    }
}
