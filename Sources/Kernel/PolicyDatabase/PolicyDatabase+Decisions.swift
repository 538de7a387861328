import SecurityLattice

/// A label that was found valid in one policy, with what decisions need of it.
public struct PreparedContext: Sendable, BitwiseCopyable {
    /// The label.
    public let context: SecurityContext
    let attributes: Bitmap
}

extension PolicyDatabase {
    /// Returns whether user, role, type and levels of a context go together in this policy.
    ///
    /// - Complexity: linear in the symbol tables.
    public func isValid(_ context: SecurityContext) -> Bool {
        (try? isValidContext(context)) ?? false
    }

    /// Prepares a label for decisions; nil when it is not valid.
    ///
    /// - Complexity: linear in the symbol tables.
    public func prepare(_ context: SecurityContext) -> PreparedContext? {
        guard isValid(context), let attributes = try? attributes(ofType: context.type) else {
            return nil
        }
        return PreparedContext(context: context, attributes: attributes)
    }

    /// Returns the context of an initial SID; nil when the policy gives it none.
    public func context(of sid: InitialSID) -> SecurityContext? {
        do throws(PolicyDatabaseError) {
            let table = layout.objectContexts[0]
            var contexts = cursor(at: table)
            for _ in 0..<table.count {
                let number = try contexts.readUInt32()
                let context = try contexts.readContext()
                if number == sid.rawValue { return context }
            }
        } catch {}
        return nil
    }

    /// Whether a rule asks for granted accesses to be recorded.
    public var hasAuditAllowRules: Bool {
        do throws(PolicyDatabaseError) {
            var rules = cursor(at: layout.accessRules)
            for _ in 0..<layout.accessRules.count {
                if try rules.readAccessRule().specified == AccessRule.auditAllowed { return true }
            }
            var nodes = cursor(at: layout.conditionals)
            for _ in 0..<layout.conditionals.count {
                let node = try nodes.readConditional()
                if try hasAuditAllow(node.whenTrue) { return true }
                if try hasAuditAllow(node.whenFalse) { return true }
            }
        } catch {}
        return false
    }

