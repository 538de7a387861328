import PolicyDatabaseModel

/// Which domains can become which others, and by which programs.
///
/// A domain becomes another by running a program: it may execute the file, the file may be an
/// entry point of the other, `transition` is allowed, and a `type_transition` asks for it or the
/// domain may ask itself (`setexec`). Or at once: `dyntransition`, and `setcurrent` on itself.
/// Constraints count where no label could pass.
///
/// - Source: SELinux Notebook, "Domain and Object Transitions".
package struct DomainTransitions: Sendable {
    /// How one domain becomes another.
    package struct Step: Equatable, Sendable {
        /// The domain before.
        package let source: Int
        /// The domain after.
        package let target: Int
        /// The types of the programs by which it can, rising.
        package let programs: [Int]
        /// Whether it can at once.
        package let isDynamic: Bool
    }

    private let policy: IndexedPolicy
    private let transition: Relation
    private let dynamic: Relation
    private let execute: Relation
    private let entrypoint: Relation
    private let setexec: TypeSet
    private let setcurrent: TypeSet
    /// For a domain and a program's type the domains that a rule makes of it.
    private var automatic: [UInt64: TypeSet] = [:]

    /// For each type the types that it may do something to.
    private struct Relation {
        var rows: [Int: TypeSet] = [:]

        subscript(source: Int) -> TypeSet? { rows[source] }
    }

    /// Collects what a policy permits.
    ///
    /// - Parameter booleans: the states of the Booleans; nil: whatever they are.
    package init(_ policy: IndexedPolicy, booleans: [Bool]? = nil) {
        self.policy = policy
        let holds = policy.file.conditionals.indices.map { index in
            booleans.map { policy.value(of: index, $0) }
        }
        let rules = policy.rules.filter { rule in
            guard rule.conditional >= 0, let value = holds[Int(rule.conditional)]
            else { return true }
            return value == rule.branch
        }
        transition = Self.relation(rules, "process", "transition", policy)
        dynamic = Self.relation(rules, "process", "dyntransition", policy)
        execute = Self.relation(rules, "file", "execute", policy)
        entrypoint = Self.relation(rules, "file", "entrypoint", policy)
        setexec = Self.sources(rules, "setexec", policy)
        setcurrent = Self.sources(rules, "setcurrent", policy)
        let process = policy.classes.firstIndex { $0.name == "process" } ?? -1
        for rule in rules where rule.kind == .transition && Int(rule.objectClass) == process {
            for source in policy.types(of: Int(rule.source)).numbers {
                for program in policy.types(of: Int(rule.target)).numbers {
                    let key = UInt64(source) << 32 | UInt64(program)
                    var results =
                        automatic.removeValue(forKey: key)
                        ?? TypeSet(size: policy.typeCount)
                    results.insert(Int(rule.data))
                    automatic[key] = results
                }
            }
        }
    }

    private static func relation(
        _ rules: [IndexedRule], _ objectClass: String, _ permission: String,
        _ policy: IndexedPolicy
    ) -> Relation {
        var relation = Relation()
        guard let index = policy.classes.firstIndex(where: { $0.name == objectClass }),
            let bit = policy.classes[index].bit(permission)
        else { return relation }
        let filter = ConstraintFilter(policy.classes[index], in: policy, levels: [nil])
        var bySymbol: [Int: TypeSet] = [:]
        for rule in rules
        where rule.kind == .allowed && Int(rule.objectClass) == index && rule.data & bit != 0 {
            var types =
                bySymbol.removeValue(forKey: Int(rule.source))
                ?? TypeSet(size: policy.typeCount)
            types.formUnion(policy.types(of: Int(rule.target)))
            bySymbol[Int(rule.source)] = types
        }
        for type in policy.plainTypes {
            var row = TypeSet(size: policy.typeCount)
            for symbol in policy.symbols(of: type) {
                if let types = bySymbol[symbol] { row.formUnion(types) }
            }
            filter?.restrict(&row, of: type, bit)
            if !row.isEmpty { relation.rows[type] = row }
        }
        return relation
    }

    private static func sources(
        _ rules: [IndexedRule], _ permission: String, _ policy: IndexedPolicy
    ) -> TypeSet {
        var sources = TypeSet(size: policy.typeCount)
        guard let index = policy.classes.firstIndex(where: { $0.name == "process" }),
            let bit = policy.classes[index].bit(permission)
        else { return sources }
        for rule in rules
        where rule.kind == .allowed && Int(rule.objectClass) == index && rule.data & bit != 0 {
            sources.formUnion(policy.types(of: Int(rule.source)))
        }
        return sources
    }

    /// How one domain becomes another directly; nil when it cannot.
    ///
    /// - Parameter excluded: types of programs that do not count.
    package func step(_ source: Int, _ target: Int, without excluded: TypeSet? = nil) -> Step? {
        guard source != target else { return nil }
        let isDynamic =
            (dynamic[source]?.contains(target) ?? false) && setcurrent.contains(source)
        var programs: [Int] = []
        if transition[source]?.contains(target) ?? false, var files = execute[source],
            let entries = entrypoint[target]
        {
            files.formIntersection(entries)
            if let excluded { files.subtract(excluded) }
            let isFree = setexec.contains(source)
            files.forEach { program in
                let key = UInt64(source) << 32 | UInt64(program)
                if isFree || automatic[key]?.contains(target) ?? false { programs.append(program) }
            }
        }
        guard isDynamic || !programs.isEmpty else { return nil }
        return Step(source: source, target: target, programs: programs, isDynamic: isDynamic)
    }

    /// The domains that a domain can become directly, rising.
    package func steps(from source: Int, without excluded: TypeSet? = nil) -> [Step] {
        candidates(source).compactMap { target in
            excluded?.contains(target) ?? false ? nil : step(source, target, without: excluded)
        }
    }

    private func candidates(_ source: Int) -> [Int] {
        var candidates = transition[source] ?? TypeSet(size: policy.typeCount)
        if let dynamic = dynamic[source] { candidates.formUnion(dynamic) }
        return candidates.numbers
    }

    /// The domains that can become a domain directly, rising.
    package func steps(to target: Int, without excluded: TypeSet? = nil) -> [Step] {
        policy.plainTypes.compactMap { source in
            excluded?.contains(source) ?? false ? nil : step(source, target, without: excluded)
        }
    }

    /// Ways of a domain to another: all of the shortest, or with `longest` all of at most so many
    /// steps that pass no domain twice.
    package func paths(
        from source: Int, to target: Int, longest: Int? = nil, most: Int,
        without excluded: TypeSet? = nil
    ) -> [[Step]] {
        // How far each domain is from the end: rounds backwards.
        var distances: [Int: Int] = [target: 0]
        var front = [target]
        var distance = 0
        while !front.isEmpty, longest == nil ? distances[source] == nil : distance < longest ?? 0 {
            distance += 1
            var next: [Int] = []
            for domain in front {
                for step in steps(to: domain, without: excluded)
                where distances[step.source] == nil {
                    distances[step.source] = distance
                    next.append(step.source)
                }
            }
            front = next
        }
        guard let shortest = distances[source], source != target else { return [] }
        var paths: [[Step]] = []
        for length in shortest...max(shortest, longest ?? shortest) {
            var open: [[Step]] = [[]]
            while let path = open.popLast(), paths.count < most {
                let domain = path.last?.target ?? source
                if domain == target {
                    if path.count == length { paths.append(path) }
                    continue
                }
                for step in steps(from: domain, without: excluded).reversed() {
                    guard let rest = distances[step.target], rest <= length - path.count - 1,
                        step.target != source, !path.contains(where: { $0.target == step.target })
                    else { continue }
                    open.append(path + [step])
                }
            }
        }
        return paths
    }
}
