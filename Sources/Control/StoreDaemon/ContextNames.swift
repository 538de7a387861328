import PolicyDatabase
import PolicyDatabaseModel
import SecurityLattice

/// The names of a policy's users, roles, types and levels, to read and write contexts.
struct ContextNames {
    private let users: [String: UInt32]
    private let roles: [String: UInt32]
    private let types: [String: UInt32]
    private let sensitivities: [String: UInt32]
    private let categories: [String: UInt32]
    private let userNames: [UInt32: String]
    private let roleNames: [UInt32: String]
    private let typeNames: [UInt32: String]
    private let sensitivityNames: [UInt32: String]
    private let categoryNames: [UInt32: String]

    /// Takes the names from a policy.
    init(_ file: PolicyFile) {
        func numbers(_ pairs: [(String, UInt32)]) -> [String: UInt32] {
            Dictionary(pairs, uniquingKeysWith: { first, _ in first })
        }
        func names(_ pairs: [(String, UInt32)]) -> [UInt32: String] {
            Dictionary(pairs.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        }
        let primary: UInt32 = 1
        let userPairs = file.users.symbols.map { ($0.name, $0.number) }
        let rolePairs = file.roles.symbols.map { ($0.name, $0.number) }
        let typePairs = file.types.symbols.map { ($0.name, $0.number) }
        let ownNames = file.types.symbols.filter { $0.properties & primary != 0 }
        let levels = file.sensitivities.symbols
        let levelPairs = levels.map { ($0.name, $0.level.sensitivity) }
        let categoryPairs = file.categories.symbols.map { ($0.name, $0.number) }
        users = numbers(userPairs)
        roles = numbers(rolePairs)
        types = numbers(typePairs)
        sensitivities = numbers(levelPairs)
        categories = numbers(categoryPairs)
        userNames = names(userPairs)
        roleNames = names(rolePairs)
        typeNames = names(ownNames.map { ($0.name, $0.number) } + typePairs)
        sensitivityNames = names(
            levels.filter { $0.isAlias == 0 }.map { ($0.name, $0.level.sensitivity) })
        categoryNames = names(
            file.categories.symbols.filter { $0.isAlias == 0 }.map { ($0.name, $0.number) })
    }

    /// Reads `user:role:type:level` or `user:role:type:low-high`; nil when a name is unknown. Only
    /// the policy can say whether it is valid.
    func context(_ text: String) -> SecurityContext? {
        let parts = text.split(separator: ":", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 4, let user = users[String(parts[0])],
            let role = roles[String(parts[1])], let type = types[String(parts[2])]
        else { return nil }
        let levels = String(parts[3])
        if let level = level(levels) {
            return SecurityContext(user: user, role: role, type: type, range: SecurityRange(level))
        }
        // A name may have a `-`: whatever place makes two levels of it.
        for index in levels.indices where levels[index] == "-" {
            if let low = level(String(levels[..<index])),
                let high = level(String(levels[levels.index(after: index)...])),
                let range = SecurityRange(low: low, high: high)
            {
                return SecurityContext(user: user, role: role, type: type, range: range)
            }
        }
        return nil
    }

    private func level(_ text: String) -> SecurityLevel? {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let number = sensitivities[String(parts[0])],
            let sensitivity = Sensitivity(databaseValue: number)
        else { return nil }
        var set = CategorySet.empty
        guard parts.count == 2 else { return SecurityLevel(sensitivity, set) }
        for piece in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
            let ends = piece.split(separator: ".", omittingEmptySubsequences: false)
            guard let first = ends.first, let last = ends.last, ends.count <= 2,
                let low = categories[String(first)], let high = categories[String(last)],
                low <= high
            else { return nil }
            for number in low...high {
                guard let category = Category(databaseValue: number) else { return nil }
                set.insert(category)
            }
        }
        return SecurityLevel(sensitivity, set)
    }

    /// Writes a context.
    func text(_ context: SecurityContext) -> String {
        let low = text(context.range.low)
        let range =
            context.range.isSingleLevel ? low : "\(low)-\(text(context.range.high))"
        return [
            userNames[context.user] ?? "?", roleNames[context.role] ?? "?",
            typeName(context), range,
        ].joined(separator: ":")
    }

    /// The name of a context's type.
    func typeName(_ context: SecurityContext) -> String { typeNames[context.type] ?? "?" }

    private func text(_ level: SecurityLevel) -> String {
        let name = sensitivityNames[level.sensitivity.databaseValue] ?? "?"
        var pieces: [String] = []
        var next = level.categories.first(from: 0)
        while let category = next {
            pieces.append(categoryNames[category.databaseValue] ?? "?")
            next = level.categories.first(from: Int(category.index) + 1)
        }
        return pieces.isEmpty ? name : "\(name):\(pieces.joined(separator: ","))"
    }
}
