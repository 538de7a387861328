import KernelPolicyLanguage
import PolicyDatabaseModel

extension Lowering {
    /// Takes a statement that declares a name.
    mutating func declare(_ list: Int, _ word: Word, _ container: Int) throws(SourceFailure) {
        guard let (space, kind) = Declaration.of(word, options) else { return }
        let items = tree.items(list)
        guard items.count >= 2, let name = tree.bare(items[1]) else {
            throw failure(.syntax, "`\(word.rawValue)` declares a name", list)
        }
        try checkPlace(word, container, list)
        let isTwice = [.type, .typeattribute].contains(word) && options.allowsMultipleDeclarations
        try Declaration.check(name, structure.names, space, list, tree, options)
        let home = structure.containers[container].home
        if let old = structure.symbols.find(home, space, name) {
            guard isTwice, old.kind == kind else {
                throw failure(.declaredTwice, "`\(text(name))` is declared twice", list)
            }
            return
        }
        let whole = self.whole(name, container)
        let symbol = Symbol(kind, try number(of: kind, whole, items, list, container))
        structure.symbols.declare(home, space, name, symbol)
    }

    var options: CommonIntermediatePolicy.Options { structure.options }

    private func checkPlace(
        _ word: Word, _ container: Int, _ list: Int
    ) throws(SourceFailure) {
        guard structure.containers[container].branch < 0 else {
            throw failure(.syntax, "`\(word.rawValue)` cannot stand in `booleanif`", list)
        }
        guard word != .sensitivity && word != .category || structure.containers[container].home == 0
        else { throw failure(.syntax, "`\(word.rawValue)` cannot stand in a block", list) }
    }

    /// Returns a name with those of the blocks around it.
    private mutating func whole(_ name: Name, _ container: Int) -> Name {
        guard let prefix = structure.containers[container].prefix else { return name }
        return structure.names.name(text(prefix) + text(name))
    }

    /// Notes what is declared; returns the number that its symbol has.
    private mutating func number(
        of kind: Symbol.Kind, _ name: Name, _ items: [Int], _ list: Int, _ container: Int
    ) throws(SourceFailure) -> UInt32 {
        switch kind {
        case .type, .typeAttribute:
            try count(items, 2, list)
            try refuseTwice(policy.types.numbering.declare(name) == nil, name, list)
            policy.types.isAttribute.append(kind == .typeAttribute)
        case .role:
            try count(items, 2, list)
            policy.roles.declare(name)
        case .user:
            try count(items, 2, list)
            try refuseTwice(users.declare(name) == nil, name, list)
            userParts.append(UserParts(list: list))
        case .userAttribute:
            try count(items, 2, list)
            userAttributes.declare(name)
        case .boolean: try declareBoolean(name, items, list)
        case .sensitivity: sensitivities.append(Declared(name: name, list: list))
        case .category: categories.append(Declared(name: name, list: list))
        case .identifier: identifiers.append(Declared(name: name, list: list))
        case .capability: policy.capabilities.append((name, tree.offset(list)))
        case .typeAlias, .sensitivityAlias, .categoryAlias:
            try count(items, 2, list)
            aliases.append((name, nil, list))
            return UInt32(truncatingIfNeeded: aliases.count - 1)
        case .objectClass, .common, .classMap: return try declareClass(kind, name, items, list)
        case .classPermission:
            try count(items, 2, list)
            classPermissions.append([])
            return UInt32(truncatingIfNeeded: classPermissions.count - 1)
        case .context, .level, .range, .categorySet, .address, .operations:
            try count(items, 3, list)
            definitions.append((items[2], container))
            return UInt32(truncatingIfNeeded: definitions.count - 1)
        default: break
        }
        return name.index
    }

    /// With names that have points two declarations in different blocks can have one whole name.
    private func refuseTwice(
        _ isTwice: Bool, _ name: Name, _ list: Int
    ) throws(SourceFailure) {
        guard isTwice else { return }
        throw failure(.declaredTwice, "`\(text(name))` is declared twice", list)
    }

    private func count(_ items: [Int], _ wanted: Int, _ list: Int) throws(SourceFailure) {
        _ = try self.items(list, wanted...wanted)
    }

    private mutating func declareBoolean(
        _ name: Name, _ items: [Int], _ list: Int
    ) throws(SourceFailure) {
        try count(items, 3, list)
        guard let state = tree.word(items[2]), state == .true || state == .false else {
            throw failure(.syntax, "a Boolean is `true` or `false`", list)
        }
        try refuseTwice(policy.booleans.declare(name) == nil, name, list)
        policy.booleanStates.append((state == .true, false))
    }

    /// Returns the names in a list.
    func names(_ place: Int, _ what: String, _ list: Int) throws(SourceFailure) -> [Name] {
        guard tree.isList(place) else {
            throw failure(.syntax, "\(what) stand in parentheses", list)
        }
        var found: [Name] = []
        for item in tree.items(place) {
            guard let name = tree.bare(item) else {
                throw failure(.syntax, "\(what) are names", list)
            }
            found.append(name)
        }
        return found
    }

