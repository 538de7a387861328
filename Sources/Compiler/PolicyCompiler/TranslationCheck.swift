public import PolicyDatabase
import PolicyDatabaseModel
public import PolicySemantics
import SecurityLattice
import SecurityModel

/// Why an emitted policy is not the one of its system. The text names what differs.
public enum TranslationError: Error, Equatable {
    /// A reader refuses it.
    case unreadable(String)
    /// A type or attribute that nothing declared calls for, or one that is missing.
    case type(String)
    /// A type is in another set of attributes than its part calls for.
    case attribute(String)
    /// A rule gives what no statement gives, or does not give what one gives.
    case rule(String)
    /// A rule that must be in no policy.
    case forbidden(String)
    /// A new object gets another type or level than its ends call for.
    case transition(String)
    /// A permission is limited otherwise than levels, roles and exemptions call for.
    case constraint(String)
    /// A user, role or label is another.
    case label(String)
    /// A decision is not the specification's.
    case decision(String)
}

/// Translation validation: reads the bytes of a policy and justifies each of them by a declaration.
///
/// For: every build, before anything is written. Not for: policies that others wrote. It trusts
/// neither the compiler nor the writer; what it believes is the specification (`SecurityModel`),
/// `PolicyFile` and `PolicyDatabase`, two readers that share no code.
public struct TranslationCheck {
    /// The most labels whose whole decision matrix is compared.
    public static let mostLabels = 600

    let expected: ExpectedPolicy
    let file: PolicyFile
    /// The name of each type and attribute, by number.
    private(set) var names: [UInt32: String] = [:]

    /// Checks the bytes of a policy.
    ///
    /// - Parameters:
    ///   - policy: the content of `policy.30`.
    ///   - labels: the labels of the compartments, as the manifest will have them.
    /// - Throws: the first difference.
    public static func check(
        _ policy: [UInt8], of system: SystemPolicy, labels: [SecurityContext]
    ) throws(TranslationError) {
        var check = try TranslationCheck(policy, ExpectedPolicy(system))
        try check.checkTypes()
        let rules = try check.allowRules()
        try check.checkForbidden(rules)
        try check.checkRules(rules)
        try check.checkTransitions()
        try check.checkEmptyTables()
        try check.checkConstraints()
        try check.checkUsersAndRoles()
        try check.checkDevices()
        try check.checkLabels(labels)
        try DecisionMatrix(check.expected, names: check.names, labels: labels).check(policy)
    }

    private init(_ policy: [UInt8], _ expected: ExpectedPolicy) throws(TranslationError) {
        self.expected = expected
        do throws(PolicyFileError) {
            file = try PolicyFile(validating: policy)
        } catch {
            throw .unreadable("\(error)")
        }
    }

    // MARK: Types and attributes

    private mutating func checkTypes() throws(TranslationError) {
        let attributeNames: Set = [
            "compartment", "console_user", "channel_end", "console_end", "store_node", "device",
        ]
        var attributes: [UInt32: String] = [:]
        for type in file.types.symbols {
            names[type.number] = type.name
            let isAttribute = type.properties & 2 != 0
            if isAttribute { attributes[type.number] = type.name }
            let isKnown =
                isAttribute
                ? attributeNames.contains(type.name) : expected.attributes[type.name] != nil
            guard isKnown, type.bounds == 0 else { throw .type("`\(type.name)`") }
        }
        let count = attributeNames.count + expected.attributes.count
        guard file.types.symbols.count == count, names.count == count,
            file.typeAttributes.count == count
        else { throw .type("there are \(names.count) instead of \(count)") }
        for (index, set) in file.typeAttributes.enumerated() {
            let number = UInt32(index) + 1
            guard let name = names[number], let wanted = expected.attributes[name] else {
                continue
            }
            let found = set.numbers.map { $0 + 1 }.filter { $0 != number }
            guard Set(found.map { names[$0] ?? "" }) == wanted else {
                throw .attribute("`\(name)`")
            }
        }
    }

    /// The types of each attribute, by the attribute's number.
    private var members: [UInt32: [String]] {
        var members: [UInt32: [String]] = [:]
        for (index, set) in file.typeAttributes.enumerated() {
            let number = UInt32(index) + 1
            guard let name = names[number], expected.attributes[name] != nil else { continue }
            for attribute in set.numbers where attribute + 1 != number {
                members[attribute + 1, default: []].append(name)
            }
        }
        return members
    }

    // MARK: Rules

    /// What the file's allow rules give to types: attributes multiplied out.
    private func allowRules() throws(TranslationError) -> [ExpectedPolicy.Key: UInt32] {
        let members = members
        var rules: [ExpectedPolicy.Key: UInt32] = [:]
        rules.reserveCapacity(file.accessRules.rules.count)
        for rule in file.accessRules.rules where rule.kind == .allowed {
            let sources = types(UInt32(rule.source), members)
            let targets = types(UInt32(rule.target), members)
            for source in sources {
                for target in targets {
                    let key = ExpectedPolicy.Key(
                        source: source, target: target, objectClass: UInt32(rule.objectClass))
                    rules[key, default: 0] |= rule.data
                }
            }
        }
        return rules
    }

    private func types(_ number: UInt32, _ members: [UInt32: [String]]) -> [String] {
        members[number] ?? (names[number].map { [$0] } ?? [])
    }

