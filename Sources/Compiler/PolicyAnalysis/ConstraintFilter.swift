import PolicyDatabaseModel

/// What is known of an expression when not all of the labels is.
enum Certainty: UInt8 {
    case no = 0
    case maybe = 1
    case yes = 2

    static func and(_ left: Certainty, _ right: Certainty) -> Certainty {
        left.rawValue < right.rawValue ? left : right
    }

    static func or(_ left: Certainty, _ right: Certainty) -> Certainty {
        left.rawValue > right.rawValue ? left : right
    }

    var opposite: Certainty {
        switch self {
        case .no: .yes
        case .maybe: .maybe
        case .yes: .no
        }
    }

    init(_ value: Bool) { self = value ? .yes : .no }
}

/// For one class: which permissions the constraints leave to which types, at which levels.
///
/// Users and roles are anyone's: a term about them may hold. So is a term about levels while none
/// are considered. A constraint is taken to withhold something only when no label could pass: a
/// flow is never left out by mistake.
///
/// Types are grouped by which of the constraints' sets of types they are in; within a group all
/// fare alike.
struct ConstraintFilter {
    /// The groups of types as the source of a rule.
    let sources: [TypeSet]
    /// The groups as the target.
    let targets: [TypeSet]
    private let levelCount: Int
    /// The permissions that are withheld, by source group, source level, target group, target
    /// level.
    private var withheld: [UInt32] = []
    /// The different values of `withheld`.
    private var distinct: Set<UInt32> = []

    /// Whether one of some permissions is left to a source group at a level for a target group.
    func passes(
        _ mask: UInt32, _ source: Int, _ sourceLevel: Int, _ target: Int, _ targetLevel: Int
    ) -> Bool {
        let first = source * levelCount + sourceLevel
        let index = (first * targets.count + target) * levelCount + targetLevel
        return mask & ~withheld[index] != 0
    }

    /// Whether all of some permissions are withheld from somebody.
    func limits(_ mask: UInt32) -> Bool { distinct.contains { mask & ~$0 == 0 } }

    /// The most entries of a table: with more the constraints are left out, which permits more.
    private static let mostEntries = 1 << 22

    /// Makes the filter of a class.
    ///
    /// - Returns: nil when the constraints withhold nothing from anyone for certain.
    init?(_ entry: ObjectClassEntry, in policy: IndexedPolicy, levels: [LevelRange?]) {
        let constraints = entry.constraints.filter { constraint in
            levels.contains { $0 != nil } || !Self.cannotFail(constraint.terms)
        }
        guard !constraints.isEmpty else { return nil }
        sources = Self.groups(constraints, attribute: 4, policy)
        targets = Self.groups(constraints, attribute: 12, policy)
        levelCount = levels.count
        guard sources.count * targets.count * levelCount * levelCount <= Self.mostEntries
        else { return nil }
        let targetTypes = targets.map { $0.numbers.first ?? 0 }
        for source in sources.map({ $0.numbers.first ?? 0 }) {
            for sourceLevel in levels {
                for target in targetTypes {
                    for targetLevel in levels {
                        let pair = LabelPair(source, sourceLevel, target, targetLevel)
                        withheld.append(
                            constraints.reduce(UInt32(0)) { failing, constraint in
                                pair.certainty(of: constraint.terms) == .no
                                    ? failing | constraint.permissions : failing
                            })
                    }
                }
            }
        }
        distinct = Set(withheld)
        distinct.remove(0)
        guard !distinct.isEmpty else { return nil }
    }

    /// Whether an expression may hold whatever the types are: it has no `not` and no `!=` for
    /// types, so that a type in more sets only makes it truer, and may hold for one in none.
    private static func cannotFail(_ terms: [PolicyFile.ConstraintTerm]) -> Bool {
        guard
            !terms.contains(where: {
                $0.kind == 1 || $0.kind == 5 && $0.attribute & 4 != 0 && $0.comparison != 1
            })
        else { return false }
        return LabelPair.worst.certainty(of: terms) != .no
    }

