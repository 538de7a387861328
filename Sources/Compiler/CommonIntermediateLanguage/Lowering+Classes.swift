import KernelPolicyLanguage

/// A class with a set of its permissions.
struct ClassSet {
    let classes: SetID
    let permissions: SetID
}

extension Lowering {
    mutating func classCommon(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let index = try objectClass(items[1], list, container)
        let name = try atom(items[2], "a common", list)
        let common = try find(name, .commons, "common", container, list)
        guard classes[index].common == nil else {
            throw failure(
                .declaredTwice, "the class `\(text(classes[index].name))` has a common already",
                list)
        }
        let shared = commons[common.index].permissions
        if let twice = classes[index].own.first(where: { shared.contains($0) }) {
            throw failure(
                .declaredTwice, "class and common both declare `\(text(twice))`", list)
        }
        guard shared.count + classes[index].own.count <= 32 else {
            throw failure(.limit, "a class has at most 32 permissions", list)
        }
        classes[index].common = common.index
    }

    /// Returns the index of a class that is no map.
    private mutating func objectClass(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> Int {
        let name = try atom(place, "a class", list)
        let found = try find(name, .classes, "class", container, list)
        guard found.kind == .objectClass else {
            throw failure(.wrongKind, "`\(text(name))` is a class map", list)
        }
        return found.index
    }

    mutating func classPermissionSet(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 3...3)
        let name = try atom(items[1], "a set of permissions", list)
        let found = try find(name, .classPermissions, "set of permissions", container, list)
        guard found.value >> 31 == 0 else {
            throw failure(.wrongKind, "`\(text(name))` is written out by the call", list)
        }
        classPermissions[found.index].append((items[2], container))
    }

