import PolicySyntax
import SecurityLattice

extension Resolver {
    /// Resolves a label to a range; nil after an error.
    mutating func resolveRange(_ label: LabelSyntax) -> SecurityRange? {
        let low = resolveLevel(label.low)
        guard let highSyntax = label.high else { return low.map { SecurityRange($0) } }
        let high = resolveLevel(highSyntax)
        guard let low, let high else { return nil }
        if let range = SecurityRange(low: low, high: high) { return range }
        report(
            .rangeUpsideDown, at: label.span,
            "`\(highSyntax.text)` does not dominate `\(label.low.text)`",
            help: low.dominates(high)
                ? "write `\(highSyntax.text)..\(label.low.text)`"
                : "the high level needs the rank and all the categories of the low one")
        return nil
    }

    mutating func resolveLevel(_ syntax: LevelSyntax) -> SecurityLevel? {
        let categories = resolveCategories(syntax.categories)
        guard let index = levels.indices[syntax.name.value] else {
            report(
                .unknownLevel, at: syntax.name.span, "the level `\(syntax.name.value)` is unknown",
                help: Suggestion.help(for: syntax.name.value, among: levels.all)
                    ?? "declare it with `levels`")
            return nil
        }
        guard let categories, let rank = UInt16(exactly: index) else { return nil }
        return SecurityLevel(Sensitivity(rank: rank), categories)
    }

    private mutating func resolveCategories(_ names: [Located<String>]) -> CategorySet? {
        var set = CategorySet.empty
        var isGood = true
        for name in names {
            guard let index = categories.indices[name.value] else {
                report(
                    .unknownCategory, at: name.span, "the category `\(name.value)` is unknown",
                    help: Suggestion.help(for: name.value, among: categories.all)
                        ?? "declare it with `categories`")
                isGood = false
                continue
            }
            guard let number = UInt8(exactly: index) else { return nil }
            let category = Category(index: number)
            if set.contains(category) {
                report(
                    .repeatedCategory, at: name.span,
                    "the category `\(name.value)` stands in the label already")
                isGood = false
            }
            set.insert(category)
        }
        return isGood ? set : nil
    }
}

extension SecurityLevel {
    /// Returns whether a compartment of `range` may hold information of this sensitivity that
    /// belongs to all of these categories, and perhaps to more.
    ///
    /// So `secret` in an assertion names a compartment at `secret:crypto` too: an assertion that
    /// left it out would prove less than it says.
    func isHeld(in range: SecurityRange) -> Bool {
        sensitivity.dominates(range.low.sensitivity)
            && range.high.sensitivity.dominates(sensitivity)
            && range.high.categories.isSuperset(of: categories)
    }
}
