import PolicyDatabaseModel

/// A part of a policy that can be listed: what `seinfo` lists.
package enum PolicyComponent: String, Sendable, CaseIterable {
    case attributes, booleans, classes, roles, types, users, sensitivities, categories, commons
    case constraints, validatetrans, defaults, permissive, capabilities, typebounds
    case initialsids, fsuses, genfscons, portcons, netifcons, nodecons, ibpkeycons, ibendportcons
    case pirqcons, ioportcons, iomemcons, pcidevicecons, devicetreecons
}

extension IndexedPolicy {
    /// The statements of a component, sorted; of one name when that is given.
    ///
    /// - Parameter name: a symbol's, or what a label is for; nil for all.
    package func statements(_ component: PolicyComponent, named name: String? = nil) -> [String] {
        let named = entries(component)
        let chosen = name.map { name in named.filter { $0.names.contains(name) } } ?? named
        return chosen.map(\.text).sorted()
    }

    /// The first names of a component's symbols, sorted.
    package func names(_ component: PolicyComponent, named name: String? = nil) -> [String] {
        let named = entries(component)
        let chosen = name.map { name in named.filter { $0.names.contains(name) } } ?? named
        return chosen.map { $0.names.first ?? $0.text }.sorted()
    }

    private typealias Entry = (names: [String], text: String)

    private func entries(_ component: PolicyComponent) -> [(names: [String], text: String)] {
        switch component {
        case .attributes, .types, .permissive, .typebounds: typeEntries(component)
        case .booleans:
            booleans.map { ([$0.name], "bool \($0.name) \($0.state ? "true" : "false");") }
        case .roles:
            // A number without a record is a role attribute's, which no file has.
            file.roles.symbols.map { ([$0.name], roleStatement(Int($0.number) - 1)) }
        case .users: userNames.indices.map { ([userNames[$0]], userStatement($0)) }
        case .classes, .commons, .constraints, .validatetrans, .defaults: classEntries(component)
        case .sensitivities:
            sensitivityNames.indices.map { index in
                let aliases = file.sensitivities.symbols.filter {
                    $0.isAlias != 0 && Int($0.level.sensitivity) == index + 1
                }.map(\.name).sorted()
                let name = sensitivityNames[index]
                return ([name] + aliases, "sensitivity \(name)\(Self.aliasText(aliases));")
            }
        case .categories:
            categoryNames.indices.map { index in
                let aliases = file.categories.symbols.filter {
                    $0.isAlias != 0 && Int($0.number) == index + 1
                }.map(\.name).sorted()
                let name = categoryNames[index]
                return ([name] + aliases, "category \(name)\(Self.aliasText(aliases));")
            }
        case .capabilities:
            file.capabilities.numbers.map { number in
                let name = PolicyCapability.name(number)
                return ([name], "policycap \(name);")
            }
        default: labelEntries(component)
        }
    }

    static func aliasText(_ aliases: [String]) -> String {
        aliases.isEmpty ? "" : " alias " + setText(aliases)
    }

    /// A type with its other names and attributes.
    package func typeStatement(_ index: Int) -> String {
        let others = Self.aliasText(aliases[index] ?? [])
        let holders = attributes[index].map { typeNames[$0] }.sorted().map { ", " + $0 }
        return "type \(typeNames[index])\(others)\(holders.joined());"
    }

    /// A role with its types.
    package func roleStatement(_ index: Int) -> String {
        let types = roleTypes[index].numbers.map { typeNames[$0] }.sorted()
        return "role \(roleNames[index]) types \(Self.setText(types));"
    }

    /// A user with its roles and levels.
    package func userStatement(_ index: Int) -> String {
        let roles = userRoles[index].map { roleNames[$0] }.sorted()
        var text = "user \(userNames[index]) roles \(Self.setText(roles))"
        if file.isMultilevel {
            let record = file.users.symbols.first { Int($0.number) == index + 1 }
            let level = record.flatMap { try? self.level($0.defaultLevel) } ?? Level()
            text += " level \(self.text(level)) range \(self.text(userRanges[index]))"
        }
        return text + ";"
    }

