import KernelPolicyLanguage

/// Expressions over sets: the operator first, then its operands; without one everything together.
enum Expression {
    /// Returns whether a name is an operator of sets.
    static func isOperator(_ name: Name) -> Bool {
        guard name.place < Word.list.count else { return false }
        return [.and, .or, .not, .xor, .all, .range].contains(Word.list[name.place])
    }
}

extension Lowering {
    /// Returns the set that an expression stands for.
    ///
    /// - Parameters:
    ///   - all: the set of everything.
    ///   - range: what stands between two operands, for numbers that have an order.
    ///   - operand: returns the set of one name.
    /// - Throws: `.syntax` for an operator with the wrong number of operands; as `operand`.
    mutating func evaluate(
        _ place: Int, _ list: Int, _ all: BitRow,
        range: ((inout Lowering, Int, Int) throws(SourceFailure) -> BitRow)? = nil,
        _ operand: (inout Lowering, Int) throws(SourceFailure) -> BitRow
    ) throws(SourceFailure) -> BitRow {
        guard tree.isList(place) else {
            return tree.word(place) == .all ? all : try operand(&self, place)
        }
        return try nested(list) { (it) throws(SourceFailure) in
            try it.evaluateList(place, list, all, range: range, operand)
        }
    }

    private mutating func evaluateList(
        _ place: Int, _ list: Int, _ all: BitRow,
        range: ((inout Lowering, Int, Int) throws(SourceFailure) -> BitRow)?,
        _ operand: (inout Lowering, Int) throws(SourceFailure) -> BitRow
    ) throws(SourceFailure) -> BitRow {
        let items = tree.items(place)
        guard let head = items.first, let word = tree.word(head),
            [.and, .or, .not, .xor, .all, .range, .eq, .neq].contains(word)
        else {
            var found = all
            found.subtract(all)
            for item in items {
                found.formUnion(try evaluate(item, list, all, range: range, operand))
            }
            return found
        }
        let wanted = word == .all ? 1 : word == .not ? 2 : 3
        guard items.count == wanted, word != .range || range != nil, word != .eq && word != .neq
        else {
            throw failure(.syntax, "`\(word.rawValue)` cannot stand here, or not so", list)
        }
        if word == .all { return all }
        if word == .range, let range { return try range(&self, items[1], items[2]) }
        var left = try evaluate(items[1], list, all, range: range, operand)
        if word == .not {
            var others = all
            others.subtract(left)
            return others
        }
        let right = try evaluate(items[2], list, all, range: range, operand)
        switch word {
        case .and: left.formIntersection(right)
        case .or: left.formUnion(right)
        default: left.formDifference(right)
        }
        return left
    }
}

/// Conditions over Booleans.
enum Conditions {
    static let operators: Set<Word> = [.and, .or, .not, .xor, .eq, .neq]

    /// The numbers of the operators, as `PolicyFile.ConditionalTerm` has them.
    static func number(_ word: Word) -> UInt32 {
        switch word {
        case .not: 2
        case .or: 3
        case .and: 4
        case .xor: 5
        case .eq: 6
        default: 7
        }
    }
}

extension Lowering {
    /// Adds the conditionals that the structure has.
    mutating func addConditionals() {
        for (list, container, isTunable) in structure.conditionals {
            policy.conditionals.append(
                Conditional(terms: [], offset: tree.offset(list), block: 0))
            guard !isOff[container] else { continue }
            attempt(container) { (it) throws(SourceFailure) in
                var terms: [(kind: UInt32, boolean: Name?)] = []
                let place = it.tree.end(it.tree.first(list))
                try it.addCondition(place, list, container, isTunable, &terms)
                it.policy.conditionals[it.policy.conditionals.count - 1].terms = terms
            }
        }
    }

    private mutating func addCondition(
        _ place: Int, _ list: Int, _ container: Int, _ isTunable: Bool,
        _ terms: inout [(kind: UInt32, boolean: Name?)]
    ) throws(SourceFailure) {
        if let name = tree.bare(place) {
            let found = try find(name, .booleans, "Boolean", container, list)
            return terms.append((1, found.name))
        }
        guard tree.isList(place) else { throw failure(.syntax, "this is no condition", list) }
        let items = tree.items(place)
        guard let word = items.first.flatMap({ tree.word($0) }), Conditions.operators.contains(word)
        else {
            guard items.count == 1 else {
                throw failure(.syntax, "a condition has an operator before its operands", list)
            }
            return try addCondition(items[0], list, container, isTunable, &terms)
        }
        guard items.count == (word == .not ? 2 : 3) else {
            throw failure(.syntax, "`\(word.rawValue)` has the wrong number of operands", list)
        }
        for item in items[1...] { try addCondition(item, list, container, isTunable, &terms) }
        terms.append((Conditions.number(word), nil))
    }
}