    private static func groups(
        _ constraints: [PolicyFile.ConstraintRecord], attribute: UInt32, _ policy: IndexedPolicy
    ) -> [TypeSet] {
        var sets: [PolicyBitmap] = []
        for term in constraints.flatMap(\.terms)
        where term.kind == 5 && term.attribute & 31 == attribute && !sets.contains(term.names) {
            sets.append(term.names)
        }
        // Each set splits the groups so far.
        var everyone = TypeSet(size: policy.typeCount)
        for type in policy.plainTypes { everyone.insert(type) }
        var groups = [everyone]
        for set in sets {
            var types = TypeSet(size: policy.typeCount)
            for number in set.numbers { types.insert(Int(number)) }
            groups = groups.flatMap { group in
                var inside = group
                inside.formIntersection(types)
                var outside = group
                outside.subtract(types)
                return [inside, outside].filter { !$0.isEmpty }
            }
        }
        return groups
    }
}

/// Two labels of which the types are known, and perhaps the levels; users and roles are not.
struct LabelPair {
    private let source: Int
    private let target: Int
    private let sourceRange: LevelRange?
    private let targetRange: LevelRange?

    /// Types that are in no set; of nothing else is anything known.
    static let worst = LabelPair(-1, nil, -1, nil)

    init(_ source: Int, _ sourceRange: LevelRange?, _ target: Int, _ targetRange: LevelRange?) {
        self.source = source
        self.target = target
        self.sourceRange = sourceRange
        self.targetRange = targetRange
    }

    /// What is known of a constraint's expression; `.maybe` when it is none.
    func certainty(of terms: [PolicyFile.ConstraintTerm]) -> Certainty {
        var stack: [Certainty] = []
        for term in terms {
            switch term.kind {
            case 1:
                guard let last = stack.popLast() else { return .maybe }
                stack.append(last.opposite)
            case 2, 3:
                guard stack.count > 1 else { return .maybe }
                let (right, left) = (stack.removeLast(), stack.removeLast())
                stack.append(term.kind == 2 ? .and(left, right) : .or(left, right))
            case 4: stack.append(comparison(term))
            case 5: stack.append(membership(term))
            default: return .maybe
            }
        }
        return stack.count == 1 ? stack[0] : .maybe
    }

    private func membership(_ term: PolicyFile.ConstraintTerm) -> Certainty {
        guard term.attribute & 4 != 0, term.attribute & 16 == 0 else { return .maybe }
        let type = term.attribute & 8 != 0 ? target : source
        let isMember = type >= 0 && term.names.contains(UInt32(type))
        return Certainty(term.comparison == 2 ? !isMember : isMember)
    }

    private func comparison(_ term: PolicyFile.ConstraintTerm) -> Certainty {
        // Flows are between different types.
        if term.attribute == 4 { return Certainty(term.comparison == 2) }
        guard term.attribute >= 32, let one = sourceRange, let two = targetRange else {
            return .maybe
        }
        guard let (left, right) = Self.levels(term.attribute, one, two) else { return .maybe }
        return Self.compare(left, right, term.comparison).map { Certainty($0) } ?? .maybe
    }

    /// The levels that a term compares.
    static func levels(
        _ attribute: UInt32, _ one: LevelRange, _ two: LevelRange
    ) -> (Level, Level)? {
        switch attribute {
        case 32: (one.low, two.low)
        case 64: (one.low, two.high)
        case 128: (one.high, two.low)
        case 256: (one.high, two.high)
        case 512: (one.low, one.high)
        case 1024: (two.low, two.high)
        default: nil
        }
    }

    /// Whether a comparison of levels holds; nil for one that there is not.
    static func compare(_ left: Level, _ right: Level, _ comparison: UInt32) -> Bool? {
        switch comparison {
        case 1: left == right
        case 2: left != right
        case 3: left.dominates(right)
        case 4: right.dominates(left)
        case 5: !left.dominates(right) && !right.dominates(left)
        default: nil
        }
    }
}

extension ConstraintFilter {
    /// Takes away the types to which a permission of a type is withheld, levels not considered.
    func restrict(_ row: inout TypeSet, of type: Int, _ bit: UInt32) {
        guard limits(bit), let source = sources.firstIndex(where: { $0.contains(type) })
        else { return }
        for (target, group) in targets.enumerated() where !passes(bit, source, 0, target, 0) {
            row.subtract(group)
        }
    }
}