    private func hasAuditAllow(_ table: Table) throws(PolicyDatabaseError) -> Bool {
        var rules = cursor(at: table)
        for _ in 0..<table.count
        where try rules.readAccessRule().specified & AccessRule.auditAllowed != 0 {
            return true
        }
        return false
    }

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
        guard let preparedSource = prepare(source), let preparedTarget = prepare(target) else {
            return AccessVector(bits: 0)
        }
        let number = UInt32(objectClass.number)
        do throws(PolicyDatabaseError) {
            var allowed = try allowed(
                preparedSource, preparedTarget, number, in: layout.accessRules, AccessRule.allowed)
            var nodes = cursor(at: layout.conditionals)
            let wanted = AccessRule.allowed | AccessRule.enabled
            for _ in 0..<layout.conditionals.count {
                let node = try nodes.readConditional()
                allowed |= try self.allowed(
                    preparedSource, preparedTarget, number, in: node.whenTrue, wanted)
                allowed |= try self.allowed(
                    preparedSource, preparedTarget, number, in: node.whenFalse, wanted)
            }
            let constrained = try constrain(allowed, number, from: source, to: target)
            return AccessVector(bits: try limitRoles(constrained, objectClass, source, target))
        } catch {
            return AccessVector(bits: 0)
        }
    }

    private func allowed(
        _ source: PreparedContext, _ target: PreparedContext, _ objectClass: UInt32,
        in table: Table, _ specified: UInt32
    ) throws(PolicyDatabaseError) -> UInt32 {
        var allowed: UInt32 = 0
        var rules = cursor(at: table)
        for _ in 0..<table.count {
            let rule = try rules.readAccessRule()
            if rule.specified == specified, rule.objectClass == objectClass,
                bytes.contains(rule.source, in: source.attributes),
                bytes.contains(rule.target, in: target.attributes)
            {
                allowed |= rule.data
            }
        }
        return allowed
    }

    /// Removes `domain transition` between roles that no role allow rule joins.
    func limitRoles(
        _ allowed: UInt32, _ objectClass: ObjectClass, _ source: SecurityContext,
        _ target: SecurityContext
    ) throws(PolicyDatabaseError) -> UInt32 {
        let transition = DomainPermission.transition
        guard objectClass == .domain, allowed & transition.mask != 0, source.role != target.role
        else { return allowed }
        var rules = cursor(at: layout.roleAllows)
        for _ in 0..<layout.roleAllows.count {
            let role = try rules.readUInt32()
            let newRole = try rules.readUInt32()
            if role == source.role, newRole == target.role { return allowed }
        }
        return allowed & ~transition.mask
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
        do throws(PolicyDatabaseError) {
            try accumulate(
                source, targets, in: layout.accessRules, AccessRule.allowed, into: &row)
            var nodes = cursor(at: layout.conditionals)
            let wanted = AccessRule.allowed | AccessRule.enabled
            for _ in 0..<layout.conditionals.count {
                let node = try nodes.readConditional()
                try accumulate(source, targets, in: node.whenTrue, wanted, into: &row)
                try accumulate(source, targets, in: node.whenFalse, wanted, into: &row)
            }
            try constrainRow(source.context, targets, &row)
            return true
        } catch {
            for index in 0..<row.count { row[index] = 0 }
            return false
        }
    }

    private func accumulate(
        _ source: PreparedContext, _ targets: Span<PreparedContext>, in table: Table,
        _ specified: UInt32, into row: inout MutableSpan<UInt32>
    ) throws(PolicyDatabaseError) {
        var rules = cursor(at: table)
        for _ in 0..<table.count {
            let rule = try rules.readAccessRule()
            guard rule.specified == specified,
                bytes.contains(rule.source, in: source.attributes)
            else { continue }
            for index in targets.indices
            where bytes.contains(rule.target, in: targets[index].attributes) {
                row[index * PolicyDatabase.rowStride + Int(rule.objectClass)] |= rule.data
            }
        }
    }

    private func constrainRow(
        _ source: SecurityContext, _ targets: Span<PreparedContext>,
        _ row: inout MutableSpan<UInt32>
    ) throws(PolicyDatabaseError) {
        for index in targets.indices {
            let target = targets[index].context
            for number in 1...ObjectClass.count {
                let position = index * PolicyDatabase.rowStride + number
                guard row[position] != 0, let objectClass = ObjectClass(number: number) else {
                    continue
                }
                let constrained = try constrain(
                    row[position], UInt32(number), from: source, to: target)
                row[position] = try limitRoles(constrained, objectClass, source, target)
            }
        }
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
            let number = UInt32(objectClass.number)
            let type = try transitionType(source.type, target.type, number)
            let ranged = try transitionRange(source.type, target.type, number)
            let context = SecurityContext(
                user: source.user,
                role: isDomain ? try transitionRole(source.role, target.type) : objectRole,
                type: type ?? (isDomain ? source.type : target.type),
                range: ranged
                    ?? (isDomain ? source.range : SecurityRange(source.range.low)))
            return isValid(context) ? context : nil
        } catch {
            return nil
        }
    }

    private func transitionType(
        _ source: UInt32, _ target: UInt32, _ objectClass: UInt32
    ) throws(PolicyDatabaseError) -> UInt32? {
        var rules = cursor(at: layout.accessRules)
        for _ in 0..<layout.accessRules.count {
            let rule = try rules.readAccessRule()
            if rule.specified == AccessRule.transition, rule.source == source,
                rule.target == target, rule.objectClass == objectClass
            {
                return rule.data
            }
        }
        return nil
    }

    private func transitionRange(
        _ source: UInt32, _ target: UInt32, _ objectClass: UInt32
    ) throws(PolicyDatabaseError) -> SecurityRange? {
        var transitions = cursor(at: layout.rangeTransitions)
        for _ in 0..<layout.rangeTransitions.count {
            let ruleSource = try transitions.readUInt32()
            let ruleTarget = try transitions.readUInt32()
            let ruleClass = try transitions.readUInt32()
            let range = try transitions.readRange()
            if ruleSource == source, ruleTarget == target, ruleClass == objectClass {
                return range
            }
        }
        return nil
    }

    private func transitionRole(
        _ role: UInt32, _ type: UInt32
    ) throws(PolicyDatabaseError) -> UInt32 {
        var transitions = cursor(at: layout.roleTransitions)
        for _ in 0..<layout.roleTransitions.count {
            let ruleRole = try transitions.readUInt32()
            let ruleType = try transitions.readUInt32()
            let newRole = try transitions.readUInt32()
            if layout.roleTransitionSize == 16 { try transitions.skip(4) }
            if ruleRole == role, ruleType == type { return newRole }
        }
        return role
    }
}