    private func checkRules(
        _ rules: [ExpectedPolicy.Key: UInt32]
    ) throws(TranslationError) {
        for (key, mask) in rules {
            let wanted = expected.rules[key] ?? 0
            guard mask == wanted else { throw .rule(describe(key, mask ^ wanted)) }
        }
        for (key, mask) in expected.rules where rules[key] == nil {
            throw .rule(describe(key, mask))
        }
    }

    private func describe(_ key: ExpectedPolicy.Key, _ mask: UInt32) -> String {
        let names = PermissionNames.places.filter {
            $0.value.objectClass == key.objectClass && $0.value.mask & mask != 0
        }.keys.sorted()
        return "`\(key.source)` on `\(key.target)`: \(names.joined(separator: ", "))"
    }

    /// Defence in depth: what no system's policy may say, whatever was declared.
    private func checkForbidden(
        _ rules: [ExpectedPolicy.Key: UInt32]
    ) throws(TranslationError) {
        let (security, grant) = (ObjectClass.security, ObjectClass.grant)
        let never =
            SecurityPermission.setenforce.mask | SecurityPermission.setbool.mask
            | SecurityPermission.setsecparam.mask
        for (key, mask) in rules where mask != 0 {
            let source = expected.entities[key.source]
            let target = expected.entities[key.target]
            let isSecurity = key.objectClass == UInt32(security.number)
            let isGrant = key.objectClass == UInt32(grant.number)
            var isForbidden = isSecurity && mask & never != 0
            isForbidden = isForbidden || isGrant && mask & GrantPermission.transfer.mask != 0
            switch (source, target) {
            case (.compartment(let one), .compartment(let other)):
                isForbidden =
                    isForbidden
                    || one != other && !isGrant
                        && !isHarmless(key.objectClass, mask, orders(of: one, to: other))
            case (.compartment(let one), .device(let device)):
                isForbidden = isForbidden || expected.system.further.devices[device].owner != one
            case (.compartment(let one), .end(let owner, _)):
                isForbidden = isForbidden || one != owner
            case (.compartment(let one), _) where isSecurity:
                let subject = expected.system.compartments[one]
                let asks = subject.options.service == .store ? SecurityPermission.computeAv.mask : 0
                let hasPower = subject.mayLoadPolicy || subject.mayRelabel
                isForbidden = isForbidden || !hasPower && mask & ~asks != 0
            default: break
            }
            if isForbidden { throw .forbidden(describe(key, mask)) }
        }
    }

    /// What the service `control` orders about a compartment that does not start by itself and uses
    /// it: permissions of the class `domain`.
    private func orders(of one: Int, to other: Int) -> UInt32 {
        let user = expected.system.compartments[other]
        let isOrdered =
            expected.system.compartments[one].options.service == .control
            && !user.options.startsAutomatically
            && user.uses.contains { $0.service == .control && $0.provider == one }
        return isOrdered ? DomainPermission.unpause.mask | DomainPermission.destroy.mask : 0
    }

    /// What one compartment may do to another beside grants: read its nodes, know whether it lives.
    private func isHarmless(_ objectClass: UInt32, _ mask: UInt32, _ orders: UInt32) -> Bool {
        switch ObjectClass(number: Int(objectClass)) {
        case ObjectClass.xenstore:
            let reading =
                XenstorePermission.read.mask | XenstorePermission.list.mask
                | XenstorePermission.watch.mask
            return mask & ~reading == 0
        case ObjectClass.domain:
            return mask & ~(DomainPermission.getdomaininfo.mask | orders) == 0
        default: return false
        }
    }

    // MARK: Transitions

    private func checkTransitions() throws(TranslationError) {
        var found = 0
        for rule in file.accessRules.rules where rule.kind != .allowed {
            let key = key(UInt32(rule.source), UInt32(rule.target), UInt32(rule.objectClass))
            guard rule.kind == .transition, let type = names[rule.data],
                expected.transitions[key] == type
            else { throw .transition("`\(key.source)` towards `\(key.target)`") }
            found += 1
        }
        guard found == expected.transitions.count else { throw .transition("one is missing") }
        for rule in file.rangeTransitions {
            let key = key(rule.source, rule.target, rule.objectClass)
            guard let level = expected.levels[key], rule.range == PolicyFile.range(level) else {
                throw .transition("the level of `\(key.source)` towards `\(key.target)`")
            }
        }
        guard file.rangeTransitions.count == expected.levels.count else {
            throw .transition("a level is missing")
        }
    }

    private func key(
        _ source: UInt32, _ target: UInt32, _ objectClass: UInt32
    ) -> ExpectedPolicy.Key {
        ExpectedPolicy.Key(
            source: names[source] ?? "", target: names[target] ?? "", objectClass: objectClass)
    }

    /// Refuses what no system calls for at all.
    private func checkEmptyTables() throws(TranslationError) {
        guard file.conditionals.isEmpty, file.booleans.symbols.isEmpty,
            file.roleTransitions.isEmpty, file.roleAllows.isEmpty,
            file.filenameTransitions.isEmpty, file.genericFileSystems.isEmpty,
            file.permissiveTypes == PolicyBitmap(), file.isMultilevel,
            file.unknownHandling == .deny
        else { throw .rule("a conditional, a Boolean, a rule of roles or a permissive type") }
    }
}
