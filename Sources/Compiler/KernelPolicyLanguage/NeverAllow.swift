import PolicyDatabaseModel

/// The access rules of one class.
private struct ClassRules {
    var rules: [(source: UInt16, target: UInt16, permissions: UInt32)] = []
}

extension PolicyBuilder {
    /// Reports each `neverallow` that an `allow` breaks, with one pair of types that shows it.
    ///
    /// - Complexity: for each rule that forbids, the rules of its classes; for distinct sets, the
    ///   types and attributes.
    mutating func checkNeverAllow(_ tables: RuleTables) {
        let forbidding = source.rules.filter {
            $0.kind == .neverAllow && isEnabled[Int($0.block)]
        }
        guard !forbidding.isEmpty else { return }
        var classes = Array(repeating: ClassRules(), count: source.classes.count)
        let branches = tables.branches.flatMap { [$0.whenTrue, $0.whenFalse] }
        for table in [tables.always] + branches {
            for place in table.keys.indices where table.keys[place].kind == .allowed {
                let key = table.keys[place]
                classes[Int(key.objectClass) - 1].rules.append(
                    (key.source, key.target, table.values[place]))
            }
        }
        var touched: [SetID: Forbidden] = [:]
        for rule in forbidding {
            attempt { (builder) throws(SourceFailure) in
                try builder.check(rule, classes, &touched)
            }
        }
    }

    /// A set of types, and which types and attributes have one of them.
    private struct Forbidden {
        let bits: TypeBits
        let touched: TypeBits
    }

    private func forbidden(
        _ set: SetID, _ touched: inout [SetID: Forbidden]
    ) throws(SourceFailure) -> Forbidden {
        if let known = touched[set] { return known }
        let bits = try typeSets.bits(of: set, source)
        var all = TypeBits(count: typeSets.count)
        for (index, members) in typeSets.members.enumerated() where members.intersects(bits) {
            all.insert(UInt32(index) + 1)
        }
        let found = Forbidden(bits: bits, touched: all)
        touched[set] = found
        return found
    }

    private mutating func check(
        _ rule: Rule, _ classes: [ClassRules], _ touched: inout [SetID: Forbidden]
    ) throws(SourceFailure) {
        let sources = try forbidden(rule.source, &touched)
        let targets = try forbidden(rule.target, &touched)
        let hasSelf = try typeSets.resolve(rule.target, source).hasSelf
        for number in try classNumbers(rule.classes) {
            let mask = try mask(rule.permissions, number, at: Int(rule.offset))
            for allowed in classes[Int(number) - 1].rules
            where allowed.permissions & mask != 0
                && sources.touched.contains(UInt32(allowed.source))
            {
                var other: UInt16?
                if targets.touched.contains(UInt32(allowed.target)) {
                    other = first(allowed.target, in: targets.bits)
                } else if hasSelf {
                    other = common(allowed.source, allowed.target, sources.bits)
                }
                guard let other else { continue }
                let one =
                    hasSelf && !targets.touched.contains(UInt32(allowed.target))
                    ? other : first(allowed.source, in: sources.bits) ?? other
                let className = text(source.classNumbers.names[Int(number) - 1])
                throw SourceFailure(
                    .neverAllowed,
                    "`\(typeName(one))` may "
                        + "`\(names(allowed.permissions & mask, number))` on "
                        + "`\(typeName(other)):\(className)`",
                    at: Int(rule.offset))
            }
        }
    }

    /// Returns a type of a type or attribute that is in a set.
    private func first(_ number: UInt16, in bits: TypeBits) -> UInt16? {
        typeSets.members[Int(number) - 1].numbers.first { bits.contains(UInt32($0)) }
    }

    /// Returns a type of both that is in a set.
    private func common(_ one: UInt16, _ other: UInt16, _ bits: TypeBits) -> UInt16? {
        typeSets.members[Int(one) - 1].numbers.first {
            bits.contains(UInt32($0)) && typeSets.members[Int(other) - 1].contains(UInt32($0))
        }
    }

    private func names(_ permissions: UInt32, _ objectClass: UInt16) -> String {
        let holder = source.classes[Int(objectClass) - 1]
        let all = (holder.common.map { source.commons[$0].own } ?? []) + holder.own
        return all.indices.filter { permissions >> UInt32($0) & 1 == 1 }
            .map { text(all[$0]) }.joined(separator: " ")
    }
}
