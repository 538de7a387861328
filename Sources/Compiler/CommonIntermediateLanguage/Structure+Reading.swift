import KernelPolicyLanguage

extension Structure {
    /// Reads a statement into a container.
    mutating func read(_ list: Int, into container: Int) throws(SourceFailure) {
        let items = tree.items(list)
        guard let head = items.first, let word = tree.word(head), Word.statements.contains(word)
        else {
            let found = items.first.flatMap { tree.atom($0) }.map { "`\(text($0))` is" }
            throw failure(
                .syntax, (found ?? "this list begins with") + " no statement of the language", list)
        }
        switch word {
        case .block: try readBody(.block, list, items, from: 2, container)
        case .optional: try readBody(.optional, list, items, from: 2, container)
        case .macro: try readMacro(list, items, container)
        case .in: try readInsertion(list, items, container)
        case .tunableif: try readConditional(.tunableIf, list, items, container)
        case .booleanif: try readConditional(.booleanIf, list, items, container)
        default: containers[container].items.append(list)
        }
    }

    /// Adds a container for a list to another.
    mutating func add(_ kind: Container.Kind, _ list: Int, to parent: Int) -> Int {
        let index = containers.count
        let hasNames = kind == .block || kind == .macro
        containers.append(
            Container(
                kind, parent: parent, home: hasNames ? index : containers[parent].home, list: list))
        containers[parent].items.append(~index)
        return index
    }

    /// Where a name that a container declares is kept.
    private func home(_ container: Int) -> Int { containers[container].home }

    /// Checks a name that is declared, and declares a container by it.
    mutating func declare(_ index: Int, _ name: Name) throws(SourceFailure) {
        let kind: Symbol.Kind =
            switch containers[index].kind {
            case .block: .block
            case .macro: .macro
            default: .optional
            }
        let symbol = Symbol(kind, UInt32(truncatingIfNeeded: index))
        let parent = containers[index].parent
        // Within a macro, `in` and the like nothing is declared yet.
        guard let old = symbols.declare(home(parent), .blocks, name, symbol), old != symbol else {
            return
        }
        guard kind == .optional, old.kind == .optional else {
            throw failure(
                .declaredTwice, "the name `\(text(name))` is declared twice",
                containers[index].list)
        }
    }

    private mutating func readBody(
        _ kind: Container.Kind, _ list: Int, _ items: [Int], from start: Int, _ container: Int
    ) throws(SourceFailure) {
        guard items.count >= start, let name = tree.bare(items[1]) else {
            throw failure(.syntax, "a name is missing", list)
        }
        try Declaration.check(name, names, nil, list, tree, options)
        try refuse(kind, in: container, list)
        let index = add(kind, list, to: container)
        try readAll(items[start...], into: index)
    }

    /// Refuses containers where secilc refuses them.
    private func refuse(
        _ kind: Container.Kind, in container: Int, _ list: Int
    ) throws(SourceFailure) {
        let isStructural = kind == .block || kind == .macro
        var index = container
        while index != 0 {
            let around = containers[index].kind
            guard !isStructural || around != .macro && around != .optional else {
                throw failure(
                    .syntax, "blocks and macros cannot stand in a macro or an `optional`", list)
            }
            guard around != .whenTrue && around != .whenFalse || !isCondition(index) else {
                throw failure(.syntax, "this cannot stand in `booleanif`", list)
            }
            index = containers[index].parent
        }
    }

    private func isCondition(_ index: Int) -> Bool {
        containers[containers[index].parent].kind == .booleanIf
    }

    mutating func readAll(_ lists: ArraySlice<Int>, into index: Int) throws(SourceFailure) {
        for place in lists {
            guard tree.isList(place) else {
                throw failure(
                    .syntax, "a statement stands in parentheses", containers[index].list)
            }
            guard tree.end(place) > tree.first(place) else { continue }
            attempt { (it) throws(SourceFailure) in try it.read(place, into: index) }
        }
    }

    private mutating func readMacro(
        _ list: Int, _ items: [Int], _ container: Int
    ) throws(SourceFailure) {
        guard items.count >= 3, tree.isList(items[2]) else {
            throw failure(.syntax, "a macro has a name and a list of parameters", list)
        }
        var seen: [(Word, Name)] = []
        for parameter in tree.items(items[2]) {
            guard tree.isList(parameter) else {
                throw failure(.syntax, "a parameter is a list: its kind and its name", list)
            }
            let parts = tree.items(parameter)
            guard parts.count == 2, let kind = tree.word(parts[0]), let name = tree.bare(parts[1]),
                Structure.space(of: kind) != nil
            else { throw failure(.syntax, "a parameter has a kind and a name", list) }
            guard !seen.contains(where: { $0 == (kind, name) }) else {
                throw failure(
                    .declaredTwice, "the parameter `\(text(name))` is declared twice", list)
            }
            seen.append((kind, name))
        }
        try readBody(.macro, list, items, from: 3, container)
    }

    /// In which names an argument of a kind is looked up; nil for what is no kind.
    static func space(of kind: Word) -> Namespace? {
        switch kind {
        case .type: .types
        case .role: .roles
        case .user: .users
        case .sensitivity: .sensitivities
        case .category, .categoryset: .categories
        case .level: .levels
        case .levelrange: .ranges
        case .class, .classmap: .classes
        case .classpermission: .classPermissions
        case .ipaddr: .addresses
        case .boolean: .booleans
        case .name, .string: .strings
        default: nil
        }
    }

    private mutating func readInsertion(
        _ list: Int, _ items: [Int], _ container: Int
    ) throws(SourceFailure) {
        let when = items.count > 1 ? tree.word(items[1]) : nil
        let hasTime =
            items.count > 2 && tree.bare(items[2]) != nil && (when == .before || when == .after)
        let place = hasTime ? 2 : 1
        guard items.count > place, let name = tree.bare(items[place]) else {
            throw failure(.syntax, "`in` names a block", list)
        }
        try refuse(.block, in: container, list)
        let index = containers.count
        containers.append(Container(.inMacroOrBlock, parent: container, home: index, list: list))
        insertions.append((index, name, hasTime && when == .after))
        try readAll(items[(place + 1)...], into: index)
    }

    private mutating func readConditional(
        _ kind: Container.Kind, _ list: Int, _ items: [Int], _ container: Int
    ) throws(SourceFailure) {
        guard items.count >= 3, items.count <= 4 else {
            throw failure(.syntax, "a condition has an expression, and one block or two", list)
        }
        let index = add(kind, list, to: container)
        var seen: [Word] = []
        for branch in items[2...] {
            guard tree.isList(branch), let word = tree.head(branch),
                word == .true || word == .false, tree.end(branch) > tree.first(branch),
                !seen.contains(word)
            else {
                throw failure(
                    .syntax, "a condition has a block `true`, a block `false`, or both", list)
            }
            let statements = tree.items(branch)[1...]
            guard !statements.isEmpty else {
                throw failure(.syntax, "a block of a condition has a statement", branch)
            }
            seen.append(word)
            let part = add(word == .true ? .whenTrue : .whenFalse, branch, to: index)
            try readAll(statements, into: part)
        }
    }
}
