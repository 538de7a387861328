import PolicyDatabaseModel

/// What a policy says besides its access rules, part by part, without numbers and order.
struct PolicyMeaning {
    /// The parts: a name, and lines without order.
    let parts: [(name: String, lines: Set<String>)]

    init(_ policy: IndexedPolicy, _ sets: NameSets) {
        let file = policy.file
        func lines(_ components: PolicyComponent...) -> Set<String> {
            Set(components.flatMap { policy.statements($0) })
        }
        let head: Set<String> = [
            "target \(file.format.target.rawValue)", file.isMultilevel ? "levels" : "no levels",
            "unknown \(file.unknownHandling)",
        ]
        let named = policy.namedTransitions { _, _, _, _ in true }.map { policy.text(of: $0) }
        parts = [
            ("policy", head), ("capabilities", lines(.capabilities)),
            ("classes", Set(policy.classes.filter { $0.record != nil }.map(Self.text))),
            ("types", Set(policy.plainTypes.map { Self.text(ofType: $0, policy) })),
            ("attributes", lines(.attributes)), ("booleans", lines(.booleans)),
            ("sensitivities", lines(.sensitivities)), ("categories", lines(.categories)),
            ("roles", lines(.roles)), ("users", lines(.users)),
            ("constraints", Self.constraints(policy, sets)), ("defaults", lines(.defaults)),
            ("permissive", lines(.permissive)), ("typebounds", lines(.typebounds)),
            ("named transitions", Set(named)),
            ("range transitions", Set(file.rangeTransitions.map { policy.text(of: $0) })),
            ("role transitions", Set(file.roleTransitions.map { policy.text(of: $0) })),
            ("role allows", Set(file.roleAllows.map { policy.text(of: $0) })),
            ("old file systems", Set(policy.fileSystemStatements)),
            (
                "labels",
                lines(
                    .initialsids, .fsuses, .genfscons, .portcons, .netifcons, .nodecons,
                    .ibpkeycons, .ibendportcons, .pirqcons, .ioportcons, .iomemcons,
                    .pcidevicecons, .devicetreecons)
            ),
        ]
    }

    private static func text(_ entry: ObjectClassEntry) -> String {
        let names = entry.permissions.compactMap(\.self).sorted()
        return "class \(entry.name) { \(names.joined(separator: " ")) }"
    }

    /// A type without its attributes: these are compared by their types.
    private static func text(ofType index: Int, _ policy: IndexedPolicy) -> String {
        "type \(policy.typeNames[index])\(IndexedPolicy.aliasText(policy.aliases[index] ?? []));"
    }

    /// Constraints, one for each permission, their sets of names in alphabetical order.
    private static func constraints(_ policy: IndexedPolicy, _ sets: NameSets) -> Set<String> {
        var lines: Set<String> = []
        sets.begin()
        for entry in policy.classes {
            for constraint in entry.constraints {
                let text = policy.plainExpression(constraint.terms, sets)
                for name in entry.names(constraint.permissions) {
                    lines.insert("constrain \(entry.name) \(name) (\(text));")
                }
            }
            for constraint in entry.transitionConstraints {
                let text = policy.plainExpression(constraint.terms, sets)
                lines.insert("validatetrans \(entry.name) (\(text));")
            }
        }
        return lines
    }
}
