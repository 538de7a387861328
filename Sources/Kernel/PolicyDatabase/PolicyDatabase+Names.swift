extension PolicyDatabase {
    /// Calls `body` with the names of a label's user, role and type, in this order. Numbers differ
    /// from policy to policy; names are what people mean.
    ///
    /// - Returns: false when the policy has no such user, role or type; `body` may have been
    ///   called.
    /// - Complexity: linear in the symbol tables.
    public func withNames(
        of context: SecurityContext, _ body: (Span<UInt8>) -> Void
    ) -> Bool {
        do throws(PolicyDatabaseError) {
            guard let user = try user(context.user), let role = try role(context.role),
                let type = try type(context.type)
            else { return false }
            body(name(user.name))
            body(name(role.name))
            body(name(type.name))
            return true
        } catch {
            return false
        }
    }
}