    private func typeEntries(_ component: PolicyComponent) -> [Entry] {
        switch component {
        case .attributes:
            return members.keys.map { index in
                let types = members[index]?.numbers.map { "\t" + typeNames[$0] }.sorted() ?? []
                let lines = types.isEmpty ? ["\t<empty attribute>"] : types
                let text = "attribute \(typeNames[index]);\n" + lines.joined(separator: "\n")
                return ([typeNames[index]], text)
            }
        case .permissive:
            return file.permissiveTypes.numbers.filter { $0 > 0 }.map { number in
                let index = Int(number) - 1
                return ([typeNames[index]], "permissive \(typeNames[index]);")
            }
        case .typebounds:
            return bounds.map { child, parent in
                ([typeNames[child]], "typebounds \(typeNames[parent]) \(typeNames[child]);")
            }
        default:
            return plainTypes.map { index in
                ([typeNames[index]] + (aliases[index] ?? []), typeStatement(index))
            }
        }
    }

    private func classEntries(_ component: PolicyComponent) -> [Entry] {
        switch component {
        case .commons:
            return file.commons.symbols.map { record in
                let names = record.permissions.symbols.map(\.name).sorted()
                return ([record.name], "common \(record.name) \(Self.braced(names))")
            }
        case .constraints:
            return classes.flatMap { entry in
                entry.constraints.map { ([entry.name], statement($0, of: entry)) }
            }
        case .validatetrans:
            return classes.flatMap { entry in
                entry.transitionConstraints.map { ([entry.name], changeStatement($0, of: entry)) }
            }
        case .defaults:
            return classes.flatMap { entry in
                Self.defaultStatements(entry).map { ([entry.name], $0) }
            }
        default:
            return classes.filter { $0.record != nil }.map { entry in
                let own = entry.permissions.dropFirst(entry.commonCount).compactMap(\.self).sorted()
                let inherits = entry.common.isEmpty ? "" : " inherits \(entry.common)"
                let body = own.isEmpty && !inherits.isEmpty ? "" : " " + Self.braced(own)
                return ([entry.name], "class \(entry.name)\(inherits)\(body)")
            }
        }
    }

    private static func braced(_ names: [String]) -> String {
        "{ " + names.map { $0 + " " }.joined() + "}"
    }

    /// The statements that say whose user, role, type and levels a new object gets.
    static func defaultStatements(_ entry: ObjectClassEntry) -> [String] {
        guard let record = entry.record else { return [] }
        var lines: [String] = []
        let ends = ["", "source", "target"]
        func add(_ what: String, _ number: UInt32) {
            guard number == 1 || number == 2 else { return }
            lines.append("default_\(what) \(entry.name) \(ends[Int(number)]);")
        }
        add("user", record.defaultUser)
        add("role", record.defaultRole)
        add("type", record.defaultType)
        let ranges = [
            "", "source low", "source high", "source low-high", "target low", "target high",
            "target low-high", "glblub",
        ]
        if record.defaultRange > 0, Int(record.defaultRange) < ranges.count {
            lines.append("default_range \(entry.name) \(ranges[Int(record.defaultRange)]);")
        }
        return lines
    }

    private func labelEntries(_ component: PolicyComponent) -> [Entry] {
        labelStatements(component).map { ([$0.name], $0.text) }
    }
}

/// The capabilities that policies can name.
package enum PolicyCapability {
    /// The names by bit.
    ///
    /// - Source: libsepol 3.4 `polcaps.c`; Linux `policycap_names.h`.
    static let names = [
        "network_peer_controls", "open_perms", "extended_socket_class", "always_check_network",
        "cgroup_seclabel", "nnp_nosuid_transition", "genfs_seclabel_symlinks",
        "ioctl_skip_cloexec",
    ]

    /// The name of a bit; `#` and the bit for one that has none.
    package static func name(_ bit: UInt32) -> String {
        bit < UInt32(names.count) ? names[Int(bit)] : "#\(bit)"
    }
}
