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
/// - Invariant (declared): every permission of one compartment on another, on the end of a channel
///   to it, on what they share in the store, or on a device, comes from a statement of the system.
public struct LoweredPolicy: Equatable, Sendable {
    /// The label of what one compartment leaves in the store for another.
    public struct DirectoryLabel: Equatable, Sendable {
        /// The index of the compartment that writes.
        public let writer: Int
        /// The index of the compartment that reads.
        public let reader: Int
        /// The label.
        public let label: SecurityContext
    }

    /// The policy.
    public internal(set) var database = PolicyDatabaseModel()
    /// The labels of the compartments, in order.
    public private(set) var labels: [SecurityContext] = []
    /// The labels of the shared subtrees of the store, in order.
    public private(set) var subtreeLabels: [SecurityContext] = []
    /// The labels of what ends of channels leave in the store, one for each ordered pair.
    public private(set) var directoryLabels: [DirectoryLabel] = []

    private var typeNumbers: [String: UInt32] = [:]
    /// The types of the compartments, in order.
    private(set) var subjects: [UInt32] = []
    var constraints = LevelConstraints()

    /// Lowers a system.
    ///
    /// - Parameter hasHost: whether stock Xen's first domain makes and serves the compartments.
    public init(_ system: SystemPolicy, hasHost: Bool = false) {
        let links = LinkTable(system)
        addLevels(system)
        addTypes(system, links)
        if hasHost {
            for name in [TypeNames.hostEnd, TypeNames.guestEnd] {
                addType(name, attributes: [TypeNames.channel])
            }
        }
        addUsersAndRoles(system)
        addInitialContexts(system)
        addOwnPermissions(system)
        addConsoles(system)
        for pair in links.pairs { add(pair, system) }
        for (index, subtree) in system.further.subtrees.enumerated() {
            add(subtree, index, system, links)
        }
        for device in system.further.devices { add(device, system) }
        if hasHost { addHost(system) }
        addClasses()
    }

    // MARK: Symbols

    private mutating func addClasses() {
        constraints.channelEnds = members(of: TypeNames.channel)
        constraints.consoleEnds = members(of: TypeNames.console)
        // And what stands in no list of the store's labels; no rule is about it.
        constraints.nodes = [number(of: TypeNames.unlabeled)] + members(of: TypeNames.node)
        constraints.policy = number(of: TypeNames.policy)
        for number in 1...ObjectClass.count {
            guard let objectClass = ObjectClass(number: number) else { continue }
            let permissions = (0..<objectClass.permissionCount).compactMap {
                Permission(objectClass, at: $0)
            }
            database.classes.append(
                PolicyDatabaseModel.Class(
                    name: String(objectClass.policyName),
                    permissions: permissions.map { String($0.policyName) },
                    constraints: constraints.of(objectClass)))
        }
    }

    private func members(of attribute: String) -> [UInt32] {
        let attribute = number(of: attribute)
        return database.types.indices.filter {
            database.types[$0].attributes.contains(attribute)
        }.map { UInt32($0) + 1 }
    }

    private mutating func addLevels(_ system: SystemPolicy) {
        let all = system.allCategories
        database.sensitivities = system.sensitivities.map {
            PolicyDatabaseModel.NamedSensitivity(name: $0.name, categories: all)
        }
        database.categories = system.categories.map {
            PolicyDatabaseModel.NamedCategory(name: $0.name)
        }
    }

