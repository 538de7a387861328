extension StatementReader {
    /// Reads the rest of a rule.
    ///
    /// - Returns: false if the keyword begins none.
    mutating func accessRule(
        _ keyword: Keyword, _ offset: Int
    ) throws(SourceFailure) -> Bool {
        switch keyword {
        case .allow: try vectorRule(.allow, offset)
        case .auditallow: try vectorRule(.auditAllow, offset)
        case .auditdeny: try vectorRule(.auditDeny, offset)
        case .dontaudit: try vectorRule(.doNotAudit, offset)
        case .neverallow: try vectorRule(.neverAllow, offset)
        case .allowxperm: try extendedRule(.allow, offset)
        case .auditallowxperm: try extendedRule(.auditAllow, offset)
        case .dontauditxperm: try extendedRule(.doNotAudit, offset)
        case .neverallowxperm: try extendedRule(.neverAllow, offset)
        case .type_transition: try typeRule(.transition, offset)
        case .type_member: try typeRule(.member, offset)
        case .type_change: try typeRule(.change, offset)
        case .role_transition: try roleTransition(offset)
        case .range_transition: try rangeTransition(offset)
        default: return false
        }
        return true
    }

    private mutating func vectorRule(
        _ kind: Rule.Kind, _ offset: Int
    ) throws(SourceFailure) {
        let isNever = kind == .neverAllow
        let source = try types(mayBeWhole: isNever)
        let target = try types(mayBeWhole: isNever)
        if kind == .allow, takeIf(";") {
            guard branch < 0 else { throw failure("roles cannot be allowed in a conditional") }
            return policy.roleAllows.append((source, target, block))
        }
        try take(":")
        let classes = try set("classes")
        let permissions = try set("permissions")
        try take(";")
        policy.rules.append(
            Rule(
                source: source, target: target, classes: classes, permissions: permissions,
                offset: UInt32(truncatingIfNeeded: offset), block: block, branch: branch,
                kind: kind))
    }

    private mutating func typeRule(_ kind: Rule.Kind, _ offset: Int) throws(SourceFailure) {
        let source = try types()
        let target = try types()
        try take(":")
        let classes = try set("classes")
        let place = token.range.lowerBound
        let type = try name("a type")
        if token.kind == .text {
            guard kind == .transition, branch < 0 else {
                throw failure("a file's name can stand only in a `type_transition` by itself")
            }
            let fileName = text(token.range)
            advance()
            try take(";")
            return policy.namedTransitions.append(
                NamedTransition(
                    source: source, target: target, classes: classes, type: type,
                    fileName: fileName, offset: offset, block: block))
        }
        try take(";")
        let result = policy.sets.set(of: type, at: place)
        policy.rules.append(
            Rule(
                source: source, target: target, classes: classes, permissions: result,
                offset: UInt32(truncatingIfNeeded: offset), block: block, branch: branch,
                kind: kind))
    }

    private mutating func extendedRule(
        _ kind: ExtendedRule.Kind, _ offset: Int
    ) throws(SourceFailure) {
        let source = try types(mayBeWhole: kind == .neverAllow)
        let target = try types(mayBeWhole: kind == .neverAllow)
        try take(":")
        let classes = try set("classes")
        let place = token.range.lowerBound
        guard text(try name("`ioctl`")) == "ioctl" else {
            throw SourceFailure(.syntax, "only the operations of `ioctl` are known", at: place)
        }
        let isComplement = takeIf("~")
        var operations: [ClosedRange<UInt16>] = []
        if takeIf("{") {
            while !takeIf("}") { operations.append(try operation()) }
        } else {
            operations.append(try operation(mayBeRange: false))
        }
        try take(";")
        guard !operations.isEmpty else {
            throw SourceFailure(.syntax, "the set of operations is empty", at: place)
        }
        policy.extendedRules.append(
            ExtendedRule(
                kind: kind, source: source, target: target, classes: classes,
                operations: operations, isComplement: isComplement, offset: offset, block: block,
                branch: branch))
    }

    /// Reads an operation, or a range of them, which stands only in braces.
    private mutating func operation(
        mayBeRange: Bool = true
    ) throws(SourceFailure) -> ClosedRange<UInt16> {
        let offset = token.range.lowerBound
        let first = try number()
        let last = mayBeRange && takeIf("-") ? try number() : first
        // What is above the low 16 bits is the size and direction, and is not compared.
        guard let low = UInt16(exactly: first & 0xffff), let high = UInt16(exactly: last & 0xffff),
            first <= UInt32.max, last <= UInt32.max, low <= high
        else { throw SourceFailure(.badRange, "the operations are no range", at: offset) }
        return low...high
    }

    private mutating func roleTransition(_ offset: Int) throws(SourceFailure) {
        let roles = try set("roles")
        let types = try types()
        let classes = takeIf(":") ? try set("classes") : nil
        let role = try name("a role")
        try take(";")
        policy.roleTransitions.append(
            RoleTransition(
                roles: roles, types: types, classes: classes, role: role, offset: offset,
                block: block)
        )
    }

    private mutating func rangeTransition(_ offset: Int) throws(SourceFailure) {
        let source = try types()
        let target = try types()
        let classes = takeIf(":") ? try set("classes") : nil
        let range = try range()
        try take(";")
        policy.rangeTransitions.append(
            RangeTransition(
                source: source, target: target, classes: classes, range: range, offset: offset,
                block: block))
    }

    // MARK: Constraints

    mutating func constraint(hasPermissions: Bool, _ offset: Int) throws(SourceFailure) {
        let classes = try set("classes")
        let permissions = hasPermissions ? try set("permissions") : nil
        var terms: [ConstraintTermText] = []
        try expression { (reader) throws(SourceFailure) in
            terms.append(try reader.comparison(isTransition: !hasPermissions))
        } join: { found in
            let kind: UInt32? =
                switch found {
                case .not: 1
                case .and: 2
                case .or: 3
                default: nil
                }
            guard let kind else { return false }
            terms.append(ConstraintTermText(kind: kind))
            return true
        }
        try take(";")
        policy.constraints.append(
            Constraint(classes: classes, permissions: permissions, terms: terms, offset: offset))
    }

    private func comparisonNumber() -> UInt32? {
        switch keyword {
        case .eq: 1
        case .neq: 2
        case .dom: 3
        case .domby: 4
        case .incomp: 5
        default: nil
        }
    }

    /// What stands left of a comparison: its number, and what may stand right of it instead of
    /// names, with the number that both together have.
    private func leftSide() -> (names: UInt32?, pairs: [(Keyword, UInt32)], mayDominate: Bool)? {
        switch keyword {
        case .u1: (1, [(.u2, 1)], false)
        case .r1: (2, [(.r2, 2)], true)
        case .t1: (4, [(.t2, 4)], false)
        case .u2: (9, [], false)
        case .r2: (10, [], false)
        case .t2: (12, [], false)
        case .u3: (17, [], false)
        case .r3: (18, [], false)
        case .t3: (20, [], false)
        case .l1: (nil, [(.l2, 32), (.h2, 64), (.h1, 512)], true)
        case .h1: (nil, [(.l2, 128), (.h2, 256)], true)
        case .l2: (nil, [(.h2, 1024)], true)
        default: nil
        }
    }

    private mutating func comparison(
        isTransition: Bool
    ) throws(SourceFailure) -> ConstraintTermText {
        guard let side = leftSide(), isTransition || ![17, 18, 20].contains(side.names) else {
            throw expected("`u1`, `r1`, `t1`, `l1` or the like")
        }
        advance()
        guard let comparison = comparisonNumber(), comparison <= 2 || side.mayDominate else {
            throw expected("a comparison")
        }
        advance()
        if let right = keyword, let pair = side.pairs.first(where: { $0.0 == right }) {
            advance()
            return ConstraintTermText(kind: 4, attribute: pair.1, comparison: comparison)
        }
        guard let attribute = side.names, comparison <= 2 else {
            throw expected("what it can be compared with")
        }
        return ConstraintTermText(
            kind: 5, attribute: attribute, comparison: comparison, names: try types())
    }
}
