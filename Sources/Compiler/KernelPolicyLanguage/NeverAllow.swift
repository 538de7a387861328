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
    mutating func checkNeverAllow(_ tables: RuleTables, _ operations: OperationTable) {
        let forbidding = source.rules.filter {
            $0.kind == .neverAllow && isEnabled[Int($0.block)]
        }
        let extended = source.extendedRules.filter {
            $0.kind == .neverAllow && isEnabled[Int($0.block)]
        }
        guard !forbidding.isEmpty || !extended.isEmpty else { return }
        var classes = Array(repeating: ClassRules(), count: source.classes.count)
        let branches = tables.branches.flatMap { [$0.whenTrue, $0.whenFalse] }
        for table in [tables.always] + branches {
            for place in table.keys.indices where table.keys[place].kind == .allowed {
                let key = table.keys[place]
                classes[Int(key.objectClass) - 1].rules.append(
                    (key.source, key.target, table.values[place]))
            }
        }
        var touched: [SetID: TouchedTypes] = [:]
        for rule in forbidding {
            attempt { (builder) throws(SourceFailure) in
                try builder.check(rule, classes, &touched)
            }
        }
        for rule in extended {
            attempt { (builder) throws(SourceFailure) in
                try builder.check(rule, classes, operations, &touched)
            }
        }
    }

    private mutating func check(
        _ rule: Rule, _ classes: [ClassRules], _ touched: inout [SetID: TouchedTypes]
    ) throws(SourceFailure) {
        let forbidden = try forbiddenPairs(rule.source, rule.target, &touched)
        for number in try classNumbers(rule.classes) {
            let mask = try mask(rule.permissions, number, at: Int(rule.offset))
            for allowed in classes[Int(number) - 1].rules where allowed.permissions & mask != 0 {
                guard let pair = forbidden.first(allowed.source, allowed.target, typeSets) else {
                    continue
                }
                let className = text(source.classNumbers.names[Int(number) - 1])
                throw SourceFailure(
                    .neverAllowed,
                    "`\(typeName(pair.source))` may "
                        + "`\(names(allowed.permissions & mask, number))` on "
                        + "`\(typeName(pair.target)):\(className)`",
                    at: Int(rule.offset))
            }
        }
    }

    /// A rule that forbids operations is broken where `ioctl` is allowed and no rule limits the
    /// operations, or one grants some of those.
    private mutating func check(
        _ rule: ExtendedRule, _ classes: [ClassRules], _ operations: OperationTable,
        _ touched: inout [SetID: TouchedTypes]
    ) throws(SourceFailure) {
        let forbidden = try forbiddenPairs(rule.source, rule.target, &touched)
        let marked = PolicyBuilder.marks(rule)
        for number in try classNumbers(rule.classes) {
            let holder = source.classes[Int(number) - 1]
            let all = (holder.common.map { source.commons[$0].own } ?? []) + holder.own
            guard let place = all.firstIndex(where: { text($0) == "ioctl" }) else { continue }
            let granted = operations.granted(in: number).map {
                Granted(source: $0.source, target: $0.target, isForbidden: $0.set.meets(marked))
            }
            for allowed in classes[Int(number) - 1].rules
            where allowed.permissions >> UInt32(place) & 1 == 1
                && forbidden.sources.touched.contains(UInt32(allowed.source))
            {
                for one in typeSets.members[Int(allowed.source) - 1].numbers
                where forbidden.sources.bits.contains(UInt32(one)) {
                    let own = granted.filter { has($0.source, one) }
                    for other in typeSets.members[Int(allowed.target) - 1].numbers
                    where forbidden.contains(one, other) {
                        let limits = own.filter { has($0.target, other) }
                        guard limits.isEmpty || limits.contains(where: \.isForbidden) else {
                            continue
                        }
                        let className = text(source.classNumbers.names[Int(number) - 1])
                        throw SourceFailure(
                            .neverAllowed,
                            "`\(typeName(one))` may do a forbidden operation on "
                                + "`\(typeName(other)):\(className)`", at: rule.offset)
                    }
                }
            }
        }
    }

    /// A rule that limits operations, and whether it grants what is forbidden.
    private struct Granted {
        let source: UInt16
        let target: UInt16
        let isForbidden: Bool
    }

    private func has(_ number: UInt16, _ type: UInt16) -> Bool {
        typeSets.members[Int(number) - 1].contains(UInt32(type))
    }

    func names(_ permissions: UInt32, _ objectClass: UInt16) -> String {
        let holder = source.classes[Int(objectClass) - 1]
        let all = (holder.common.map { source.commons[$0].own } ?? []) + holder.own
        return all.indices.filter { permissions >> UInt32($0) & 1 == 1 }
            .map { text(all[$0]) }.joined(separator: " ")
    }
}

extension PolicyFile.OperationSet {
    /// Returns whether an operation of the set is marked.
    fileprivate func meets(_ marked: [Bool]) -> Bool {
        let words = [first, second, third, fourth]
        for number in 0..<256 where words[number >> 6] >> UInt64(number & 63) & 1 == 1 {
            let begin = form == 2 ? number << 8 : Int(driver) << 8 | number
            if marked[begin..<(form == 2 ? begin + 256 : begin + 1)].contains(true) { return true }
        }
        return false
    }
}
