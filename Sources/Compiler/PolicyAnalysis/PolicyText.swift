import PolicyDatabaseModel

/// A binary policy back in a language: what compiles to the same decisions, transitions and labels.
///
/// Names of initial identifiers are not in a binary: Linux's and Xen's own are written. What a
/// language has no statement for is listed in `notes`.
package struct PolicyText: Equatable, Sendable {
    /// The source.
    package let text: String
    /// What the language cannot say, one sentence each.
    package let notes: [String]

    /// Returns a policy as `policy.conf`.
    package static func policyConf(of policy: IndexedPolicy) -> PolicyText {
        var writer = ConfWriter(policy)
        writer.writeAll()
        return PolicyText(text: writer.text, notes: writer.notes)
    }

    /// Returns a policy in CIL.
    package static func cil(of policy: IndexedPolicy) -> PolicyText {
        var writer = CILWriter(policy)
        writer.writeAll()
        return PolicyText(text: writer.text, notes: writer.notes)
    }
}

/// Writes `policy.conf`, in the order that checkpolicy demands.
private struct ConfWriter {
    private let policy: IndexedPolicy
    private(set) var text = ""
    private(set) var notes: [String] = []

    init(_ policy: IndexedPolicy) { self.policy = policy }

    /// The longest line: checkpolicy's scanner takes at most 8,191 bytes of one.
    private static let longestLine = 4_000

    private mutating func line(_ line: String) {
        guard line.utf8.count > Self.longestLine else {
            text += line + "\n"
            return
        }
        // Names have no blanks, so a statement may go on with any word.
        var count = 0
        for word in line.split(separator: " ") {
            count += word.utf8.count + 1
            text += count > Self.longestLine ? "\n" : count > word.utf8.count + 1 ? " " : ""
            if count > Self.longestLine { count = word.utf8.count + 1 }
            text += word
        }
        text += "\n"
    }

    private mutating func lines(_ component: PolicyComponent) {
        for statement in policy.statements(component) { line(statement) }
    }

    mutating func writeAll() {
        text.reserveCapacity(policy.rules.count * 90)
        writeClasses()
        writeLevels()
        lines(.capabilities)
        writeTypes()
        writeRules()
        writeConditionals()
        writeUsersAndConstraints()
        labels(.initialsids)
        writeFileSystems()
        for component: PolicyComponent in [
            .fsuses, .genfscons, .portcons, .netifcons, .nodecons, .pirqcons, .iomemcons,
            .ioportcons, .pcidevicecons, .devicetreecons, .ibpkeycons, .ibendportcons,
        ] { labels(component) }
    }

    /// Labels in the file's order: of several that fit, a kernel takes the first.
    private mutating func labels(_ component: PolicyComponent) {
        for statement in policy.labelStatements(component) { line(statement.text) }
    }

    private mutating func writeClasses() {
        let file = policy.file
        for entry in policy.classes where entry.record != nil { line("class \(entry.name)") }
        let tables = file.objectContexts
        let names = InitialIdentifier.names(
            file.format.target, count: tables.initialIdentifiers.count)
        let last = tables.initialIdentifiers.map(\.number).max() ?? 0
        for number in 0..<min(Int(last), names.count) { line("sid \(names[number])") }
        if Int(last) > names.count {
            notes.append("initial identifiers above \(names.count) have no names")
        }
        if file.unknownHandling != .deny {
            let word = file.unknownHandling == .allow ? "allow" : "reject"
            notes.append("what is unknown has the answer `\(word)`: compile with `-U \(word)`")
        }
        for common in file.commons.symbols.sorted(by: { $0.number < $1.number }) {
            let permissions = common.permissions.symbols.sorted { $0.number < $1.number }
            let list = permissions.map(\.name).joined(separator: " ")
            line("common \(common.name) { \(list) }")
        }
        for entry in policy.classes where entry.record != nil {
            let own = entry.permissions.dropFirst(entry.commonCount).compactMap(\.self)
            guard !own.isEmpty || !entry.common.isEmpty else { continue }
            let inherits = entry.common.isEmpty ? "" : " inherits \(entry.common)"
            let list = own.isEmpty ? "" : " { \(own.joined(separator: " ")) }"
            line("class \(entry.name)\(inherits)\(list)")
        }
        for entry in policy.classes {
            for statement in IndexedPolicy.defaultStatements(entry) { line(statement) }
        }
    }

