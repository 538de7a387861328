extension PolicyFile {
    /// Leaves out what access rules say that others say already: rules, and permissions of rules.
    ///
    /// A rule is covered by one of the same class and kind whose source and target stand for at
    /// least as many types; a conditional's rule also by one that always holds, but never the other
    /// way round. A conditional without rules goes away. What the policy decides stays.
    /// - Complexity: for each rule, the attributes that stand for its source, times their rules of
    ///   its class.
    /// - Source: what checkpolicy 3.4 and secilc 3.4 do for `-O`.
    public mutating func removeRedundantRules() {
        let coverage = TypeCoverage(self)
        var always = RuleReduction(accessRules, coverage)
        always.reduce()
        accessRules = always.remaining
        for index in conditionals.indices {
            for branch in [\ConditionalRecord.whenTrue, \ConditionalRecord.whenFalse] {
                var reduction = RuleReduction(conditionals[index][keyPath: branch], coverage)
                reduction.reduce(besides: always)
                conditionals[index][keyPath: branch] = reduction.remaining
            }
        }
        conditionals.removeAll { $0.whenTrue.rules.isEmpty && $0.whenFalse.rules.isEmpty }
    }
}

/// Which types and attributes stand for at least what another stands for.
private struct TypeCoverage {
    /// For each number, less 1, those that cover it, itself among them; none for an attribute
    /// without types.
    private(set) var coverers: [[UInt16]] = []
    private var bits: [[UInt64]] = []

    init(_ file: PolicyFile) {
        let count = file.typeAttributes.count
        let attributes = Set(
            file.types.symbols.filter { $0.properties & 2 == 2 }.map { Int($0.number) - 1 })
        let wordCount = (count + 63) / 64
        var rows: [[UInt64]?] = Array(repeating: nil, count: count)
        for (index, holders) in file.typeAttributes.enumerated()
        where !attributes.contains(index) {
            var row = Array(repeating: UInt64(0), count: wordCount)
            for word in holders.words where Int(word.first) / 64 < wordCount {
                row[Int(word.first) / 64] = word.bits
            }
            rows[index] = row
            // What covers an attribute covers each of its types.
            for holder in holders.numbers {
                let attribute = Int(holder)
                guard attribute != index, attributes.contains(attribute), attribute < count else {
                    continue
                }
                guard var common = rows[attribute] else {
                    rows[attribute] = row
                    continue
                }
                rows[attribute] = nil
                for place in common.indices { common[place] &= row[place] }
                rows[attribute] = common
            }
        }
        for row in rows {
            let row = row ?? []
            bits.append(row)
            coverers.append(TypeCoverage.numbers(of: row))
        }
    }

    private static func numbers(of row: [UInt64]) -> [UInt16] {
        var found: [UInt16] = []
        for place in row.indices {
            var rest = row[place]
            while rest != 0 {
                found.append(UInt16(truncatingIfNeeded: place * 64 + rest.trailingZeroBitCount + 1))
                rest &= rest - 1
            }
        }
        return found
    }

    /// Returns those that cover a number; nil for a number that the policy does not have.
    func coverers(of number: UInt16) -> [UInt16]? {
        number > 0 && Int(number) <= coverers.count ? coverers[Int(number) - 1] : nil
    }

    /// Returns whether a number stands for at least what another one does.
    func covers(_ number: UInt16, _ other: UInt16) -> Bool {
        let row = bits[Int(other) - 1]
        let place = Int(number) - 1
        return place >= 0 && place >> 6 < row.count
            && row[place >> 6] >> UInt64(place & 63) & 1 == 1
    }
}

/// One table of rules, from which what is redundant is taken.
private struct RuleReduction {
    private var rules: [PolicyFile.AccessRule]
    private var operations: [PolicyFile.OperationSet]
    private let coverage: TypeCoverage
    private var isGone: [Bool]
    /// Places of rules of one source, class and kind, one group behind the other.
    private var places: [Int32] = []
    private var groups: [UInt64: Range<Int>] = [:]

    init(_ table: PolicyFile.AccessRuleTable, _ coverage: TypeCoverage) {
        rules = table.rules
        operations = table.operations
        self.coverage = coverage
        isGone = Array(repeating: false, count: rules.count)
        let keys = rules.map { RuleReduction.key($0.source, $0) }
        places = rules.indices.map(Int32.init).sorted { keys[Int($0)] < keys[Int($1)] }
        var start = 0
        for end in 1...max(1, places.count) where !places.isEmpty {
            let key = keys[Int(places[start])]
            guard end == places.count || keys[Int(places[end])] != key else { continue }
            groups[key] = start..<end
            start = end
        }
    }

