import PolicyDatabase
import SecurityLattice

extension PolicyWriter {
    /// Writes rules in rising order of their keys.
    mutating func writeRules(
        _ rules: [PolicyDatabaseModel.AccessRuleKey: UInt32], enabled: Bool
    ) throws(PolicyWriterError) {
        write32(UInt32(rules.count))
        let sorted = rules.sorted { $0.key.order < $1.key.order }
        for (key, data) in sorted {
            guard let source = UInt16(exactly: key.source),
                let target = UInt16(exactly: key.target),
                let objectClass = UInt16(exactly: key.objectClass)
            else { throw .numberOutOfRange }
            write16(source)
            write16(target)
            write16(objectClass)
            write16(key.kind.rawValue | (enabled ? 0x8000 : 0))
            write32(data)
        }
    }

    mutating func writeConditionals(
        _ model: PolicyDatabaseModel
    ) throws(PolicyWriterError) {
        write32(UInt32(model.conditionals.count))
        for conditional in model.conditionals {
            let state = conditional.expression.value(model.booleans)
            var terms: [(UInt32, UInt32)] = []
            guard conditional.expression.appendPostfix(to: &terms) <= 10 else {
                throw .expressionTooDeep
            }
            write32(state ? 1 : 0, UInt32(terms.count))
            for (kind, number) in terms { write32(kind, number) }
            try writeRules(conditional.whenTrue, enabled: state)
            try writeRules(conditional.whenFalse, enabled: !state)
        }
    }

    mutating func writeRoleRules(_ model: PolicyDatabaseModel) {
        write32(UInt32(model.roleTransitions.count))
        for rule in model.roleTransitions {
            write32(rule.role, rule.type, rule.newRole)
            if version >= 26 { write32(rule.objectClass) }
        }
        write32(UInt32(model.roleAllows.count))
        for rule in model.roleAllows { write32(rule.role, rule.newRole) }
    }

    mutating func writeObjectContexts(
        _ model: PolicyDatabaseModel
    ) throws(PolicyWriterError) {
        write32(UInt32(model.initialContexts.count))
        for (sid, context) in model.initialContexts.sorted(by: { $0.key < $1.key }) {
            write32(sid)
            write(context)
        }
        for index in 1..<(version >= 30 ? 6 : 5) {
            let entries = model.deviceContexts.filter { $0.device.tableIndex == index }
            write32(UInt32(entries.count))
            for entry in entries {
                try write(entry.device)
                write(entry.context)
            }
        }
        guard version >= 30 || !model.deviceContexts.contains(where: { $0.device.tableIndex == 5 })
        else { throw .deviceNeedsVersion30 }
    }

    private mutating func write(
        _ device: PolicyDatabaseModel.Device
    ) throws(PolicyWriterError) {
        switch device {
        case .interrupt(let number), .pci(let number): write32(number)
        case .ports(let first, let last): write32(first, last)
        case .frames(let first, let last) where version >= 30:
            write64(first)
            write64(last)
        case .frames(let first, let last):
            guard let first = UInt32(exactly: first), let last = UInt32(exactly: last) else {
                throw .deviceNeedsVersion30
            }
            write32(first, last)
        case .deviceTree(let path):
            write32(try length(of: path))
            writeText(path)
        }
    }

    mutating func writeRangeTransitions(
        _ rules: [PolicyDatabaseModel.RangeTransitionKey: SecurityRange]
    ) {
        write32(UInt32(rules.count))
        let sorted = rules.sorted {
            ($0.key.source, $0.key.target, $0.key.objectClass)
                < ($1.key.source, $1.key.target, $1.key.objectClass)
        }
        for (key, range) in sorted {
            write32(key.source, key.target, key.objectClass)
            write(range)
        }
    }

    mutating func write(
        _ constraint: PolicyDatabaseModel.Constraint
    ) throws(PolicyWriterError) {
        var terms: [PolicyDatabaseModel.ConstraintExpression] = []
        guard constraint.expression.appendPostfix(to: &terms) <= 5 else {
            throw .expressionTooDeep
        }
        write32(constraint.permissions, UInt32(terms.count))
        for term in terms {
            switch term {
            case .not: write32(1, 0, 0)
            case .and: write32(2, 0, 0)
            case .or: write32(3, 0, 0)
            case .users(let comparison): write32(4, 1, comparison.rawValue)
            case .roles(let comparison): write32(4, 2, comparison.rawValue)
            case .types(let comparison): write32(4, 4, comparison.rawValue)
            case .levels(let pair, let comparison):
                write32(4, pair.rawValue, comparison.rawValue)
            case .names(let place, let numbers, let comparison):
                write32(5, place.rawValue, comparison.rawValue)
                writeBitmap(numbers)
                if version >= 29 {
                    // The types as a source said them; no flags.
                    writeBitmap(place.namesTypes ? numbers : [])
                    writeBitmap([])
                    write32(0)
                }
            }
        }
    }
}

extension PolicyDatabaseModel.ConstraintExpression {
    /// Appends the terms in postfix order and returns the depth of the stack that they need.
    ///
    /// NOTE: recursion on the host, over an expression that the compiler itself built.
    fileprivate func appendPostfix(to terms: inout [Self]) -> Int {
        switch self {
        case .not(let one):
            let depth = one.appendPostfix(to: &terms)
            terms.append(self)
            return depth
        case .and(let one, let other), .or(let one, let other):
            let first = one.appendPostfix(to: &terms)
            let second = other.appendPostfix(to: &terms)
            terms.append(self)
            return max(first, second + 1)
        default:
            terms.append(self)
            return 1
        }
    }
}

extension PolicyDatabaseModel.BooleanExpression {
    /// Returns the value at the Booleans' states; unknown Booleans are false.
    fileprivate func value(_ booleans: [PolicyDatabaseModel.Boolean]) -> Bool {
        switch self {
        case .boolean(let number):
            return number >= 1 && number <= booleans.count && booleans[Int(number) - 1].state
        case .not(let one): return !one.value(booleans)
        case .or(let one, let other): return one.value(booleans) || other.value(booleans)
        case .and(let one, let other): return one.value(booleans) && other.value(booleans)
        case .exclusiveOr(let one, let other):
            return one.value(booleans) != other.value(booleans)
        }
    }

    /// Appends kind and Boolean of each term in postfix order; returns the depth needed.
    fileprivate func appendPostfix(to terms: inout [(UInt32, UInt32)]) -> Int {
        let parts: (UInt32, Self, Self)
        switch self {
        case .boolean(let number):
            terms.append((1, number))
            return 1
        case .not(let one):
            let depth = one.appendPostfix(to: &terms)
            terms.append((2, 0))
            return depth
        case .or(let one, let other): parts = (3, one, other)
        case .and(let one, let other): parts = (4, one, other)
        case .exclusiveOr(let one, let other): parts = (5, one, other)
        }
        let first = parts.1.appendPostfix(to: &terms)
        let second = parts.2.appendPostfix(to: &terms)
        terms.append((parts.0, 0))
        return max(first, second + 1)
    }
}
