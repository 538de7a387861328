import PolicyDatabase
import PolicyDatabaseModel
import SecurityLattice
import TestSupport

/// A policy that uses everything the reader evaluates: attributes, aliases, conditionals, and
/// constraints of every operator. It means nothing.
struct RandomPolicy {
    static let attributeCount = 3
    static let typeCount = 8
    static let roleCount: UInt32 = 4
    static let userCount: UInt32 = 3

    private(set) var model = PolicyDatabaseModel()
    private(set) var contexts: [SecurityContext] = []
    private var generator: SeededGenerator

    init(seed: UInt64) {
        generator = SeededGenerator(seed: seed)
        addLevels()
        addTypes()
        addRolesAndUsers()
        addClasses()
        addRules()
        addConditionals()
        addTransitions()
        addContexts()
    }

    private mutating func below(_ bound: Int) -> Int {
        Int.random(in: 0..<bound, using: &generator)
    }
    private mutating func flip() -> Bool { below(2) == 0 }

    private mutating func subset(_ numbers: ClosedRange<UInt32>) -> [UInt32] {
        numbers.filter { _ in flip() }
    }

    private mutating func addLevels() {
        let all = CategorySet(words: 15, 0, 0, 0)
        model.sensitivities = [
            PolicyDatabaseModel.NamedSensitivity(
                name: "s0", categories: CategorySet(words: 7, 0, 0, 0)),
            PolicyDatabaseModel.NamedSensitivity(name: "s1", aliases: ["middle"], categories: all),
            PolicyDatabaseModel.NamedSensitivity(name: "s2", categories: all),
        ]
        model.categories = [
            PolicyDatabaseModel.NamedCategory(name: "c0"),
            PolicyDatabaseModel.NamedCategory(name: "c1", aliases: ["second"]),
            PolicyDatabaseModel.NamedCategory(name: "c2"),
            PolicyDatabaseModel.NamedCategory(name: "c3"),
        ]
    }

    private mutating func addTypes() {
        for index in 0..<RandomPolicy.attributeCount {
            model.types.append(PolicyDatabaseModel.TypeSymbol(name: "a\(index)", isAttribute: true))
        }
        for index in 0..<RandomPolicy.typeCount {
            let attributes = subset(1...UInt32(RandomPolicy.attributeCount))
            model.types.append(
                PolicyDatabaseModel.TypeSymbol(
                    name: "t\(index)", aliases: index == 3 ? ["third"] : [],
                    attributes: attributes))
        }
    }

    private var allTypes: ClosedRange<UInt32> {
        UInt32(RandomPolicy.attributeCount) + 1...UInt32(model.types.count)
    }

    private mutating func addRolesAndUsers() {
        model.roles = [PolicyDatabaseModel.Role(name: "object_r", dominates: [1], types: [])]
        for number in 2...RandomPolicy.roleCount {
            model.roles.append(
                PolicyDatabaseModel.Role(
                    name: "r\(number)", dominates: [number] + subset(1...RandomPolicy.roleCount),
                    types: Array(allTypes)))
        }
        let low = SecurityLevel(Sensitivity(rank: 0))
        let high = SecurityLevel(Sensitivity(rank: 2), CategorySet(words: 15, 0, 0, 0))
        for number in 1...RandomPolicy.userCount {
            model.users.append(
                PolicyDatabaseModel.User(
                    name: "u\(number)", roles: Array(2...RandomPolicy.roleCount),
                    range: SecurityRange(low: low, high: high) ?? SecurityRange(high)))
        }
    }

    private mutating func addClasses() {
        for number in 1...ObjectClass.count {
            guard let objectClass = ObjectClass(number: number) else { continue }
            let names = (0..<objectClass.permissionCount).compactMap {
                Permission(objectClass, at: $0).map { String($0.policyName) }
            }
            let constraints = (0..<below(3)).map { _ in
                PolicyDatabaseModel.Constraint(
                    permissions: UInt32(below(1 << min(names.count, 30))) | 1,
                    expression: expression(3))
            }
            model.classes.append(
                PolicyDatabaseModel.Class(
                    name: String(objectClass.policyName), permissions: names,
                    constraints: constraints))
        }
    }

