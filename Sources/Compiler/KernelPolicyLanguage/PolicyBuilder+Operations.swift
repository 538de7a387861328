import PolicyDatabaseModel

/// The operations of extended rules: for each rule's key and driver the numbers that it is about.
struct OperationTable {
    /// A rule's key, and a driver; 256 stands for whole drivers.
    struct Place: Hashable {
        let key: AccessTable.Key
        let driver: Int
    }

    private var places: [Place: Int] = [:]
    private var sets: [(place: Place, set: PolicyFile.OperationSet)] = []

    var isEmpty: Bool { sets.isEmpty }

    /// Adds the operations that are marked, 65,536 of them.
    mutating func add(_ key: AccessTable.Key, _ marked: [Bool]) {
        for driver in 0..<256 {
            let numbers = (0..<256).filter { marked[driver * 256 + $0] }
            if numbers.count == 256 {
                insert(Place(key: key, driver: 256), form: 2, driver: 0, [driver])
            } else if !numbers.isEmpty {
                insert(Place(key: key, driver: driver), form: 1, driver: driver, numbers)
            }
        }
    }

    private mutating func insert(_ place: Place, form: UInt8, driver: Int, _ numbers: [Int]) {
        let index: Int
        if let known = places[place] {
            index = known
        } else {
            index = sets.count
            places[place] = index
            var set = PolicyFile.OperationSet()
            set.form = form
            set.driver = UInt8(truncatingIfNeeded: driver)
            sets.append((place, set))
        }
        for number in numbers {
            let bit = UInt64(1) << UInt64(number & 63)
            switch number >> 6 {
            case 0: sets[index].set.first |= bit
            case 1: sets[index].set.second |= bit
            case 2: sets[index].set.third |= bit
            default: sets[index].set.fourth |= bit
            }
        }
    }

    /// What is granted in a class: source, target and the operations.
    func granted(
        in objectClass: UInt16
    ) -> [(source: UInt16, target: UInt16, set: PolicyFile.OperationSet)] {
        sets.compactMap { place, set in
            place.key.objectClass == objectClass && place.key.kind == .extendedAllowed
                ? (place.key.source, place.key.target, set) : nil
        }
    }

    /// Adds the rules to a table of records.
    func append(to table: inout PolicyFile.AccessRuleTable) {
        for (place, set) in sets {
            guard let kind = place.key.kind else { continue }
            var rule = PolicyFile.AccessRule()
            rule.source = place.key.source
            rule.target = place.key.target
            rule.objectClass = place.key.objectClass
            rule.kind = kind
            rule.data = UInt32(truncatingIfNeeded: table.operations.count)
            table.rules.append(rule)
            table.operations.append(set)
        }
    }
}

extension PolicyBuilder {
    /// Adds an extended rule; a rule that forbids is left to the check of what is forbidden.
    mutating func add(
        _ rule: ExtendedRule, to table: inout OperationTable
    ) throws(SourceFailure) {
        let kind: AccessTable.Kind
        switch rule.kind {
        case .allow: kind = .extendedAllowed
        case .auditAllow: kind = .extendedAuditAllowed
        case .doNotAudit: kind = .extendedUnauditedDenied
        case .neverAllow: return
        }
        guard rule.branch < 0 else {
            throw SourceFailure(
                .wrongTarget, "no version has rules about operations in conditionals",
                at: rule.offset)
        }
        let marked = PolicyBuilder.marks(rule)
        let target = try typeSets.resolve(rule.target, source)
        let sources =
            target.hasSelf
            ? try typeSets.expand(rule.source, source)
            : try typeSets.resolve(rule.source, source).kept
        for objectClass in try classNumbers(rule.classes) {
            for one in sources {
                if target.hasSelf { table.add(.init(one, one, objectClass, kind), marked) }
                for other in target.kept { table.add(.init(one, other, objectClass, kind), marked) }
            }
        }
    }

    static func marks(_ rule: ExtendedRule) -> [Bool] {
        var marked = Array(repeating: rule.isComplement, count: 1 << 16)
        for range in rule.operations {
            for number in range { marked[Int(number)] = !rule.isComplement }
        }
        return marked
    }

    // MARK: Transitions by files' names

    mutating func addNamedTransitions() throws(SourceFailure) {
        var results: [NamedKey: [UInt16: UInt16]] = [:]
        var order: [NamedKey] = []
        for rule in source.namedTransitions where isEnabled[Int(rule.block)] {
            let result = try type(rule.type, rule.offset)
            let classes = try classNumbers(rule.classes)
            let hasSelf = try typeSets.resolve(rule.target, source).hasSelf
            let targets = try typeSets.expand(rule.target, source)
            for one in try typeSets.expand(rule.source, source) {
                for other in hasSelf ? targets + [one] : targets {
                    for objectClass in classes {
                        let key = NamedKey(
                            name: rule.fileName, target: other, objectClass: objectClass)
                        if results[key] == nil { order.append(key) }
                        let old = results[key, default: [:]].updateValue(result, forKey: one)
                        guard old == nil || old == result else {
                            throw SourceFailure(
                                .conflict, "another rule gives the same name another type",
                                at: rule.offset)
                        }
                    }
                }
            }
        }
        guard options.format.version >= 25 else {
            if !order.isEmpty { leaveOut("type transitions by files' names") }
            return
        }
        for key in order { addNamedTransition(key, results[key] ?? [:]) }
    }

    private struct NamedKey: Hashable {
        let name: String
        let target: UInt16
        let objectClass: UInt16
    }

    private mutating func addNamedTransition(_ key: NamedKey, _ results: [UInt16: UInt16]) {
        var record = PolicyFile.FilenameTransitionRecord()
        record.name = key.name
        record.target = UInt32(key.target)
        record.objectClass = UInt32(key.objectClass)
        let isGrouped = options.format.target == .linux && options.format.version >= 33
        for type in Set(results.values).sorted() {
            let sources = results.filter { $0.value == type }.map { UInt32($0.key) - 1 }.sorted()
            for group in isGrouped ? [sources] : sources.map({ [$0] }) {
                var result = PolicyFile.FilenameTransitionResult()
                result.sources = PolicyBitmap(group)
                result.newType = UInt32(type)
                if isGrouped {
                    record.results.append(result)
                } else {
                    record.results = [result]
                    file.filenameTransitions.append(record)
                }
            }
        }
        if isGrouped { file.filenameTransitions.append(record) }
    }
}
