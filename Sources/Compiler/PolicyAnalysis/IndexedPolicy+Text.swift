package import PolicyDatabaseModel

extension IndexedPolicy {
    /// The rule as a statement of the kernel policy language; a conditional one is followed by
    /// `[ expression ]:True` or `:False`, as `sesearch` has it.
    package func text(of rule: IndexedRule) -> String {
        var text = ""
        var sets: [UInt64: String] = [:]
        write(rule, to: &text, &sets)
        return text
    }

    /// Appends what `text(of:)` returns; `sets` keeps the texts of permissions, which are few.
    func write(_ rule: IndexedRule, to text: inout String, _ sets: inout [UInt64: String]) {
        writeStatement(rule, to: &text, &sets)
        guard rule.conditional >= 0 else { return }
        text += " [ "
        text += expression(of: Int(rule.conditional))
        text += rule.branch ? " ]:True" : " ]:False"
    }

    /// Appends a rule without its condition.
    ///
    /// - Parameter isSource: whether a compiler reads it: checkpolicy wants braces around a range.
    func writeStatement(
        _ rule: IndexedRule, to text: inout String, _ sets: inout [UInt64: String],
        isSource: Bool = false
    ) {
        let entry = classes[Int(rule.objectClass)]
        text += rule.kind.keyword
        text += " "
        text += typeNames[Int(rule.source)]
        text += " "
        text += typeNames[Int(rule.target)]
        text += ":"
        text += entry.name
        text += " "
        switch rule.kind {
        case .allowed, .auditAllowed, .auditDenied:
            let key = UInt64(UInt32(rule.objectClass)) << 32 | UInt64(rule.data)
            if let known = sets[key] {
                text += known
            } else {
                let names = IndexedPolicy.setText(entry.names(rule.data))
                sets[key] = names
                text += names
            }
        case .transition, .member, .change: text += typeNames[Int(rule.data)]
        case .extendedAllowed, .extendedAuditAllowed, .extendedUnauditedDenied:
            let ranges = operations[Int(rule.data)].rangeTexts
            text += "ioctl "
            if isSource, ranges.count == 1, ranges[0].contains("-") {
                text += "{ \(ranges[0]) }"
            } else {
                IndexedPolicy.writeSet(ranges, to: &text)
            }
        }
        text += ";"
    }

    /// Appends one name, or several in braces.
    static func writeSet(_ names: [String], to text: inout String) {
        if names.count == 1 {
            text += names[0]
            return
        }
        text += "{ "
        for name in names {
            text += name
            text += " "
        }
        text += "}"
    }

    /// One name, or several in braces.
    static func setText(_ names: [String]) -> String {
        var text = ""
        writeSet(names, to: &text)
        return text
    }

    /// The expression of a conditional, by index.
    package func expression(of conditional: Int) -> String {
        expression(file.conditionals[conditional].terms)
    }

    /// An expression over Booleans in the words of the kernel policy language.
    package func expression(_ terms: [PolicyFile.ConditionalTerm]) -> String {
        // Each with the rank of its operator: what binds less needs brackets inside.
        var stack: [(text: String, rank: Int)] = []
        for term in terms {
            if term.kind == 1 {
                stack.append((booleans[Int(term.boolean) - 1].name, 9))
            } else if term.kind == 2, let last = stack.popLast() {
                stack.append(("! " + Self.bracketed(last, 9), 4))
            } else if stack.count > 1 {
                let right = stack.removeLast()
                let left = stack.removeLast()
                let (word, rank) = Self.booleanOperator(term.kind)
                let text = Self.bracketed(left, rank) + word + Self.bracketed(right, rank + 1)
                stack.append((text, rank))
            }
        }
        return stack.map(\.text).joined(separator: " ")
    }

    private static func bracketed(_ operand: (text: String, rank: Int), _ least: Int) -> String {
        operand.rank >= least ? operand.text : "( " + operand.text + " )"
    }

    private static func booleanOperator(_ kind: UInt32) -> (String, Int) {
        // checkpolicy's order, weakest first: `||`, `^`, `&&`, `!`, then `==` and `!=`.
        switch kind {
        case 3: (" || ", 1)
        case 4: (" && ", 3)
        case 5: (" ^ ", 2)
        case 6: (" == ", 5)
        default: (" != ", 5)
        }
    }

