import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import SecurityLattice
import SecurityModel

/// What the policy of a system must say, worked out from the specification alone.
///
/// For: judging what the compiler wrote. It shares the names of types with the compiler, because a
/// policy has nothing else to say what its types are for, and no other line.
struct ExpectedPolicy {
    typealias Entity = SecurityModel.Entity

    /// One class of one pair of types.
    struct Key: Hashable {
        let source: String
        let target: String
        let objectClass: UInt32
    }

    let system: SystemPolicy
    /// What each type stands for; types of stock Xen, and those of `own`, stand for nothing.
    private(set) var entities: [String: Entity] = [:]
    /// The attributes of each type.
    private(set) var attributes: [String: Set<String>] = [:]
    /// What types may do to types, whatever the levels.
    private(set) var rules: [Key: UInt32] = [:]
    /// The type of an object of a class that one type makes towards another.
    private(set) var transitions: [Key: String] = [:]
    /// The level of such an object.
    private(set) var levels: [Key: SecurityLevel] = [:]
    /// The pairs that an exemption lets do something against the levels, by permission.
    private(set) var exceptions: [String: [String: Set<String>]] = [:]

    private let types: SecurityModel
    private let model: SecurityModel

    init(_ system: SystemPolicy) {
        self.system = system
        types = SecurityModel(system, comparesLevels: false)
        model = SecurityModel(system)
        for name in ExpectedPolicy.stockTypes { attributes[name] = [] }
        let pairs = relevantPairs
        for (source, target) in pairs { add(source, target) }
        for (index, compartment) in system.compartments.enumerated() {
            let (subject, own) = (name(.compartment(index)), "\(compartment.name)-self")
            attributes[own] = []
            let permissions = types.permissions(of: .compartment(index), on: .compartment(index))
            add(
                subject, own,
                permissions.filter {
                    !$0.hasPrefix("hypercall ") && !$0.hasPrefix("xenstore ")
                })
            let key = Key(
                source: subject, target: subject, objectClass: UInt32(ObjectClass.domain.number))
            transitions[key] = own
        }
        for index in system.further.devices.indices { note(.device(index)) }
    }

    /// Xen's own types.
    ///
    /// - Source: Xen 4.17, `tools/flask/policy/policy/initial_sids`.
    private static let stockTypes = [
        "xenboot_t", "xen_t", "dom0_t", "domio_t", "domxen_t", "unlabeled_t", "security_t",
        "ioport_t", "iomem_t", "irq_t", "device_t", "domU_t", "domDM_t",
    ]

    // MARK: Names

    /// The type of an entity.
    func name(_ entity: Entity) -> String {
        let names = system.compartments
        switch entity {
        case .hypervisor: return "xen_t"
        case .policy: return "security_t"
        case .compartment(let index): return "\(names[index].name)-t"
        case .end(let owner, let peer):
            guard let owner else { return "" }
            guard let peer else { return "\(names[owner].name)-console" }
            return "\(names[owner].name)-to-\(names[peer].name)"
        case .directory(let writer, let reader):
            return "\(names[writer].name)-to-\(names[reader].name)-node"
        case .subtree(let index): return "\(system.further.subtrees[index].name)-node"
        case .device(let index): return "\(system.further.devices[index].name)-device"
        }
    }

    private func attributes(of entity: Entity) -> Set<String> {
        switch entity {
        case .hypervisor, .policy: return []
        case .compartment(let index):
            let hasConsole = model.permits(
                .compartment(index), "event send", on: .end(owner: index, peer: nil))
            return hasConsole ? ["compartment", "console_user"] : ["compartment"]
        case .end(_, let peer): return peer == nil ? ["console_end"] : ["channel_end"]
        case .directory, .subtree: return ["store_node"]
        case .device: return ["device"]
        }
    }

    // MARK: Levels

    /// The high level of an entity.
    func level(of entity: Entity) -> SecurityLevel {
        switch entity {
        case .compartment(let index), .end(_, let index?), .directory(_, let index):
            return system.compartments[index].range.high
        case .device(let index):
            return system.compartments[system.further.devices[index].owner].range.high
        case .subtree(let index):
            let subtree = system.further.subtrees[index]
            return subtree.writers.indices.reduce(
                system.compartments[subtree.owner].range.high
            ) { $0.join(system.compartments[$1].range.high) }
        case .hypervisor, .policy, .end: return system.topLevel
        }
    }

    // MARK: Rules

