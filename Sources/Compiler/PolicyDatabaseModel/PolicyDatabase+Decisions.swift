public import PolicyDatabase
import SecurityLattice

/// What a policy decides, computed one question at a time, for the compiler and for tests. The
/// hypervisor tabulates all decisions at once (`ReferenceMonitor`), and is compared with this.
extension PolicyDatabase {
    // MARK: What may be done

    /// Returns what `source` may do to an object of a class labelled `target`.
    ///
    /// It is the union of the allow rules for the types and their attributes, conditional ones at
    /// the Booleans' states in the file, less what constraints forbid.
    ///
    /// - Returns: the empty set also when a label is not valid, or the policy lacks the class.
    /// - Complexity: linear in the rules and the symbol tables: for start-up and tests.
    /// - Source: Xen `context_struct_compute_av()`.
    public func computeAccessVector(
        source: SecurityContext, target: SecurityContext, class objectClass: ObjectClass
    ) -> AccessVector {
        guard let source = prepare(source), let target = prepare(target) else {
            return AccessVector(bits: 0)
        }
        var allowed: UInt32 = 0
        var rules = allowRules
        while let rule = rules.next() {
            if rule.objectClass == UInt16(objectClass.number), belongs(source, to: rule.source),
                belongs(target, to: rule.target)
            {
                allowed |= rule.permissions
            }
        }
        return limit(AccessVector(bits: allowed), objectClass, from: source, to: target)
    }

    /// The number of words that a row has for each target: class *n* stands in word *n*.
    public static var rowStride: Int { 16 }

    /// Computes what `source` may do to every target, for all classes at once.
    ///
    /// - Parameters:
    ///   - targets: the labels; target *t*, class *c* goes to word `rowStride` t + c of `row`.
    ///   - row: overwritten; it has `rowStride` words for each target.
    /// - Returns: false, with an empty row, when `row` has another size.
    /// - Complexity: the rules, times the targets for those rules that name the source.
    public func computeRow(
        source: PreparedContext, targets: Span<PreparedContext>, into row: inout MutableSpan<UInt32>
    ) -> Bool {
        for index in 0..<row.count { row[index] = 0 }
        guard row.count == targets.count * PolicyDatabase.rowStride else { return false }
        var rules = allowRules
        while let rule = rules.next() {
            guard belongs(source, to: rule.source) else { continue }
            for index in targets.indices where belongs(targets[index], to: rule.target) {
                row[index * PolicyDatabase.rowStride + Int(rule.objectClass)] |= rule.permissions
            }
        }
        for position in 0..<row.count where row[position] != 0 {
            guard let objectClass = ObjectClass(number: position % PolicyDatabase.rowStride) else {
                continue
            }
            let target = targets[position / PolicyDatabase.rowStride]
            row[position] =
                limit(AccessVector(bits: row[position]), objectClass, from: source, to: target).bits
        }
        return true
    }

    // MARK: What new objects are labelled

    /// Returns the label of an object of a class that `source` creates in relation to `target`.
    ///
    /// The type is that of a type transition, else the target's (of class `domain`: the source's);
    /// the levels are those of a range transition, else the source's low level (of class `domain`:
    /// the source's range); the user is the source's; the role is `object_r` (of class `domain`:
    /// that of a role transition, else the source's).
    ///
    /// - Returns: nil when that label is not valid.
    /// - Complexity: linear in the rules: for start-up.
    /// - Source: Xen `security_compute_sid()`, `mls_compute_sid()`.
    public func computeTransition(
        source: SecurityContext, target: SecurityContext, class objectClass: ObjectClass
    ) -> SecurityContext? {
        do throws(PolicyDatabaseError) {
            let isDomain = objectClass == .domain
            let type = transitionType(source.type, target.type, objectClass)
            let range = transitionRange(source.type, target.type, objectClass)
            let context = SecurityContext(
                user: source.user,
                role: isDomain ? try transitionRole(source.role, target.type) : objectRole,
                type: type ?? (isDomain ? source.type : target.type),
                range: range ?? (isDomain ? source.range : SecurityRange(source.range.low)))
            return isValid(context) ? context : nil
        } catch {
            return nil
        }
    }

    private func transitionType(
        _ source: UInt32, _ target: UInt32, _ objectClass: ObjectClass
    ) -> UInt32? {
        for index in 0..<accessRuleCount {
            guard let rule = typeTransition(at: index, objectClass) else { continue }
            if rule.source == source, rule.target == target { return rule.result }
        }
        return nil
    }

    private func transitionRange(
        _ source: UInt32, _ target: UInt32, _ objectClass: ObjectClass
    ) -> SecurityRange? {
        var rules = rangeTransitions(objectClass)
        while let rule = rules.next() {
            if rule.source == source, rule.target == target { return rule.result }
        }
        return nil
    }
}
