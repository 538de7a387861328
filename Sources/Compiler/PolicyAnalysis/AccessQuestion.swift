import PolicyDatabaseModel

/// A label whose parts may be unknown.
package struct PartialLabel: Equatable, Sendable {
    /// The user's index.
    package var user: Int?
    /// The role's index.
    package var role: Int?
    /// The type's index.
    package var type: Int
    /// The levels.
    package var range: LevelRange?

    /// Creates a label of which only the type is known.
    package init(type: Int) { self.type = type }
}

/// What a decision came to, rule by rule and constraint by constraint.
package struct DecisionTrace: Sendable {
    /// What was decided of one permission.
    package struct Part: Sendable {
        /// The permission.
        package let permission: String
        /// Whether it is granted; nil when that depends on parts of the labels that are unknown.
        package let isGranted: Bool?
        /// The rules that give it, those that do not hold at the Booleans' states among them.
        package let rules: [(rule: IndexedRule, holds: Bool)]
        /// The constraints that are about it, each with what it comes to.
        package let constraints: [(text: String, holds: Bool?)]
        /// Whether roles may change so; nil when that is not asked for.
        package let rolesMayChange: Bool?
        /// Whether granting is recorded.
        package let auditsGrant: Bool
        /// Whether a denial is left out of the record.
        package let hidesDenial: Bool
    }

    /// The labels and the class.
    package let source: PartialLabel
    package let target: PartialLabel
    package let objectClass: Int
    /// The permissions, in the order of the question.
    package let parts: [Part]
    /// Whether denials of the source are only recorded.
    package let isPermissive: Bool
}

extension IndexedPolicy {
    /// Reads a label: `user:role:type`, with levels in a policy that has them; or a type alone.
    ///
    /// - Throws: `.unknownName`, `.badQuestion`.
    package func label(_ text: String) throws(PolicyAnalysisError) -> PartialLabel {
        let parts = text.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
            .map(String.init)
        func type(_ name: String) throws(PolicyAnalysisError) -> Int {
            let index = try typeOrAttribute(name)
            guard !isAttribute[index] else {
                throw PolicyAnalysisError(.badQuestion, "`\(name)` is an attribute, not a type")
            }
            return index
        }
        guard parts.count > 1 else {
            let marked = text.split(separator: "@", maxSplits: 1).map(String.init)
            var label = PartialLabel(type: try type(marked.first ?? ""))
            if marked.count == 2 { label.range = try levelRange(named: marked[1]) }
            return label
        }
        guard parts.count > 2 else {
            throw PolicyAnalysisError(.badQuestion, "`\(text)` is no label")
        }
        var label = PartialLabel(type: try type(parts[2]))
        label.user = try user(parts[0])
        label.role = try role(parts[1])
        if parts.count > 3, file.isMultilevel { label.range = try levelRange(named: parts[3]) }
        return label
    }

    /// Traces a decision.
    ///
    /// - Parameter booleans: the states of the Booleans; nil: those of the policy.
    /// - Throws: `.unknownName` when a permission is not of the class.
    package func trace(
        _ source: PartialLabel, _ target: PartialLabel, _ objectClass: Int,
        _ permissions: [String], booleans: [Bool]? = nil
    ) throws(PolicyAnalysisError) -> DecisionTrace {
        let states = booleans ?? self.booleans.map(\.state)
        let entry = classes[objectClass]
        let given = Set(symbols(of: source.type))
        let taken = Set(symbols(of: target.type))
        let matching = sorted(
            rules.filter {
                Int($0.objectClass) == objectClass && given.contains(Int($0.source))
                    && taken.contains(Int($0.target))
            })
        func holds(_ rule: IndexedRule) -> Bool {
            rule.conditional < 0
                || value(of: Int(rule.conditional), states) == rule.branch
        }
        var parts: [DecisionTrace.Part] = []
        for permission in permissions {
            guard let bit = entry.bit(permission) else {
                throw PolicyAnalysisError(
                    .unknownName, "the class `\(entry.name)` has no permission `\(permission)`")
            }
            let rules = matching.filter { $0.kind == .allowed && $0.data & bit != 0 }
                .map { ($0, holds($0)) }
            let constraints = entry.constraints.filter { $0.permissions & bit != 0 }.map {
                (
                    statement($0, of: entry),
                    ConstraintEvaluation(self, source, target).value(of: $0.terms)
                )
            }
            let change = mayChangeRole(source, target, entry, permission)
            let values: [Bool?] =
                [rules.contains { $0.1 }] + constraints.map(\.1) + (change.map { [$0] } ?? [])
            let isGranted: Bool? =
                values.contains(false) ? false : values.contains(nil) ? nil : true
            func recorded(_ kind: PolicyFile.AccessRuleKind) -> Bool {
                matching.contains { $0.kind == kind && $0.data & bit != 0 && holds($0) }
            }
            parts.append(
                DecisionTrace.Part(
                    permission: permission, isGranted: isGranted, rules: rules,
                    constraints: constraints, rolesMayChange: change,
                    auditsGrant: recorded(.auditAllowed), hidesDenial: recorded(.auditDenied)))
        }
        return DecisionTrace(
            source: source, target: target, objectClass: objectClass, parts: parts,
            isPermissive: file.permissiveTypes.contains(UInt32(source.type + 1)))
    }

