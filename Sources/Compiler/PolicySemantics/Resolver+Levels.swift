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

    private mutating func resolveLevel(_ syntax: LevelSyntax) -> SecurityLevel? {
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

extension Resolver {
    /// Resolves a channel; nil after an error.
    mutating func resolve(_ syntax: ChannelSyntax) -> SystemPolicy.Channel? {
        let from = resolveEnd(syntax.from)
        let to = resolveEnd(syntax.to)
        let kind = SystemPolicy.Channel.Kind(rawValue: syntax.kind.value)
        if kind == nil {
            let known = SystemPolicy.Channel.Kind.allCases.map(\.rawValue)
            report(
                .unknownChannelKind, at: syntax.kind.span,
                "the kind `\(syntax.kind.value)` of a channel is unknown",
                help: Suggestion.help(for: syntax.kind.value, among: known)
                    ?? "kinds are \(known.map { "`\($0)`" }.joined(separator: ", "))")
        }
        guard let from, let to, let kind else { return nil }
        guard from != to else {
            report(
                .channelToItself, at: syntax.to.span,
                "the channel `\(syntax.name.value)` joins `\(syntax.from.value)` to itself")
            return nil
        }
        return SystemPolicy.Channel(
            name: syntax.name.value, from: from, to: to, kind: kind, source: syntax.name.span)
    }

    private mutating func resolveEnd(_ name: Located<String>) -> Int? {
        if let index = compartments.indices[name.value] { return index }
        report(
            .unknownCompartment, at: name.span, "the compartment `\(name.value)` is unknown",
            help: levels.indices[name.value] != nil
                ? "`\(name.value)` is a level; a channel joins compartments"
                : Suggestion.help(for: name.value, among: compartments.all))
        return nil
    }
}

extension Resolver {
    /// Resolves an assertion; nil after an error.
    ///
    /// - Parameter ranges: the range of each declared compartment; nil where that was an error.
    mutating func resolveAssertion(
        from: LevelSyntax, to: LevelSyntax, span: SourceSpan, ranges: [SecurityRange?]
    ) -> SystemPolicy.Assertion? {
        let from = resolveOperand(from, ranges: ranges)
        let to = resolveOperand(to, ranges: ranges)
        guard let from, let to else { return nil }
        return SystemPolicy.Assertion(from: from, to: to, source: span)
    }

    private mutating func resolveOperand(
        _ syntax: LevelSyntax, ranges: [SecurityRange?]
    ) -> SystemPolicy.Assertion.Operand? {
        var named = CompartmentSet()
        let name = syntax.name.value
        if let index = compartments.indices[name] {
            guard syntax.categories.isEmpty else {
                report(
                    .unknownLevel, at: syntax.name.span,
                    "`\(name)` is a compartment, so no category can follow it")
                return nil
            }
            named.insert(index)
        } else if levels.indices[name] != nil {
            guard let level = resolveLevel(syntax) else { return nil }
            for (index, range) in ranges.enumerated() {
                if let range, level.isHeld(in: range) { named.insert(index) }
            }
        } else {
            report(
                .unknownOperand, at: syntax.name.span,
                "`\(name)` is neither a compartment nor a level",
                help: Suggestion.help(for: name, among: compartments.all + levels.all))
            return nil
        }
        return .init(text: syntax.text, compartments: named, source: syntax.span)
    }
}

extension SecurityLevel {
    /// Returns whether a compartment of `range` may hold information of this sensitivity that
    /// belongs to all of these categories, and perhaps to more.
    ///
    /// So `secret` in an assertion names a compartment at `secret:crypto` too: an assertion that
    /// left it out would prove less than it says.
    fileprivate func isHeld(in range: SecurityRange) -> Bool {
        sensitivity.dominates(range.low.sensitivity)
            && range.high.sensitivity.dominates(sensitivity)
            && range.high.categories.isSuperset(of: categories)
    }
}
