import PolicyDatabaseModel

/// Which access one policy has in its rules and another has not, by pairs of types.
///
/// Rules for attributes are compared as rules for their types. What both have in one rule, for
/// attributes with the same types, is left out first; so two policies that are nearly the same are
/// compared in little more time than it takes to read them.
struct RuleDifference {
    /// What access is about besides types.
    struct Group: Hashable {
        let objectClass: String
        let kind: PolicyFile.AccessRuleKind
        /// The condition and the branch; empty for none.
        let condition: String
        /// The new type, or the operations; empty for permissions.
        let value: String
    }

    private struct RuleKey: Hashable {
        let source: Int32
        let target: Int32
        let group: Int32
    }

    private struct SourceKey: Hashable {
        let source: Int32
        let group: Int32
    }

    /// Access from every type of one set to every type of another.
    private struct Rectangle {
        let sources: TypeSet
        let targets: TypeSet
        let permissions: UInt64
    }

    /// A policy with the names of both: types and attributes, groups, permissions.
    private struct Side {
        var rules: [RuleKey: UInt64] = [:]
        var bySource: [SourceKey: [(Int32, UInt64)]] = [:]
        /// For each symbol of both its types; empty for one that this policy does not have.
        var types: [TypeSet] = []
        var symbols: [[Int32]] = []
    }

    private var names: [String] = []
    private var indexes: [String: Int32] = [:]
    private var groups: [Group] = []
    private var groupIndexes: [Group: Int32] = [:]
    private var permissions: [String: [String]] = [:]
    private var sides: [Side] = []

    init(_ old: IndexedPolicy, _ new: IndexedPolicy) {
        for name in old.typeNames + new.typeNames where indexes[name] == nil {
            indexes[name] = Int32(names.count)
            names.append(name)
        }
        for entry in old.classes + new.classes {
            var known = permissions[entry.name] ?? []
            for name in entry.permissions.compactMap(\.self) where !known.contains(name) {
                known.append(name)
            }
            permissions[entry.name] = known
        }
        sides = [old, new].map { side($0) }
    }

    // MARK: The two sides

    private mutating func side(_ policy: IndexedPolicy) -> Side {
        let numbers = policy.typeNames.map { indexes[$0] ?? 0 }
        var side = Side()
        side.types = Array(repeating: TypeSet(size: names.count), count: names.count)
        side.symbols = Array(repeating: [], count: names.count)
        for (index, number) in numbers.enumerated() {
            policy.types(of: index).forEach { side.types[Int(number)].insert(Int(numbers[$0])) }
            side.symbols[Int(number)] = policy.symbols(of: index).map { numbers[$0] }
        }
        let bits = policy.classes.map { entry in
            let known = permissions[entry.name] ?? []
            return entry.permissions.map { name in
                name.flatMap { known.firstIndex(of: $0) }.map { UInt64(1) << UInt64($0 & 63) } ?? 0
            }
        }
        var plainGroups: [UInt64: Int32] = [:]
        for rule in policy.rules {
            let group: Int32
            var mask: UInt64 = 1
            switch rule.kind {
            case .allowed, .auditAllowed, .auditDenied:
                mask = 0
                var rest = rule.data
                while rest != 0 {
                    mask |= bits[Int(rule.objectClass)][rest.trailingZeroBitCount]
                    rest &= rest - 1
                }
                let branch: UInt64 = rule.branch ? 1 : 0
                let condition = UInt64(bitPattern: Int64(rule.conditional + 1)) << 1 | branch
                let key =
                    condition << 32 | UInt64(rule.objectClass) << 16 | UInt64(rule.kind.rawValue)
                group = plainGroups[key] ?? number(of: self.group(of: rule, in: policy))
                plainGroups[key] = group
            default: group = number(of: self.group(of: rule, in: policy))
            }
            let key = RuleKey(
                source: numbers[Int(rule.source)], target: numbers[Int(rule.target)], group: group)
            side.rules[key, default: 0] |= mask
        }
        for (key, mask) in side.rules {
            side.bySource[SourceKey(source: key.source, group: key.group), default: []]
                .append((key.target, mask))
        }
        return side
    }

