import PolicyDatabaseModel

/// A question about rules with its names resolved.
struct RuleMatcher {
    let kinds: Set<RuleSearch.Kind>
    private let accessKinds: Set<PolicyFile.AccessRuleKind>
    /// For each symbol, whether it answers the question's source; nil asks for nothing.
    private var sources: [Bool]?
    private var targets: [Bool]?
    private var results: [Bool]?
    private var classes: [Bool]?
    /// The bits of the permissions by class.
    private var permissions: [UInt32]?
    private var operations: [ClosedRange<Int>]?
    /// By conditional.
    private var conditionals: [Bool]?
    private var sourceRoles: [Bool]?
    private var targetRoles: [Bool]?
    private var resultRoles: [Bool]?
    private var resultRange: LevelRange?
    private let question: RuleSearch

    init(_ question: RuleSearch, in policy: IndexedPolicy) throws(PolicyAnalysisError) {
        self.question = question
        kinds = question.kinds.isEmpty ? Set(RuleSearch.Kind.allCases) : question.kinds
        accessKinds = Set(kinds.compactMap(\.accessRuleKind))
        let isAboutRoles = kinds.contains(.roleAllow) || kinds.contains(.roleTransition)
        let isAboutTypes = !accessKinds.isEmpty || kinds.contains(.rangeTransition)
        if !question.classes.isEmpty || question.classPattern != nil {
            classes = try Self.classes(question, policy)
        }
        try resolveEnds(question, policy, types: isAboutTypes, roles: isAboutRoles)
        try resolvePermissions(question, policy)
        if !question.booleans.isEmpty || question.booleanPattern != nil {
            conditionals = try Self.conditionals(question, policy)
        }
    }

    // MARK: Resolving

    private mutating func resolveEnds(
        _ question: RuleSearch, _ policy: IndexedPolicy, types: Bool, roles: Bool
    ) throws(PolicyAnalysisError) {
        if let source = question.source {
            let (found, foundRoles) = try Self.symbols(
                source, question.sourceIsPattern, question.sourceIsDirect, policy)
            guard
                found.contains(true) && types || foundRoles.contains(true) && roles
                    || question.sourceIsPattern
            else { throw Self.unknown(source, types: types, roles: roles) }
            (sources, sourceRoles) = (found, foundRoles)
        }
        if let target = question.target {
            let (found, foundRoles) = try Self.symbols(
                target, question.targetIsPattern, question.targetIsDirect, policy)
            // A role transition is in relation to a type.
            guard
                found.contains(true) || foundRoles.contains(true) && roles
                    || question.targetIsPattern
            else { throw Self.unknown(target, types: true, roles: roles) }
            (targets, targetRoles) = (found, foundRoles)
        }
        if let result = question.result {
            if kinds == [.rangeTransition] {
                resultRange = try policy.levelRange(named: result)
            }
            let (found, foundRoles) = try Self.symbols(
                result, question.resultIsPattern, false, policy)
            guard
                resultRange != nil || found.contains(true) || foundRoles.contains(true)
                    || question.resultIsPattern
            else { throw Self.unknown(result, types: types, roles: roles) }
            (results, resultRoles) = (found, foundRoles)
        }
    }

    private static func unknown(_ name: String, types: Bool, roles: Bool) -> PolicyAnalysisError {
        let what = types ? roles ? "type, attribute or role" : "type or attribute" : "role"
        return PolicyAnalysisError(.unknownName, "the policy has no \(what) `\(name)`")
    }

    /// Which types and attributes, and which roles, answer a name or pattern.
    private static func symbols(
        _ name: String, _ isPattern: Bool, _ isDirect: Bool, _ policy: IndexedPolicy
    ) throws(PolicyAnalysisError) -> ([Bool], [Bool]) {
        if isPattern {
            let pattern = try NamePattern(name)
            let direct = policy.typeNames.map { pattern.matches($0) }
            let roles = policy.roleNames.map { pattern.matches($0) }
            guard !isDirect else { return (direct, roles) }
            var types = TypeSet(size: policy.typeCount)
            for index in direct.indices where direct[index] && !policy.isAttribute[index] {
                types.insert(index)
            }
            return (expanded(types, policy), roles)
        }
        let roles = policy.roleNames.map { $0 == name }
        guard let index = policy.typeIndexes[name] else {
            return (Array(repeating: false, count: policy.typeCount), roles)
        }
        guard isDirect else { return (expanded(policy.types(of: index), policy), roles) }
        return (policy.typeNames.indices.map { $0 == index }, roles)
    }

    /// The types, and the attributes that have one of them.
    private static func expanded(_ types: TypeSet, _ policy: IndexedPolicy) -> [Bool] {
        policy.typeNames.indices.map { index in
            policy.members[index].map { $0.intersects(types) } ?? types.contains(index)
        }
    }

    private static func classes(
        _ question: RuleSearch, _ policy: IndexedPolicy
    ) throws(PolicyAnalysisError) -> [Bool] {
        if let text = question.classPattern {
            let pattern = try NamePattern(text)
            return policy.classes.map { pattern.matches($0.name) }
        }
        var found = Array(repeating: false, count: policy.classes.count)
        for name in question.classes { found[try policy.objectClass(name)] = true }
        return found
    }

