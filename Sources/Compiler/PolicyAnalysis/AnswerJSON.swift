import PolicyDatabaseModel
package import PolicySyntax

extension PolicySummary {
    /// The counts as one document.
    package var json: JSONValue {
        .object([
            ("target", .string(target)), ("version", .number(UInt64(version))),
            ("multilevel", .bool(isMultilevel)), ("unknown", .string(unknownHandling)),
            (
                "counts",
                .object(counts.map { ($0.name, .number(UInt64($0.count))) })
            ),
        ])
    }
}

extension RuleSearchResult {
    /// The rules as one document, with the parts of each, one rule a line.
    package func json(in policy: IndexedPolicy) -> String {
        var writer = RuleDocument(policy)
        for rule in rules { writer.add(rule) }
        for rule in named {
            writer.add(
                [
                    ("kind", "type_transition"), ("source", policy.typeNames[rule.source]),
                    ("target", policy.typeNames[rule.target]),
                    ("class", policy.classes[rule.objectClass].name),
                    ("default", policy.typeNames[rule.result]), ("name", rule.name),
                ])
        }
        for rule in roleAllows {
            writer.add(
                [
                    ("kind", "role_allow"),
                    ("source", policy.roleNames[Int(rule.role) - 1]),
                    ("target", policy.roleNames[Int(rule.newRole) - 1]),
                ])
        }
        for rule in roleTransitions {
            writer.add(
                [
                    ("kind", "role_transition"),
                    ("source", policy.roleNames[Int(rule.role) - 1]),
                    ("target", policy.typeNames[Int(rule.type) - 1]),
                    ("class", policy.className(rule.objectClass)),
                    ("default", policy.roleNames[Int(rule.newRole) - 1]),
                ])
        }
        for rule in rangeTransitions {
            writer.add(
                [
                    ("kind", "range_transition"),
                    ("source", policy.typeNames[Int(rule.source) - 1]),
                    ("target", policy.typeNames[Int(rule.target) - 1]),
                    ("class", policy.className(rule.objectClass)),
                    ("default", policy.text(rule.range)),
                ])
        }
        return writer.finish(count)
    }
}

/// Writes rules as JSON without building the document first: a policy has 100,000 of them.
private struct RuleDocument {
    private let policy: IndexedPolicy
    private let types: [String]
    private let classes: [String]
    private var permissions: [UInt64: String] = [:]
    private var text = "{\n  \"rules\": ["
    private var separator = "\n    {"

    init(_ policy: IndexedPolicy) {
        self.policy = policy
        types = policy.typeNames.map(RuleDocument.quoted)
        classes = policy.classes.map { RuleDocument.quoted($0.name) }
    }

    static func quoted(_ text: String) -> String { String(JSONValue.string(text).text.dropLast()) }

    mutating func add(_ members: [(String, String)]) {
        text += separator
        separator = ",\n    {"
        for (index, member) in members.enumerated() {
            text += index == 0 ? "\"" : ", \""
            text += member.0
            text += "\": "
            text += RuleDocument.quoted(member.1)
        }
        text += "}"
    }

    mutating func add(_ rule: IndexedRule) {
        text += separator
        separator = ",\n    {"
        text += "\"kind\": \""
        text += rule.kind.keyword
        text += "\", \"source\": "
        text += types[Int(rule.source)]
        text += ", \"target\": "
        text += types[Int(rule.target)]
        text += ", \"class\": "
        text += classes[Int(rule.objectClass)]
        switch rule.kind {
        case .allowed, .auditAllowed, .auditDenied:
            text += ", \"permissions\": "
            text += names(rule)
        case .transition, .member, .change:
            text += ", \"default\": "
            text += types[Int(rule.data)]
        case .extendedAllowed, .extendedAuditAllowed, .extendedUnauditedDenied:
            text += ", \"ioctl\": "
            text += RuleDocument.list(policy.operations[Int(rule.data)].rangeTexts)
        }
        if rule.conditional >= 0 {
            text += ", \"condition\": "
            text += RuleDocument.quoted(policy.expression(of: Int(rule.conditional)))
            text += rule.branch ? ", \"when\": true" : ", \"when\": false"
        }
        text += "}"
    }

    private static func list(_ names: [String]) -> String {
        "[" + names.map(quoted).joined(separator: ", ") + "]"
    }