    private mutating func expression(_ depth: Int) -> PolicyDatabaseModel.ConstraintExpression {
        if depth > 0, flip() {
            switch below(3) {
            case 0: return .not(expression(depth - 1))
            case 1: return .and(expression(depth - 1), expression(depth - 1))
            default: return .or(expression(depth - 1), expression(depth - 1))
            }
        }
        let comparisons = PolicyDatabaseModel.Comparison.allCases
        let anyComparison = comparisons[below(5)]
        let equality = comparisons[below(2)]
        switch below(5) {
        case 0: return .users(equality)
        case 1: return .roles(anyComparison)
        case 2: return .types(equality)
        case 3:
            let pairs = PolicyDatabaseModel.LevelPair.allCases
            return .levels(pairs[below(pairs.count)], anyComparison)
        default:
            let places = PolicyDatabaseModel.NamePlace.allCases
            let place = places[below(places.count)]
            return .names(place, names(at: place), equality)
        }
    }

    private mutating func names(at place: PolicyDatabaseModel.NamePlace) -> [UInt32] {
        switch place {
        case .sourceUser, .targetUser: subset(1...RandomPolicy.userCount)
        case .sourceRole, .targetRole: subset(1...RandomPolicy.roleCount)
        case .sourceType, .targetType: subset(allTypes)
        }
    }

    private mutating func rule() -> (PolicyDatabaseModel.AccessRuleKey, UInt32) {
        let number = 1 + below(ObjectClass.count)
        let count = model.classes[number - 1].permissions.count
        let key = PolicyDatabaseModel.AccessRuleKey(
            source: UInt32(1 + below(model.types.count)),
            target: UInt32(1 + below(model.types.count)), objectClass: UInt32(number),
            kind: below(10) == 0 ? .auditDenied : .allowed)
        return (key, UInt32.random(in: 1...(UInt32.max >> UInt32(32 - count)), using: &generator))
    }

    private mutating func addRules() {
        for _ in 0..<200 {
            let (key, data) = rule()
            model.set(key, data)
        }
    }

    private mutating func addConditionals() {
        model.booleans = (0..<3).map {
            PolicyDatabaseModel.Boolean(name: "b\($0)", state: flip())
        }
        let expressions: [PolicyDatabaseModel.BooleanExpression] = [
            .boolean(1), .not(.and(.boolean(2), .boolean(3))),
            .exclusiveOr(.boolean(1), .or(.boolean(2), .boolean(3))),
        ]
        for expression in expressions {
            var lists: [[PolicyDatabaseModel.AccessRuleKey: UInt32]] = [[:], [:]]
            for index in 0..<40 {
                let (key, data) = rule()
                lists[index % 2][key] = data
            }
            model.conditionals.append(
                PolicyDatabaseModel.Conditional(
                    expression: expression, whenTrue: lists[0], whenFalse: lists[1]))
        }
    }

    private mutating func addTransitions() {
        for source in allTypes {
            for target in allTypes where flip() {
                let type = allTypes.lowerBound + UInt32(below(RandomPolicy.typeCount))
                model.transition(source, target, .event, to: type)
                if flip() { model.rangeTransition(source, target, .event, to: range()) }
            }
        }
    }

    private mutating func range() -> SecurityRange {
        let low = SecurityLevel(
            Sensitivity(rank: UInt16(below(2))), CategorySet(words: UInt64(below(4)), 0, 0, 0))
        let high = SecurityLevel(
            Sensitivity(rank: 2),
            low.categories.union(CategorySet(words: UInt64(below(16)), 0, 0, 0)))
        return flip()
            ? SecurityRange(low) : SecurityRange(low: low, high: high) ?? SecurityRange(low)
    }

    private mutating func addContexts() {
        for _ in 0..<24 {
            contexts.append(
                SecurityContext(
                    user: UInt32(1 + below(Int(RandomPolicy.userCount))),
                    role: UInt32(1 + below(Int(RandomPolicy.roleCount))),
                    type: allTypes.lowerBound + UInt32(below(RandomPolicy.typeCount)),
                    range: range()))
        }
        for sid in 1...UInt32(13) { model.initialContexts[sid] = contexts[0] }
    }
}