    private mutating func addTypes(_ system: SystemPolicy, _ links: LinkTable) {
        for name in TypeNames.attributes { addType(name, isAttribute: true) }
        for name in TypeNames.initialTypes { addType(name) }
        for compartment in system.compartments {
            let hasConsole = compartment.options.consoleNoneSource == nil
            addType(
                TypeNames.subject(compartment.name),
                attributes: [TypeNames.compartment] + (hasConsole ? [TypeNames.consoleUser] : []))
            subjects.append(number(of: TypeNames.subject(compartment.name)))
            addType(TypeNames.own(compartment.name))
            addType(TypeNames.console(compartment.name), attributes: [TypeNames.console])
        }
        let names = system.compartments.map(\.name)
        for pair in links.pairs where pair.isJoined {
            addType(
                TypeNames.end(names[pair.owner], names[pair.peer]),
                attributes: [TypeNames.channel])
        }
        for pair in links.pairs where pair.hasDirectory {
            addType(
                TypeNames.directory(names[pair.owner], names[pair.peer]),
                attributes: [TypeNames.node])
        }
        for subtree in system.further.subtrees {
            addType(TypeNames.subtree(subtree.name), attributes: [TypeNames.node])
        }
        for device in system.further.devices {
            addType(TypeNames.device(device.name), attributes: [TypeNames.device])
        }
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
    private mutating func addUsersAndRoles(_ system: SystemPolicy) {
        let acting = system.compartments.flatMap {
            [number(of: TypeNames.subject($0.name)), number(of: TypeNames.own($0.name))]
        }
        let systemTypes = TypeNames.initialTypes.map { number(of: $0) }
        database.roles = [
            PolicyDatabaseModel.Role(name: "object_r", dominates: [1], types: []),
            PolicyDatabaseModel.Role(name: "system_r", dominates: [2], types: systemTypes),
            PolicyDatabaseModel.Role(name: "compartment_r", dominates: [3], types: acting),
        ]
        database.users = [
            PolicyDatabaseModel.User(name: "system_u", roles: [2], range: system.fullRange)
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
                    user: UInt32(position) + 2, role: 3, type: subjects[index],
                    range: compartment.range))
        }
    }

    /// Xen's own subjects and objects. Nothing but the compartments' requests of the hypervisor,
    /// and powers over the policy, is granted on them; stock Xen needs them to have labels.
    private mutating func addInitialContexts(_ system: SystemPolicy) {
        let full = system.fullRange
        for (index, name) in TypeNames.initialTypes.enumerated() {
            let isSubject = TypeNames.initialSubjects.contains(name)
            database.initialContexts[UInt32(index) + 1] = SecurityContext(
                user: 1, role: isSubject ? 2 : objectRole, type: number(of: name),
                range: isSubject ? full : SecurityRange(full.high))
        }
    }

    // MARK: Rules of one compartment

    /// What every compartment may do to itself and ask of the hypervisor
    /// (`docs/abi/hypercalls.md`), and what is said of this one.
    private mutating func addOwnPermissions(_ system: SystemPolicy) {
        let hypervisor = number(of: TypeNames.hypervisor)
        database.allow(
            number(of: TypeNames.compartment), hypervisor, OwnPermissions.ofHypervisor)
        database.allow(
            number(of: TypeNames.consoleUser), hypervisor, [XenPermission.writeconsole])
        for (index, compartment) in system.compartments.enumerated() {
            let subject = subjects[index]
            let own = number(of: TypeNames.own(compartment.name))
            database.allow(subject, subject, OwnPermissions.ofItself)
            if compartment.uses.contains(where: { $0.service == .store }) {
                database.allow(subject, subject, OwnPermissions.ofItsNodes)
            }
            // Stock Xen calls the target of a request about oneself by the domain transition.
            database.transition(subject, subject, .domain, to: own)
            database.allow(
                subject, own,
                OwnPermissions.ofItself.filter { $0.objectClass != .hypercall })
            if let service = compartment.options.service {
                database.allow(subject, hypervisor, OwnPermissions.ofHypervisor(service))
            }
            for use in compartment.uses {
                let permissions = OwnPermissions.ofLife(
                    use.service, startsByItself: compartment.options.startsAutomatically)
                if !permissions.isEmpty {
                    database.allow(subjects[use.provider], subject, permissions)
                }
            }
            for grant in compartment.options.powers {
                database.allow(
                    subject, number(of: TypeNames.policy), OwnPermissions.of(grant.power))
            }
        }
    }

    private mutating func addConsoles(_ system: SystemPolicy) {
        let hypervisor = number(of: TypeNames.hypervisor)
        let top = SecurityRange(system.fullRange.high)
        for (index, compartment) in system.compartments.enumerated() {
            let console = number(of: TypeNames.console(compartment.name))
            database.transition(subjects[index], hypervisor, .event, to: console)
            database.rangeTransition(subjects[index], hypervisor, .event, to: top)
            guard compartment.options.consoleNoneSource == nil else { continue }
            database.allow(
                subjects[index], console,
                [EventPermission.create, EventPermission.send, EventPermission.status])
        }
    }

    // MARK: Rules of two compartments

    /// One ordered pair: the owner's end, its pages, and what it leaves in the store.
    private mutating func add(_ pair: LinkTable.Pair, _ system: SystemPolicy) {
        let (owner, peer) = (subjects[pair.owner], subjects[pair.peer])
        let names = (system.compartments[pair.owner].name, system.compartments[pair.peer].name)
        let high = SecurityRange(system.compartments[pair.peer].range.high)
        if pair.isJoined {
            let end = number(of: TypeNames.end(names.0, names.1))
            database.transition(owner, peer, .event, to: end)
            database.rangeTransition(owner, peer, .event, to: high)
            database.allow(owner, end, [EventPermission.create, EventPermission.status])
            if pair.sends { database.allow(owner, end, [EventPermission.send]) }
            if pair.sendsByExemption { constraints.sends.insert(owner, end) }
            database.allow(end, peer, [EventPermission.bind])
        }
        if pair.isRead {
            database.allow(peer, owner, [GrantPermission.mapRead, GrantPermission.unmap])
            if pair.isReadByExemption { constraints.reads.insert(peer, owner) }
        }
        if pair.isWritten {
            database.allow(peer, owner, [GrantPermission.mapWrite])
            if pair.isWrittenByExemption { constraints.writes.insert(peer, owner) }
        }
        if pair.copies {
            database.allow(owner, peer, [GrantPermission.copy])
            if pair.copiesByExemption { constraints.copies.insert(owner, peer) }
        }
        if pair.showsRing { database.allow(peer, owner, OwnPermissions.readingNodes) }
        if pair.isKnownAcrossLevels { constraints.lives.insert(peer, owner) }
        if pair.hasDirectory {
            let node = number(of: TypeNames.directory(names.0, names.1))
            database.allow(owner, node, OwnPermissions.writingNodes)
            database.allow(peer, node, OwnPermissions.readingNodes)
            // And what the owner leaves among its own nodes, where the levels permit.
            database.allow(peer, owner, OwnPermissions.readingNodes)
            if pair.writesByExemption { constraints.nodeWrites.insert(owner, node) }
            directoryLabels.append(
                DirectoryLabel(
                    writer: pair.owner, reader: pair.peer,
                    label: SecurityContext(user: 1, role: objectRole, type: node, range: high)))
        }
    }

    // MARK: Rules of the store and of devices

    /// A shared subtree: its level is the least that dominates all who write.
    private mutating func add(
        _ subtree: SystemPolicy.Subtree, _ index: Int, _ system: SystemPolicy, _ links: LinkTable
    ) {
        let node = number(of: TypeNames.subtree(subtree.name))
        let writers = Array(subtree.writers.indices)
        var level = system.compartments[subtree.owner].range.high
        for writer in writers { level = level.join(system.compartments[writer].range.high) }
        // The link of subtree *n* is the *n*th from the end of the links.
        let link = system.links.count - system.further.subtrees.count + index
        database.allow(subjects[subtree.owner], node, [XenstorePermission.setperms])
        for writer in writers {
            database.allow(subjects[writer], node, OwnPermissions.writingNodes)
        }
        for reader in subtree.readers.indices {
            database.allow(subjects[reader], node, OwnPermissions.readingNodes)
            guard !system.compartments[reader].range.high.dominates(level),
                writers.allSatisfy({
                    $0 == reader || links.passes(from: $0, to: reader, link: link)
                })
            else { continue }
            constraints.nodeReads.insert(subjects[reader], node)
        }
        subtreeLabels.append(
            SecurityContext(
                user: 1, role: objectRole, type: node, range: SecurityRange(level)))
    }

    /// A device has its owner's high level, and nobody else has a rule on it.
    private mutating func add(_ device: SystemPolicy.Device, _ system: SystemPolicy) {
        let type = number(of: TypeNames.device(device.name))
        let context = SecurityContext(
            user: 1, role: objectRole, type: type,
            range: SecurityRange(system.compartments[device.owner].range.high))
        let use = [ResourcePermission.use, ResourcePermission.useIommu]
        database.allow(
            subjects[device.owner], type,
            device.needsIOMMU ? use : use + [ResourcePermission.useNoiommu])
        var devices = device.interrupts.map {
            PolicyDatabaseModel.Device.interrupt(UInt32(clamping: $0))
        }
        devices += device.ports.map {
            .ports(UInt32(clamping: $0.first), UInt32(clamping: $0.last))
        }
        // Whole frames: what lies in one is labelled as one.
        devices += device.memory.map { .frames($0.first >> 12, $0.last >> 12) }
        if let address = device.pciAddress { devices.append(.pci(address)) }
        database.deviceContexts += devices.map {
            PolicyDatabaseModel.DeviceContext($0, context)
        }
    }
}

extension SystemPolicy {
    fileprivate var allCategories: CategorySet {
        var all = CategorySet.empty
        for index in categories.indices {
            if let index = UInt8(exactly: index) { all.insert(Category(index: index)) }
        }
        return all
    }

    /// The range from the lowest level to the one that dominates all others.
    var fullRange: SecurityRange {
        let top = UInt16(truncatingIfNeeded: max(0, sensitivities.count - 1))
        let low = SecurityLevel(Sensitivity(rank: 0))
        let high = SecurityLevel(Sensitivity(rank: top), allCategories)
        return SecurityRange(low: low, high: high) ?? SecurityRange(high)
    }
}