    /// A process that changes its role needs a pair of roles; Xen knows it for domains.
    ///
    /// - Source: Linux `security/selinux/ss/services.c`, `context_struct_compute_av`; Xen's
    ///   likewise for class `domain`, `transition`.
    private func mayChangeRole(
        _ source: PartialLabel, _ target: PartialLabel, _ entry: ObjectClassEntry,
        _ permission: String
    ) -> Bool? {
        let isChange =
            file.format.target == .linux
            ? entry.name == "process" && ["transition", "dyntransition"].contains(permission)
            : entry.name == "domain" && permission == "transition"
        guard isChange, let from = source.role, let to = target.role, from != to else {
            return nil
        }
        return file.roleAllows.contains { Int($0.role) - 1 == from && Int($0.newRole) - 1 == to }
    }
}

/// The value of a constraint for two labels, parts of which may be unknown.
struct ConstraintEvaluation {
    private let policy: IndexedPolicy
    private let source: PartialLabel
    private let target: PartialLabel

    init(_ policy: IndexedPolicy, _ source: PartialLabel, _ target: PartialLabel) {
        self.policy = policy
        self.source = source
        self.target = target
    }

    /// The value; nil when it depends on what is unknown.
    func value(of terms: [PolicyFile.ConstraintTerm]) -> Bool? {
        var stack: [Certainty] = []
        for term in terms {
            switch term.kind {
            case 1:
                guard let last = stack.popLast() else { return nil }
                stack.append(last.opposite)
            case 2, 3:
                guard stack.count > 1 else { return nil }
                let (right, left) = (stack.removeLast(), stack.removeLast())
                stack.append(term.kind == 2 ? .and(left, right) : .or(left, right))
            default: stack.append(operand(term).map { Certainty($0) } ?? .maybe)
            }
        }
        guard stack.count == 1 else { return nil }
        switch stack[0] {
        case .no: return false
        case .maybe: return nil
        case .yes: return true
        }
    }

    private func operand(_ term: PolicyFile.ConstraintTerm) -> Bool? {
        if term.kind == 5 { return membership(term) }
        switch term.attribute {
        case 1: return same(source.user, target.user, term.comparison)
        case 2: return roles(term.comparison)
        case 4: return same(source.type, target.type, term.comparison)
        default:
            guard let one = source.range, let two = target.range,
                let (left, right) = LabelPair.levels(term.attribute, one, two)
            else { return nil }
            return LabelPair.compare(left, right, term.comparison)
        }
    }

    private func same(_ left: Int?, _ right: Int?, _ comparison: UInt32) -> Bool? {
        guard let left, let right else { return nil }
        return comparison == 2 ? left != right : left == right
    }

    private func roles(_ comparison: UInt32) -> Bool? {
        guard let one = source.role, let two = target.role else { return nil }
        func dominates(_ left: Int, _ right: Int) -> Bool {
            left == right
                || policy.file.roles.symbols.contains {
                    Int($0.number) - 1 == left && $0.dominates.contains(UInt32(right))
                }
        }
        switch comparison {
        case 1: return one == two
        case 2: return one != two
        case 3: return dominates(one, two)
        case 4: return dominates(two, one)
        case 5: return !dominates(one, two) && !dominates(two, one)
        default: return nil
        }
    }

    private func membership(_ term: PolicyFile.ConstraintTerm) -> Bool? {
        guard term.attribute & 16 == 0 else { return nil }
        let label = term.attribute & 8 != 0 ? target : source
        let index: Int?
        switch term.attribute & 7 {
        case 1: index = label.user
        case 2: index = label.role
        default: index = label.type
        }
        guard let index else { return nil }
        let isMember = term.names.contains(UInt32(index))
        return term.comparison == 2 ? !isMember : isMember
    }
}
