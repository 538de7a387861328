import KernelPolicyLanguage

extension Structure {
    // MARK: Tunables

    /// Declares tunables and the names of containers, but not what a tunable decides about.
    mutating func declareTunables() throws(SourceFailure) { try declareNames(in: 0) }

    private mutating func declareNames(in index: Int) throws(SourceFailure) {
        for item in containers[index].items {
            if item < 0 {
                try declareContainer(~item)
            } else if tree.head(item) == .tunable, !options.preservesTunables {
                try declareTunable(item, index)
            }
        }
    }

    private mutating func declareContainer(_ index: Int) throws(SourceFailure) {
        switch containers[index].kind {
        case .block, .macro, .optional:
            if let name = tree.declared(containers[index].list) {
                try declare(index, name)
            }
        case .tunableIf where !options.preservesTunables: return
        default: break
        }
        try declareNames(in: index)
    }

    private mutating func declareTunable(
        _ list: Int, _ index: Int
    ) throws(SourceFailure) {
        let items = tree.items(list)
        guard items.count == 3, let name = tree.bare(items[1]), let state = tree.word(items[2]),
            state == .true || state == .false
        else { throw failure(.syntax, "a tunable has a name, and `true` or `false`", list) }
        try Declaration.check(name, names, .tunables, list, tree, options)
        let symbol = Symbol(.tunable, state == .true ? 1 : 0)
        let home = containers[index].home
        guard symbols.declare(home, .tunables, name, symbol) == nil else {
            throw failure(.declaredTwice, "the tunable `\(text(name))` is declared twice", list)
        }
    }

    /// Puts the statements that tunables choose in the place of the choice.
    mutating func settleTunables(_ index: Int) throws(SourceFailure) {
        if index == 0 {
            for (container, _, _) in insertions { try settleTunables(container) }
        }
        var settled: [Int] = []
        var pending = Array(containers[index].items.reversed())
        while let item = pending.popLast() {
            guard item < 0 else {
                settled.append(item)
                continue
            }
            guard containers[~item].kind == .tunableIf, !options.preservesTunables else {
                settled.append(item)
                try settleTunables(~item)
                continue
            }
            let list = containers[~item].list
            let isTrue = try evaluate(tree.first(list) + 1, list, index)
            let wanted: Container.Kind = isTrue ? .whenTrue : .whenFalse
            guard
                let branch = containers[~item].items.first(where: { containers[~$0].kind == wanted }
                )
            else { continue }
            for inner in containers[~branch].items where inner < 0 {
                containers[~inner].parent = index
                if containers[index].kind != .inMacroOrBlock { try declareContainer(~inner) }
            }
            for inner in containers[~branch].items where inner >= 0 {
                if tree.head(inner) == .tunable { try declareTunable(inner, index) }
            }
            pending += containers[~branch].items.reversed()
        }
        containers[index].items = settled
    }

