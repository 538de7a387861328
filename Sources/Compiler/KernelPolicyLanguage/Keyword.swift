/// The words that the kernel policy language keeps for itself.
///
/// A `NameTable` that is filled with them first gives each the number of its case, so a name is a
/// keyword when its index is below their count. They are written small, or all in capitals.
///
/// - Source: SELinux Notebook, "Kernel Policy Language"; checkpolicy 3.4.
enum Keyword: String, CaseIterable {
    // Classes.
    case `class`, common, inherits, sid
    // Defaults.
    case default_user, default_role, default_type, default_range
    case source, target, low, high, glblub
    // Levels.
    case sensitivity, dominance, category, level, range, alias
    // Types and roles.
    case attribute, attribute_role, expandattribute, type, `typealias`, typeattribute, typebounds
    case types, roles, role, roleattribute, user, permissive, policycap, module, require
    // Booleans.
    case bool, tunable, `true`, `false`, `if`, `else`, optional
    // Rules.
    case allow, auditallow, auditdeny, dontaudit, neverallow
    case allowxperm, auditallowxperm, dontauditxperm, neverallowxperm
    case type_transition, type_member, type_change, range_transition, role_transition
    case `self`
    // Constraints and their words.
    case constrain, validatetrans, mlsconstrain, mlsvalidatetrans
    case not, and, or, xor, eq, neq, dom, domby, incomp
    case u1, u2, u3, r1, r2, r3, t1, t2, t3, l1, l2, h1, h2
    // Contexts.
    case fscon, fs_use_xattr, fs_use_task, fs_use_trans, genfscon
    case portcon, netifcon, nodecon, ibpkeycon, ibendportcon
    case pirqcon, iomemcon, ioportcon, pcidevicecon, devicetreecon

    /// All keywords by their number.
    static let all = Array(allCases)

    /// Returns names whose first are the keywords, and behind them their forms in capitals, in the
    /// same order.
    static func names() -> NameTable {
        var names = NameTable()
        for keyword in all { _ = names.name(keyword.rawValue) }
        for keyword in all { _ = names.name(capitals(keyword.rawValue)) }
        return names
    }

    private static func capitals(_ word: String) -> String {
        String(decoding: word.utf8.map { (97...122).contains($0) ? $0 - 32 : $0 }, as: UTF8.self)
    }
}