    /// The value of a conditional's expression under states of the Booleans.
    ///
    /// - Returns: nil when the terms are no expression.
    package func value(of conditional: Int, _ states: [Bool]) -> Bool? {
        var stack: [Bool] = []
        for term in file.conditionals[conditional].terms {
            switch term.kind {
            case 1: stack.append(states[Int(term.boolean) - 1])
            case 2:
                guard let last = stack.popLast() else { return nil }
                stack.append(!last)
            default:
                guard stack.count > 1 else { return nil }
                let (right, left) = (stack.removeLast(), stack.removeLast())
                switch term.kind {
                case 3: stack.append(left || right)
                case 4: stack.append(left && right)
                case 5, 7: stack.append(left != right)
                case 6: stack.append(left == right)
                default: return nil
                }
            }
        }
        return stack.count == 1 ? stack[0] : nil
    }
}

// MARK: Levels and labels

extension IndexedPolicy {
    /// A level, such as `s0:c0.c2,c5`.
    package func text(_ level: Level) -> String {
        var text = sensitivityNames.isEmpty ? "" : sensitivityNames[level.sensitivity]
        var index = 0
        var separator = ":"
        while index < level.categories.count {
            let first = level.categories[index]
            var last = first
            while index + 1 < level.categories.count, level.categories[index + 1] == last + 1 {
                index += 1
                last += 1
            }
            text += separator + categoryNames[first]
            // Two neighbours are two names; three or more are a span.
            if last > first { text += (last == first + 1 ? "," : ".") + categoryNames[last] }
            separator = ","
            index += 1
        }
        return text
    }

    /// A range: one level, or `low - high`.
    package func text(_ range: LevelRange) -> String {
        range.low == range.high ? text(range.low) : "\(text(range.low)) - \(text(range.high))"
    }

    /// A range of the file.
    package func text(_ record: PolicyFile.RangeRecord) -> String {
        guard let range = try? levelRange(record) else { return "" }
        return text(range)
    }

    /// A label: `user:role:type`, and the range in policies with levels.
    package func text(_ context: PolicyFile.ContextRecord) -> String {
        let names =
            "\(userNames[Int(context.user) - 1]):\(roleNames[Int(context.role) - 1]):"
            + typeNames[Int(context.type) - 1]
        return file.isMultilevel ? "\(names):\(text(context.range))" : names
    }

    /// Reads a level or range as a label has it, such as `s0`, `s0-s0:c0.c3` or `s1:c1 - s2`.
    ///
    /// - Throws: `.badQuestion`, `.unknownName`.
    package func levelRange(named text: String) throws(PolicyAnalysisError) -> LevelRange {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let low = try level(named: parts[0].filter { $0 != " " })
        guard parts.count == 2 else { return LevelRange(low: low, high: low) }
        let range = LevelRange(low: low, high: try level(named: parts[1].filter { $0 != " " }))
        guard range.high.dominates(range.low) else {
            throw PolicyAnalysisError(.badQuestion, "the range `\(text)` ends below its begin")
        }
        return range
    }

    private func level(named text: String) throws(PolicyAnalysisError) -> Level {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        var level = Level()
        let name = String(parts.first ?? "")
        if let index = sensitivityNames.firstIndex(of: name) {
            level.sensitivity = index
        } else if let alias = file.sensitivities.symbols.first(where: { $0.name == name }) {
            level.sensitivity = Int(alias.level.sensitivity) - 1
        } else {
            throw PolicyAnalysisError(.unknownName, "the policy has no sensitivity `\(name)`")
        }
        guard parts.count == 2 else { return level }
        var found: Set<Int> = []
        for item in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
            let ends = item.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            let first = try category(named: String(ends[0]))
            let last = ends.count == 2 ? try category(named: String(ends[1])) : first
            guard first <= last else {
                throw PolicyAnalysisError(.badQuestion, "the span `\(item)` ends before its begin")
            }
            found.formUnion(first...last)
        }
        level.categories = found.sorted()
        return level
    }

    private func category(named name: String) throws(PolicyAnalysisError) -> Int {
        if let index = categoryNames.firstIndex(of: name) { return index }
        if let alias = file.categories.symbols.first(where: { $0.name == name }),
            alias.number > 0, Int(alias.number) <= categoryNames.count
        {
            return Int(alias.number) - 1
        }
        throw PolicyAnalysisError(.unknownName, "the policy has no category `\(name)`")
    }
}

