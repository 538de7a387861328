import KernelPolicyLanguage

extension Lowering {
    /// Takes a statement that neither declares nor is needed to understand others.
    mutating func late(_ list: Int, _ word: Word, _ container: Int) throws(SourceFailure) {
        let branch = structure.containers[container].branch
        guard branch < 0 || Word.conditional.contains(word) else {
            throw failure(.syntax, "`\(word.rawValue)` cannot stand in `booleanif`", list)
        }
        switch word {
        case .allow: try rule(.allow, list, container, branch)
        case .auditallow: try rule(.auditAllow, list, container, branch)
        case .dontaudit:
            if !options.ignoresDoNotAudit { try rule(.doNotAudit, list, container, branch) }
        case .neverallow: try rule(.neverAllow, list, container, branch)
        case .deny: try rule(.allow, list, container, branch, isDenial: true)
        case .allowx: try operationRule(.allow, list, container)
        case .auditallowx: try operationRule(.auditAllow, list, container)
        case .dontauditx:
            if !options.ignoresDoNotAudit { try operationRule(.doNotAudit, list, container) }
        case .neverallowx: try operationRule(.neverAllow, list, container)
        case .typetransition: try typeRule(.transition, list, container, branch)
        case .typechange: try typeRule(.change, list, container, branch)
        case .typemember: try typeRule(.member, list, container, branch)
        case .rangetransition: try rangeTransition(list, container)
        default: try rare(list, word, container)
        }
    }

    private mutating func rare(
        _ list: Int, _ word: Word, _ container: Int
    ) throws(SourceFailure) {
        switch word {
        case .roletype: try roleType(list, container)
        case .roleallow: try roleAllow(list, container)
        case .roletransition: try roleTransition(list, container)
        case .typebounds, .rolebounds, .userbounds: try bounds(word, list, container)
        case .userrole, .userlevel, .userrange: try userStatement(word, list, container)
        case .typepermissive:
            let items = try items(list, 2...2)
            policy.permissive.append(
                (try oneType(items[1], list, container), 0, tree.offset(list)))
        case .expandtypeattribute: try expandAttribute(list, container)
        case .sensitivitycategory: try sensitivityCategory(list, container)
        case .defaultuser, .defaultrole, .defaulttype, .defaultrange:
            try defaultRule(word, list, container)
        case .constrain, .mlsconstrain, .validatetrans, .mlsvalidatetrans:
            try constraint(word, list, container)
        case .userprefix, .selinuxuser, .selinuxuserdefault:
            try loginStatement(word, list, container)
        default: try label(word, list, container)
        }
    }

    private mutating func rule(
        _ kind: Rule.Kind, _ list: Int, _ container: Int, _ branch: Int32, isDenial: Bool = false
    ) throws(SourceFailure) {
        let sourcePlace = tree.end(tree.first(list))
        guard sourcePlace < tree.end(list) else {
            throw failure(.syntax, "the rule is empty", list)
        }
        let targetPlace = tree.end(sourcePlace)
        let setPlace = targetPlace < tree.end(list) ? tree.end(targetPlace) : tree.end(list)
        guard setPlace < tree.end(list), tree.end(setPlace) == tree.end(list) else {
            throw failure(
                .syntax, "a rule has a source, a target, and a class with permissions", list)
        }
        let offset = tree.offset(list)
        let source = policy.sets.set(
            of: try type(sourcePlace, list, container).name, at: offset)
        let target = try accessTarget(targetPlace, list, container)
        for set in try classSets(setPlace, list, container) {
            let rule = Rule(
                source: source, target: target, classes: set.classes,
                permissions: set.permissions, offset: UInt32(truncatingIfNeeded: offset),
                block: 0, branch: branch, kind: kind)
            if isDenial { policy.denials.append(rule) } else { policy.rules.append(rule) }
        }
    }

