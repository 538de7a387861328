/// The most access rules that are searched for duplicates one against one. Rules in strictly rising
/// order, as our compiler writes them, need no search and have no limit but the file's size.
private let maximumUnorderedRules = 8192

extension PolicyDatabase {
    func validateAccessRules() throws(PolicyDatabaseError) {
        let table = layout.accessRules
        var rules = cursor(at: table)
        var isOrdered = true
        var previous: UInt64 = 0
        for _ in 0..<table.count {
            let rule = try rules.readAccessRule()
            try validate(rule, isConditional: false)
            isOrdered = isOrdered && rule.key > previous
            previous = rule.key
        }
        guard !isOrdered else { return }
        guard table.count <= maximumUnorderedRules else { throw .tooManyUnorderedRules }
        try refuseDuplicates(in: table)
    }

    private func refuseDuplicates(in table: Table) throws(PolicyDatabaseError) {
        for position in 1..<max(1, table.count) {
            let key = key(at: table.offset + position * AccessRule.size)
            for earlier in 0..<position
            where self.key(at: table.offset + earlier * AccessRule.size) == key {
                throw .duplicateAccessRule
            }
        }
    }

    private func key(at offset: Int) -> UInt64 {
        UInt64(bytes.littleEndian32(at: offset)) << 32
            | UInt64(bytes.littleEndian32(at: offset + 4))
    }

    private func validate(
        _ rule: AccessRule, isConditional: Bool
    ) throws(PolicyDatabaseError) {
        guard isType(rule.source), isType(rule.target), isClass(rule.objectClass) else {
            throw .badAccessRule
        }
        let kind = isConditional ? rule.specified & ~AccessRule.enabled : rule.specified
        switch kind {
        case AccessRule.allowed, AccessRule.auditAllowed, AccessRule.auditDenied: return
        case AccessRule.transition, AccessRule.member, AccessRule.change:
            // NOTE: Xen takes conditional type rules; which of two then wins depends on the order
            // of its hash table, so none is taken here.
            guard !isConditional, isType(rule.data) else { throw .badAccessRule }
        default: throw .badAccessRule
        }
    }

    // MARK: Conditionals

    /// Checks conditionals; rules are enabled exactly where the Booleans' states say so.
    func validateConditionals() throws(PolicyDatabaseError) {
        var nodes = cursor(at: layout.conditionals)
        for _ in 0..<layout.conditionals.count {
            let node = try nodes.readConditional()
            let value = try evaluate(node.expression)
            guard node.state == (value ? 1 : 0) else { throw .badConditional }
            try validate(node.whenTrue, areEnabled: value)
            try validate(node.whenFalse, areEnabled: !value)
        }
    }

    private func validate(
        _ table: Table, areEnabled: Bool
    ) throws(PolicyDatabaseError) {
        var rules = cursor(at: table)
        for _ in 0..<table.count {
            let rule = try rules.readAccessRule()
            try validate(rule, isConditional: true)
            guard (rule.specified & AccessRule.enabled != 0) == areEnabled else {
                throw .badConditional
            }
        }
    }

    /// Evaluates a conditional's expression, in postfix, at the Booleans' states in the file.
    ///
    /// - Source: Xen `cond_evaluate_expr()`, `COND_EXPR_MAXDEPTH` 10.
    private func evaluate(_ expression: Table) throws(PolicyDatabaseError) -> Bool {
        var terms = cursor(at: expression)
        var stack = BitStack(capacity: 10)
        for _ in 0..<expression.count {
            let kind = try terms.readUInt32()
            let number = try terms.readUInt32()
            var isFine = true
            switch kind {
            case 1:
                guard let boolean = try boolean(number) else { throw .badConditional }
                isFine = stack.push(boolean.state)
            case 2: isFine = stack.negate()
            case 3: isFine = stack.combine { $0 || $1 }
            case 4: isFine = stack.combine { $0 && $1 }
            case 5, 7: isFine = stack.combine { $0 != $1 }
            case 6: isFine = stack.combine { $0 == $1 }
            default: isFine = false
            }
            guard isFine else { throw .badConditional }
        }
        guard let result = stack.result else { throw .badConditional }
        return result
    }

