package import PolicyDatabaseModel

/// A question about rules: all of `sesearch`'s filters.
///
/// What is nil asks for nothing. Several conditions must all hold.
/// - Source: SETools 4.4, `sesearch(1)`.
package struct RuleSearch: Sendable {
    /// A kind of rules.
    package enum Kind: String, Sendable, CaseIterable {
        case allow, auditallow, dontaudit
        case allowxperm, auditallowxperm, dontauditxperm
        case typeTransition = "type_transition"
        case typeMember = "type_member"
        case typeChange = "type_change"
        case roleAllow = "role_allow"
        case roleTransition = "role_transition"
        case rangeTransition = "range_transition"

        var accessRuleKind: PolicyFile.AccessRuleKind? {
            switch self {
            case .allow: .allowed
            case .auditallow: .auditAllowed
            case .dontaudit: .auditDenied
            case .allowxperm: .extendedAllowed
            case .auditallowxperm: .extendedAuditAllowed
            case .dontauditxperm: .extendedUnauditedDenied
            case .typeTransition: .transition
            case .typeMember: .member
            case .typeChange: .change
            case .roleAllow, .roleTransition, .rangeTransition: nil
            }
        }
    }

    /// The kinds; none asks for all.
    package var kinds: Set<Kind> = []
    /// The source: a type, attribute or role; a pattern with `sourceIsPattern`.
    package var source: String?
    /// The target, likewise.
    package var target: String?
    /// Whether `source` is a regular expression.
    package var sourceIsPattern = false
    /// Whether `target` is a regular expression.
    package var targetIsPattern = false
    /// Whether `source` means the symbol itself, and not the types that it stands for.
    package var sourceIsDirect = false
    /// Whether `target` means the symbol itself.
    package var targetIsDirect = false
    /// The classes, of which a rule has one.
    package var classes: [String] = []
    /// A regular expression for the class.
    package var classPattern: String?
    /// Permissions, of which a rule has one; see the next two.
    package var permissions: [String] = []
    /// Whether the rule has exactly `permissions`.
    package var permissionsAreExact = false
    /// Whether the rule has all of `permissions`.
    package var permissionsAreAll = false
    /// `ioctl` commands, of which a rule has one.
    package var operations: [ClosedRange<Int>] = []
    /// Whether the rule has exactly `operations`.
    package var operationsAreExact = false
    /// The new type, attribute of it, role or range.
    package var result: String?
    /// Whether `result` is a regular expression.
    package var resultIsPattern = false
    /// Booleans, of which the rule's condition has one.
    package var booleans: [String] = []
    /// A regular expression for the Booleans.
    package var booleanPattern: String?
    /// Whether the condition has exactly `booleans`.
    package var booleansAreExact = false

    /// Creates a question for everything.
    package init() {}
}

/// What a search found.
package struct RuleSearchResult: Sendable {
    /// Access rules, sorted by kind and names.
    package var rules: [IndexedRule] = []
    /// Type transitions that depend on a name.
    package var named: [NamedTransition] = []
    /// Pairs of roles.
    package var roleAllows: [PolicyFile.RoleAllowRecord] = []
    /// Role transitions.
    package var roleTransitions: [PolicyFile.RoleTransitionRecord] = []
    /// Range transitions.
    package var rangeTransitions: [PolicyFile.RangeTransitionRecord] = []

    /// How many rules were found.
    package var count: Int {
        rules.count + named.count + roleAllows.count + roleTransitions.count
            + rangeTransitions.count
    }
}

/// One type transition that depends on a name.
package struct NamedTransition: Equatable, Sendable {
    /// The type that creates, by index.
    package var source: Int
    /// The folder's type.
    package var target: Int
    /// The class.
    package var objectClass: Int
    /// The new type.
    package var result: Int
    /// The name.
    package var name: String
}

extension IndexedPolicy {
    /// Finds rules.
    ///
    /// - Throws: `.unknownName` when the question names what the policy does not have;
    ///   `.badQuestion` when a regular expression is none, or kinds are mixed that name different
    ///   things.
    package func search(_ question: RuleSearch) throws(PolicyAnalysisError) -> RuleSearchResult {
        let matcher = try RuleMatcher(question, in: self)
        var result = RuleSearchResult()
        result.rules = sorted(rules.filter { matcher.matches($0, in: self) })
        if matcher.kinds.contains(.typeTransition) {
            result.named = namedTransitions { source, target, objectClass, new in
                matcher.matches(source, target, objectClass, result: new)
            }
        }
        if matcher.kinds.contains(.roleAllow) {
            result.roleAllows = file.roleAllows.filter { matcher.matches($0) }
                .sorted { text(of: $0) < text(of: $1) }
        }
        if matcher.kinds.contains(.roleTransition) {
            result.roleTransitions = file.roleTransitions.filter { matcher.matches($0) }
                .sorted { text(of: $0) < text(of: $1) }
        }
        if matcher.kinds.contains(.rangeTransition) {
            result.rangeTransitions = file.rangeTransitions
                .filter { matcher.matches($0, in: self) }
                .sorted { text(of: $0) < text(of: $1) }
        }
        return result
    }

