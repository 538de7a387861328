public import PolicyDatabase
public import PolicyDatabaseModel
public import PolicySemantics
import SecurityLattice

/// A system as type enforcement and levels: what `policy.30` is written from.
///
/// For: turning what was declared, and proved, into rules that deny everything else. Not for:
/// deciding whether the system is safe; `PolicyChecks` did. `docs/security-policy.md` says what is
/// generated and why.
///
/// - Invariant (declared): every permission of one compartment on another, or on the end of a
///   channel to it, comes from a channel between the two, or from the use of a service.
public struct LoweredPolicy: Equatable, Sendable {
    /// The policy.
    public internal(set) var database = PolicyDatabaseModel()
    /// The labels of the compartments, in order.
    public private(set) var labels: [SecurityContext] = []

    private var typeNumbers: [String: UInt32] = [:]

    /// Lowers a system.
    public init(_ system: SystemPolicy) {
        addClasses()
        addLevels(system)
        let names = TypeNames(system)
        addTypes(names)
        addUsersAndRoles(system, names)
        addInitialContexts(system)
        addOwnPermissions(system, names)
        addConsoles(system, names)
        addChannels(system, names)
        addServices(system, names)
        addMissingChannels(names)
    }

    // MARK: Symbols

    private mutating func addClasses() {
        for number in 1...ObjectClass.count {
            guard let objectClass = ObjectClass(number: number) else { continue }
            let permissions = (0..<objectClass.permissionCount).compactMap {
                Permission(objectClass, at: $0)
            }
            database.classes.append(
                PolicyDatabaseModel.Class(
                    name: "\(objectClass.name)", permissions: permissions.map { "\($0.name)" },
                    constraints: LevelConstraints.of(objectClass)))
        }
    }

    private mutating func addLevels(_ system: SystemPolicy) {
        let all = LoweredPolicy.allCategories(of: system)
        database.sensitivities = system.sensitivities.map {
            PolicyDatabaseModel.NamedSensitivity(name: $0.name, categories: all)
        }
        database.categories = system.categories.map {
            PolicyDatabaseModel.NamedCategory(name: $0.name)
        }
    }

    private mutating func addTypes(_ names: TypeNames) {
        for name in names.attributes { addType(name, isAttribute: true) }
        for name in names.base { addType(name) }
        addType(TypeNames.noChannel)
        for compartment in names.compartments {
            addType(compartment.subject, attributes: [TypeNames.compartment])
            addType(compartment.own, attributes: [])
            addType(compartment.console, attributes: [TypeNames.console])
        }
        for channel in names.channels { addType(channel.name, attributes: [TypeNames.channel]) }
    }

    private mutating func addType(
        _ name: String, isAttribute: Bool = false, attributes: [String] = []
    ) {
        database.types.append(
            PolicyDatabaseModel.TypeSymbol(
                name: name, isAttribute: isAttribute,
                attributes: attributes.map { number(of: $0) }))
        typeNumbers[name] = UInt32(database.types.count)
    }

    /// Returns the number of a type that was added; 0, which no policy has, for any other name.
    func number(of type: String) -> UInt32 { typeNumbers[type] ?? 0 }

    /// One user for the system itself, and one for each range that compartments have, so that a
    /// user can have no other.
    private mutating func addUsersAndRoles(_ system: SystemPolicy, _ names: TypeNames) {
        let subjects = names.compartments.flatMap { [number(of: $0.subject), number(of: $0.own)] }
        let systemTypes = names.base.map { number(of: $0) }
        database.roles = [
            PolicyDatabaseModel.Role(name: "object_r", dominates: [1], types: []),
            PolicyDatabaseModel.Role(name: "system_r", dominates: [2], types: systemTypes),
            PolicyDatabaseModel.Role(name: "compartment_r", dominates: [3], types: subjects),
        ]
        database.users = [
            PolicyDatabaseModel.User(
                name: "system_u", roles: [2], range: LoweredPolicy.fullRange(of: system))
        ]
        var ranges: [SecurityRange] = []
        for (index, compartment) in system.compartments.enumerated() {
            let position: Int
            if let known = ranges.firstIndex(of: compartment.range) {
                position = known
            } else {
                position = ranges.count
                ranges.append(compartment.range)
                database.users.append(
                    PolicyDatabaseModel.User(
                        name: "label\(position + 1)_u", roles: [3], range: compartment.range))
            }
            labels.append(
                SecurityContext(
                    user: UInt32(position) + 2, role: 3,
                    type: number(of: names.compartments[index].subject),
                    range: compartment.range))
        }
    }

