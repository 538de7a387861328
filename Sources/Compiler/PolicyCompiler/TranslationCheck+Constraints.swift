import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import SecurityLattice
import SecurityModel

/// What limits permissions, and who may have which label.
extension TranslationCheck {
    /// Checks each permission of each class: the constraints on it are those that its roles and
    /// levels call for, with exactly the exceptions that exemptions give.
    func checkConstraints() throws(TranslationError) {
        let channels = typeSet("channel_end")
        let ends = typeSet("channel_end", "console_end")
        let nodes = typeSet("store_node", and: "unlabeled_t")
        for record in file.classes.symbols {
            guard let objectClass = ObjectClass(number: Int(record.number)),
                record.name == String(objectClass.policyName),
                record.permissions.symbols.count == objectClass.permissionCount,
                record.transitionConstraints.isEmpty
            else { throw .constraint("class `\(record.name)`") }
            let texts = record.constraints.map { (mask: $0.permissions, text: text($0.terms)) }
            for permission in (0..<objectClass.permissionCount).compactMap({
                Permission(objectClass, at: $0)
            }) {
                let name = "\(record.name) \(String(permission.policyName))"
                let roles = ConstraintText.roles(name, channels: channels, ends: ends, nodes: nodes)
                let wanted = [roles] + (levels(name).map { [$0] } ?? [])
                let found = texts.filter { $0.mask & permission.mask != 0 }.map(\.text)
                guard found.sorted() == wanted.sorted() else { throw .constraint("`\(name)`") }
            }
        }
        guard file.classes.symbols.count == ObjectClass.count else {
            throw .constraint("a class is missing")
        }
    }

    /// The level constraint of a permission, with its exceptions; nil: levels say nothing of it.
    private func levels(_ permission: String) -> String? {
        guard let rule = LevelRule.comparison(of: permission) else { return nil }
        var pairs: [String: Set<String>] = [:]
        for alike in ConstraintText.group(of: permission) {
            for (source, targets) in expected.exceptions[alike] ?? [:] {
                pairs[source, default: []].formUnion(targets)
            }
        }
        var text = rule.rawValue
        let numbers = Dictionary(uniqueKeysWithValues: names.map { ($1, $0) })
        for (source, targets) in pairs.sorted(by: {
            (numbers[$0.key] ?? 0) < (numbers[$1.key] ?? 0)
        }) {
            let objects = targets.sorted().joined(separator: " ")
            text += " t1 == {\(source)} t2 == {\(objects)} and or"
        }
        return text
    }

    private func typeSet(_ attributes: String..., and other: String? = nil) -> String {
        let types = expected.attributes.filter { !$0.value.isDisjoint(with: attributes) }.keys
        return (types + (other.map { [$0] } ?? [])).sorted().joined(separator: " ")
    }

    /// A constraint in postfix, in words.
    private func text(_ terms: [PolicyFile.ConstraintTerm]) -> String {
        terms.map { term in
            switch (term.kind, term.attribute) {
            case (1, _): return "not"
            case (2, _): return "and"
            case (3, _): return "or"
            case (4, 256): return "h1 \(ConstraintText.comparison(term.comparison)) h2"
            case (5, let place):
                let numbers = term.names.numbers.map { $0 + 1 }
                let isType = place == 4 || place == 12
                let list = numbers.map { isType ? names[$0] ?? "?" : "\($0)" }.sorted()
                let word = ConstraintText.place(place)
                return "\(word) \(ConstraintText.comparison(term.comparison)) "
                    + "{\(list.joined(separator: " "))}"
            default: return "?"
            }
        }.joined(separator: " ")
    }

    // MARK: Users, roles, devices, labels

