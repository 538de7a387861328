import PolicyDatabaseModel
package import PolicySyntax

extension IndexedPolicy {
    /// A label as far as it is known.
    package func text(_ label: PartialLabel) -> String {
        let type = typeNames[label.type]
        guard let user = label.user, let role = label.role else {
            return label.range.map { "\(type)@\(text($0))" } ?? type
        }
        let names = "\(userNames[user]):\(roleNames[role]):\(type)"
        return label.range.map { "\(names):\(text($0))" } ?? names
    }

    /// A traced decision for a person.
    package func text(_ trace: DecisionTrace) -> String {
        let entry = classes[trace.objectClass]
        var text = "\(self.text(trace.source)) -> \(self.text(trace.target)) : \(entry.name)\n"
        for part in trace.parts {
            text += "  \(part.permission): \(Self.word(part, trace.isPermissive))\n"
            if part.rules.isEmpty { text += "    no rule allows it\n" }
            for (rule, holds) in part.rules {
                text += "    \(self.text(of: rule))\(holds ? "" : "   (does not hold now)")\n"
            }
            for (constraint, holds) in part.constraints {
                let word = holds.map { $0 ? "holds" : "FAILS" } ?? "depends on the labels"
                text += "    \(constraint)   (\(word))\n"
            }
            if let change = part.rolesMayChange {
                text += "    the roles \(change ? "may" : "may NOT") change so\n"
            }
            if part.hidesDenial { text += "    a denial is not recorded: dontaudit\n" }
            if part.auditsGrant { text += "    granting is recorded: auditallow\n" }
            if part.rules.isEmpty, let hint = hint(trace, part) { text += "    \(hint)\n" }
        }
        return text
    }

    private static func word(_ part: DecisionTrace.Part, _ isPermissive: Bool) -> String {
        switch part.isGranted {
        case true?: "granted"
        case false?: isPermissive ? "denied, and only recorded: the type is permissive" : "denied"
        case nil: "depends on what the question leaves open"
        }
    }

    /// The smallest rule that would allow it.
    private func hint(_ trace: DecisionTrace, _ part: DecisionTrace.Part) -> String? {
        let target =
            trace.source.type == trace.target.type ? "self" : typeNames[trace.target.type]
        return "smallest rule: allow \(typeNames[trace.source.type]) "
            + "\(target):\(classes[trace.objectClass].name) \(part.permission);"
    }

    /// A traced decision as a document.
    package func json(_ trace: DecisionTrace) -> JSONValue {
        .object([
            ("source", .string(text(trace.source))), ("target", .string(text(trace.target))),
            ("class", .string(classes[trace.objectClass].name)),
            ("permissive", .bool(trace.isPermissive)),
            (
                "permissions",
                .array(
                    trace.parts.map { part in
                        .object([
                            ("permission", .string(part.permission)),
                            ("granted", part.isGranted.map { .bool($0) } ?? .null),
                            (
                                "rules",
                                .array(
                                    part.rules.map {
                                        .object([
                                            ("rule", .string(text(of: $0.rule))),
                                            ("holds", .bool($0.holds)),
                                        ])
                                    })
                            ),
                            (
                                "constraints",
                                .array(
                                    part.constraints.map {
                                        .object([
                                            ("constraint", .string($0.text)),
                                            ("holds", $0.holds.map { .bool($0) } ?? .null),
                                        ])
                                    })
                            ), ("rolesMayChange", part.rolesMayChange.map { .bool($0) } ?? .null),
                            ("hidesDenial", .bool(part.hidesDenial)),
                        ])
                    })
            ),
        ])
    }
}
