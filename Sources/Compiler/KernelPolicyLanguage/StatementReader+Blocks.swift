extension StatementReader {
    /// Reads an expression with operators between operands, in postfix order.
    ///
    /// `==` and `!=` between operands bind most, then `not`, `and`, `xor`, `or`.
    /// - Parameters:
    ///   - operand: reads one operand.
    ///   - join: takes an operator whose operands are complete; false if there is no such operator.
    mutating func expression(
        _ operand: (inout StatementReader) throws(SourceFailure) -> Void,
        join: (Keyword) -> Bool
    ) throws(SourceFailure) {
        /// Operators, and nil for an open parenthesis.
        var pending: [Keyword?] = []
        var isOperandNext = true
        var depth = 0
        while true {
            guard pending.count <= 4 * StatementReader.mostNesting else {
                throw SourceFailure(
                    .limit, "the expression is nested too deeply", at: token.range.lowerBound)
            }
            if isOperandNext {
                if takeIf("(") {
                    pending.append(nil)
                    depth += 1
                } else if takeIf(.not) {
                    pending.append(.not)
                } else {
                    try operand(&self)
                    isOperandNext = false
                }
            } else if depth > 0, takeIf(")") {
                depth -= 1
                while let top = pending.popLast(), let found = top { try check(join(found)) }
            } else if let found = keyword, let strength = StatementReader.strength(of: found) {
                advance()
                while let top = pending.last, let other = top,
                    StatementReader.strength(of: other) ?? 4 >= strength
                {
                    pending.removeLast()
                    try check(join(other))
                }
                pending.append(found)
                isOperandNext = true
            } else {
                break
            }
        }
        guard depth == 0 else { throw expected("an operator or `)`") }
        while let top = pending.popLast(), let found = top { try check(join(found)) }
    }

    private func check(_ isKnown: Bool) throws(SourceFailure) {
        guard isKnown else { throw failure("the expression has an operator that it cannot have") }
    }

    /// How strongly an operator between operands binds; nil for `not` and other words.
    private static func strength(of keyword: Keyword) -> Int? {
        switch keyword {
        case .or: 1
        case .xor: 2
        case .and: 3
        case .eq, .neq: 5
        default: nil
        }
    }

    // MARK: Conditionals

    mutating func conditional(_ offset: Int) throws(SourceFailure) {
        var terms: [(kind: UInt32, boolean: Name?)] = []
        try take("(")
        try expression { (reader) throws(SourceFailure) in
            terms.append((1, try reader.name("a Boolean")))
        } join: { found in
            let kind: UInt32? =
                switch found {
                case .not: 2
                case .or: 3
                case .and: 4
                case .xor: 5
                case .eq: 6
                case .neq: 7
                default: nil
                }
            guard let kind else { return false }
            terms.append((kind, nil))
            return true
        }
        try take(")")
        try take("{")
        openings.append(.conditional(index: policy.conditionals.count, isElse: false))
        branch = Int32(truncatingIfNeeded: policy.conditionals.count * 2)
        policy.conditionals.append(Conditional(terms: terms, offset: offset, block: block))
    }

    // MARK: Optional blocks

    mutating func optional() throws(SourceFailure) {
        try take("{")
        guard openings.count < StatementReader.mostNesting else {
            throw SourceFailure(
                .limit, "blocks are nested too deeply", at: token.range.lowerBound)
        }
        let outer = block
        block = UInt32(truncatingIfNeeded: policy.blocks.count)
        policy.blocks.append(Block(parent: outer, elseOf: nil))
        openings.append(.optional(block: block, isElse: false, outer: outer))
    }

    /// Closes what was opened last, and opens its `else`.
    mutating func close() throws(SourceFailure) {
        guard let opening = openings.popLast() else { throw expected("a statement") }
        advance()
        switch opening {
        case .conditional(let index, let isElse):
            branch = -1
            guard !isElse, takeIf(.else) else { return }
            try take("{")
            openings.append(.conditional(index: index, isElse: true))
            branch = Int32(truncatingIfNeeded: index * 2 + 1)
        case .optional(let closed, let isElse, let outer):
            block = outer
            guard !isElse, takeIf(.else) else { return }
            try take("{")
            block = UInt32(truncatingIfNeeded: policy.blocks.count)
            policy.blocks.append(Block(parent: outer, elseOf: closed))
            openings.append(.optional(block: block, isElse: true, outer: outer))
        }
    }

    mutating func require() throws(SourceFailure) {
        try take("{")
        while !takeIf("}") {
            let kind: Block.Kind
            switch keyword {
            case .type: kind = .type
            case .attribute: kind = .attribute
            case .role: kind = .role
            case .attribute_role: kind = .roleAttribute
            case .user: kind = .user
            case .bool, .tunable: kind = .bool
            case .sensitivity: kind = .sensitivity
            case .category: kind = .category
            case .class:
                advance()
                try requireClass()
                continue
            default: throw expected("what is required, or `}`")
            }
            advance()
            repeat {
                let offset = token.range.lowerBound
                policy.blocks[Int(block)].required.append((kind, try name("a name"), offset))
            } while takeIf(",")
            try take(";")
        }
    }

    private mutating func requireClass() throws(SourceFailure) {
        let name = try name("a class")
        policy.blocks[Int(block)].requiredPermissions.append((name, try set("permissions")))
        try take(";")
    }
}
