package import PolicyDatabaseModel

extension IndexedPolicy {
    /// What is compared by a constraint's term: the words of both sides.
    static func sides(_ attribute: UInt32) -> (String, String) {
        switch attribute & ~24 {
        case 1: ("u1", "u2")
        case 2: ("r1", "r2")
        case 4: ("t1", "t2")
        case 32: ("l1", "l2")
        case 64: ("l1", "h2")
        case 128: ("h1", "l2")
        case 256: ("h1", "h2")
        case 512: ("l1", "h1")
        case 1024: ("l2", "h2")
        default: ("#\(attribute)", "#\(attribute)")
        }
    }

    /// The word for a comparison.
    static func comparison(_ number: UInt32) -> String {
        switch number {
        case 1: "=="
        case 2: "!="
        case 3: "dom"
        case 4: "domby"
        case 5: "incomp"
        default: "#\(number)"
        }
    }

    /// Which side a term with names is about: `u1`, `t2`, `r3`.
    static func side(_ attribute: UInt32) -> String {
        let place = sides(attribute & 7)
        if attribute & 16 != 0 { return place.0.prefix(1) + "3" }
        return attribute & 8 != 0 ? place.1 : place.0
    }

    /// The names of a term, as the source had them when the file says so.
    func names(of term: PolicyFile.ConstraintTerm) -> [String] {
        switch term.attribute & 7 {
        case 1: return term.names.numbers.map { userNames[Int($0)] }
        case 2: return term.names.numbers.map { roleNames[Int($0)] }
        default:
            return (sourceSymbols(of: term) ?? term.names.numbers.map(Int.init))
                .map { typeNames[$0] }
        }
    }

    /// The types and attributes that the source named, when they say the same as the names.
    func sourceSymbols(of term: PolicyFile.ConstraintTerm) -> [Int]? {
        let symbols = term.sourceTypes.numbers.map(Int.init)
        guard term.attribute & 4 != 0, !symbols.isEmpty, term.sourceFlags == 0,
            term.excludedTypes.words.isEmpty
        else { return nil }
        var types = TypeSet(size: typeCount)
        for symbol in symbols { types.formUnion(self.types(of: symbol)) }
        return types.numbers == term.names.numbers.map(Int.init) ? symbols : nil
    }

    /// The expression of a constraint in the words of the kernel policy language.
    ///
    /// Operands stand in brackets when they are expressions with another operator.
    package func expression(_ terms: [PolicyFile.ConstraintTerm]) -> String {
        expression(terms) { operand($0) }
    }

    /// The same with every set of names as types, in alphabetical order, however the source had it.
    func plainExpression(_ terms: [PolicyFile.ConstraintTerm], _ sets: NameSets) -> String {
        expression(terms) { term in
            guard term.kind == 5 else { return operand(term) }
            let set = sets.text(of: term) {
                var plain = term
                plain.sourceTypes = PolicyBitmap()
                return names(of: plain).sorted()
            }
            return "\(Self.side(term.attribute)) \(Self.comparison(term.comparison)) \(set)"
        }
    }

    private func expression(
        _ terms: [PolicyFile.ConstraintTerm], _ operand: (PolicyFile.ConstraintTerm) -> String
    ) -> String {
        // Each with its operator: 0 for a comparison, else the term's kind.
        var stack: [(text: String, kind: UInt32)] = []
        func bracketed(_ operand: (text: String, kind: UInt32), inside kind: UInt32) -> String {
            operand.kind == 0 || operand.kind == kind ? operand.text : "(" + operand.text + ")"
        }
        for term in terms {
            if term.kind == 1, let last = stack.popLast() {
                stack.append(("not (" + last.text + ")", 1))
            } else if term.kind == 2 || term.kind == 3, stack.count > 1 {
                let right = stack.removeLast()
                let left = stack.removeLast()
                let word = term.kind == 2 ? " and " : " or "
                // The first of a row of equal operators binds first without brackets.
                let text = bracketed(left, inside: term.kind) + word + bracketed(right, inside: 0)
                stack.append((text, term.kind))
            } else {
                stack.append((operand(term), 0))
            }
        }
        return stack.map(\.text).joined(separator: " ")
    }

    /// One comparison.
    func operand(_ term: PolicyFile.ConstraintTerm) -> String {
        let comparison = Self.comparison(term.comparison)
        guard term.kind == 5 else {
            let sides = Self.sides(term.attribute)
            return "\(sides.0) \(comparison) \(sides.1)"
        }
        return "\(Self.side(term.attribute)) \(comparison) \(Self.setText(names(of: term)))"
    }

    /// Whether a constraint is about levels: `mlsconstrain`, `mlsvalidatetrans`.
    package static func isAboutLevels(_ terms: [PolicyFile.ConstraintTerm]) -> Bool {
        terms.contains { $0.kind == 4 && $0.attribute >= 32 }
    }

    /// A constraint as a statement.
    package func statement(_ constraint: PolicyFile.ConstraintRecord, of entry: ObjectClassEntry)
        -> String
    {
        let word = Self.isAboutLevels(constraint.terms) ? "mlsconstrain" : "constrain"
        let permissions = Self.setText(entry.names(constraint.permissions))
        return "\(word) \(entry.name) \(permissions) (\(expression(constraint.terms)));"
    }

    /// A constraint on changes of label as a statement.
    package func changeStatement(
        _ constraint: PolicyFile.ConstraintRecord, of entry: ObjectClassEntry
    ) -> String {
        let word = Self.isAboutLevels(constraint.terms) ? "mlsvalidatetrans" : "validatetrans"
        return "\(word) \(entry.name) (\(expression(constraint.terms)));"
    }
}
