import KernelPolicyLanguage

extension Lowering {
    /// Whether levels mean something: as the options say, else as the policy does.
    var hasLevels: Bool { options.isMultilevel ?? isMultilevel ?? false }

    // MARK: Categories

    private mutating func category(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Int {
        let name = try atom(place, "a category", list)
        let found = try find(name, .categories, "category", container, list)
        guard found.kind == .category, let number = policy.levels.categories[found.name] else {
            throw failure(.wrongKind, "`\(text(name))` is a set of categories", list)
        }
        return Int(number) - 1
    }

    /// Returns the categories that an expression stands for, as bits of their place in the order.
    mutating func categories(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> BitRow {
        let count = policy.levels.categories.names.count
        let all = BitRow(count: count, isFull: true)
        return try evaluate(
            place, list, all,
            range: { (it, first, last) throws(SourceFailure) in
                let low = try it.category(first, list, container)
                let high = try it.category(last, list, container)
                guard low <= high else {
                    throw it.failure(.badLevel, "the range ends before it begins", list)
                }
                var bits = BitRow(count: count)
                for number in low...high { bits.insert(number) }
                return bits
            },
            { (it, place) throws(SourceFailure) in
                let name = try it.atom(place, "a category", list)
                let found = try it.find(name, .categories, "category", container, list)
                guard found.kind == .categorySet else {
                    var bits = BitRow(count: count)
                    bits.insert(try it.category(place, list, container))
                    return bits
                }
                let (inner, outside) = it.definition(found)
                return try it.nested(list) { (it) throws(SourceFailure) in
                    try it.categories(inner, list, outside)
                }
            })
    }

    /// Returns categories as names, neighbours as one: `c0.c3`.
    private mutating func names(of categories: BitRow) -> [Name] {
        let known = policy.levels.categories.names
        var found: [Name] = []
        var first: Int?
        var last = 0
        for number in categories.numbers + [Int.max] {
            if let start = first, number != last + 1 {
                found.append(
                    start == last
                        ? known[start]
                        : structure.names.name("\(text(known[start])).\(text(known[last]))"))
                first = nil
            }
            if first == nil { first = number }
            last = number
        }
        return found
    }

    // MARK: Levels

    mutating func sensitivityCategory(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let name = try sensitivity(items[1], list, container)
        let found = try categories(items[2], list, container)
        levelCategories[name, default: BitRow(count: policy.levels.categories.names.count)]
            .formUnion(found)
    }

    private mutating func sensitivity(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Name {
        let name = try atom(place, "a sensitivity", list)
        return try find(name, .sensitivities, "sensitivity", container, list).name
    }

    /// Returns where what is named at a place is written out, or the place itself: a list, and the
    /// container where its names are looked up.
    private mutating func written(
        _ place: Int, _ space: Namespace, _ what: String, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> (place: Int, container: Int) {
        guard let name = tree.bare(place) else {
            guard tree.isList(place) else {
                throw failure(.syntax, "a \(what) is missing", list)
            }
            return (place, container)
        }
        let found = try find(name, space, what, container, list)
        let (inner, outside) = definition(found)
        guard tree.isList(inner) else {
            throw failure(.syntax, "a \(what) stands in parentheses", list)
        }
        return (inner, outside)
    }

    /// Returns the level that is named or written out at a place.
    mutating func level(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> LevelText {
        let (place, container) = try written(place, .levels, "level", list, container)
        let items = tree.items(place)
        guard items.count == 1 || items.count == 2 else {
            throw failure(.syntax, "a level has a sensitivity, and perhaps categories", list)
        }
        let name = try sensitivity(items[0], list, container)
        var level = LevelText(sensitivity: name, offset: tree.offset(list))
        if items.count == 2 {
            level.categories = names(of: try categories(items[1], list, container))
        }
        return level
    }

    /// Returns the range that is named or written out at a place.
    mutating func range(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> RangeText {
        let (place, container) = try written(place, .ranges, "range", list, container)
        let items = tree.items(place)
        guard items.count == 2 else {
            throw failure(.syntax, "a range has a low and a high level", list)
        }
        return RangeText(
            low: try level(items[0], list, container), high: try level(items[1], list, container))
    }

    /// Writes down which categories go with which sensitivities.
    mutating func finishLevels() throws(SourceFailure) {
        guard hasLevels else {
            policy.levels = LevelDeclarations()
            return
        }
        guard !policy.levels.sensitivities.isEmpty else {
            throw SourceFailure(.missing, "the policy declares no sensitivity", at: 0)
        }
        for name in policy.levels.sensitivities {
            var level = LevelText(sensitivity: name, offset: 0)
            if let bits = levelCategories[name] { level.categories = names(of: bits) }
            policy.levels.levels.append(level)
        }
    }

    // MARK: Contexts

    /// Returns the label that is named or written out at a place.
    mutating func context(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> ContextText {
        let (place, container) = try written(place, .contexts, "label", list, container)
        let items = tree.items(place)
        guard items.count == 4 else {
            throw failure(.syntax, "a label has a user, a role, a type and a range", list)
        }
        let user = try atom(items[0], "a user", list)
        let userName = try oneUserName(try find(user, .users, "user", container, list), list)
        let role = try oneRole(items[1], list, container)
        let type = try oneType(items[2], list, container)
        let range = try range(items[3], list, container)
        if policy.roles[role] == 1, !isTrial { objectContexts.append((userName, type, list)) }
        return ContextText(
            user: userName, role: role, type: type, range: hasLevels ? range : nil,
            offset: tree.offset(list))
    }

    /// Checks what is declared and perhaps never used.
    mutating func checkDefinitions() throws(SourceFailure) {
        for statement in structure.statements {
            let (list, container) = (Int(statement.place), Int(statement.container))
            guard !isOff[container], let word = tree.head(list) else { continue }
            let items = tree.items(list)
            switch word {
            case .context where items.count == 3 && tree.isList(items[2]):
                let text = try context(items[2], list, container)
                policy.checkedContexts.append(text)
            case .level where items.count == 3: _ = try level(items[2], list, container)
            case .levelrange where items.count == 3:
                let text = try range(items[2], list, container)
                if hasLevels { policy.checkedRanges.append(text) }
            case .categoryset where items.count == 3:
                _ = try categories(items[2], list, container)
            default: break
            }
        }
    }
}