    // MARK: Roles, object contexts, range transitions

    func validateRoleRules() throws(PolicyDatabaseError) {
        var transitions = cursor(at: layout.roleTransitions)
        for _ in 0..<layout.roleTransitions.count {
            let role = try transitions.readUInt32()
            let type = try transitions.readUInt32()
            let newRole = try transitions.readUInt32()
            guard isRole(role), isType(type), isRole(newRole) else { throw .badRoleRule }
            if layout.roleTransitionSize == 16 {
                guard isClass(try transitions.readUInt32()) else { throw .badRoleRule }
            }
        }
        var allows = cursor(at: layout.roleAllows)
        for _ in 0..<layout.roleAllows.count {
            let role = try allows.readUInt32()
            let newRole = try allows.readUInt32()
            guard isRole(role), isRole(newRole) else { throw .badRoleRule }
        }
    }

    func validateObjectContexts() throws(PolicyDatabaseError) {
        try validateInitialSIDs()
        for kind in 1..<layout.objectContextKinds {
            let table = layout.objectContexts[kind]
            var contexts = cursor(at: table)
            for _ in 0..<table.count {
                let (first, last) = try contexts.readObjectKey(kind, version: version)
                guard first <= last else { throw .badObjectContext }
                guard try isValidContext(try contexts.readContext()) else { throw .badContext }
            }
        }
    }

    private func validateInitialSIDs() throws(PolicyDatabaseError) {
        let table = layout.objectContexts[0]
        var seen: UInt32 = 0
        var contexts = cursor(at: table)
        for _ in 0..<table.count {
            guard let sid = InitialSID(rawValue: try contexts.readUInt32()),
                seen >> sid.rawValue & 1 == 0
            else { throw .badInitialSID }
            seen |= 1 << sid.rawValue
            guard try isValidContext(try contexts.readContext()) else { throw .badContext }
        }
        guard seen >> InitialSID.xen.rawValue & 1 == 1 else { throw .badInitialSID }
    }

    func validateRangeTransitions() throws(PolicyDatabaseError) {
        var transitions = cursor(at: layout.rangeTransitions)
        for _ in 0..<layout.rangeTransitions.count {
            let source = try transitions.readUInt32()
            let target = try transitions.readUInt32()
            let objectClass = try transitions.readUInt32()
            guard isType(source), isType(target), isClass(objectClass) else {
                throw .badRangeTransition
            }
            guard try isValid(try transitions.readRange()) else { throw .badLevel }
        }
    }
}

extension AccessRule {
    /// Source, target, class and kind, in the order of the file's bytes.
    fileprivate var key: UInt64 {
        UInt64(source | target << 16) << 32 | UInt64(objectClass | specified << 16)
    }
}

/// A stack of at most 32 truth values, for postfix expressions.
struct BitStack {
    private var bits: UInt32 = 0
    private(set) var depth = 0
    private let capacity: Int

    init(capacity: Int) { self.capacity = min(capacity, 32) }

    /// The one value left; nil when there is not exactly one.
    var result: Bool? { depth == 1 ? bits & 1 != 0 : nil }

    /// Returns false when the stack is full.
    mutating func push(_ value: Bool) -> Bool {
        guard depth < capacity else { return false }
        bits = bits << 1 | (value ? 1 : 0)
        depth += 1
        return true
    }

    /// Returns false when the stack is empty.
    mutating func negate() -> Bool {
        guard depth >= 1 else { return false }
        bits ^= 1
        return true
    }

    /// Replaces the last two values by one; returns false when there are fewer.
    mutating func combine(_ operation: (Bool, Bool) -> Bool) -> Bool {
        guard depth >= 2 else { return false }
        let value = operation(bits & 2 != 0, bits & 1 != 0)
        bits = (bits >> 2) << 1 | (value ? 1 : 0)
        depth -= 1
        return true
    }
}
