import PolicyDatabaseModel

/// How much of everything a policy has: what `seinfo` counts, and counts the same.
package struct PolicySummary: Equatable, Sendable {
    /// Who loads the policy: `selinux` or `xen`.
    package let target: String
    /// The version of the format.
    package let version: UInt32
    /// Whether levels mean something.
    package let isMultilevel: Bool
    /// What becomes of unknown classes: `deny`, `reject` or `allow`.
    package let unknownHandling: String
    /// Names and counts, in the order in which they are shown.
    package let counts: [(name: String, count: Int)]

    package static func == (left: PolicySummary, right: PolicySummary) -> Bool {
        left.text == right.text
    }

    /// Counts a policy.
    package init(_ policy: IndexedPolicy) {
        let file = policy.file
        target = file.format.target == .xen ? "xen" : "selinux"
        version = file.format.version
        isMultilevel = file.isMultilevel
        unknownHandling =
            switch file.unknownHandling {
            case .deny: "deny"
            case .reject: "reject"
            case .allow: "allow"
            }
        counts =
            Self.symbolCounts(policy) + Self.ruleCounts(policy) + Self.constraintCounts(policy)
            + Self.labelCounts(policy)
    }

    private static func symbolCounts(_ policy: IndexedPolicy) -> [(String, Int)] {
        let file = policy.file
        var permissions = file.commons.symbols.reduce(0) { $0 + $1.permissions.symbols.count }
        permissions += file.classes.symbols.reduce(0) { $0 + $1.permissions.symbols.count }
        let attributes = policy.isAttribute.reduce(0) { $0 + ($1 ? 1 : 0) }
        return [
            ("Classes", file.classes.symbols.count), ("Permissions", permissions),
            ("Sensitivities", policy.sensitivityNames.count),
            ("Categories", policy.categoryNames.count),
            ("Types", policy.typeCount - attributes), ("Attributes", attributes),
            ("Users", file.users.symbols.count), ("Roles", file.roles.symbols.count),
            ("Booleans", policy.booleans.count), ("Cond. Expr.", file.conditionals.count),
        ]
    }

    private static func ruleCounts(_ policy: IndexedPolicy) -> [(String, Int)] {
        var kinds: [PolicyFile.AccessRuleKind: Int] = [:]
        for rule in policy.rules { kinds[rule.kind, default: 0] += 1 }
        let named = policy.file.filenameTransitions.reduce(0) { sum, record in
            sum + record.results.reduce(0) { $0 + $1.sources.numbers.count }
        }
        func count(_ kind: PolicyFile.AccessRuleKind) -> Int { kinds[kind] ?? 0 }
        return [
            ("Allow", count(.allowed)), ("Auditallow", count(.auditAllowed)),
            ("Dontaudit", count(.auditDenied)), ("Type_trans", count(.transition) + named),
            ("Type_change", count(.change)), ("Type_member", count(.member)),
            ("Allowxperm", count(.extendedAllowed)),
            ("Auditallowxperm", count(.extendedAuditAllowed)),
            ("Dontauditxperm", count(.extendedUnauditedDenied)),
            ("Range_trans", policy.file.rangeTransitions.count),
            ("Role allow", policy.file.roleAllows.count),
            ("Role_trans", policy.file.roleTransitions.count),
        ]
    }

    private static func constraintCounts(_ policy: IndexedPolicy) -> [(String, Int)] {
        let constraints = policy.classes.flatMap(\.constraints)
        let changes = policy.classes.flatMap(\.transitionConstraints)
        func levels(_ records: [PolicyFile.ConstraintRecord]) -> Int {
            records.filter { IndexedPolicy.isAboutLevels($0.terms) }.count
        }
        let defaults = policy.file.classes.symbols.reduce(0) { sum, record in
            sum
                + [record.defaultUser, record.defaultRole, record.defaultRange, record.defaultType]
                .filter { $0 != 0 }.count
        }
        return [
            ("Constraints", constraints.count - levels(constraints)),
            ("Validatetrans", changes.count - levels(changes)),
            ("MLS Constrain", levels(constraints)), ("MLS Val. Tran", levels(changes)),
            ("Permissives", policy.file.permissiveTypes.numbers.count),
            ("Polcap", policy.file.capabilities.numbers.count), ("Defaults", defaults),
            ("Typebounds", policy.bounds.count),
        ]
    }

    private static func labelCounts(_ policy: IndexedPolicy) -> [(String, Int)] {
        let tables = policy.file.objectContexts
        let first = ("Initial SIDs", tables.initialIdentifiers.count)
        guard policy.file.format.target == .linux else {
            return [
                first, ("Devicetreecon", tables.deviceTreePaths.count),
                ("Iomemcon", tables.frames.count), ("Ioportcon", tables.ports.count),
                ("Pcidevicecon", tables.pciDevices.count), ("Pirqcon", tables.interrupts.count),
            ]
        }
        let generic = policy.file.genericFileSystems.reduce(0) { $0 + $1.paths.count }
        return [
            first, ("Fs_use", tables.fileSystemUses.count), ("Genfscon", generic),
            ("Portcon", tables.networkPorts.count), ("Netifcon", tables.networkInterfaces.count),
            ("Nodecon", tables.nodes.count + tables.wideNodes.count),
            ("Ibendportcon", tables.infinibandPorts.count),
            ("Ibpkeycon", tables.infinibandKeys.count),
        ]
    }

    /// The counts in two columns.
    package var text: String {
        let levels = isMultilevel ? "enabled" : "disabled"
        var text = "Policy version:             \(version) (MLS \(levels))\n"
        text += "Target policy:              \(target)\n"
        text += "Handle unknown classes:     \(unknownHandling)\n"
        for (index, entry) in counts.enumerated() {
            let isLeft = index % 2 == 0
            let name = "\(entry.name):"
            let padding = String(repeating: " ", count: max(1, 17 - name.count))
            let digits = String(entry.count)
            let column = name + padding + String(repeating: " ", count: max(0, 7 - digits.count))
            text += (isLeft ? "  " : "    ") + column + digits
            if !isLeft || index == counts.count - 1 { text += "\n" }
        }
        return text
    }
}
