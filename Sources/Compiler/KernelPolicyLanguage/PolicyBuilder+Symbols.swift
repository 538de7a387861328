import PolicyDatabaseModel

extension PolicyBuilder {
    // MARK: Levels

    mutating func addLevels() throws(SourceFailure) {
        guard options.isMultilevel else { return }
        let levels = source.levels
        var allowed: [PolicyBitmap?] = Array(repeating: nil, count: levels.sensitivities.count)
        guard levels.order.names.count == levels.sensitivities.count else {
            let without = levels.sensitivities.first { levels.order[$0] == nil }
            throw SourceFailure(
                .missing, "the sensitivities have no order", at: offset(ofSensitivity: without))
        }
        for level in levels.levels {
            guard let number = levels.order[level.sensitivity] else {
                throw undeclared("sensitivity", level.sensitivity, level.offset)
            }
            guard allowed[Int(number) - 1] == nil else {
                throw SourceFailure(
                    .declaredTwice,
                    "the sensitivity `\(text(level.sensitivity))` has its categories already",
                    at: level.offset)
            }
            allowed[Int(number) - 1] = PolicyBitmap(try categories(of: level))
        }
        for name in levels.sensitivities + levels.sensitivityAliases.map(\.alias) {
            guard let number = levels.order[name], let categories = allowed[Int(number) - 1] else {
                let declared = levels.sensitivities.first { levels.order[$0] == levels.order[name] }
                throw SourceFailure(
                    .missing, "no `level` says which categories go with `\(text(name))`",
                    at: offset(ofSensitivity: declared))
            }
            var record = PolicyFile.SensitivityRecord()
            record.name = text(name)
            record.isAlias = levels.sensitivities.contains(name) ? 0 : 1
            record.level.sensitivity = number
            record.level.categories = categories
            file.sensitivities.symbols.append(record)
        }
        file.sensitivities.primaryCount = UInt32(levels.sensitivities.count)
        for name in levels.categories.names + levels.categoryAliases.map(\.alias) {
            var record = PolicyFile.CategoryRecord()
            record.name = text(name)
            record.number = levels.categories[name] ?? 0
            record.isAlias = levels.categories.names.contains(name) ? 0 : 1
            file.categories.symbols.append(record)
        }
        file.categories.primaryCount = UInt32(levels.categories.names.count)
    }

    /// Returns where a sensitivity is declared; the begin of the source for none.
    func offset(ofSensitivity name: Name?) -> Int {
        name.flatMap { source.levels.sensitivityOffsets[$0] } ?? 0
    }

    /// Returns the categories of a level; number *n* is *n* + 1 in the declarations.
    private func categories(of level: LevelText) throws(SourceFailure) -> [UInt32] {
        var found: [UInt32] = []
        for name in level.categories {
            if let number = source.levels.categories[name] {
                found.append(number - 1)
                continue
            }
            let ends = text(name).split(separator: ".", omittingEmptySubsequences: false)
            let numbers = ends.compactMap { categoryNumber($0) }
            guard ends.count == 2, numbers.count == 2 else {
                throw undeclared("category", name, level.offset)
            }
            guard numbers[0] <= numbers[1] else {
                throw SourceFailure(
                    .badLevel, "`\(text(name))` ends before it begins", at: level.offset)
            }
            found.append(contentsOf: numbers[0]...numbers[1])
        }
        return found
    }

    private func categoryNumber(_ word: Substring) -> UInt32? {
        let bytes = Array(word.utf8)
        let known = source.levels.categories.names + source.levels.categoryAliases.map(\.alias)
        guard let name = known.first(where: { source.names.bytes(of: $0).elementsEqual(bytes) })
        else { return nil }
        return source.levels.categories[name].map { $0 - 1 }
    }

    func level(_ text: LevelText) throws(SourceFailure) -> PolicyFile.LevelRecord {
        guard options.isMultilevel else {
            throw SourceFailure(.levelsOff, "levels are off in this policy", at: text.offset)
        }
        guard let number = source.levels.order[text.sensitivity] else {
            throw undeclared("sensitivity", text.sensitivity, text.offset)
        }
        var record = PolicyFile.LevelRecord()
        record.sensitivity = number
        let categories = try categories(of: text)
        record.categories = PolicyBitmap(categories)
        let known = file.sensitivities.symbols.first { $0.level.sensitivity == number }
        guard categories.allSatisfy({ known?.level.categories.contains($0) ?? false }) else {
            throw SourceFailure(
                .badLevel,
                "`\(self.text(text.sensitivity))` does not go with all of these categories",
                at: text.offset)
        }
        return record
    }

