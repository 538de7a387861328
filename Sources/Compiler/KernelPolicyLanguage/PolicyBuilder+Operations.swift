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

    /// Adds operations, as `OperationTable.sets(of:)` has them.
    mutating func add(_ key: AccessTable.Key, _ parts: [PolicyFile.OperationSet]) {
        for part in parts {
            let place = Place(key: key, driver: part.form == 2 ? 256 : Int(part.driver))
            guard let index = places[place] else {
                places[place] = sets.count
                sets.append((place, part))
                continue
            }
            sets[index].set.first |= part.first
            sets[index].set.second |= part.second
            sets[index].set.third |= part.third
            sets[index].set.fourth |= part.fourth
        }
    }

    /// The operations that are marked, of 65,536: whole drivers, then those of each other driver.
    static func sets(of marked: [Bool]) -> [PolicyFile.OperationSet] {
        var whole = PolicyFile.OperationSet()
        whole.form = 2
        var parts: [PolicyFile.OperationSet] = []
        for driver in 0..<256 {
            var part = PolicyFile.OperationSet()
            part.form = 1
            part.driver = UInt8(truncatingIfNeeded: driver)
            var count = 0
            for number in 0..<256 where marked[driver * 256 + number] {
                part.insert(number)
                count += 1
            }
            if count == 256 {
                whole.insert(driver)
            } else if count > 0 {
                parts.append(part)
            }
        }
        return (whole.isEmpty ? [] : [whole]) + parts
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

extension PolicyFile.OperationSet {
    fileprivate mutating func insert(_ number: Int) {
        let bit = UInt64(1) << UInt64(number & 63)
        switch number >> 6 {
        case 0: first |= bit
        case 1: second |= bit
        case 2: third |= bit
        default: fourth |= bit
        }
    }

    fileprivate var isEmpty: Bool { first | second | third | fourth == 0 }
}

extension PolicyBuilder {
    /// Adds an extended rule that forbids nothing.
    mutating func add(
        _ rule: ExtendedRule, to table: inout OperationTable
    ) throws(SourceFailure) {
        let kind: AccessTable.Kind =
            switch rule.kind {
            case .auditAllow: .extendedAuditAllowed
            case .doNotAudit: .extendedUnauditedDenied
            default: .extendedAllowed
            }
        guard rule.branch < 0 else {
            throw SourceFailure(
                .wrongTarget, "no version has rules about operations in conditionals",
                at: rule.offset)
        }
        let parts = OperationTable.sets(of: PolicyBuilder.marks(rule))
        let pairs = try typeSets.pairs(rule.source, rule.target, source)
        let classes = try classNumbers(rule.classes)
        try spend(
            pairs.sources, pairs.targets, classes.count * max(1, parts.count), rule.offset)
        for objectClass in classes {
            pairs.each { table.add(.init($0, $1, objectClass, kind), parts) }
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
            guard !rule.fileName.isEmpty else {
                throw SourceFailure(.syntax, "a file's name is empty", at: rule.offset)
            }
            let result = try type(rule.type, rule.offset)
            let classes = try classNumbers(rule.classes)
            let hasSelf = try typeSets.resolve(rule.target, source).hasSelf
            let targets = try typeSets.expand(rule.target, source)
            let sources = try typeSets.expand(rule.source, source)
            try spend(sources, targets, 8 * classes.count, rule.offset)
            for one in sources {
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
        for key in order { addNamedTransition(key, results[key, default: [:]]) }
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