    mutating func classMapping(_ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 4...4)
        let name = try atom(items[1], "a class map", list)
        let found = try find(name, .classes, "class map", container, list)
        guard found.kind == .classMap else {
            throw failure(.wrongKind, "`\(text(name))` is no class map", list)
        }
        let permission = try atom(items[2], "a permission", list)
        guard let place = classMaps[found.index].permissions.firstIndex(of: permission) else {
            throw failure(
                .undeclared, "the map `\(text(name))` has no permission `\(text(permission))`",
                list)
        }
        classMaps[found.index].mappings[place].append((items[3], container))
    }

    /// The permissions of a class: first those of its common.
    func permissionNames(_ index: Int) -> [Name] {
        (classes[index].common.map { commons[$0].permissions } ?? []) + classes[index].own
    }

    // MARK: Sets of permissions

    /// Returns the classes and permissions that stand at a place: a name, a class with its
    /// permissions, or several of these.
    mutating func classSets(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> [ClassSet] {
        guard tree.isList(place) else {
            let name = try atom(place, "a set of permissions", list)
            let found = try find(name, .classPermissions, "set of permissions", container, list)
            if found.value >> 31 == 1 {
                let (inner, outside) = definition(found)
                return try nested(list) { (it) throws(SourceFailure) in
                    try it.classSets(inner, list, outside)
                }
            }
            let parts = classPermissions[found.index]
            guard !parts.isEmpty else {
                throw failure(
                    .missing, "`\(text(name))` has no `classpermissionset`", list)
            }
            return try classSets(parts, list)
        }
        let first = tree.first(place)
        guard first < tree.end(place) else { throw failure(.syntax, "the set is empty", list) }
        guard !tree.isList(first) else {
            return try classSets(tree.items(place).map { ($0, container) }, list)
        }
        return try classWithPermissions(first, tree.end(place), list, container)
    }

    private mutating func classSets(
        _ parts: [(place: Int, container: Int)], _ list: Int
    ) throws(SourceFailure) -> [ClassSet] {
        try nested(list) { (it) throws(SourceFailure) in
            var found: [ClassSet] = []
            for part in parts { found += try it.classSets(part.place, list, part.container) }
            return found
        }
    }

    private mutating func classWithPermissions(
        _ first: Int, _ end: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> [ClassSet] {
        try spend(list)
        let name = try atom(first, "a class", list)
        let expression = first + 1
        guard expression < end, tree.end(expression) == end, tree.isList(expression) else {
            throw failure(.syntax, "a class is followed by permissions in parentheses", list)
        }
        let found = try find(name, .classes, "class", container, list)
        switch found.kind {
        case .objectClass:
            let set = policy.sets.set(of: classes[found.index].name, at: tree.offset(list))
            return [
                ClassSet(
                    classes: set,
                    permissions: try permissions(expression, found.index, set, list))
            ]
        case .classMap:
            let map = classMaps[found.index]
            let bits = try permissionBits(expression, map.permissions, list)
            var sets: [ClassSet] = []
            for number in bits.numbers {
                guard !map.mappings[number].isEmpty else {
                    throw failure(
                        .missing,
                        "the map `\(text(name))` has no `classmapping` for "
                            + "`\(text(map.permissions[number]))`", list)
                }
                sets += try classSets(map.mappings[number], list)
            }
            return sets
        default: throw failure(.wrongKind, "`\(text(name))` is no class", list)
        }
    }

    /// Returns the permissions of a class that an expression stands for.
    private mutating func permissions(
        _ place: Int, _ index: Int, _ classes: SetID, _ list: Int
    ) throws(SourceFailure) -> SetID {
        if let names = plainNames(place) {
            let set = policy.sets.set(
                flags: [], items: names.map { $0.index << 1 }, at: tree.offset(list))
            let key = UInt64(classes.index) << 32 | UInt64(set.index)
            guard !checkedPermissions.contains(key) else { return set }
            let known = permissionNames(index)
            for name in names where !known.contains(name) {
                throw noPermission(name, index, list)
            }
            checkedPermissions.insert(key)
            return set
        }
        let known = permissionNames(index)
        let bits = try permissionBits(place, known, list)
        return policy.sets.set(
            flags: [], items: bits.numbers.map { known[$0].index << 1 }, at: tree.offset(list))
    }

    private func noPermission(_ name: Name, _ index: Int, _ list: Int) -> SourceFailure {
        failure(
            .noPermission,
            "the class `\(text(classes[index].name))` has no permission `\(text(name))`", list)
    }

    /// The names of a list that has no operators; nil for another expression.
    private func plainNames(_ list: Int) -> [Name]? {
        var found: [Name] = []
        var place = tree.first(list)
        let end = tree.end(list)
        while place < end {
            guard let name = tree.bare(place), !Expression.isOperator(name) else { return nil }
            found.append(name)
            place += 1
        }
        return found
    }

    private mutating func permissionBits(
        _ place: Int, _ known: [Name], _ list: Int
    ) throws(SourceFailure) -> BitRow {
        let all = BitRow(count: known.count, isFull: true)
        return try evaluate(place, list, all) {
            (it, place) throws(SourceFailure) in
            let name = try it.atom(place, "a permission", list)
            guard let number = known.firstIndex(of: name) else {
                throw it.failure(
                    .noPermission, "there is no permission `\(it.text(name))` here", list)
            }
            var bits = BitRow(count: known.count)
            bits.insert(number)
            return bits
        }
    }

    /// Returns the classes that a name stands for: itself, or those of a map.
    mutating func classNames(
        _ place: Int, _ list: Int, _ container: Int
    ) throws(SourceFailure) -> [Name] {
        let name = try atom(place, "a class", list)
        let found = try find(name, .classes, "class", container, list)
        guard found.kind == .classMap else { return [classes[found.index].name] }
        var names: [Name] = []
        for mapping in classMaps[found.index].mappings {
            for set in try classSets(mapping, list) {
                guard let name = policy.sets.single(set.classes), !names.contains(name) else {
                    continue
                }
                names.append(name)
            }
        }
        return names
    }

    /// Returns the set of several names.
    mutating func set(_ names: [Name], _ list: Int) -> SetID {
        names.count == 1
            ? policy.sets.set(of: names[0], at: tree.offset(list))
            : policy.sets.set(
                flags: [], items: names.map { $0.index << 1 }, at: tree.offset(list))
    }
}