    func checkUsersAndRoles() throws(TranslationError) {
        let roles = Dictionary(
            file.roles.symbols.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        let acting = expected.attributes.keys.filter { $0.hasSuffix("-t") || $0.hasSuffix("-self") }
        guard file.roles.symbols.count == 3, roles["object_r"]?.number == objectRole,
            let role = roles["compartment_r"], let own = roles["system_r"],
            Set(role.types.numbers.map { names[$0 + 1] ?? "" }) == Set(acting),
            own.types.numbers.allSatisfy({ names[$0 + 1]?.hasSuffix("_t") == true })
        else { throw .label("a role has other types") }
        let ranges = expected.system.compartments.map { PolicyFile.range($0.range) }
        for user in file.users.symbols where user.name != "system_u" {
            guard user.roles.numbers == [role.number - 1], ranges.contains(user.range) else {
                throw .label("the user `\(user.name)`")
            }
        }
    }

    func checkDevices() throws(TranslationError) {
        let contexts = file.objectContexts
        var found: [String: PolicyFile.ContextRecord] = [:]
        for record in contexts.interrupts { found["irq \(record.number)"] = record.context }
        for record in contexts.pciDevices { found["pci \(record.number)"] = record.context }
        for record in contexts.ports {
            found["ports \(record.first) \(record.last)"] = record.context
        }
        for record in contexts.frames {
            found["frames \(record.first) \(record.last)"] = record.context
        }
        var wanted = 0
        for (index, device) in expected.system.further.devices.enumerated() {
            let keys =
                device.interrupts.map { "irq \($0)" }
                + device.ports.map { "ports \($0.first) \($0.last)" }
                + device.memory.map { "frames \($0.first >> 12) \($0.last >> 12)" }
                + (device.pciAddress.map { ["pci \($0)"] } ?? [])
            let level = PolicyFile.range(expected.level(of: .device(index)))
            for key in keys {
                guard let context = found[key], context.range == level,
                    context.role == objectRole, names[context.type] == "\(device.name)-device"
                else { throw .label("\(key) of the device `\(device.name)`") }
            }
            wanted += Set(keys).count
        }
        guard found.count == wanted, contexts.deviceTreePaths.isEmpty else {
            throw .label("a device that nobody declared")
        }
    }

    func checkLabels(_ labels: [SecurityContext]) throws(TranslationError) {
        guard labels.count == expected.system.compartments.count else {
            throw .label("a compartment has none")
        }
        for (label, compartment) in zip(labels, expected.system.compartments) {
            guard names[label.type] == "\(compartment.name)-t", label.range == compartment.range
            else { throw .label("the compartment `\(compartment.name)`") }
        }
    }
}

/// Constraints in words, as postfix.
private enum ConstraintText {
    static func comparison(_ number: UInt32) -> String {
        switch number {
        case 1: "=="
        case 2: "!="
        case 3: "dom"
        case 4: "domby"
        default: "?"
        }
    }

    static func place(_ number: UInt32) -> String {
        switch number {
        case 2: "r1"
        case 4: "t1"
        case 10: "r2"
        case 12: "t2"
        default: "?"
        }
    }

    /// Permissions that stand in one constraint, so that they have one list of exceptions.
    static func group(of permission: String) -> [String] {
        let reading = ["xenstore read", "xenstore list", "xenstore watch"]
        let writing = ["xenstore write", "xenstore create", "xenstore remove", "xenstore setperms"]
        if reading.contains(permission) { return reading }
        if writing.contains(permission) { return writing }
        return [permission]
    }

    /// Who may do it at all, and to what.
    static func roles(
        _ permission: String, channels: String, ends: String, nodes: String
    ) -> String {
        let (actor, whole) = ("r1 != {1}", "r2 != {1}")
        switch permission.split(separator: " ").first {
        case "event":
            guard permission == "event bind" else { return "\(actor) t2 == {\(ends)} and" }
            return channels.isEmpty
                ? "r1 == {1} \(whole) and" : "t1 == {\(channels)} \(whole) and"
        case "xen", "xen2", "version", "domain", "domain2", "hvm", "mmu", "shadow", "grant",
            "argo", "hypercall":
            return "\(actor) \(whole) and"
        case "security":
            return "\(actor) \(whole) t2 == {security_t} or and"
        case "xenstore":
            return "\(actor) \(whole) t2 == {\(nodes)} or and"
        default:
            return actor
        }
    }
}

extension PolicyFile {
    /// A level as a range of one.
    static func range(_ level: SecurityLevel) -> RangeRecord {
        var range = RangeRecord()
        range.low = record(level)
        return range
    }

    /// A range; of one level when both ends are the same.
    static func range(_ levels: SecurityRange) -> RangeRecord {
        var range = range(levels.low)
        if !levels.isSingleLevel { range.high = record(levels.high) }
        return range
    }

    private static func record(_ level: SecurityLevel) -> LevelRecord {
        var record = LevelRecord()
        record.sensitivity = level.sensitivity.databaseValue
        record.categories = PolicyBitmap(
            (0..<256).filter {
                level.categories.contains(Category(index: UInt8($0)))
            }.map { UInt32($0) })
        return record
    }
}
