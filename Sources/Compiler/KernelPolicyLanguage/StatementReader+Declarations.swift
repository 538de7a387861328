import PolicyDatabaseModel

extension StatementReader {
    /// Reads the rest of a declaration.
    ///
    /// - Returns: false if the keyword begins none.
    mutating func declaration(
        _ keyword: Keyword, _ offset: Int
    ) throws(SourceFailure) -> Bool {
        switch keyword {
        case .common: try common()
        case .class: try objectClass()
        case .default_user: try defaultRule(.user)
        case .default_role: try defaultRule(.role)
        case .default_type: try defaultRule(.type)
        case .default_range: try defaultRule(.range)
        case .sensitivity: try sensitivity()
        case .dominance: try dominance()
        case .category: try category()
        case .level: try levelStatement()
        case .attribute: try attribute()
        case .expandattribute: try expandAttribute()
        case .type: try type()
        case .typealias: try typeAlias()
        case .typeattribute: try typeAttribute()
        case .typebounds: try typeBounds()
        case .permissive: policy.permissive.append((try lastName("a type"), block, offset))
        case .policycap: policy.capabilities.append((try lastName("a capability"), offset))
        case .bool: try boolean(isTunable: false)
        case .tunable: try boolean(isTunable: true)
        case .role: try role()
        case .attribute_role: try attributeRole()
        case .roleattribute: try roleAttribute()
        case .user: try user(offset)
        case .constrain, .mlsconstrain: try constraint(hasPermissions: true, offset)
        case .validatetrans, .mlsvalidatetrans: try constraint(hasPermissions: false, offset)
        case .if: try conditional(offset)
        case .optional: try optional()
        case .require: try require()
        default: return false
        }
        return true
    }

    private mutating func lastName(_ what: String) throws(SourceFailure) -> Name {
        let name = try name(what)
        try take(";")
        return name
    }

    func twice(_ what: String, _ name: Name, _ offset: Int) -> SourceFailure {
        SourceFailure(.declaredTwice, "\(what) `\(text(name))` is declared twice", at: offset)
    }

    // MARK: Classes