    private mutating func resolvePermissions(
        _ question: RuleSearch, _ policy: IndexedPolicy
    ) throws(PolicyAnalysisError) {
        if !question.operations.isEmpty { operations = Self.joined(question.operations) }
        guard !question.permissions.isEmpty else { return }
        var bits = Array(repeating: UInt32(0), count: policy.classes.count)
        for name in question.permissions {
            var isKnown = false
            for (index, entry) in policy.classes.enumerated() where classes?[index] ?? true {
                guard let bit = entry.bit(name) else {
                    // A class without it has not all of them, and not exactly these.
                    if question.permissionsAreAll || question.permissionsAreExact {
                        bits[index] |= ~entry.mask
                    }
                    continue
                }
                bits[index] |= bit
                isKnown = true
            }
            guard isKnown else {
                throw PolicyAnalysisError(
                    .unknownName, "no class that is asked for has a permission `\(name)`")
            }
        }
        permissions = bits
    }

    /// Ranges without overlaps, rising.
    private static func joined(_ ranges: [ClosedRange<Int>]) -> [ClosedRange<Int>] {
        var joined: [ClosedRange<Int>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = joined.last, last.upperBound + 1 >= range.lowerBound {
                let end = max(last.upperBound, range.upperBound)
                joined[joined.count - 1] = last.lowerBound...end
            } else {
                joined.append(range)
            }
        }
        return joined
    }

    private static func conditionals(
        _ question: RuleSearch, _ policy: IndexedPolicy
    ) throws(PolicyAnalysisError) -> [Bool] {
        var wanted: Set<Int> = []
        if let text = question.booleanPattern {
            let pattern = try NamePattern(text)
            for (index, boolean) in policy.booleans.enumerated()
            where pattern.matches(boolean.name) {
                wanted.insert(index)
            }
        } else {
            for name in question.booleans { wanted.insert(try policy.boolean(name)) }
        }
        let isExact = question.booleansAreExact && question.booleanPattern == nil
        return policy.file.conditionals.map { conditional in
            let used = Set(conditional.terms.filter { $0.kind == 1 }.map { Int($0.boolean) - 1 })
            return isExact ? used == wanted : !used.isDisjoint(with: wanted)
        }
    }

    // MARK: Matching

    func matches(_ rule: IndexedRule, in policy: IndexedPolicy) -> Bool {
        guard accessKinds.contains(rule.kind),
            sources?[Int(rule.source)] ?? true, targets?[Int(rule.target)] ?? true,
            classes?[Int(rule.objectClass)] ?? true
        else { return false }
        if let conditionals {
            guard rule.conditional >= 0, conditionals[Int(rule.conditional)] else { return false }
        }
        switch rule.kind {
        case .allowed, .auditAllowed, .auditDenied:
            return results == nil && operations == nil && matchesPermissions(rule)
        case .transition, .member, .change:
            return permissions == nil && operations == nil
                && (results?[Int(rule.data)] ?? true)
        case .extendedAllowed, .extendedAuditAllowed, .extendedUnauditedDenied:
            return results == nil && matchesOperations(rule, in: policy)
        }
    }

    private func matchesPermissions(_ rule: IndexedRule) -> Bool {
        guard let permissions else { return true }
        let wanted = permissions[Int(rule.objectClass)]
        if question.permissionsAreAll { return rule.data & wanted == wanted }
        if question.permissionsAreExact { return rule.data == wanted }
        return rule.data & wanted != 0
    }

    private func matchesOperations(_ rule: IndexedRule, in policy: IndexedPolicy) -> Bool {
        if !question.permissions.isEmpty {
            if question.permissionsAreExact && question.permissions.count > 1 { return false }
            guard question.permissions.contains("ioctl") else { return false }
        }
        guard let operations else { return true }
        let found = policy.operations[Int(rule.data)].ranges
        if question.operationsAreExact { return found == operations }
        return found.contains { range in operations.contains { $0.overlaps(range) } }
    }

    /// A type transition that depends on a name.
    func matches(_ source: Int, _ target: Int, _ objectClass: Int, result: Int) -> Bool {
        permissions == nil && operations == nil && conditionals == nil
            && (sources?[source] ?? true) && (targets?[target] ?? true)
            && (classes?[objectClass] ?? true) && (results?[result] ?? true)
    }

    func matches(_ rule: PolicyFile.RoleAllowRecord) -> Bool {
        classes == nil && question.result == nil && (sourceRoles?[Int(rule.role) - 1] ?? true)
            && (targetRoles?[Int(rule.newRole) - 1] ?? true)
    }

    func matches(_ rule: PolicyFile.RoleTransitionRecord) -> Bool {
        (sourceRoles?[Int(rule.role) - 1] ?? true) && (targets?[Int(rule.type) - 1] ?? true)
            && (rule.objectClass == 0 || classes?[Int(rule.objectClass) - 1] ?? true)
            && (resultRoles?[Int(rule.newRole) - 1] ?? true)
    }

    func matches(_ rule: PolicyFile.RangeTransitionRecord, in policy: IndexedPolicy) -> Bool {
        guard (sources?[Int(rule.source) - 1] ?? true), (targets?[Int(rule.target) - 1] ?? true),
            rule.objectClass == 0 || (classes?[Int(rule.objectClass) - 1] ?? true)
        else { return false }
        guard question.result != nil else { return true }
        return (try? policy.levelRange(rule.range)) == resultRange
    }
}