    func range(_ text: RangeText) throws(SourceFailure) -> PolicyFile.RangeRecord {
        var record = PolicyFile.RangeRecord()
        record.low = try level(text.low)
        if let high = text.high {
            let level = try level(high)
            guard level.dominates(record.low) else {
                throw SourceFailure(
                    .badLevel, "the high level does not dominate the low one", at: high.offset)
            }
            if level != record.low { record.high = level }
        }
        return record
    }

    // MARK: Types

    mutating func addTypes() throws(SourceFailure) {
        let types = source.types
        for membership in types.memberships where isEnabled[Int(membership.block)] {
            guard let type = types.numbering[membership.type],
                let attribute = types.numbering[membership.attribute]
            else {
                let name =
                    types.numbering[membership.type] == nil
                    ? membership.type : membership.attribute
                throw undeclared("type or attribute", name, Int(membership.offset))
            }
            guard types.isAttribute[Int(attribute) - 1], !types.isAttribute[Int(type) - 1] else {
                throw SourceFailure(
                    .wrongKind,
                    "`\(text(membership.type))` must be a type and "
                        + "`\(text(membership.attribute))` an attribute",
                    at: Int(membership.offset))
            }
        }
        for (index, name) in types.numbering.names.enumerated() {
            addType(name, UInt32(index) + 1, properties: types.isAttribute[index] ? 3 : 1)
        }
        for alias in types.aliases {
            addType(alias.name, types.numbering[alias.name] ?? 0, properties: 0)
        }
        file.types.primaryCount = UInt32(types.isAttribute.count)
        try addBounds()
        var permissive: [UInt32] = []
        for (name, block, offset) in source.permissive where isEnabled[Int(block)] {
            guard let number = types.numbering[name], !types.isAttribute[Int(number) - 1] else {
                throw undeclared("type", name, offset)
            }
            permissive.append(number)
        }
        file.permissiveTypes = PolicyBitmap(permissive)
        addTypeAttributes()
    }

    private mutating func addType(_ name: Name, _ number: UInt32, properties: UInt32) {
        var record = PolicyFile.TypeRecord()
        record.name = text(name)
        record.number = number
        record.properties = properties
        file.types.symbols.append(record)
    }

    private mutating func addBounds() throws(SourceFailure) {
        for (parent, child, offset) in source.bounds {
            guard let bound = source.types.numbering[parent],
                let number = source.types.numbering[child]
            else {
                throw undeclared(
                    "type", source.types.numbering[parent] == nil ? parent : child, offset)
            }
            for index in file.types.symbols.indices
            where file.types.symbols[index].number == number
                && file.types.symbols[index].properties & 1 == 1
            {
                let old = file.types.symbols[index].bounds
                guard old == 0 || old == bound else {
                    throw SourceFailure(
                        .conflict, "`\(text(child))` has another bound already", at: offset)
                }
                file.types.symbols[index].bounds = bound
            }
        }
    }

    private mutating func addTypeAttributes() {
        var rows = (1...UInt32(max(1, typeSets.count))).map { [$0 - 1] }
        for (index, members) in typeSets.members.enumerated()
        where source.types.isAttribute[index] {
            for type in members.numbers { rows[Int(type) - 1].append(UInt32(index)) }
        }
        file.typeAttributes = rows.map { PolicyBitmap($0) }
    }

    // MARK: Roles

    mutating func addRoles() throws(SourceFailure) {
        try addRoleMembers()
        var types = Array(
            repeating: TypeBits(count: typeSets.count), count: source.roles.names.count)
        for (role, set, block) in source.roleTypes where isEnabled[Int(block)] {
            let bits = try typeSets.bits(of: set, source, forRoleIn: block)
            for number in try roleNumbers(role, source.sets.offset(set)) {
                types[Int(number) - 1].formUnion(bits)
            }
        }
        for (index, name) in source.roles.names.enumerated() {
            var record = PolicyFile.RoleRecord()
            record.name = text(name)
            record.number = UInt32(index) + 1
            record.dominates = PolicyBitmap([UInt32(index)])
            record.types = PolicyBitmap(types[index].numbers.map { UInt32($0) - 1 })
            file.roles.symbols.append(record)
        }
        file.roles.primaryCount = UInt32(source.roles.names.count)
        guard !source.roleBounds.isEmpty else { return }
        for (parent, child, _) in source.roleBounds {
            guard let bound = source.roles[parent], let number = source.roles[child] else {
                continue
            }
            file.roles.symbols[Int(number) - 1].bounds = bound
        }
    }

