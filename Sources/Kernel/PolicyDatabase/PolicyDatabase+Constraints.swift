import SecurityLattice

/// What the terms of constraints may say. Numbers of policies, as libsepol's `constraint.h` and
/// Xen's `ss/constraint.h` give them (`CEXPR_…`).
private enum Term {
    static let not: UInt32 = 1
    static let and: UInt32 = 2
    static let or: UInt32 = 3
    static let attribute: UInt32 = 4
    static let names: UInt32 = 5
}

private enum Attribute {
    static let user: UInt32 = 1
    static let role: UInt32 = 2
    static let type: UInt32 = 4
    static let target: UInt32 = 8

    /// The levels that an attribute compares (`CEXPR_L1L2`, `L1H2`, `H1L2`, `H1H2`, `L1H1`,
    /// `L2H2`); nil when it compares something else.
    static func levels(
        _ attribute: UInt32, _ source: SecurityRange, _ target: SecurityRange
    ) -> (first: SecurityLevel, second: SecurityLevel)? {
        switch attribute {
        case 32: (source.low, target.low)
        case 64: (source.low, target.high)
        case 128: (source.high, target.low)
        case 256: (source.high, target.high)
        case 512: (source.low, source.high)
        case 1024: (target.low, target.high)
        default: nil
        }
    }
}

private enum Comparison {
    static let equal: UInt32 = 1
    static let notEqual: UInt32 = 2
    static let dominates: UInt32 = 3
    static let dominatedBy: UInt32 = 4
    static let incomparable: UInt32 = 5
}

/// The depth of the stack on which Xen evaluates constraints (`CEXPR_MAXDEPTH`).
private let maximumDepth = 5

extension PolicyDatabase {
    func validateConstraints(
        of objectClass: ObjectClass, at table: Table
    ) throws(PolicyDatabaseError) {
        var constraints = cursor(at: table)
        for _ in 0..<table.count {
            let record = try constraints.readConstraint()
            var depth = 0
            for _ in 0..<record.termCount {
                let term = try constraints.readTerm(version: version)
                depth = try depthAfter(term, from: depth)
            }
            guard depth == 1 else { throw .badConstraint }
        }
    }

    private func depthAfter(
        _ term: ConstraintTerm, from depth: Int
    ) throws(PolicyDatabaseError) -> Int {
        switch term.kind {
        case Term.not:
            guard depth >= 1 else { throw .badConstraint }
            return depth
        case Term.and, Term.or:
            guard depth >= 2 else { throw .badConstraint }
            return depth - 1
        case Term.attribute, Term.names:
            guard depth < maximumDepth, isKnown(term) else { throw .badConstraint }
            return depth + 1
        default: throw .badConstraint
        }
    }

    /// Returns whether a term compares what can be compared, in a known way.
    private func isKnown(_ term: ConstraintTerm) -> Bool {
        let isOrder = (Comparison.equal...Comparison.incomparable).contains(term.comparison)
        let isEquality = (Comparison.equal...Comparison.notEqual).contains(term.comparison)
        if term.kind == Term.names {
            let limit: Int
            switch term.attribute & ~Attribute.target {
            case Attribute.user: limit = userCount
            case Attribute.role: limit = roleCount
            case Attribute.type: limit = typeCount
            default: return false
            }
            return isEquality && term.names.bitCount <= UInt32(limit)
        }
        switch term.attribute {
        case Attribute.user, Attribute.type: return isEquality
        case Attribute.role, 32, 64, 128, 256, 512, 1024: return isOrder
        default: return false
        }
    }

    // MARK: Evaluation

    /// Returns `allowed` without the permissions that a constraint of the class forbids.
    ///
    /// - Source: Xen `context_struct_compute_av()`, `constraint_expr_eval()`.
    func constrain(
        _ allowed: UInt32, _ objectClass: UInt32, from source: SecurityContext,
        to target: SecurityContext
    ) throws(PolicyDatabaseError) -> UInt32 {
        guard allowed != 0, isClass(objectClass), objectClass < 16 else { return 0 }
        var remaining = allowed
        let table = layout.constraints[Int(objectClass)]
        var constraints = cursor(at: table)
        for _ in 0..<table.count {
            let constraint = try constraints.readConstraint()
            var stack = BitStack(capacity: maximumDepth)
            var isFine = true
            for _ in 0..<constraint.termCount {
                let term = try constraints.readTerm(version: version)
                switch term.kind {
                case Term.not: isFine = stack.negate() && isFine
                case Term.and: isFine = stack.combine { $0 && $1 } && isFine
                case Term.or: isFine = stack.combine { $0 || $1 } && isFine
                default: isFine = stack.push(try holds(term, source, target)) && isFine
                }
            }
            guard isFine, stack.result == true else {
                remaining &= ~constraint.permissions
                continue
            }
        }
        return remaining
    }

    @inline(never)
    private func holds(
        _ term: ConstraintTerm, _ source: SecurityContext, _ target: SecurityContext
    ) throws(PolicyDatabaseError) -> Bool {
        if term.kind == Term.names { return isNamed(term, source, target) }
        let equal = term.comparison == Comparison.equal
        switch term.attribute {
        case Attribute.user: return (source.user == target.user) == equal
        case Attribute.type: return (source.type == target.type) == equal
        case Attribute.role: return try compareRoles(term.comparison, source.role, target.role)
        default:
            guard let levels = Attribute.levels(term.attribute, source.range, target.range) else {
                return false
            }
            return compare(term.comparison, levels.first, levels.second)
        }
    }

    private func isNamed(
        _ term: ConstraintTerm, _ source: SecurityContext, _ target: SecurityContext
    ) -> Bool {
        let context = term.attribute & Attribute.target != 0 ? target : source
        let number: UInt32
        switch term.attribute & ~Attribute.target {
        case Attribute.user: number = context.user
        case Attribute.role: number = context.role
        default: number = context.type
        }
        return bytes.contains(number, in: term.names) == (term.comparison == Comparison.equal)
    }

    private func compareRoles(
        _ comparison: UInt32, _ first: UInt32, _ second: UInt32
    ) throws(PolicyDatabaseError) -> Bool {
        switch comparison {
        case Comparison.equal: return first == second
        case Comparison.notEqual: return first != second
        default: break
        }
        guard let one = try role(first), let other = try role(second) else { return false }
        let dominates = bytes.contains(second, in: one.dominates)
        let isDominated = bytes.contains(first, in: other.dominates)
        switch comparison {
        case Comparison.dominates: return dominates
        case Comparison.dominatedBy: return isDominated
        default: return !dominates && !isDominated
        }
    }

    private func compare(
        _ comparison: UInt32, _ first: SecurityLevel, _ second: SecurityLevel
    ) -> Bool {
        switch comparison {
        case Comparison.equal: return first == second
        case Comparison.notEqual: return first != second
        case Comparison.dominates: return first.dominates(second)
        case Comparison.dominatedBy: return second.dominates(first)
        default: return first.isIncomparable(to: second)
        }
    }
}
