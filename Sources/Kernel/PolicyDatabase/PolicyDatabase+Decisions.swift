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

    /// Whether a rule asks for granted accesses to be recorded.
    public var hasAuditAllowRules: Bool {
        var rules = AccessRuleReader(self, AccessRule.auditAllowed, ignoring: AccessRule.enabled)
        return rules.next() != nil
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

    /// The role of what one of a role makes by executing a type: that of a role transition, or the
    /// same.
    package func transitionRole(
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