    /// Xen's own subjects and objects. Nothing but the compartments' requests of the hypervisor is
    /// granted on them; stock Xen needs them to have labels.
    private mutating func addInitialContexts(_ system: SystemPolicy) {
        let full = LoweredPolicy.fullRange(of: system)
        for (index, name) in TypeNames.initialTypes.enumerated() {
            let isSubject = TypeNames.initialSubjects.contains(name)
            database.initialContexts[UInt32(index) + 1] = SecurityContext(
                user: 1, role: isSubject ? 2 : objectRole, type: number(of: name),
                range: isSubject ? full : SecurityRange(full.high))
        }
    }

    // MARK: Rules

    /// What every compartment may do to itself and ask of the hypervisor
    /// (`docs/abi/hypercalls.md`).
    private mutating func addOwnPermissions(_ system: SystemPolicy, _ names: TypeNames) {
        let hypervisor = number(of: TypeNames.hypervisor)
        database.allow(
            number(of: TypeNames.compartment), hypervisor, OwnPermissions.ofHypervisor)
        for compartment in names.compartments {
            let subject = number(of: compartment.subject)
            let own = number(of: compartment.own)
            database.allow(subject, subject, OwnPermissions.ofItself)
            // Stock Xen calls the target of a request about oneself by the domain transition.
            database.transition(subject, subject, .domain, to: own)
            database.allow(
                subject, own,
                OwnPermissions.ofItself.filter { $0.objectClass != .hypercall })
        }
    }

    private mutating func addConsoles(_ system: SystemPolicy, _ names: TypeNames) {
        let hypervisor = number(of: TypeNames.hypervisor)
        let top = SecurityRange(LoweredPolicy.fullRange(of: system).high)
        for compartment in names.compartments {
            let subject = number(of: compartment.subject)
            let console = number(of: compartment.console)
            database.transition(subject, hypervisor, .event, to: console)
            database.rangeTransition(subject, hypervisor, .event, to: top)
            database.allow(
                subject, console,
                [EventPermission.create, EventPermission.send, EventPermission.status])
        }
    }

    /// For each ordered pair that a channel joins: the sender's end, and the end that answers it.
    private mutating func addChannels(_ system: SystemPolicy, _ names: TypeNames) {
        for end in names.channels {
            let owner = number(of: names.compartments[end.owner].subject)
            let peer = number(of: names.compartments[end.peer].subject)
            let type = number(of: end.name)
            let high = system.compartments[end.peer].range.high
            database.transition(owner, peer, .event, to: type)
            database.rangeTransition(owner, peer, .event, to: SecurityRange(high))
            database.allow(owner, type, [EventPermission.create, EventPermission.status])
            if end.sends { database.allow(owner, type, [EventPermission.send]) }
            database.allow(type, peer, [EventPermission.bind])
        }
    }

    /// Gives the ends of channels that nobody declared a type of their own, on which there is no
    /// rule. Without it they would have the type of the far compartment, and its rules.
    private mutating func addMissingChannels(_ names: TypeNames) {
        let subjects = [TypeNames.hypervisor] + names.compartments.map(\.subject)
        let missing = number(of: TypeNames.noChannel)
        for source in subjects.map({ number(of: $0) }) {
            for target in subjects.map({ number(of: $0) }) {
                let key = PolicyDatabaseModel.AccessRuleKey(
                    source: source, target: target,
                    objectClass: UInt32(ObjectClass.event.number), kind: .transition)
                if database.accessRules[key] == nil { database.set(key, missing) }
            }
        }
    }

    // MARK: Levels

    private static func allCategories(of system: SystemPolicy) -> CategorySet {
        var all = CategorySet.empty
        for index in system.categories.indices {
            if let index = UInt8(exactly: index) { all.insert(Category(index: index)) }
        }
        return all
    }

    /// The range from the lowest level to the one that dominates all others.
    private static func fullRange(of system: SystemPolicy) -> SecurityRange {
        let top = UInt16(truncatingIfNeeded: max(0, system.sensitivities.count - 1))
        let low = SecurityLevel(Sensitivity(rank: 0))
        let high = SecurityLevel(Sensitivity(rank: top), allCategories(of: system))
        return SecurityRange(low: low, high: high) ?? SecurityRange(high)
    }
}

/// What every compartment may do without a declaration.
enum OwnPermissions {
    /// To itself.
    static let ofItself: [Permission] = [
        DomainPermission.shutdown, HVMPermission.setparam, HVMPermission.getparam,
        MMUPermission.physmap, MMUPermission.memorymap, GrantPermission.setup,
        GrantPermission.query, HypercallPermission.vcpu, HypercallPermission.timer,
        HypercallPermission.schedule, HypercallPermission.virq, HypercallPermission.ipi,
        HypercallPermission.port,
    ]
    /// To the hypervisor.
    static let ofHypervisor: [Permission] = [
        XenPermission.writeconsole, VersionPermission.xenExtraversion,
        HypercallPermission.version,
    ]
}