    private mutating func common() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("a common's name")
        guard !policy.commons.contains(where: { $0.name == name }) else {
            throw twice("the common", name, offset)
        }
        var common = PermissionHolder(name: name, offset: offset)
        common.own = try permissionNames(offset)
        policy.commons.append(common)
    }

    private mutating func permissionNames(_ offset: Int) throws(SourceFailure) -> [Name] {
        try take("{")
        var found: [Name] = []
        while !takeIf("}") {
            let place = token.range.lowerBound
            let name = try name("a permission or `}`")
            guard !found.contains(name) else { throw twice("the permission", name, place) }
            found.append(name)
        }
        guard found.count <= 32 else {
            throw SourceFailure(.limit, "a class has at most 32 permissions", at: offset)
        }
        return found
    }

    private mutating func objectClass() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("a class's name")
        guard keyword == .inherits || isSign("{") else {
            guard policy.classNumbers.declare(name) != nil else {
                throw twice("the class", name, offset)
            }
            return policy.classes.append(PermissionHolder(name: name, offset: offset))
        }
        guard let number = policy.classNumbers[name] else {
            throw SourceFailure(.undeclared, "no class `\(text(name))` is declared", at: offset)
        }
        var holder = policy.classes[Int(number) - 1]
        guard !holder.isComplete else {
            throw SourceFailure(
                .declaredTwice, "the class `\(text(name))` has its permissions already",
                at: offset)
        }
        if takeIf(.inherits) {
            let place = token.range.lowerBound
            let common = try self.name("a common")
            guard let index = policy.commons.firstIndex(where: { $0.name == common }) else {
                throw SourceFailure(
                    .undeclared, "no common `\(text(common))` is declared", at: place)
            }
            holder.common = index
        }
        if isSign("{") { holder.own = try permissionNames(offset) }
        let inherited = holder.common.map { policy.commons[$0].own } ?? []
        if let name = holder.own.first(where: { inherited.contains($0) }) {
            throw twice("the permission", name, offset)
        }
        guard inherited.count + holder.own.count <= 32 else {
            throw SourceFailure(.limit, "a class has at most 32 permissions", at: offset)
        }
        holder.isComplete = true
        policy.classes[Int(number) - 1] = holder
    }

    private mutating func defaultRule(_ part: DefaultRule.Part) throws(SourceFailure) {
        let classes = try set("classes")
        let base: UInt32
        switch keyword {
        case .source: base = 1
        case .target: base = part == .range ? 4 : 2
        case .glblub where part == .range: base = 7
        default: throw expected("`source` or `target`")
        }
        advance()
        var value = base
        if part == .range, base != 7 {
            let word = text(try name("`low`, `high` or `low-high`"))
            guard let step = ["low", "high", "low-high"].firstIndex(of: word) else {
                throw expected("`low`, `high` or `low-high`")
            }
            value += UInt32(step)
        }
        try take(";")
        policy.defaults.append(DefaultRule(part: part, classes: classes, value: value))
    }

    // MARK: Levels

    private mutating func aliases() throws(SourceFailure) -> [Name] {
        takeIf(.alias) ? try names("another name") : []
    }

    private mutating func sensitivity() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("a sensitivity")
        guard !policy.levels.sensitivities.contains(name) else {
            throw twice("the sensitivity", name, offset)
        }
        policy.levels.sensitivities.append(name)
        policy.levels.sensitivityOffsets[name] = offset
        for alias in try aliases() {
            policy.levels.sensitivityAliases.append((alias, name))
        }
        try take(";")
    }

    private mutating func dominance() throws(SourceFailure) {
        let offset = token.range.lowerBound
        for name in try names("a sensitivity") {
            guard policy.levels.sensitivities.contains(name) else {
                throw SourceFailure(
                    .undeclared, "no sensitivity `\(text(name))` is declared", at: offset)
            }
            guard policy.levels.order.declare(name) != nil else {
                throw twice("the sensitivity", name, offset)
            }
        }
        guard policy.levels.order.names.count == policy.levels.sensitivities.count else {
            throw SourceFailure(
                .badLevel, "the order does not name every sensitivity", at: offset)
        }
        for (alias, name) in policy.levels.sensitivityAliases {
            guard let number = policy.levels.order[name],
                policy.levels.order.alias(alias, to: number)
            else { throw twice("the sensitivity", alias, offset) }
        }
    }

    private mutating func category() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("a category")
        guard let number = policy.levels.categories.declare(name) else {
            throw twice("the category", name, offset)
        }
        for alias in try aliases() {
            guard policy.levels.categories.alias(alias, to: number) else {
                throw twice("the category", alias, offset)
            }
            policy.levels.categoryAliases.append((alias, name))
        }
        try take(";")
    }

    private mutating func levelStatement() throws(SourceFailure) {
        policy.levels.levels.append(try level())
        try take(";")
    }

    mutating func level() throws(SourceFailure) -> LevelText {
        let offset = token.range.lowerBound
        var level = LevelText(sensitivity: try name("a level"), offset: offset)
        guard takeIf(":") else { return level }
        repeat { level.categories.append(try name("a category")) } while takeIf(",")
        return level
    }

    mutating func range() throws(SourceFailure) -> RangeText {
        let low = try level()
        return RangeText(low: low, high: takeIf("-") ? try level() : nil)
    }

    // MARK: Types

    private mutating func declareType(
        _ name: Name, isAttribute: Bool, _ offset: Int
    ) throws(SourceFailure) {
        guard policy.types.numbering.declare(name) != nil else {
            throw twice("the type", name, offset)
        }
        policy.types.isAttribute.append(isAttribute)
    }

    private mutating func attribute() throws(SourceFailure) {
        let offset = token.range.lowerBound
        try declareType(try lastName("an attribute"), isAttribute: true, offset)
    }

    /// How an attribute is written does not change what the policy says, so the statement is only
    /// read.
    private mutating func expandAttribute() throws(SourceFailure) {
        _ = try names("an attribute")
        guard takeIf(.true) || takeIf(.false) else { throw expected("`true` or `false`") }
        try take(";")
    }

    private mutating func type() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("a type")
        try declareType(name, isAttribute: false, offset)
        for alias in try aliases() { try addAlias(alias, of: name, offset) }
        while takeIf(",") { try addMembership(of: name) }
        try take(";")
    }

    private mutating func addMembership(of type: Name) throws(SourceFailure) {
        let offset = UInt32(truncatingIfNeeded: token.range.lowerBound)
        policy.types.memberships.append((type, try name("an attribute"), block, offset))
    }

    private mutating func addAlias(
        _ alias: Name, of name: Name, _ offset: Int
    ) throws(SourceFailure) {
        guard let number = policy.types.numbering[name] else {
            throw SourceFailure(.undeclared, "no type `\(text(name))` is declared", at: offset)
        }
        guard policy.types.numbering.alias(alias, to: number) else {
            throw twice("the type", alias, offset)
        }
        policy.types.aliases.append((alias, name))
    }

    private mutating func typeAlias() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("a type")
        guard keyword == .alias else { throw expected("`alias`") }
        for alias in try aliases() { try addAlias(alias, of: name, offset) }
        try take(";")
    }

    private mutating func typeAttribute() throws(SourceFailure) {
        let name = try name("a type")
        repeat { try addMembership(of: name) } while takeIf(",")
        try take(";")
    }

    private mutating func typeBounds() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let parent = try name("a type")
        repeat { policy.bounds.append((parent, try name("a type"), offset)) } while takeIf(",")
        try take(";")
    }

    private mutating func boolean(isTunable: Bool) throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try name("a Boolean")
        let isTrue = takeIf(.true)
        guard isTrue || takeIf(.false) else { throw expected("`true` or `false`") }
        try take(";")
        guard policy.booleans.declare(name) != nil else {
            throw twice("the Boolean", name, offset)
        }
        policy.booleanStates.append((isTrue, isTunable))
    }

    // MARK: Roles and users

    private mutating func role() throws(SourceFailure) {
        let name = try name("a role")
        if policy.roleAttributes[name] == nil { policy.roles.declare(name) }
        if takeIf(.types) { policy.roleTypes.append((name, try types(), block)) }
        while takeIf(",") {
            let offset = token.range.lowerBound
            policy.roleMemberships.append((name, try self.name("an attribute"), block, offset))
        }
        try take(";")
    }

    private mutating func attributeRole() throws(SourceFailure) {
        let offset = token.range.lowerBound
        let name = try lastName("an attribute of roles")
        guard policy.roles[name] == nil, policy.roleAttributes.declare(name) != nil else {
            throw twice("the attribute of roles", name, offset)
        }
    }

    private mutating func roleAttribute() throws(SourceFailure) {
        let role = try name("a role")
        repeat {
            let offset = token.range.lowerBound
            let attribute = try name("an attribute of roles")
            policy.roleMemberships.append((role, attribute, block, offset))
        } while takeIf(",")
        try take(";")
    }

    private mutating func user(_ offset: Int) throws(SourceFailure) {
        let name = try name("a user")
        try take(.roles)
        var user = UserDeclaration(name: name, roles: try set("roles"), offset: offset)
        if takeIf(.level) {
            user.level = try level()
            try take(.range)
            user.range = try range()
        }
        try take(";")
        policy.users.append(user)
    }
}