    /// Returns the target of a rule about accesses, which may depend on the source.
    ///
    /// A type with the name of a newer word is that type, as it is for secilc 3.4.
    private mutating func accessTarget(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> SetID {
        guard let word = tree.word(place), word == .notself || word == .other,
            structure.find(Name(index: word.nameIndex), .types, from: container) == nil
        else { return try target(place, list, container) }
        if structure.containers[container].optional >= 0 {
            warn("secilc 3.4 leaves out an `optional` that says `notself` or `other`")
        }
        return policy.sets.set(
            flags: word == .other ? .otherSources : .allButSource, items: [],
            at: tree.offset(list))
    }

    private mutating func warn(_ sentence: String) {
        if !warnings.contains(sentence) { warnings.append(sentence) }
    }

    private mutating func target(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> SetID {
        let offset = tree.offset(list)
        if tree.word(place) == .`self` {
            return policy.sets.set(flags: .withSelf, items: [], at: offset)
        }
        return policy.sets.set(of: try type(place, list, container).name, at: offset)
    }

    private mutating func typeRule(
        _ kind: Rule.Kind, _ list: Int, _ container: Int, _ branch: Int32
    ) throws(SourceFailure) {
        let items = try items(list, kind == .transition ? 5...6 : 5...5)
        let offset = tree.offset(list)
        let source = set([try type(items[1], list, container).name], list)
        let target = try target(items[2], list, container)
        let classes = set(try classNames(items[3], list, container), list)
        let result = try oneType(items[items.count - 1], list, container)
        if items.count == 6 {
            let name = try string(items[4], "a file's name", list, container)
            if name != "*" {
                guard branch < 0 else {
                    throw failure(.syntax, "a file's name cannot stand in `booleanif`", list)
                }
                policy.namedTransitions.append(
                    NamedTransition(
                        source: source, target: target, classes: classes, type: result,
                        fileName: name, offset: offset, block: 0))
                return
            }
        }
        policy.rules.append(
            Rule(
                source: source, target: target, classes: classes,
                permissions: policy.sets.set(of: result, at: offset),
                offset: UInt32(truncatingIfNeeded: offset), block: 0, branch: branch, kind: kind))
    }

    /// Returns a word that stands for itself, or for a parameter's argument.
    mutating func string(
        _ place: Int, _ what: String, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> String {
        guard let name = tree.atom(place) else {
            throw failure(.syntax, "\(what) is missing here", list)
        }
        let found = structure.find(name, .strings, from: container)
        return text(found?.kind == .string ? found?.name ?? name : name)
    }

    private mutating func rangeTransition(
        _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 5...5)
        let source = set([try type(items[1], list, container).name], list)
        let target = set([try type(items[2], list, container).name], list)
        let classes = set(try classNames(items[3], list, container), list)
        let range = try range(items[4], list, container)
        guard hasLevels else { return }
        policy.rangeTransitions.append(
            RangeTransition(
                source: source, target: target, classes: classes, range: range,
                offset: tree.offset(list), block: 0))
    }

    // MARK: Operations

    private mutating func operationRule(
        _ kind: ExtendedRule.Kind, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let source = set([try type(items[1], list, container).name], list)
        let target = try accessTarget(items[2], list, container)
        var (place, outside) = (items[3], container)
        if let name = tree.bare(place) {
            let found = try find(name, .operations, "set of operations", container, list)
            (place, outside) = definition(found)
        }
        let (classes, ranges) = try operations(place, list, outside)
        guard !ranges.isEmpty else { return }
        policy.extendedRules.append(
            ExtendedRule(
                kind: kind, source: source, target: target, classes: classes, operations: ranges,
                isComplement: false, offset: tree.offset(list), block: 0, branch: -1))
    }

    private mutating func operations(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> (SetID, [ClosedRange<UInt16>]) {
        guard tree.isList(place) else {
            throw failure(.syntax, "operations stand in parentheses", list)
        }
        let parts = tree.items(place)
        guard parts.count == 3, tree.word(parts[0]) == .ioctl, tree.isList(parts[2]) else {
            throw failure(
                .syntax, "operations are `ioctl`, a class, and numbers in parentheses", list)
        }
        let names = try classNames(parts[1], list, container)
        for name in names {
            let known = classes.first { $0.name == name }
            let shared = known?.common.map { commons[$0].permissions } ?? []
            guard ((known?.own ?? []) + shared).contains(where: { text($0) == "ioctl" }) else {
                throw failure(
                    .noPermission, "the class `\(text(name))` has no permission `ioctl`", list)
            }
        }
        let all = BitRow(count: 1 << 16, isFull: true)
        let bits = try evaluate(
            parts[2], list, all,
            range: { (it, first, last) throws(SourceFailure) in
                let (low, high) = (try it.operation(first, list), try it.operation(last, list))
                guard low <= high else {
                    throw it.failure(.badRange, "the range ends before it begins", list)
                }
                var bits = BitRow(count: 1 << 16)
                for number in low...high { bits.insert(number) }
                return bits
            },
            { (it, place) throws(SourceFailure) in
                var bits = BitRow(count: 1 << 16)
                bits.insert(try it.operation(place, list))
                return bits
            })
        return (set(names, list), Lowering.ranges(of: bits))
    }

    private func operation(_ place: Int, _ list: Int) throws(SourceFailure) -> Int {
        let word = text(try atom(place, "an operation", list))
        guard let number = Lowering.number(word, base: 0), number <= 0xffff else {
            throw failure(.badRange, "`\(word)` is no operation: 0 to 0xffff", list)
        }
        return Int(number)
    }

    /// Returns a number: with the base 0 hexadecimal after `0x`, octal after `0`, else decimal.
    static func number(_ word: String, base: Int) -> UInt64? {
        let small = word.lowercased()
        if base == 0 || base == 16, small.hasPrefix("0x") {
            return UInt64(small.dropFirst(2), radix: 16)
        }
        if base == 0, small.count > 1, small.hasPrefix("0") {
            return UInt64(small.dropFirst(), radix: 8)
        }
        return small.utf8.allSatisfy { (48...57).contains($0) } ? UInt64(small) : nil
    }

    private static func ranges(of bits: BitRow) -> [ClosedRange<UInt16>] {
        var found: [ClosedRange<UInt16>] = []
        for number in bits.numbers {
            let number = UInt16(truncatingIfNeeded: number)
            if let last = found.last, last.upperBound + 1 == number {
                found[found.count - 1] = last.lowerBound...number
            } else {
                found.append(number...number)
            }
        }
        return found
    }

    // MARK: Other statements

    private mutating func expandAttribute(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 3...3)
        guard let value = tree.word(items[2]), value == .true || value == .false else {
            throw failure(.syntax, "`expandtypeattribute` ends with `true` or `false`", list)
        }
        for place in tree.isList(items[1]) ? tree.items(items[1]) : [items[1]] {
            let name = try atom(place, "an attribute", list)
            guard try find(name, .types, "attribute", container, list).kind == .typeAttribute else {
                throw failure(.wrongKind, "`\(text(name))` is no attribute", list)
            }
        }
    }

    /// Takes what is for the files beside the policy: it is only checked.
    private mutating func loginStatement(
        _ word: Word, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, word == .selinuxuser ? 4...4 : 3...3)
        let place = word == .selinuxuser ? 2 : 1
        let name = try atom(items[place], "a user", list)
        _ = try oneUserName(try find(name, .users, "user", container, list), list)
        guard word != .userprefix else { return }
        _ = try range(items[items.count - 1], list, container)
    }

    private mutating func defaultRule(
        _ word: Word, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, word == .defaultrange ? 3...4 : 3...3)
        var names: [Name] = []
        for place in tree.isList(items[1]) ? tree.items(items[1]) : [items[1]] {
            names += try classNames(place, list, container)
        }
        let part: DefaultRule.Part =
            switch word {
            case .defaultuser: .user
            case .defaultrole: .role
            case .defaulttype: .type
            default: .range
            }
        let value: UInt32
        switch (tree.word(items[2]), part, items.count == 4 ? tree.word(items[3]) : nil) {
        case (.glblub, .range, nil) where items.count == 3: value = 7
        case (.source, .range, .low): value = 1
        case (.source, .range, .high): value = 2
        case (.source, .range, .lowHigh): value = 3
        case (.target, .range, .low): value = 4
        case (.target, .range, .high): value = 5
        case (.target, .range, .lowHigh): value = 6
        case (.source, .user, nil), (.source, .role, nil), (.source, .type, nil): value = 1
        case (.target, .user, nil), (.target, .role, nil), (.target, .type, nil): value = 2
        default: throw failure(.syntax, "this is no default", list)
        }
        policy.defaults.append(DefaultRule(part: part, classes: set(names, list), value: value))
    }
}