    /// The pairs of entities that a statement speaks of.
    private var relevantPairs: [(Entity, Entity)] {
        var pairs: [(Entity, Entity)] = []
        for index in system.compartments.indices {
            let one = Entity.compartment(index)
            pairs += [
                (one, one), (one, .hypervisor), (one, .policy),
                (one, .end(owner: index, peer: nil)),
            ]
            pairs += system.further.subtrees.indices.map { (one, .subtree($0)) }
            pairs += system.further.devices.indices.map { (one, .device($0)) }
        }
        for edge in types.joined {
            let (from, to) = (Entity.compartment(edge.from), Entity.compartment(edge.to))
            let end = Entity.end(owner: edge.from, peer: edge.to)
            let directory = Entity.directory(writer: edge.from, reader: edge.to)
            pairs += [(from, to), (from, end), (end, to), (from, directory), (to, directory)]
        }
        return pairs
    }

    private mutating func add(_ source: Entity, _ target: Entity) {
        if case .end(_, nil) = target { note(target) }
        if case .subtree = target { note(target) }
        if case .compartment = source { note(source) }
        let permissions = types.permissions(of: source, on: target)
        guard !permissions.isEmpty else { return addTransition(source, target) }
        note(source)
        note(target)
        add(name(source), name(target), permissions)
        addTransition(source, target)
        for permission in permissions where model.permits(source, permission, on: target) {
            let comparison = LevelRule.comparison(of: permission)
            if comparison?.holds(level(of: source), level(of: target)) == false {
                exceptions[permission, default: [:]][name(source), default: []]
                    .insert(name(target))
            }
        }
    }

    /// The type of an end that exists, and the level of its far side.
    private mutating func addTransition(_ source: Entity, _ target: Entity) {
        guard case .compartment = source, case .end(_, let peer) = target,
            entities[name(target)] != nil
        else { return }
        let far = peer.map { Entity.compartment($0) } ?? .hypervisor
        let key = Key(
            source: name(source), target: name(far),
            objectClass: UInt32(ObjectClass.event.number))
        transitions[key] = name(target)
        levels[key] = level(of: target)
    }

    private mutating func add(_ source: String, _ target: String, _ permissions: Set<String>) {
        for permission in permissions {
            guard let (number, mask) = PermissionNames.places[permission] else { continue }
            rules[Key(source: source, target: target, objectClass: number), default: 0] |= mask
        }
    }

    private mutating func note(_ entity: Entity) {
        let name = name(entity)
        entities[name] = entity
        attributes[name] = attributes(of: entity)
    }
}

/// The places of permissions by their names, such as `event send`.
enum PermissionNames {
    static let places: [String: (objectClass: UInt32, mask: UInt32)] = {
        var places: [String: (objectClass: UInt32, mask: UInt32)] = [:]
        for objectClass in (1...ObjectClass.count).compactMap({ ObjectClass(number: $0) }) {
            for permission in (0..<objectClass.permissionCount).compactMap({
                Permission(objectClass, at: $0)
            }) {
                places["\(String(objectClass.policyName)) \(String(permission.policyName))"] = (
                    UInt32(objectClass.number), permission.mask
                )
            }
        }
        return places
    }()
}

/// Which levels a permission asks for, as `docs/security-policy.md` lists them.
enum LevelRule: String {
    case dominated = "h1 domby h2"
    case dominates = "h1 dom h2"
    case equal = "h1 == h2"

    /// Returns the rule of a permission; nil for one that levels say nothing of.
    static func comparison(of permission: String) -> LevelRule? {
        switch permission {
        case "event send", "event bind", "grant copy", "argo send": return .dominated
        case "grant map_read", "mmu map_read", "mmu pageinfo", "mmu stat",
            "argo register_single_source", "xenstore read", "xenstore list", "xenstore watch":
            return .dominates
        case "event create", "event status", "event reset", "grant unmap": return nil
        case "xenstore relabelfrom", "xenstore relabelto": return .equal
        default: break
        }
        switch permission.split(separator: " ").first {
        case "xenstore": return .dominated
        case "domain", "domain2", "hvm", "mmu", "resource", "shadow", "grant", "argo":
            return .equal
        default: return nil
        }
    }

    func holds(_ source: SecurityLevel, _ target: SecurityLevel) -> Bool {
        switch self {
        case .dominated: target.dominates(source)
        case .dominates: source.dominates(target)
        case .equal: source == target
        }
    }
}

extension SystemPolicy {
    /// The level that dominates all others.
    fileprivate var topLevel: SecurityLevel {
        var all = CategorySet.empty
        for index in categories.indices {
            if let index = UInt8(exactly: index) { all.insert(Category(index: index)) }
        }
        return SecurityLevel(
            Sensitivity(rank: UInt16(truncatingIfNeeded: max(0, sensitivities.count - 1))), all)
    }
}
