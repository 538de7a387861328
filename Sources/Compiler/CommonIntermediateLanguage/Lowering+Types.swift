import KernelPolicyLanguage

extension Lowering {
    // MARK: Attributes

    /// Returns the members of an attribute of types, roles or users: bits of their numbers less 1.
    mutating func bits(
        of attribute: Name, _ space: Namespace, _ list: Int
    ) throws(SourceFailure) -> BitRow {
        let key = AttributeKey(space: space, name: attribute)
        if let known = memberBits[key] { return known }
        guard pendingMembers.insert(key).inserted else {
            throw failure(.limit, "the attribute `\(text(attribute))` refers to itself", list)
        }
        let all = all(space)
        var found = all
        found.subtract(all)
        let spent = work
        defer { work = spent }
        for part in members[key] ?? [] {
            work = 0
            let bits = try nested(list) { (it) throws(SourceFailure) in
                try it.evaluate(part.place, list, all) { (it, place) throws(SourceFailure) in
                    try it.operand(place, space, list, part.container)
                }
            }
            found.formUnion(bits)
        }
        pendingMembers.remove(key)
        memberBits[key] = found
        return found
    }

    /// Everything but attributes.
    private func all(_ space: Namespace) -> BitRow {
        switch space {
        case .roles: return BitRow(count: policy.roles.names.count, isFull: true)
        case .users: return BitRow(count: users.names.count, isFull: true)
        default:
            var all = BitRow(count: policy.types.isAttribute.count)
            for (index, isAttribute) in policy.types.isAttribute.enumerated() where !isAttribute {
                all.insert(index)
            }
            return all
        }
    }