    private mutating func names(_ rule: IndexedRule) -> String {
        let key = UInt64(UInt32(rule.objectClass)) << 32 | UInt64(rule.data)
        if let known = permissions[key] { return known }
        let text = RuleDocument.list(policy.classes[Int(rule.objectClass)].names(rule.data))
        permissions[key] = text
        return text
    }

    mutating func finish(_ count: Int) -> String {
        text += separator.hasPrefix(",") ? "\n  ]" : "]"
        text += ",\n  \"count\": \(count)\n}\n"
        return text
    }
}

extension IndexedPolicy {
    /// A rule with its parts by name.
    package func json(of rule: IndexedRule) -> JSONValue {
        let entry = classes[Int(rule.objectClass)]
        var members: [(String, JSONValue)] = [
            ("kind", .string(rule.kind.keyword)),
            ("source", .string(typeNames[Int(rule.source)])),
            ("target", .string(typeNames[Int(rule.target)])), ("class", .string(entry.name)),
        ]
        switch rule.kind {
        case .allowed, .auditAllowed, .auditDenied:
            let names = entry.names(rule.data).map { JSONValue.string($0) }
            members.append(("permissions", .array(names)))
        case .transition, .member, .change:
            members.append(("default", .string(typeNames[Int(rule.data)])))
        case .extendedAllowed, .extendedAuditAllowed, .extendedUnauditedDenied:
            let ranges = operations[Int(rule.data)].rangeTexts.map { JSONValue.string($0) }
            members.append(("ioctl", .array(ranges)))
        }
        if rule.conditional >= 0 {
            members.append(("condition", .string(expression(of: Int(rule.conditional)))))
            members.append(("when", .bool(rule.branch)))
        }
        return .object(members)
    }
}

extension FlowGraph {
    /// Ways with the rules of each step.
    package func json(_ answer: FlowAnswer, rules: Bool) -> JSONValue {
        let paths = answer.paths.map { path in
            JSONValue.array(
                zip(path, path.dropFirst()).map { from, to in
                    var members: [(String, JSONValue)] = [
                        ("from", .string(name(of: from))), ("to", .string(name(of: to))),
                    ]
                    if rules {
                        let texts = self.rules(from: from, to: to).map {
                            JSONValue.string(policy.text(of: $0))
                        }
                        members.append(("rules", .array(texts)))
                    }
                    return .object(members)
                })
        }
        return .object([
            ("flows", .bool(!paths.isEmpty)), ("paths", .array(paths)),
            ("cut", .bool(answer.isCut)),
            ("unknownPermissions", .array(unknownPermissions.map { .string($0) })),
        ])
    }

    /// Ways with the rules of each step, for a person.
    package func text(_ answer: FlowAnswer, rules: Bool) -> String {
        var text = ""
        for (index, path) in answer.paths.enumerated() {
            text += "path \(index + 1): \(path.count - 1) step\(path.count == 2 ? "" : "s")\n"
            for (from, to) in zip(path, path.dropFirst()) {
                text += "  \(name(of: from)) -> \(name(of: to))\n"
                guard rules else { continue }
                for rule in self.rules(from: from, to: to) {
                    text += "    \(policy.text(of: rule))\n"
                }
            }
        }
        if answer.paths.isEmpty { text = "no way: nothing flows\n" }
        if answer.isCut { text += "there are more ways; --limit, --via and --never show others\n" }
        return text
    }
}

extension AssertionResult {
    /// The result for a person.
    package var text: String {
        let word = holds.map { $0 ? "holds" : "FAILS" } ?? "unknown"
        let place = assertion.instance.map { " (for \($0))" } ?? ""
        var text = "(\(assertion.name)) \(word): \(assertion.text)\(place)\n"
        if !path.isEmpty { text += "  \(path.joined(separator: " -> "))\n" }
        if let reason { text += "  \(reason)\n" }
        return text
    }

    /// The result as a document.
    package var json: JSONValue {
        .object([
            ("name", .string(assertion.name)), ("line", .number(UInt64(assertion.line))),
            ("requirement", .string(assertion.text)),
            ("instance", assertion.instance.map { .string($0) } ?? .null),
            ("holds", holds.map { .bool($0) } ?? .null),
            ("path", .array(path.map { .string($0) })),
            ("reason", reason.map { .string($0) } ?? .null),
        ])
    }
}