    private mutating func evaluate(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Bool {
        if let name = tree.bare(place) {
            guard let found = find(name, .tunables, from: container) else {
                throw failure(.undeclared, "no tunable `\(text(name))` is declared", list)
            }
            return found.value == 1
        }
        guard tree.isList(place) else { throw failure(.syntax, "this is no condition", list) }
        let items = tree.items(place)
        let word = items.first.flatMap { tree.word($0) }
        guard let word, Conditions.operators.contains(word) else {
            guard items.count == 1 else {
                throw failure(.syntax, "a condition has an operator before its operands", list)
            }
            return try evaluate(items[0], list, container)
        }
        guard items.count == (word == .not ? 2 : 3) else {
            throw failure(.syntax, "`\(word.rawValue)` has the wrong number of operands", list)
        }
        let left = try evaluate(items[1], list, container)
        if word == .not { return !left }
        let right = try evaluate(items[2], list, container)
        switch word {
        case .and: return left && right
        case .or: return left || right
        case .eq: return left == right
        default: return left != right
        }
    }

    // MARK: Copies

    /// Copies the statements of a container to the end of another.
    private mutating func copy(
        from source: Int, to target: Int, isInheriting: Bool, depth: Int
    ) throws(SourceFailure) {
        let items = containers[source].items
        copied += items.count
        guard copied + containers.count <= Structure.mostCopies, depth <= Structure.mostNesting
        else {
            throw failure(
                .limit, "calls and inheritance make too many statements, or nest too deeply",
                containers[target].list)
        }
        for item in items {
            if item < 0 {
                try duplicate(~item, into: target, isInheriting: isInheriting, depth: depth + 1)
            } else if !isInheriting || tree.head(item) != .blockabstract {
                containers[target].items.append(item)
            }
        }
    }

    /// Copies the statements of a macro to where it is called.
    mutating func copyStatements(from macro: Int, to call: Int) throws(SourceFailure) {
        try copy(from: macro, to: call, isInheriting: false, depth: 0)
    }

    private mutating func duplicate(
        _ source: Int, into parent: Int, isInheriting: Bool, depth: Int
    ) throws(SourceFailure) {
        let kind = containers[source].kind
        let list = containers[source].list
        let named: Name? =
            switch kind {
            case .block, .macro, .optional: tree.declared(list)
            default: nil
            }
        let old = named.flatMap { symbols.find(containers[parent].home, .blocks, $0) }
        if let old, kind == .macro || kind == .block {
            guard old.kind == (kind == .macro ? .macro : .block) else {
                throw failure(
                    .declaredTwice, "what is copied here is declared as something else", list)
            }
            // A macro of the same name takes the place of the copied one.
            if kind == .macro { return }
        }
        let index = add(kind, list, to: parent)
        containers[index].origin = containers[source].origin
        if let old, kind == .block {
            containers[index].home = containers[old.index].home
        } else if let named {
            try declare(index, named)
        }
        try copy(from: source, to: index, isInheriting: isInheriting, depth: depth)
    }

    /// Does what the statements `in` say, the last first.
    mutating func insert(isAfter: Bool) throws(SourceFailure) {
        var pending = insertions.reversed().filter { $0.isAfter == isAfter }
        while !pending.isEmpty {
            var left: [(container: Int, name: Name, isAfter: Bool)] = []
            for insertion in pending {
                let outside = containers[insertion.container].parent
                guard let found = find(insertion.name, .blocks, from: outside) else {
                    left.append(insertion)
                    continue
                }
                try copy(
                    from: insertion.container, to: found.index, isInheriting: false, depth: 0)
            }
            guard left.count < pending.count else {
                let list = containers[left[0].container].list
                throw failure(
                    .undeclared, "no block `\(text(left[0].name))` is declared", list)
            }
            pending = left
        }
    }

    // MARK: Inheritance

    /// Expands the statements `blockinherit` of a container, and of what they copy.
    mutating func inherit(_ index: Int, depth: Int = 0) throws(SourceFailure) {
        guard
            containers[index].items.contains(where: {
                $0 >= 0 && tree.head($0) == .blockinherit
            })
        else { return }
        guard depth <= Structure.mostNesting else {
            throw failure(.limit, "inheritance is too deep", containers[index].list)
        }
        for place in containers[index].items.indices {
            let list = containers[index].items[place]
            guard list >= 0, tree.head(list) == .blockinherit else { continue }
            let origin = try inherited(list, index)
            let copy = containers.count
            containers.append(
                Container(
                    .inherit, parent: index, home: containers[index].home, list: list))
            containers[copy].origin = origin
            containers[index].items[place] = ~copy
            try self.copy(from: origin, to: copy, isInheriting: true, depth: depth)
            let last = containers.count
            for made in copy..<last { try inherit(made, depth: depth + 1) }
        }
    }

    private mutating func inherited(_ list: Int, _ index: Int) throws(SourceFailure) -> Int {
        let items = tree.items(list)
        guard items.count == 2, let name = tree.bare(items[1]) else {
            throw failure(.syntax, "`blockinherit` names one block", list)
        }
        guard let found = find(name, .blocks, from: index) else {
            throw failure(.undeclared, "no block `\(text(name))` is declared", list)
        }
        guard found.kind == .block else {
            throw failure(.wrongKind, "`\(text(name))` is no block", list)
        }
        var around = index
        while around != 0 {
            let container = containers[around]
            guard around != found.index,
                container.kind != .inherit || container.origin != found.index
            else {
                throw failure(.limit, "the block `\(text(name))` inherits itself", list)
            }
            guard container.kind != .macro else {
                throw failure(.syntax, "`blockinherit` cannot stand in a macro", list)
            }
            around = container.parent
        }
        return found.index
    }

    mutating func markAbstract() throws(SourceFailure) {
        for index in containers.indices {
            for list in containers[index].items
            where list >= 0 && tree.head(list) == .blockabstract {
                let items = tree.items(list)
                guard items.count == 2, let name = tree.bare(items[1]) else {
                    throw failure(.syntax, "`blockabstract` names one block", list)
                }
                guard let found = find(name, .blocks, from: index), found.kind == .block else {
                    throw failure(.undeclared, "no block `\(text(name))` is declared", list)
                }
                markAbstract(found.index)
            }
        }
    }

    private mutating func markAbstract(_ index: Int) {
        containers[index].isAbstract = true
        for item in containers[index].items where item < 0 {
            if containers[~item].kind == .block { markAbstract(~item) }
        }
    }
}