    private mutating func operand(
        _ place: Int, _ space: Namespace, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> BitRow {
        let name = try atom(place, "a name", list)
        let found = try find(name, space, "such thing as", container, list)
        return try bits(of: found, space, list)
    }

    /// Returns what a type, role, user or attribute stands for.
    mutating func bits(
        of symbol: Symbol, _ space: Namespace, _ list: Int
    ) throws(SourceFailure) -> BitRow {
        let number: UInt32?
        switch symbol.kind {
        case .typeAttribute, .roleAttribute, .userAttribute:
            // Roles have a namespace of their own, and attributes of one another name's bits.
            return try nestedBits(of: symbol.name, space, list)
        case .role: number = policy.roles[symbol.name]
        case .user: number = users[symbol.name]
        default: number = policy.types.numbering[symbol.name]
        }
        guard let number else {
            throw failure(.undeclared, "`\(text(symbol.name))` is not declared", list)
        }
        let count =
            switch space {
            case .roles: policy.roles.names.count
            case .users: users.names.count
            default: policy.types.isAttribute.count
            }
        var bits = BitRow(count: count)
        bits.insert(Int(number) - 1)
        return bits
    }

    private mutating func nestedBits(
        of attribute: Name, _ space: Namespace, _ list: Int
    ) throws(SourceFailure) -> BitRow {
        try nested(list) { (it) throws(SourceFailure) in try it.bits(of: attribute, space, list) }
    }

    // MARK: Types

    /// Returns the type or attribute that is named at a place.
    mutating func type(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Symbol {
        let name = try atom(place, "a type", list)
        guard name.index != Word.`self`.nameIndex else {
            throw failure(.syntax, "`self` cannot stand here", list)
        }
        return try find(name, .types, "type", container, list)
    }

    /// The same, but no attribute.
    mutating func oneType(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Name {
        let found = try type(place, list, container)
        guard found.kind == .type else {
            throw failure(.wrongKind, "`\(text(found.name))` is an attribute, not a type", list)
        }
        return found.name
    }

    /// Writes down types, attributes and their other names.
    mutating func finishTypes() throws(SourceFailure) {
        let names = policy.types.numbering.names
        if let excess = KernelPolicy.excess(of: policy) { throw excess }
        for (index, name) in names.enumerated() where policy.types.isAttribute[index] {
            let bits = try bits(of: name, .types, tree.roots[0])
            for number in bits.numbers {
                policy.types.memberships.append((names[number], name, 0, 0))
            }
        }
        for alias in aliases {
            guard let found = alias.actual else { continue }
            let actual = try actualName(found, alias.list)
            switch found.kind {
            case .type, .typeAlias:
                guard let number = policy.types.numbering[actual] else { continue }
                _ = policy.types.numbering.alias(alias.name, to: number)
                policy.types.aliases.append((alias.name, actual))
            case .sensitivity, .sensitivityAlias:
                guard let number = policy.levels.order[actual] else { continue }
                _ = policy.levels.order.alias(alias.name, to: number)
                policy.levels.sensitivityAliases.append((alias.name, actual))
            default:
                guard let number = policy.levels.categories[actual] else { continue }
                _ = policy.levels.categories.alias(alias.name, to: number)
                policy.levels.categoryAliases.append((alias.name, actual))
            }
        }
    }

    private func actualName(_ symbol: Symbol, _ list: Int) throws(SourceFailure) -> Name {
        var found = symbol
        for _ in 0...aliases.count {
            guard [.typeAlias, .sensitivityAlias, .categoryAlias].contains(found.kind),
                let next = aliases[found.index].actual
            else { return found.name }
            found = next
        }
        throw failure(.limit, "a name is another name of itself", list)
    }

    // MARK: Roles

    /// Returns the roles that a role or attribute stands for.
    mutating func roles(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> [Name] {
        let name = try atom(place, "a role", list)
        let found = try find(name, .roles, "role", container, list)
        guard found.kind == .roleAttribute else { return [found.name] }
        let names = policy.roles.names
        return try bits(of: found, .roles, list).numbers.map { names[$0] }
    }

    /// The same, but no attribute.
    mutating func oneRole(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Name {
        let name = try atom(place, "a role", list)
        let found = try find(name, .roles, "role", container, list)
        guard found.kind == .role else {
            throw failure(.wrongKind, "`\(text(name))` is an attribute, not a role", list)
        }
        return found.name
    }

    mutating func roleType(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let types = try type(items[2], list, container)
        let set = policy.sets.set(of: types.name, at: tree.offset(list))
        for role in try roles(items[1], list, container) {
            if policy.roles[role] == 1 {
                objectTypes.append(types)
            } else {
                policy.roleTypes.append((role, set, 0))
            }
        }
    }

    mutating func roleAllow(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let from = try roles(items[1], list, container)
        let to = try roles(items[2], list, container)
        guard !from.isEmpty, !to.isEmpty else { return }
        policy.roleAllows.append((set(from, list), set(to, list), 0))
    }

    mutating func roleTransition(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 5...5)
        let role = try oneRole(items[1], list, container)
        let types = try type(items[2], list, container).name
        let classes = try classNames(items[3], list, container)
        let new = try oneRole(items[4], list, container)
        policy.roleTransitions.append(
            RoleTransition(
                roles: set([role], list), types: set([types], list), classes: set(classes, list),
                role: new, offset: tree.offset(list), block: 0))
    }

    // MARK: Bounds

    mutating func bounds(_ word: Word, _ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 3...3)
        switch word {
        case .typebounds:
            let parent = try oneType(items[1], list, container)
            try bound(\.bounds, parent, try oneType(items[2], list, container), list)
        case .rolebounds:
            let parent = try oneRole(items[1], list, container)
            try bound(\.roleBounds, parent, try oneRole(items[2], list, container), list)
        default:
            let parent = try oneUser(items[1], list, container)
            try bound(\.userBounds, parent, try oneUser(items[2], list, container), list)
        }
    }

    private mutating func bound(
        _ bounds: WritableKeyPath<SourcePolicy, [(parent: Name, child: Name, offset: Int)]>,
        _ parent: Name, _ child: Name, _ list: Int
    ) throws(SourceFailure) {
        guard !policy[keyPath: bounds].contains(where: { $0.child == child }) else {
            throw failure(.conflict, "`\(text(child))` has a bound already", list)
        }
        policy[keyPath: bounds].append((parent, child, tree.offset(list)))
        try checkCircle(policy[keyPath: bounds].map { ($0.parent, $0.child) }, child, list)
    }

    private func checkCircle(
        _ bounds: [(parent: Name, child: Name)], _ start: Name, _ list: Int
    ) throws(SourceFailure) {
        var name = start
        for _ in bounds {
            guard let next = bounds.first(where: { $0.child == name })?.parent else { return }
            guard next != start else {
                throw failure(.conflict, "`\(text(start))` is bounded by itself", list)
            }
            name = next
        }
    }

    // MARK: Users

    func oneUserName(_ symbol: Symbol, _ list: Int) throws(SourceFailure) -> Name {
        guard symbol.kind == .user else {
            throw failure(.wrongKind, "`\(text(symbol.name))` is an attribute, not a user", list)
        }
        return symbol.name
    }

    private mutating func oneUser(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Name {
        let name = try atom(place, "a user", list)
        return try oneUserName(try find(name, .users, "user", container, list), list)
    }

    /// Takes `userrole`, `userlevel` and `userrange`.
    mutating func userStatement(
        _ word: Word, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let name = try atom(items[1], "a user", list)
        let found = try find(name, .users, "user", container, list)
        if word == .userrole {
            let role = try atom(items[2], "a role", list)
            let symbol = try find(role, .roles, "role", container, list)
            for number in try bits(of: found, .users, list).numbers {
                userParts[number].roles.append(symbol)
            }
            return
        }
        guard let number = users[try oneUserName(found, list)] else { return }
        let index = Int(number) - 1
        if word == .userlevel {
            guard !userParts[index].hasLevel else {
                throw failure(.declaredTwice, "`\(text(name))` has a level already", list)
            }
            userParts[index].hasLevel = true
            userParts[index].level = try level(items[2], list, container)
        } else {
            guard !userParts[index].hasRange else {
                throw failure(.declaredTwice, "`\(text(name))` has a range already", list)
            }
            userParts[index].hasRange = true
            userParts[index].range = try range(items[2], list, container)
        }
    }

    /// Writes down the users.
    mutating func finishUsers() throws(SourceFailure) {
        let roleNames = policy.roles.names
        for (index, name) in users.names.enumerated() {
            let parts = userParts[index]
            guard parts.hasLevel, parts.hasRange else {
                throw failure(
                    .missing, "the user `\(text(name))` has no level or no range", parts.list)
            }
            var roles: Set<Name> = []
            for symbol in parts.roles {
                for number in try bits(of: symbol, .roles, parts.list).numbers {
                    if number > 0 {
                        roles.insert(roleNames[number])
                    } else {
                        objectUsers.insert(name)
                    }
                }
            }
            let sorted = roles.sorted { $0.index < $1.index }
            let set = policy.sets.set(
                flags: [], items: sorted.map { $0.index << 1 }, at: tree.offset(parts.list))
            policy.users.append(
                UserDeclaration(
                    name: name, roles: set, level: hasLevels ? parts.level : nil,
                    range: hasLevels ? parts.range : nil, offset: tree.offset(parts.list)))
        }
    }

    /// Checks labels with `object_r`, which is given to users and types as other roles are.
    mutating func checkObjectContexts() throws(SourceFailure) {
        guard let list = tree.roots.first else { return }
        var types = BitRow(count: policy.types.isAttribute.count)
        for symbol in objectTypes { types.formUnion(try bits(of: symbol, .types, list)) }
        for context in objectContexts {
            let number = Int(policy.types.numbering[context.type] ?? 1) - 1
            guard objectUsers.contains(context.user), types.contains(number) else {
                throw failure(
                    .badContext, "the label's user, role and type do not go together",
                    context.list)
            }
        }
    }
}