    private mutating func number(of group: Group) -> Int32 {
        if let known = groupIndexes[group] { return known }
        groups.append(group)
        groupIndexes[group] = Int32(groups.count - 1)
        return Int32(groups.count - 1)
    }

    private func group(of rule: IndexedRule, in policy: IndexedPolicy) -> Group {
        let condition =
            rule.conditional < 0
            ? "" : policy.canonicalCondition(Int(rule.conditional), rule.branch)
        let value =
            switch rule.kind {
            case .allowed, .auditAllowed, .auditDenied: ""
            case .transition, .member, .change: policy.typeNames[Int(rule.data)]
            default: IndexedPolicy.setText(policy.operations[Int(rule.data)].rangeTexts)
            }
        return Group(
            objectClass: policy.classes[Int(rule.objectClass)].name, kind: rule.kind,
            condition: condition, value: value)
    }

    // MARK: Comparing

    /// What one side has and the other has not, of one source, target and group.
    private struct Missing {
        /// The kind's, source's and target's place among all: 4, 30 and 30 bits.
        let order: UInt64
        let group: Int32
        let permissions: UInt64
    }

    /// The statements, for types, that side `one` has and the other has not.
    ///
    /// - Parameters:
    ///   - one: 0 the first policy, 1 the second.
    ///   - most: how many are written, in the order of kind, source and target.
    func only(_ one: Int, most: Int) -> (count: Int, lines: [String]) {
        let sorted = names.indices.sorted { names[$0] < names[$1] }
        var ranks = Array(repeating: UInt64(0), count: names.count)
        for (rank, index) in sorted.enumerated() { ranks[index] = UInt64(rank) }
        var missing: [Missing] = []
        for (group, rectangles) in rectangles(one) {
            addDifference(group, rectangles, sides[1 - one], ranks, to: &missing)
        }
        let words = groups.map { "\($0.objectClass) \($0.value) \($0.condition)" }
        missing.sort {
            guard $0.order == $1.order else { return $0.order < $1.order }
            return words[Int($0.group)] < words[Int($1.group)]
        }
        let lines = missing.prefix(most).map { item in
            text(
                groups[Int(item.group)], sorted[Int(item.order >> 30 & 0x3fff_ffff)],
                sorted[Int(item.order & 0x3fff_ffff)], item.permissions)
        }
        return (missing.count, lines)
    }

    /// What side `one` has in rules that the other has not just so, by groups.
    private func rectangles(_ one: Int) -> [Int32: [Rectangle]] {
        let (mine, other) = (sides[one], sides[1 - one])
        var rectangles: [Int32: [Rectangle]] = [:]
        for (key, mask) in mine.rules {
            let common = mask & (other.rules[key] ?? 0)
            let (sources, targets) = (mine.types[Int(key.source)], mine.types[Int(key.target)])
            if mask != common {
                rectangles[key.group, default: []].append(
                    Rectangle(sources: sources, targets: targets, permissions: mask & ~common))
            }
            guard common != 0 else { continue }
            for (isSource, symbol) in [(true, key.source), (false, key.target)] {
                var more = mine.types[Int(symbol)]
                more.subtract(other.types[Int(symbol)])
                guard !more.isEmpty else { continue }
                rectangles[key.group, default: []].append(
                    Rectangle(
                        sources: isSource ? more : sources, targets: isSource ? targets : more,
                        permissions: common))
            }
        }
        return rectangles
    }