    /// Attributes of roles may be in other ones: what is in the one comes into the other.
    private mutating func addRoleMembers() throws(SourceFailure) {
        roleMembers = Array(repeating: [], count: source.roleAttributes.names.count)
        var nested: [(member: Int, holder: Int)] = []
        for (role, attribute, block, offset) in source.roleMemberships
        where isEnabled[Int(block)] {
            guard let index = source.roleAttributes[attribute] else {
                throw undeclared("attribute of roles", attribute, offset)
            }
            if let number = source.roles[role] {
                roleMembers[Int(index) - 1].insert(number)
            } else if let member = source.roleAttributes[role] {
                nested.append((Int(member) - 1, Int(index) - 1))
            } else {
                throw undeclared("role", role, offset)
            }
        }
        // One turn carries a role one step further, and no chain is longer than all attributes.
        for _ in roleMembers.indices {
            var isChanged = false
            for (member, holder) in nested
            where !roleMembers[member].isSubset(of: roleMembers[holder]) {
                roleMembers[holder].formUnion(roleMembers[member])
                isChanged = true
            }
            guard isChanged else { return }
        }
    }

    private func roleNumbers(_ name: Name, _ offset: Int) throws(SourceFailure) -> Set<UInt32> {
        if let number = source.roles[name] { return [number] }
        guard let attribute = source.roleAttributes[name] else {
            throw undeclared("role", name, offset)
        }
        return roleMembers[Int(attribute) - 1]
    }

    /// Returns the roles that a set stands for, in rising order.
    func roleNumbers(_ set: SetID) throws(SourceFailure) -> [UInt32] {
        let offset = source.sets.offset(set)
        let flags = source.sets.flags(set)
        let all = Set(1...UInt32(source.roles.names.count))
        var found: Set<UInt32> = flags.contains(.all) ? all : []
        for item in source.sets.items(set) {
            guard !item.isExcluded else {
                throw SourceFailure(.syntax, "roles cannot be excluded", at: offset)
            }
            found.formUnion(try roleNumbers(item.name, offset))
        }
        return (flags.contains(.complement) ? all.subtracting(found) : found).sorted()
    }

    // MARK: Users

    mutating func addUsers() throws(SourceFailure) {
        for user in source.users {
            let roles = try roleNumbers(user.roles).map { $0 - 1 }
            let name = text(user.name)
            guard options.isMultilevel == (user.range != nil) else {
                throw SourceFailure(
                    .levelsOff,
                    options.isMultilevel
                        ? "the user has no range" : "levels are off in this policy",
                    at: user.offset)
            }
            if let index = file.users.symbols.firstIndex(where: { $0.name == name }) {
                let known = file.users.symbols[index].roles.numbers
                file.users.symbols[index].roles = PolicyBitmap(known + roles)
                continue
            }
            var record = PolicyFile.UserRecord()
            record.name = name
            record.number = UInt32(file.users.symbols.count) + 1
            record.roles = PolicyBitmap(roles)
            if let range = user.range { record.range = try self.range(range) }
            if let level = user.level {
                record.defaultLevel = try self.level(level)
                guard record.defaultLevel.dominates(record.range.low),
                    (record.range.high ?? record.range.low).dominates(record.defaultLevel)
                else {
                    throw SourceFailure(
                        .badLevel, "the user's level is not within the user's range",
                        at: level.offset)
                }
            }
            file.users.symbols.append(record)
        }
        file.users.primaryCount = UInt32(file.users.symbols.count)
        for (parent, child, _) in source.userBounds {
            let names = file.users.symbols.map(\.name)
            guard let bound = names.firstIndex(of: text(parent)),
                let index = names.firstIndex(of: text(child))
            else { continue }
            file.users.symbols[index].bounds = UInt32(bound) + 1
        }
    }
}

extension PolicyFile.LevelRecord {
    /// Returns whether the level is at least as sensitive and has all of the other's categories.
    func dominates(_ other: PolicyFile.LevelRecord) -> Bool {
        sensitivity >= other.sensitivity
            && other.categories.numbers.allSatisfy { categories.contains($0) }
    }
}
