/// A level: a rank and a set of categories, by indexes.
package struct Level: Hashable, Sendable {
    /// The sensitivity's index; higher ranks above.
    package var sensitivity = 0
    /// The categories' indexes, rising.
    package var categories: [Int] = []

    /// Creates a level.
    package init(sensitivity: Int = 0, categories: [Int] = []) {
        self.sensitivity = sensitivity
        self.categories = categories
    }

    /// Whether the rank is as high and every category is had.
    package func dominates(_ other: Level) -> Bool {
        guard sensitivity >= other.sensitivity, categories.count >= other.categories.count
        else { return false }
        var position = 0
        for category in other.categories {
            while position < categories.count, categories[position] < category { position += 1 }
            guard position < categories.count, categories[position] == category
            else { return false }
        }
        return true
    }
}

/// A lowest and a highest level.
package struct LevelRange: Hashable, Sendable {
    /// The lowest: at which a subject works.
    package var low: Level
    /// The highest: a subject's clearance.
    package var high: Level

    /// Creates a range.
    package init(low: Level = Level(), high: Level = Level()) {
        self.low = low
        self.high = high
    }
}