    /// Adds what of a group's rectangles the other policy does not have.
    private func addDifference(
        _ group: Int32, _ rectangles: [Rectangle], _ other: Side, _ ranks: [UInt64],
        to missing: inout [Missing]
    ) {
        let kind =
            PolicyFile.AccessRuleKind.allCases.map(\.keyword).sorted()
            .firstIndex(of: groups[Int(group)].kind.keyword) ?? 0
        var sources = TypeSet(size: names.count)
        for rectangle in rectangles { sources.formUnion(rectangle.sources) }
        sources.forEach { source in
            let wanted = wanted(source, group, rectangles, other)
            guard let first = wanted.first else { return }
            let begin = UInt64(kind) << 60 | ranks[source] << 30
            for word in first.targets.words.indices {
                var rest = wanted.reduce(0) { $0 | $1.targets.words[word] }
                while rest != 0 {
                    let bit = rest.trailingZeroBitCount
                    var mask: UInt64 = 0
                    for item in wanted where item.targets.words[word] >> UInt64(bit) & 1 == 1 {
                        mask |= item.permission
                    }
                    missing.append(
                        Missing(
                            order: begin | ranks[word << 6 + bit], group: group,
                            permissions: mask))
                    rest &= rest - 1
                }
            }
        }
    }

    /// For each permission the targets on which a source has it, and not in the other policy.
    private func wanted(
        _ source: Int, _ group: Int32, _ rectangles: [Rectangle], _ other: Side
    ) -> [(permission: UInt64, targets: TypeSet)] {
        var wanted: [(permission: UInt64, targets: TypeSet)] = []
        for rectangle in rectangles where rectangle.sources.contains(source) {
            var rest = rectangle.permissions
            while rest != 0 {
                let bit = rest & (~rest + 1)
                if let place = wanted.firstIndex(where: { $0.permission == bit }) {
                    wanted[place].targets.formUnion(rectangle.targets)
                } else {
                    wanted.append((bit, rectangle.targets))
                }
                rest &= rest - 1
            }
        }
        for symbol in other.symbols[source] {
            for (target, mask) in other.bySource[SourceKey(source: symbol, group: group)] ?? [] {
                for place in wanted.indices where mask & wanted[place].permission != 0 {
                    wanted[place].targets.subtract(other.types[Int(target)])
                }
            }
        }
        return wanted
    }

    private func text(_ group: Group, _ source: Int, _ target: Int, _ mask: UInt64) -> String {
        var text = "\(group.kind.keyword) \(names[source]) \(names[target]):\(group.objectClass) "
        if group.value.isEmpty {
            let known = permissions[group.objectClass] ?? []
            let granted = known.indices.filter { mask >> UInt64($0 & 63) & 1 == 1 }
            text += IndexedPolicy.setText(granted.map { known[$0] }.sorted())
        } else {
            text += (group.kind.isExtended ? "ioctl " : "") + group.value
        }
        return text + ";" + (group.condition.isEmpty ? "" : " [ \(group.condition) ]")
    }
}

extension IndexedPolicy {
    /// A condition and branch in words that are the same for conditions that mean the same.
    ///
    /// For up to 10 Booleans, as Linux permits: their names in order, and for each row of their
    /// states whether the branch holds; for more the expression as it is.
    func canonicalCondition(_ conditional: Int, _ branch: Bool) -> String {
        let numbers = Set(
            file.conditionals[conditional].terms.filter { $0.kind == 1 }.map {
                Int($0.boolean) - 1
            })
        let used = numbers.sorted { booleans[$0].name < booleans[$1].name }
        let plain = expression(of: conditional) + (branch ? "" : ", otherwise")
        guard used.count <= 10 else { return plain }
        var states = booleans.map(\.state)
        var rows: [String] = []
        for row in 0..<(1 << used.count) {
            for (index, boolean) in used.enumerated() { states[boolean] = row >> index & 1 == 1 }
            guard value(of: conditional, states) == branch else { continue }
            let words = used.enumerated().map { index, boolean in
                (row >> index & 1 == 1 ? "" : "! ") + booleans[boolean].name
            }
            rows.append(words.joined(separator: " && "))
        }
        return rows.joined(separator: " || ")
    }
}
