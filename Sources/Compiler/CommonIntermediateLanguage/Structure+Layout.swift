import KernelPolicyLanguage

extension Structure {
    /// Puts the statements of a container in a row, and calls macros.
    mutating func layOut(
        _ index: Int, optional: Int, branch: Int32, depth: Int
    ) throws(SourceFailure) {
        guard depth <= Structure.mostNesting else {
            throw failure(.limit, "calls and blocks are nested too deeply", containers[index].list)
        }
        let isOptional = containers[index].kind == .optional
        let optional = isOptional ? index : optional
        containers[index].optional = optional
        containers[index].branch = branch
        setPrefix(of: index)
        var place = 0
        while place < containers[index].items.count {
            let item = containers[index].items[place]
            place += 1
            if item < 0 {
                try layOutContainer(~item, optional: optional, branch: branch, depth: depth + 1)
                continue
            }
            switch tree.head(item) {
            case .call: try call(item, index, optional: optional, branch: branch, depth: depth)
            case .blockabstract: break
            case .tunable where !options.preservesTunables: break
            case .blockinherit:
                throw failure(.syntax, "`blockinherit` cannot stand here", item)
            default:
                statements.append(
                    Statement(
                        place: UInt32(truncatingIfNeeded: item),
                        container: UInt32(truncatingIfNeeded: index)))
            }
        }
    }

    private mutating func setPrefix(of index: Int) {
        let outer = containers[containers[index].parent].prefix
        guard containers[index].kind == .block,
            let name = tree.declared(containers[index].list)
        else {
            containers[index].prefix = outer
            return
        }
        let before = outer.map { names.text($0) } ?? ""
        containers[index].prefix = names.name(before + names.text(name) + ".")
    }

    private mutating func layOutContainer(
        _ index: Int, optional: Int, branch: Int32, depth: Int
    ) throws(SourceFailure) {
        switch containers[index].kind {
        case .macro, .inMacroOrBlock: return
        case .block where containers[index].isAbstract: return
        case .tunableIf, .booleanIf:
            let list = containers[index].list
            guard branch < 0 else {
                throw failure(.syntax, "a condition cannot stand in another one", list)
            }
            containers[index].optional = optional
            containers[index].prefix = containers[containers[index].parent].prefix
            let number = Int32(truncatingIfNeeded: conditionals.count)
            conditionals.append(
                (list, containers[index].parent, containers[index].kind == .tunableIf))
            for item in containers[index].items {
                let isTrue = containers[~item].kind == .whenTrue
                try layOut(
                    ~item, optional: optional, branch: number * 2 + (isTrue ? 0 : 1), depth: depth)
            }
        default: try layOut(index, optional: optional, branch: branch, depth: depth)
        }
    }

    // MARK: Calls

    private mutating func call(
        _ list: Int, _ index: Int, optional: Int, branch: Int32, depth: Int
    ) throws(SourceFailure) {
        let items = tree.items(list)
        guard items.count == 2 || items.count == 3, let name = tree.bare(items[1]) else {
            throw failure(.syntax, "`call` names a macro, and lists its arguments", list)
        }
        guard let found = find(name, .blocks, from: index) else {
            if optional >= 0 {
                containers[optional].isDisabled = true
                return
            }
            throw failure(.undeclared, "no macro `\(text(name))` is declared", list)
        }
        guard found.kind == .macro else {
            throw failure(.wrongKind, "`\(text(name))` is no macro", list)
        }
        var around = index
        while around != 0 {
            guard containers[around].kind != .call || containers[around].origin != found.index
            else {
                throw failure(.limit, "the macro `\(text(name))` calls itself", list)
            }
            around = containers[around].parent
        }
        let copy = containers.count
        containers.append(
            Container(.call, parent: index, home: containers[index].home, list: list))
        containers[copy].origin = found.index
        containers[copy].arguments = try arguments(items, list, of: found.index)
        try copyStatements(from: found.index, to: copy)
        try layOut(copy, optional: optional, branch: branch, depth: depth + 1)
    }

    private func arguments(
        _ items: [Int], _ list: Int, of macro: Int
    ) throws(SourceFailure) -> [Argument] {
        let parameters = tree.items(tree.items(containers[macro].list)[2])
        var given: [Int] = []
        if items.count == 3 {
            guard tree.isList(items[2]) else {
                throw failure(.syntax, "the arguments stand in parentheses", list)
            }
            given = tree.items(items[2])
        }
        guard given.count == parameters.count else {
            throw failure(
                .syntax,
                "the macro has \(parameters.count) parameters, and gets \(given.count) arguments",
                list)
        }
        var found: [Argument] = []
        for (parameter, place) in zip(parameters, given) {
            let parts = tree.items(parameter)
            guard let kind = tree.word(parts[0]), let space = Structure.space(of: kind),
                let name = tree.bare(parts[1])
            else { continue }
            let mayBeList =
                [.levels, .ranges, .classPermissions].contains(space)
                || kind == .categoryset
            guard !tree.isList(place) || mayBeList && tree.end(place) > tree.first(place) else {
                throw failure(.syntax, "the argument for `\(text(name))` is a name", list)
            }
            found.append(Argument(space: space, kind: kind, name: name, place: place))
        }
        return found
    }
}