    private mutating func writeLevels() {
        guard policy.file.isMultilevel else { return }
        lines(.sensitivities)
        line("dominance { \(policy.sensitivityNames.joined(separator: " ")) }")
        // Their order is their number.
        let aliases = Dictionary(
            grouping: policy.file.categories.symbols.filter { $0.isAlias != 0 }, by: \.number)
        for (index, name) in policy.categoryNames.enumerated() {
            let others = (aliases[UInt32(index + 1)] ?? []).map(\.name).sorted()
            line("category \(name)\(IndexedPolicy.aliasText(others));")
        }
        for record in policy.file.sensitivities.symbols where record.isAlias == 0 {
            if let level = try? policy.level(record.level) { line("level \(policy.text(level));") }
        }
        for entry in policy.classes {
            for constraint in entry.constraints
            where IndexedPolicy.isAboutLevels(constraint.terms) {
                line(policy.statement(constraint, of: entry))
            }
            for constraint in entry.transitionConstraints
            where IndexedPolicy.isAboutLevels(constraint.terms) {
                line(policy.changeStatement(constraint, of: entry))
            }
        }
    }

    private mutating func writeTypes() {
        for index in policy.typeNames.indices where policy.isAttribute[index] {
            line("attribute \(policy.typeNames[index]);")
        }
        for boolean in policy.booleans { line("bool \(boolean.name) \(boolean.state);") }
        for index in policy.plainTypes { line(policy.typeStatement(index)) }
        lines(.typebounds)
        lines(.permissive)
        for (index, name) in policy.roleNames.enumerated() where !name.hasPrefix("#") {
            line("role \(name);")
            if !policy.roleTypes[index].isEmpty { line(policy.roleStatement(index)) }
        }
        for record in policy.file.roles.symbols {
            if record.bounds != 0 { notes.append("role `\(record.name)` has a bound") }
            if record.dominates.numbers.contains(where: { $0 + 1 != record.number }) {
                notes.append("role `\(record.name)` dominates other roles")
            }
        }
        for record in policy.file.users.symbols where record.bounds != 0 {
            notes.append("user `\(record.name)` has a bound")
        }
    }

    private mutating func writeRules() {
        var sets: [UInt64: String] = [:]
        for rule in policy.rules where rule.conditional < 0 {
            guard rule.kind.isExtended || rule.data != 0 || !rule.kind.grants else { continue }
            policy.writeStatement(rule, to: &text, &sets, isSource: true)
            text += "\n"
        }
        for rule in policy.namedTransitions(where: { _, _, _, _ in true }) {
            line(policy.text(of: rule))
        }
        for rule in policy.file.rangeTransitions { line(policy.text(of: rule)) }
        for rule in policy.file.roleTransitions { line(policy.text(of: rule)) }
        for rule in policy.file.roleAllows { line(policy.text(of: rule)) }
    }

    private mutating func writeConditionals() {
        var sets: [UInt64: String] = [:]
        let byConditional = Dictionary(
            grouping: policy.rules.filter { $0.conditional >= 0 }, by: \.conditional)
        for index in policy.file.conditionals.indices {
            let rules = byConditional[Int32(index)] ?? []
            line("if (\(policy.expression(of: index))) {")
            for branch in [true, false] {
                if !branch { line("} else {") }
                for rule in rules where rule.branch == branch {
                    guard rule.kind.isExtended || rule.data != 0 || !rule.kind.grants
                    else { continue }
                    text += "    "
                    policy.writeStatement(rule, to: &text, &sets, isSource: true)
                    text += "\n"
                }
            }
            line("}")
        }
    }

    private mutating func writeUsersAndConstraints() {
        for (index, name) in policy.userNames.enumerated() where !name.hasPrefix("#") {
            line(policy.userStatement(index))
        }
        for entry in policy.classes {
            for constraint in entry.constraints
            where !IndexedPolicy.isAboutLevels(constraint.terms) {
                line(policy.statement(constraint, of: entry))
            }
            for constraint in entry.transitionConstraints
            where !IndexedPolicy.isAboutLevels(constraint.terms) {
                line(policy.changeStatement(constraint, of: entry))
            }
        }
    }

    /// The old labels of file systems by device number.
    private mutating func writeFileSystems() {
        for statement in policy.fileSystemStatements { line(statement) }
    }
}

extension IndexedPolicy {
    /// The old labels of file systems, which stand under their device's numbers.
    var fileSystemStatements: [String] {
        file.objectContexts.fileSystems.map { record in
            let parts = record.name.split(separator: ":").map { "0x" + $0 }
            return "fscon \(parts.joined(separator: " ")) \(text(record.context)) "
                + text(record.contentContext)
        }.sorted()
    }
}

extension PolicyFile.AccessRuleKind {
    /// Whether the data are permissions.
    var grants: Bool { self == .allowed || self == .auditAllowed || self == .auditDenied }
}
