public import SecurityLattice

/// The names that a policy gives to its sensitivities and categories.
public struct LevelNames: Sendable {
    private var sensitivities: [UInt32: String] = [:]
    private var categories: [UInt32: String] = [:]

    /// Collects the names of a policy; of several names of one thing, the one that is no alias.
    public init(_ policy: PolicyFile) {
        for record in policy.sensitivities.symbols where record.isAlias == 0 {
            sensitivities[record.level.sensitivity] = record.name
        }
        for record in policy.categories.symbols where record.isAlias == 0 {
            categories[record.number] = record.name
        }
    }

    /// Returns a range in the words of the language: one level, or `low..high`.
    public func text(_ range: SecurityRange) -> String {
        range.isSingleLevel ? text(range.low) : "\(text(range.low))..\(text(range.high))"
    }

    /// Returns a level, such as `secret:crypto,nuclear`; what has no name as `#` and its number.
    public func text(_ level: SecurityLevel) -> String {
        var numbers: [UInt32] = []
        var next = level.categories.first(from: 0)
        while let category = next {
            numbers.append(UInt32(category.index) + 1)
            next = level.categories.first(from: Int(category.index) + 1)
        }
        return text(sensitivity: level.sensitivity.databaseValue, categories: numbers)
    }

    /// Returns a level by the numbers of the file, which count from 1.
    func text(sensitivity: UInt32, categories numbers: [UInt32]) -> String {
        let name = sensitivities[sensitivity] ?? "#\(sensitivity)"
        guard !numbers.isEmpty else { return name }
        return name + ":" + numbers.map { categories[$0] ?? "#\($0)" }.joined(separator: ",")
    }
}