// MARK: Names

extension IndexedPolicy {
    /// The index of a type or attribute, by any of its names.
    ///
    /// - Throws: `.unknownName`.
    package func typeOrAttribute(_ name: String) throws(PolicyAnalysisError) -> Int {
        if let index = typeIndexes[name] { return index }
        throw PolicyAnalysisError(.unknownName, "the policy has no type or attribute `\(name)`")
    }

    /// The index of a class.
    ///
    /// - Throws: `.unknownName`.
    package func objectClass(_ name: String) throws(PolicyAnalysisError) -> Int {
        if let index = classes.firstIndex(where: { $0.name == name }) { return index }
        throw PolicyAnalysisError(.unknownName, "the policy has no class `\(name)`")
    }

    /// The index of a role.
    ///
    /// - Throws: `.unknownName`.
    package func role(_ name: String) throws(PolicyAnalysisError) -> Int {
        if let index = roleNames.firstIndex(of: name) { return index }
        throw PolicyAnalysisError(.unknownName, "the policy has no role `\(name)`")
    }

    /// The index of a user.
    ///
    /// - Throws: `.unknownName`.
    package func user(_ name: String) throws(PolicyAnalysisError) -> Int {
        if let index = userNames.firstIndex(of: name) { return index }
        throw PolicyAnalysisError(.unknownName, "the policy has no user `\(name)`")
    }

    /// The index of a Boolean.
    ///
    /// - Throws: `.unknownName`.
    package func boolean(_ name: String) throws(PolicyAnalysisError) -> Int {
        if let index = booleans.firstIndex(where: { $0.name == name }) { return index }
        throw PolicyAnalysisError(.unknownName, "the policy has no boolean `\(name)`")
    }

    /// The types that a symbol stands for: an attribute's, or the type itself.
    package func types(of index: Int) -> TypeSet {
        members[index] ?? TypeSet(index, size: typeCount)
    }

    /// Calls a body with every symbol that stands for a type: itself and its attributes.
    func symbols(of type: Int) -> [Int] { [type] + attributes[type] }

    /// How many types there are, without attributes.
    package var plainTypes: [Int] { isAttribute.indices.filter { !isAttribute[$0] } }
}

extension PolicyFile.AccessRuleKind {
    /// The keyword of the kernel policy language.
    package var keyword: String {
        switch self {
        case .allowed: "allow"
        case .auditAllowed: "auditallow"
        case .auditDenied: "dontaudit"
        case .transition: "type_transition"
        case .member: "type_member"
        case .change: "type_change"
        case .extendedAllowed: "allowxperm"
        case .extendedAuditAllowed: "auditallowxperm"
        case .extendedUnauditedDenied: "dontauditxperm"
        }
    }
}

extension PolicyFile.OperationSet {
    /// Whether a command or driver is in the set.
    func contains(_ number: Int) -> Bool {
        let word = [first, second, third, fourth][number >> 6]
        return word >> UInt64(number & 63) & 1 == 1
    }

    /// The `ioctl` commands, as ranges of numbers below 65,536, rising.
    package var ranges: [ClosedRange<Int>] {
        var ranges: [ClosedRange<Int>] = []
        func add(_ range: ClosedRange<Int>) {
            if let last = ranges.last, last.upperBound + 1 == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound...range.upperBound
            } else {
                ranges.append(range)
            }
        }
        for number in 0..<256 where contains(number) {
            if form == 2 {
                add(number << 8...number << 8 | 0xff)
            } else {
                let command = Int(driver) << 8 | number
                add(command...command)
            }
        }
        return ranges
    }

    /// The ranges as `0x1234` or `0x1234-0x1240`.
    var rangeTexts: [String] {
        func digits(_ number: Int) -> String {
            let text = String(number, radix: 16)
            return "0x" + String(repeating: "0", count: max(0, 4 - text.count)) + text
        }
        return ranges.map {
            $0.count == 1
                ? digits($0.lowerBound) : "\(digits($0.lowerBound))-\(digits($0.upperBound))"
        }
    }
}
