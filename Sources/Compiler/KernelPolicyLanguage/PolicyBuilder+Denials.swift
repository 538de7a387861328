import PolicyDatabaseModel

/// Pairs of types that a rule forbids or takes away.
struct ForbiddenPairs {
    let sources: TouchedTypes
    let targets: TouchedTypes
    /// Whether each source is a target of its own.
    let includesSelf: Bool
    /// Whether no source is a target of its own.
    let excludesSelf: Bool

    /// Returns whether a source and a target are such a pair.
    func contains(_ one: UInt16, _ other: UInt16) -> Bool {
        guard sources.bits.contains(UInt32(one)) else { return false }
        if one == other { return includesSelf || !excludesSelf && hasTarget(other) }
        return hasTarget(other)
    }

    private func hasTarget(_ type: UInt16) -> Bool { targets.bits.contains(UInt32(type)) }

    /// Returns such a pair that a rule about types or attributes is about; nil when there is none.
    func first(
        _ source: UInt16, _ target: UInt16, _ typeSets: borrowing TypeSets
    ) -> (source: UInt16, target: UInt16)? {
        guard sources.touched.contains(UInt32(source)) else { return nil }
        let ones = typeSets.members[Int(source) - 1]
        let others = typeSets.members[Int(target) - 1]
        func firstSource(_ isWanted: (UInt16) -> Bool = { _ in true }) -> UInt16? {
            ones.numbers.first { sources.bits.contains(UInt32($0)) && isWanted($0) }
        }
        if targets.touched.contains(UInt32(target)) {
            let found = others.numbers.filter { hasTarget($0) }
            guard excludesSelf else {
                guard let one = firstSource(), let other = found.first else { return nil }
                return (one, other)
            }
            // With two targets every source has one that is not itself.
            for other in found.prefix(2) {
                if let one = firstSource({ $0 != other }) { return (one, other) }
            }
        }
        guard includesSelf, let one = firstSource({ others.contains(UInt32($0)) }) else {
            return nil
        }
        return (one, one)
    }
}

/// A set of types, and which types and attributes have one of them.
struct TouchedTypes {
    let bits: TypeBits
    let touched: TypeBits
}

extension PolicyBuilder {
    /// Returns the pairs that the source and the target of a rule stand for.
    ///
    /// - Parameter known: the sets that were looked up before.
    /// - Throws: `.undeclared`.
    func forbiddenPairs(
        _ sources: SetID, _ targets: SetID, _ known: inout [SetID: TouchedTypes]
    ) throws(SourceFailure) -> ForbiddenPairs {
        let flags = source.sets.flags(targets)
        let isOther = flags.contains(.otherSources)
        return ForbiddenPairs(
            sources: try touched(sources, &known),
            targets: try touched(isOther ? sources : targets, &known),
            includesSelf: flags.contains(.withSelf),
            excludesSelf: isOther || flags.contains(.allButSource))
    }

    private func touched(
        _ set: SetID, _ known: inout [SetID: TouchedTypes]
    ) throws(SourceFailure) -> TouchedTypes {
        if let found = known[set] { return found }
        let bits = try typeSets.bits(of: set, source)
        var all = TypeBits(count: typeSets.count)
        for (index, members) in typeSets.members.enumerated() where members.intersects(bits) {
            all.insert(UInt32(index) + 1)
        }
        let found = TouchedTypes(bits: bits, touched: all)
        known[set] = found
        return found
    }

    /// Takes what is denied away from what is allowed, always and in conditionals.
    ///
    /// One denial after the other: what is left of a rule has no pair of those before, so the
    /// order does not count.
    /// - Complexity: for each denial, the rules; for each rule that it meets, the pairs that the
    ///   rule stands for.
    mutating func deny(_ tables: inout RuleTables) {
        var known: [SetID: TouchedTypes] = [:]
        for denial in source.denials {
            attempt { (builder) throws(SourceFailure) in
                let pairs = try builder.forbiddenPairs(denial.source, denial.target, &known)
                for number in try builder.classNumbers(denial.classes) {
                    let offset = Int(denial.offset)
                    let mask = try builder.mask(denial.permissions, number, at: offset)
                    try builder.deny(pairs, number, mask, offset, &tables.always)
                    for place in tables.branches.indices {
                        try builder.deny(
                            pairs, number, mask, offset, &tables.branches[place].whenTrue)
                        try builder.deny(
                            pairs, number, mask, offset, &tables.branches[place].whenFalse)
                    }
                }
            }
        }
        tables.always.removeEmpty()
        for place in tables.branches.indices {
            tables.branches[place].whenTrue.removeEmpty()
            tables.branches[place].whenFalse.removeEmpty()
        }
    }

    private mutating func deny(
        _ denied: ForbiddenPairs, _ objectClass: UInt16, _ mask: UInt32, _ offset: Int,
        _ table: inout AccessTable
    ) throws(SourceFailure) {
        // What is added here has no denied pair.
        for place in 0..<table.count {
            let key = table.keys[place]
            let taken = table.values[place] & mask
            guard taken != 0, key.objectClass == objectClass, key.kind == .allowed,
                denied.first(key.source, key.target, typeSets) != nil
            else { continue }
            table.revoke(taken, at: place)
            let sources = typeSets.members[Int(key.source) - 1].numbers
            let targets = typeSets.members[Int(key.target) - 1].numbers
            try spend(sources, targets, 1, offset)
            for one in sources {
                guard denied.sources.bits.contains(UInt32(one)) else {
                    table.grant(.init(one, key.target, objectClass, .allowed), taken)
                    continue
                }
                for other in targets where !denied.contains(one, other) {
                    table.grant(.init(one, other, objectClass, .allowed), taken)
                }
            }
        }
    }
}