    private mutating func declareClass(
        _ kind: Symbol.Kind, _ name: Name, _ items: [Int], _ list: Int
    ) throws(SourceFailure) -> UInt32 {
        try count(items, 3, list)
        let permissions = try names(items[2], "permissions", list)
        var seen: Set<Name> = []
        for permission in permissions {
            try Declaration.check(permission, structure.names, .classes, list, tree, options)
            guard seen.insert(permission).inserted else {
                throw failure(
                    .declaredTwice, "the permission `\(text(permission))` is declared twice", list)
            }
        }
        guard permissions.count <= 32 || kind == .classMap else {
            throw failure(.limit, "a class has at most 32 permissions", list)
        }
        switch kind {
        case .common:
            guard !permissions.isEmpty else {
                throw failure(.missing, "a common has permissions", list)
            }
            commons.append((name, permissions))
            return UInt32(truncatingIfNeeded: commons.count - 1)
        case .classMap:
            guard !permissions.isEmpty else {
                throw failure(.missing, "a class map has permissions", list)
            }
            classMaps.append(
                ClassMap(
                    name: name, permissions: permissions,
                    mappings: Array(repeating: [], count: permissions.count)))
            return UInt32(truncatingIfNeeded: classMaps.count - 1)
        default:
            classes.append(ObjectClass(name: name, own: permissions, list: list))
            return UInt32(truncatingIfNeeded: classes.count - 1)
        }
    }

    // MARK: Early statements

    /// Takes a statement that others are understood by.
    mutating func early(_ list: Int, _ word: Word, _ container: Int) throws(SourceFailure) {
        guard structure.containers[container].branch < 0 else {
            throw failure(.syntax, "`\(word.rawValue)` cannot stand in `booleanif`", list)
        }
        switch word {
        case .typealiasactual: try aliasActual(.types, .typeAlias, list, container)
        case .sensitivityaliasactual:
            try aliasActual(.sensitivities, .sensitivityAlias, list, container)
        case .categoryaliasactual: try aliasActual(.categories, .categoryAlias, list, container)
        case .sidorder, .classorder, .categoryorder, .sensitivityorder:
            try order(word, list, container)
        case .classcommon: try classCommon(list, container)
        case .classpermissionset: try classPermissionSet(list, container)
        case .classmapping: try classMapping(list, container)
        case .typeattributeset: try attributeSet(.types, .typeAttribute, list, container)
        case .roleattributeset: try attributeSet(.roles, .roleAttribute, list, container)
        case .userattributeset: try attributeSet(.users, .userAttribute, list, container)
        default: try setting(word, list)
        }
    }

    private mutating func setting(_ word: Word, _ list: Int) throws(SourceFailure) {
        let items = try items(list, 2...2)
        let value = tree.word(items[1])
        if word == .mls {
            guard value == .true || value == .false else {
                throw failure(.syntax, "`mls` is `true` or `false`", list)
            }
            guard isMultilevel == nil else {
                throw failure(.declaredTwice, "`mls` stands twice in the policy", list)
            }
            isMultilevel = value == .true
            return
        }
        guard unknownHandling == nil else {
            throw failure(.declaredTwice, "`handleunknown` stands twice in the policy", list)
        }
        switch value {
        case .allow: unknownHandling = .allow
        case .deny: unknownHandling = .deny
        case .reject: unknownHandling = .reject
        default:
            throw failure(.syntax, "`handleunknown` is `allow`, `deny` or `reject`", list)
        }
    }

    private mutating func aliasActual(
        _ space: Namespace, _ kind: Symbol.Kind, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let name = try atom(items[1], "another name", list)
        guard let alias = structure.find(name, space, from: container) else {
            throw failure(.undeclared, "`\(text(name))` is not declared", list)
        }
        guard alias.kind == kind else {
            throw failure(.wrongKind, "`\(text(name))` is not declared as another name", list)
        }
        let target = try atom(items[2], "a name", list)
        guard let actual = structure.find(target, space, from: container) else {
            throw failure(.undeclared, "`\(text(target))` is not declared", list)
        }
        guard ![.typeAttribute, .categorySet].contains(actual.kind) else {
            throw failure(.wrongKind, "`\(text(target))` stands for several", list)
        }
        guard aliases[alias.index].actual == nil else {
            throw failure(.conflict, "`\(text(name))` is another name already", list)
        }
        aliases[alias.index].actual = actual
    }

    mutating func finishAliases() throws(SourceFailure) {
        for alias in aliases {
            guard alias.actual != nil else {
                throw failure(
                    .missing, "`\(text(alias.name))` is another name of nothing", alias.list)
            }
        }
    }

    private mutating func attributeSet(
        _ space: Namespace, _ kind: Symbol.Kind, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let name = try atom(items[1], "an attribute", list)
        let attribute = try find(name, space, "attribute", container, list)
        guard attribute.kind == kind else {
            throw failure(.wrongKind, "`\(text(name))` is no attribute", list)
        }
        try checkNames(items[2], space, list, container)
        members[AttributeKey(space: space, name: attribute.name), default: []].append(
            (items[2], container))
    }

    /// Checks that the names of an expression are there, without working it out.
    private mutating func checkNames(
        _ place: Int, _ space: Namespace, _ list: Int, _ container: Int
    ) throws(SourceFailure) {
        guard let name = tree.bare(place) else {
            for item in tree.items(place) { try checkNames(item, space, list, container) }
            return
        }
        if name.place < Word.list.count,
            [.and, .or, .not, .xor, .all, .range].contains(Word.list[name.place])
        {
            return
        }
        guard structure.find(name, space, from: container) != nil else {
            throw failure(.undeclared, "`\(text(name))` is not declared", list)
        }
    }
}
