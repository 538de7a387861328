import PolicyDatabaseModel

extension PolicyBuilder {
    mutating func addConstraints() {
        for constraint in source.constraints {
            attempt { (builder) throws(SourceFailure) in try builder.add(constraint) }
        }
    }

    private mutating func add(_ constraint: Constraint) throws(SourceFailure) {
        var record = PolicyFile.ConstraintRecord()
        var depth = 0
        for term in constraint.terms {
            switch term.kind {
            case 1: break
            case 2, 3: depth -= 1
            default: depth += 1
            }
            // Source: Xen and Linux `CEXPR_MAXDEPTH`.
            guard depth <= 5 else {
                throw SourceFailure(
                    .limit, "the expression needs more than 5 places; put parentheses elsewhere",
                    at: constraint.offset)
            }
            guard options.isMultilevel || term.kind != 4 || term.attribute < 32 else {
                throw SourceFailure(
                    .levelsOff, "levels are off in this policy", at: constraint.offset)
            }
            record.terms.append(try self.term(term))
        }
        for objectClass in try classNumbers(constraint.classes) {
            let index = Int(objectClass) - 1
            if let permissions = constraint.permissions {
                record.permissions = try mask(permissions, objectClass, at: constraint.offset)
                file.classes.symbols[index].constraints.append(record)
            } else {
                file.classes.symbols[index].transitionConstraints.append(record)
            }
        }
    }

    private mutating func term(
        _ text: ConstraintTermText
    ) throws(SourceFailure) -> PolicyFile.ConstraintTerm {
        var term = PolicyFile.ConstraintTerm()
        term.kind = text.kind
        term.attribute = text.attribute
        term.comparison = text.comparison
        guard let names = text.names else { return term }
        switch text.attribute & 7 {
        case 1: term.names = PolicyBitmap(try userNumbers(names).map { $0 - 1 })
        case 2: term.names = PolicyBitmap(try roleNumbers(names).map { $0 - 1 })
        default: try addTypes(names, to: &term)
        }
        return term
    }

    private func userNumbers(_ set: SetID) throws(SourceFailure) -> [UInt32] {
        var found: [UInt32] = []
        for item in source.sets.items(set) {
            let name = text(item.name)
            guard let user = file.users.symbols.first(where: { $0.name == name }) else {
                throw undeclared("user", item.name, source.sets.offset(set))
            }
            found.append(user.number)
        }
        return found
    }

    private mutating func addTypes(
        _ set: SetID, to term: inout PolicyFile.ConstraintTerm
    ) throws(SourceFailure) {
        term.names = PolicyBitmap(try typeSets.expand(set, source).map { UInt32($0) - 1 })
        guard options.format.version >= 29 else { return }
        let flags = source.sets.flags(set)
        let numbers = source.sets.items(set).map {
            (number: source.types.numbering[$0.name] ?? 1, isExcluded: $0.isExcluded)
        }
        term.sourceTypes = PolicyBitmap(
            numbers.filter { !$0.isExcluded }.map { $0.number - 1 })
        term.excludedTypes = PolicyBitmap(
            numbers.filter(\.isExcluded).map { $0.number - 1 })
        term.sourceFlags =
            (flags.contains(.all) ? 1 : 0) | (flags.contains(.complement) ? 2 : 0)
    }
}
