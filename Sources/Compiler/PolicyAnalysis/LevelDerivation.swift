import PolicyDatabaseModel

/// Which levels things of each type can have, as the policy itself says.
///
/// A label that the policy writes down has its levels. A type that a user's roles have is taken to
/// run with the user's range. What a transition makes has the levels that the kernel would give
/// it: those of a range transition; else the creator's own when a domain or process is made, and
/// the creator's low level otherwise. A type of which nothing says a level can have each.
///
/// - Source: Xen 4.17 `xsm/flask/ss/mls.c`, `mls_compute_sid`; `services.c`,
///   `security_compute_sid`.
struct LevelDerivation {
    /// The levels; one nil when there are more than can be told apart.
    private(set) var levels: [LevelRange?] = []
    /// For each level the types that can have it.
    private(set) var types: [TypeSet] = []
    private var found: [Set<LevelRange>]

    /// Above this many levels they are not told apart.
    private static let mostLevels = 64

    init(_ policy: IndexedPolicy) {
        found = Array(repeating: [], count: policy.typeCount)
        seed(policy)
        spread(policy)
        let distinct = Set(found.joined())
        guard !distinct.isEmpty, distinct.count <= Self.mostLevels else {
            levels = [nil]
            types = [TypeSet(all: policy.typeCount)]
            return
        }
        let sorted = distinct.map { (policy.text($0), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
        levels = sorted
        types = sorted.map { range in
            var types = TypeSet(size: policy.typeCount)
            for type in policy.plainTypes where found[type].isEmpty || found[type].contains(range) {
                types.insert(type)
            }
            return types
        }
    }

    private mutating func seed(_ policy: IndexedPolicy) {
        for context in policy.file.objectContexts.all {
            if let range = try? policy.levelRange(context.range) {
                found[Int(context.type) - 1].insert(range)
            }
        }
        for (user, roles) in policy.userRoles.enumerated() {
            for role in roles where policy.roleNames[role] != "object_r" {
                for type in policy.roleTypes[role].numbers {
                    found[type].insert(policy.userRanges[user])
                }
            }
        }
    }

    /// A range transition, by indexes.
    private struct RangeRule {
        let target: Int
        let range: LevelRange
    }

    /// Gives what transitions make its levels, until nothing is new.
    private mutating func spread(_ policy: IndexedPolicy) {
        let ranges = rangeRules(policy)
        let rules = policy.rules.filter { $0.kind == .transition }
        var isNew = true
        var rounds = 0
        // Each round adds a level to a type, or is the last.
        while isNew, rounds < Self.mostLevels {
            isNew = false
            rounds += 1
            for rule in rules {
                let made = Int(rule.data)
                let before = found[made].count
                let name = policy.classes[Int(rule.objectClass)].name
                let isSubject = name == "process" || name == "domain"
                for source in policy.types(of: Int(rule.source)).numbers {
                    let special = (ranges[Self.key(source, Int(rule.objectClass))] ?? [])
                        .filter { policy.types(of: Int(rule.target)).contains($0.target) }
                    for rule in special { found[made].insert(rule.range) }
                    if !special.isEmpty, !policy.isAttribute[Int(rule.target)] { continue }
                    for range in found[source] {
                        found[made].insert(
                            isSubject ? range : LevelRange(low: range.low, high: range.low))
                    }
                }
                if found[made].count != before { isNew = true }
            }
            guard found.lazy.map(\.count).max() ?? 0 <= Self.mostLevels else { return }
        }
    }

    private static func key(_ source: Int, _ objectClass: Int) -> Int {
        source << 16 | objectClass
    }

    /// The range transitions by source and class. One without a type transition labels what it
    /// makes with the target's type, a process with the source's.
    private mutating func rangeRules(_ policy: IndexedPolicy) -> [Int: [RangeRule]] {
        var ranges: [Int: [RangeRule]] = [:]
        for record in policy.file.rangeTransitions where record.objectClass != 0 {
            guard let range = try? policy.levelRange(record.range) else { continue }
            let (source, target) = (Int(record.source) - 1, Int(record.target) - 1)
            let objectClass = Int(record.objectClass) - 1
            ranges[Self.key(source, objectClass), default: []].append(
                RangeRule(target: target, range: range))
            let hasType = policy.rules.contains {
                $0.kind == .transition && Int($0.objectClass) == objectClass
                    && policy.types(of: Int($0.source)).contains(source)
                    && policy.types(of: Int($0.target)).contains(target)
            }
            guard !hasType else { continue }
            let name = policy.classes[objectClass].name
            found[name == "process" || name == "domain" ? source : target].insert(range)
        }
        return ranges
    }
}
