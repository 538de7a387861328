import KernelPolicyLanguage

/// What statements declare names, and which names there may be.
enum Declaration {
    /// The same with options: a tunable that is preserved is a Boolean.
    static func of(
        _ word: Word, _ options: CommonIntermediatePolicy.Options
    ) -> (space: Namespace, kind: Symbol.Kind)? {
        word == .tunable && options.preservesTunables ? (.booleans, .boolean) : of(word)
    }

    /// In which names a statement declares one, and what the name stands for; nil for other
    /// statements.
    static func of(_ word: Word) -> (space: Namespace, kind: Symbol.Kind)? {
        switch word {
        case .type: (.types, .type)
        case .typeattribute: (.types, .typeAttribute)
        case .typealias_: (.types, .typeAlias)
        case .role: (.roles, .role)
        case .roleattribute: (.roles, .roleAttribute)
        case .user: (.users, .user)
        case .userattribute: (.users, .userAttribute)
        case .boolean: (.booleans, .boolean)
        case .sensitivity: (.sensitivities, .sensitivity)
        case .sensitivityalias: (.sensitivities, .sensitivityAlias)
        case .category: (.categories, .category)
        case .categoryalias: (.categories, .categoryAlias)
        case .categoryset: (.categories, .categorySet)
        case .class: (.classes, .objectClass)
        case .classmap: (.classes, .classMap)
        case .common: (.commons, .common)
        case .classpermission: (.classPermissions, .classPermission)
        case .permissionx: (.operations, .operations)
        case .sid: (.identifiers, .identifier)
        case .context: (.contexts, .context)
        case .level: (.levels, .level)
        case .levelrange: (.ranges, .range)
        case .ipaddr: (.addresses, .address)
        case .policycap: (.capabilities, .capability)
        default: nil
        }
    }

    /// Checks that a name may be declared.
    ///
    /// - Throws: `.syntax` for a name with other bytes than secilc allows, or an operator.
    static func check(
        _ name: Name, _ names: NameTable, _ space: Namespace?, _ list: Int, _ tree: SourceTree,
        _ options: CommonIntermediatePolicy.Options
    ) throws(SourceFailure) {
        let bytes = names.bytes(of: name)
        func isLetter(_ byte: UInt8) -> Bool {
            (65...90).contains(byte) || (97...122).contains(byte)
        }
        let isGood =
            bytes.count < 2048 && bytes.first.map(isLetter) ?? false
            && bytes.allSatisfy {
                isLetter($0) || (48...57).contains($0) || $0 == UInt8(ascii: "_")
                    || $0 == UInt8(ascii: "-")
                    || $0 == UInt8(ascii: ".") && options.hasQualifiedNames
            }
        guard isGood else {
            throw SourceFailure(
                .syntax, "`\(names.text(name))` cannot be a name", at: tree.offset(list))
        }
        guard name.place < Word.list.count, isReserved(Word.list[name.place], space) else { return }
        throw SourceFailure(
            .syntax, "`\(names.text(name))` is a word of the language, not a name",
            at: tree.offset(list))
    }

    /// Source: secilc 3.4, `__cil_is_reserved_name`.
    private static func isReserved(_ word: Word, _ space: Namespace?) -> Bool {
        switch space {
        case .booleans, .tunables:
            [.and, .or, .not, .xor, .eq, .neq].contains(word)
        case .users, .roles, .classes: [.and, .or, .not, .xor, .all].contains(word)
        case .types: [.and, .or, .not, .xor, .all, .`self`].contains(word)
        case .categories, .operations: [.and, .or, .not, .xor, .all, .range].contains(word)
        default: false
        }
    }
}

extension Word {
    /// The words that begin statements.
    static let statements: Set<Word> = Set(
        list.filter { Declaration.of($0) != nil } + [
            .block, .blockabstract, .blockinherit, .macro, .call, .in, .optional, .tunable,
            .tunableif, .booleanif, .typealiasactual, .typeattributeset, .expandtypeattribute,
            .typebounds, .typepermissive, .roletype, .roleattributeset, .roleallow,
            .roletransition, .rolebounds, .userrole, .userattributeset, .userlevel, .userrange,
            .userbounds, .userprefix, .selinuxuser, .selinuxuserdefault, .classcommon,
            .classorder, .classpermissionset, .classmapping, .sensitivityaliasactual,
            .sensitivityorder, .categoryaliasactual, .categoryorder, .sensitivitycategory,
            .sidorder, .sidcontext, .handleunknown, .mls, .defaultuser, .defaultrole,
            .defaulttype, .defaultrange, .allow, .auditallow, .dontaudit, .neverallow, .deny,
            .allowx,
            .auditallowx, .dontauditx, .neverallowx, .typetransition, .typechange, .typemember,
            .rangetransition, .constrain, .mlsconstrain, .validatetrans, .mlsvalidatetrans,
            .filecon, .fsuse, .genfscon, .netifcon, .nodecon, .portcon, .ibpkeycon,
            .ibendportcon, .pirqcon, .iomemcon, .ioportcon, .pcidevicecon, .devicetreecon,
        ])

    /// What may stand in `booleanif`.
    static let conditional: Set<Word> = [
        .allow, .auditallow, .dontaudit, .typetransition, .typechange, .typemember,
    ]

    /// What changes names or sets that other statements are understood by: done before these.
    static let early: Set<Word> = [
        .typealiasactual, .sensitivityaliasactual, .categoryaliasactual, .sidorder, .classorder,
        .categoryorder, .sensitivityorder, .classcommon, .classpermissionset, .classmapping,
        .typeattributeset, .roleattributeset, .userattributeset, .handleunknown, .mls,
    ]
}
