import KernelPolicyLanguage

extension Lowering {
    mutating func constraint(
        _ word: Word, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let isAboutLevels = word == .mlsconstrain || word == .mlsvalidatetrans
        let isChange = word == .validatetrans || word == .mlsvalidatetrans
        var terms: [ConstraintTermText] = []
        guard tree.isList(items[2]) else {
            throw failure(.syntax, "an expression stands in parentheses", list)
        }
        let reader = ConstraintReader(list: list, container: container, isChange: isChange)
        try addTerms(items[2], reader, &terms)
        var found: [Constraint] = []
        if isChange {
            let classes = set(try classNames(items[1], list, container), list)
            found.append(Constraint(classes: classes, terms: terms, offset: tree.offset(list)))
        } else {
            for set in try classSets(items[1], list, container) {
                found.append(
                    Constraint(
                        classes: set.classes, permissions: set.permissions, terms: terms,
                        offset: tree.offset(list)))
            }
        }
        if hasLevels || !isAboutLevels { policy.constraints += found }
    }

    /// Where an expression stands.
    struct ConstraintReader {
        let list: Int
        let container: Int
        /// Whether it is about changes of labels, which have a third part.
        let isChange: Bool
    }

    private mutating func addTerms(
        _ place: Int, _ reader: ConstraintReader, _ terms: inout [ConstraintTermText]
    ) throws(SourceFailure) {
        let list = reader.list
        guard tree.isList(place) else { throw failure(.syntax, "an operand is missing", list) }
        let items = tree.items(place)
        guard let word = items.first.flatMap({ tree.word($0) }) else {
            guard items.count == 1, tree.isList(items[0]) else {
                throw failure(.syntax, "an expression begins with its operator", list)
            }
            return try addTerms(items[0], reader, &terms)
        }
        switch word {
        case .not, .and, .or:
            guard items.count == (word == .not ? 2 : 3) else {
                throw failure(.syntax, "`\(word.rawValue)` has the wrong number of operands", list)
            }
            for item in items[1...] { try addTerms(item, reader, &terms) }
            terms.append(ConstraintTermText(kind: word == .not ? 1 : word == .and ? 2 : 3))
        case .eq, .neq, .dom, .domby, .incomp:
            guard items.count == 3, let left = tree.word(items[1]) else {
                throw failure(.syntax, "`\(word.rawValue)` compares two things", list)
            }
            let comparison: UInt32 =
                switch word {
                case .eq: 1
                case .neq: 2
                case .dom: 3
                case .domby: 4
                default: 5
                }
            try addComparison(left, items[2], comparison, reader, &terms)
        default:
            throw failure(.syntax, "`\(word.rawValue)` is no operator of constraints", list)
        }
    }

    private mutating func addComparison(
        _ left: Word, _ place: Int, _ comparison: UInt32, _ reader: ConstraintReader,
        _ terms: inout [ConstraintTermText]
    ) throws(SourceFailure) {
        let right = tree.word(place)
        let pairs: [(Word, Word, UInt32)] = [
            (.u1, .u2, 1), (.r1, .r2, 2), (.t1, .t2, 4), (.l1, .l2, 32), (.l1, .h2, 64),
            (.h1, .l2, 128), (.h1, .h2, 256), (.l1, .h1, 512), (.l2, .h2, 1024),
        ]
        if let right, let pair = pairs.first(where: { $0.0 == left && $0.1 == right }) {
            guard comparison <= 2 || pair.2 != 1 && pair.2 != 4 else {
                throw failure(.syntax, "users and types are equal or not", reader.list)
            }
            return terms.append(
                ConstraintTermText(kind: 4, attribute: pair.2, comparison: comparison))
        }
        let attributes: [Word: (UInt32, Namespace)] = [
            .u1: (1, .users), .u2: (9, .users), .u3: (17, .users), .r1: (2, .roles),
            .r2: (10, .roles), .r3: (18, .roles), .t1: (4, .types), .t2: (12, .types),
            .t3: (20, .types),
        ]
        let operands: Set<Word> = [
            .u1, .u2, .u3, .r1, .r2, .r3, .t1, .t2, .t3, .l1, .l2, .h1, .h2,
        ]
        guard let (attribute, space) = attributes[left],
            right.map({ !operands.contains($0) }) ?? true,
            comparison <= 2, attribute < 16 || reader.isChange
        else { throw failure(.syntax, "these two cannot be compared so", reader.list) }
        let names = try constraintNames(place, space, reader)
        terms.append(
            ConstraintTermText(
                kind: 5, attribute: attribute, comparison: comparison, names: names))
    }

    private mutating func constraintNames(
        _ place: Int, _ space: Namespace, _ reader: ConstraintReader
    ) throws(SourceFailure) -> SetID {
        var names: [Name] = []
        for item in tree.isList(place) ? tree.items(place) : [place] {
            let name = try atom(item, "a name", reader.list)
            let found = try find(name, space, "such thing as", reader.container, reader.list)
            switch found.kind {
            case .roleAttribute:
                let known = policy.roles.names
                names += try bits(of: found, .roles, reader.list).numbers.map { known[$0] }
            case .userAttribute:
                let known = users.names
                names += try bits(of: found, .users, reader.list).numbers.map { known[$0] }
            default: names.append(found.name)
            }
        }
        return set(names, reader.list)
    }
}
