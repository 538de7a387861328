import KernelPolicyLanguage

/// The words that the language gives a meaning.
///
/// A `NameTable` that is filled with them first gives each the number of its case.
///
/// - Source: SELinux project, "CIL reference guide"; secilc 3.4, and of 3.6 `notself`, `other` and
///   `deny` as a rule.
enum Word: String, CaseIterable {
    // Containers.
    case block, blockabstract, blockinherit, macro, call, `in`, before, after, optional
    case tunable, tunableif, boolean, booleanif, `true`, `false`
    // Operators, and what stands in expressions.
    case and, or, not, xor, eq, neq, all, range, dom, domby, incomp, `self`
    case notself, other
    case star = "*"
    case t1, t2, t3, r1, r2, r3, u1, u2, u3, l1, l2, h1, h2
    // Declarations.
    case type
    case typealias_ = "typealias"
    case typealiasactual, typeattribute, typeattributeset
    case expandtypeattribute, typebounds, typepermissive
    case role, roletype, roleattribute, roleattributeset, roleallow, roletransition, rolebounds
    case user, userrole, userattribute, userattributeset, userlevel, userrange, userbounds
    case userprefix, selinuxuser, selinuxuserdefault
    case common, classcommon, `class`, classorder, unordered, classpermission, classpermissionset
    case classmap, classmapping, permissionx, ioctl
    case sensitivity, sensitivityalias, sensitivityaliasactual, sensitivityorder
    case category, categoryalias, categoryaliasactual, categoryorder, categoryset
    case sensitivitycategory, level, levelrange
    case context, sid, sidorder, sidcontext, policycap, handleunknown, mls
    case defaultuser, defaultrole, defaulttype, defaultrange
    case source, target, low, high
    case lowHigh = "low-high"
    case glblub, deny, reject
    // Rules.
    case allow, auditallow, dontaudit, neverallow, allowx, auditallowx, dontauditx, neverallowx
    case typetransition, typechange, typemember, rangetransition
    case constrain, mlsconstrain, validatetrans, mlsvalidatetrans
    // Labels.
    case filecon, fsuse, genfscon, netifcon, nodecon, portcon, ipaddr, ibpkeycon, ibendportcon
    case pirqcon, iomemcon, ioportcon, pcidevicecon, devicetreecon
    case tcp, udp, dccp, sctp, xattr, task, trans
    case file, dir, char, socket, pipe, symlink, any
    // Kinds of parameters.
    case name, string

    /// All words by their number.
    static let list = Array(allCases)

    /// Returns names whose first are the words.
    static func names() -> NameTable {
        var names = NameTable()
        for word in list { _ = names.name(word.rawValue) }
        return names
    }

    /// The name of a word in such a table.
    var nameIndex: UInt32 { Word.indices[self] ?? 0 }

    private static let indices = Dictionary(
        uniqueKeysWithValues: list.enumerated().map { ($1, UInt32($0)) })
}