    /// Rules by kind, source, target, class, and conditional, each by name.
    func sorted(_ rules: [IndexedRule]) -> [IndexedRule] {
        guard rules.count > 1 else { return rules }
        let typeRanks = Self.ranks(typeNames)
        let classRanks = Self.ranks(classes.map(\.name))
        let kindRanks = Dictionary(
            uniqueKeysWithValues: PolicyFile.AccessRuleKind.allCases
                .sorted { $0.keyword < $1.keyword }.enumerated().map { ($1, UInt64($0)) })
        let keyed = rules.enumerated().map { index, rule in
            let kind = kindRanks[rule.kind] ?? 0
            let key =
                kind << 48 | UInt64(typeRanks[Int(rule.source)]) << 32
                | UInt64(typeRanks[Int(rule.target)]) << 16
                | UInt64(classRanks[Int(rule.objectClass)])
            return (key, index)
        }
        return keyed.sorted { $0 < $1 }.map { rules[$0.1] }
    }

    private static func ranks(_ names: [String]) -> [UInt16] {
        var ranks = Array(repeating: UInt16(0), count: names.count)
        for (rank, index) in names.indices.sorted(by: { names[$0] < names[$1] }).enumerated() {
            ranks[index] = UInt16(truncatingIfNeeded: rank)
        }
        return ranks
    }

    /// The type transitions that depend on a name and pass a filter, sorted.
    func namedTransitions(
        where passes: (Int, Int, Int, Int) -> Bool
    ) -> [NamedTransition] {
        var found: [NamedTransition] = []
        for record in file.filenameTransitions {
            let (target, objectClass) = (Int(record.target) - 1, Int(record.objectClass) - 1)
            for result in record.results {
                let new = Int(result.newType) - 1
                for number in result.sources.numbers
                where passes(Int(number), target, objectClass, new) {
                    found.append(
                        NamedTransition(
                            source: Int(number), target: target, objectClass: objectClass,
                            result: new, name: record.name))
                }
            }
        }
        return found.map { (text(of: $0), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// The statement of a type transition that depends on a name.
    package func text(of rule: NamedTransition) -> String {
        "type_transition \(typeNames[rule.source]) \(typeNames[rule.target]):"
            + "\(classes[rule.objectClass].name) \(typeNames[rule.result]) \"\(rule.name)\";"
    }

    /// The statement of a pair of roles.
    package func text(of rule: PolicyFile.RoleAllowRecord) -> String {
        "allow \(roleNames[Int(rule.role) - 1]) \(roleNames[Int(rule.newRole) - 1]);"
    }

    /// The statement of a role transition.
    package func text(of rule: PolicyFile.RoleTransitionRecord) -> String {
        "role_transition \(roleNames[Int(rule.role) - 1]) \(typeNames[Int(rule.type) - 1]):"
            + "\(className(rule.objectClass)) \(roleNames[Int(rule.newRole) - 1]);"
    }

    /// The statement of a range transition.
    package func text(of rule: PolicyFile.RangeTransitionRecord) -> String {
        "range_transition \(typeNames[Int(rule.source) - 1]) \(typeNames[Int(rule.target) - 1]):"
            + "\(className(rule.objectClass)) \(text(rule.range));"
    }

    /// The class of a rule; before such rules had one it was always `process`.
    func className(_ number: UInt32) -> String {
        number == 0 ? "process" : classes[Int(number) - 1].name
    }
}

extension RuleSearchResult {
    /// The statements, one a line.
    package func text(in policy: IndexedPolicy) -> String {
        var text = ""
        text.reserveCapacity(count * 90)
        var sets: [UInt64: String] = [:]
        for rule in rules {
            policy.write(rule, to: &text, &sets)
            text += "\n"
        }
        for rule in named { text += policy.text(of: rule) + "\n" }
        for rule in roleAllows { text += policy.text(of: rule) + "\n" }
        for rule in roleTransitions { text += policy.text(of: rule) + "\n" }
        for rule in rangeTransitions { text += policy.text(of: rule) + "\n" }
        return text
    }
}