    private static func key(_ source: UInt16, _ rule: PolicyFile.AccessRule) -> UInt64 {
        UInt64(source) << 32 | UInt64(rule.objectClass) << 16 | UInt64(rule.kind.rawValue)
    }

    /// Takes away what is redundant, one rule after the other: of two that cover each other one
    /// stays.
    mutating func reduce(besides always: RuleReduction? = nil) {
        for place in rules.indices where RuleReduction.isReducible(rules[place]) {
            guard let sources = coverage.coverers(of: rules[place].source),
                let targets = coverage.coverers(of: rules[place].target)
            else { continue }
            isGone[place] = sources.isEmpty || targets.isEmpty
            for source in sources where !isGone[place] {
                trim(place, source)
                if let always { trim(place, source, by: always) }
            }
        }
    }

    /// Takes from a rule what others of the table say whose source is this one.
    private mutating func trim(_ place: Int, _ source: UInt16) {
        for other in group(source, rules[place]) where Int(other) != place && !isGone[place] {
            let rule = rules[Int(other)]
            guard !isGone[Int(other)], coverage.covers(rule.target, rules[place].target) else {
                continue
            }
            take(rule, operations(of: rule), from: place)
        }
    }

    /// The same for the rules of another table.
    private mutating func trim(_ place: Int, _ source: UInt16, by always: RuleReduction) {
        for other in always.group(source, rules[place]) where !isGone[place] {
            let rule = always.rules[Int(other)]
            guard !always.isGone[Int(other)], coverage.covers(rule.target, rules[place].target)
            else { continue }
            take(rule, always.operations(of: rule), from: place)
        }
    }

    private func operations(of rule: PolicyFile.AccessRule) -> PolicyFile.OperationSet {
        rule.kind.isExtended ? operations[Int(rule.data)] : PolicyFile.OperationSet()
    }

    private static func isReducible(_ rule: PolicyFile.AccessRule) -> Bool {
        switch rule.kind {
        case .transition, .member, .change: false
        default: true
        }
    }

    /// Returns where the rules of a source stand that have the class and kind of a rule.
    private func group(_ source: UInt16, _ rule: PolicyFile.AccessRule) -> ArraySlice<Int32> {
        groups[RuleReduction.key(source, rule)].map { places[$0] } ?? []
    }

    /// Takes what another rule says from a rule; one that says nothing any more is gone.
    private mutating func take(
        _ other: PolicyFile.AccessRule, _ set: PolicyFile.OperationSet, from place: Int
    ) {
        switch rules[place].kind {
        case .auditDenied:
            rules[place].data |= ~other.data
            isGone[place] = rules[place].data == .max
        case .allowed, .auditAllowed:
            rules[place].data &= ~other.data
            isGone[place] = rules[place].data == 0
        default:
            isGone[place] = operations[Int(rules[place].data)].subtract(set)
        }
    }

    /// What is left, in the same order.
    var remaining: PolicyFile.AccessRuleTable {
        var table = PolicyFile.AccessRuleTable()
        for place in rules.indices where !isGone[place] {
            var rule = rules[place]
            if rule.kind.isExtended {
                table.operations.append(operations[Int(rule.data)])
                rule.data = UInt32(truncatingIfNeeded: table.operations.count - 1)
            }
            // The rule before it in its record may be gone.
            if rule.isJoined, place > 0, isGone[place - 1] { rule.isJoined = false }
            table.rules.append(rule)
        }
        return table
    }
}

extension PolicyFile.OperationSet {
    /// Takes away what another set has; returns whether nothing is left.
    fileprivate mutating func subtract(_ other: PolicyFile.OperationSet) -> Bool {
        if form == other.form, form == 2 || driver == other.driver {
            first &= ~other.first
            second &= ~other.second
            third &= ~other.third
            fourth &= ~other.fourth
        } else if form == 1, other.form == 2, other.has(driver) {
            return true
        }
        return first | second | third | fourth == 0
    }

    private func has(_ number: UInt8) -> Bool {
        [first, second, third, fourth][Int(number >> 6)] >> UInt64(number & 63) & 1 == 1
    }
}
