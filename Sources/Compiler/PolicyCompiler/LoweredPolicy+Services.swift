import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics

/// What services take to serve: one rule for each use that the system declares, and nothing else.
/// Who does not use a service has no rule with it.
extension LoweredPolicy {
    /// Adds the rules of services and their users (`docs/abi/services.md`).
    mutating func addServices(_ system: SystemPolicy, _ names: TypeNames) {
        let hypervisor = number(of: TypeNames.hypervisor)
        for (index, compartment) in system.compartments.enumerated() {
            let subject = number(of: names.compartments[index].subject)
            if let service = compartment.options.service {
                database.allow(subject, hypervisor, ServicePermissions.ofHypervisor(service))
            }
            for use in compartment.uses where ServicePermissions.hasRing(use.service) {
                let provider = number(of: names.compartments[use.provider].subject)
                database.allow(provider, subject, ServicePermissions.ofUser)
            }
            if compartment.uses.contains(where: { $0.service == .store }) {
                database.allow(subject, subject, ServicePermissions.ofOwnNodes)
            }
        }
        for channel in system.channels {
            addReading(from: channel.from, by: channel.to, system, names)
            if channel.isTwoWay { addReading(from: channel.to, by: channel.from, system, names) }
        }
    }

    /// Where both ends of a channel use the store, the receiver reads what the sender leaves there.
    private mutating func addReading(
        from sender: Int, by receiver: Int, _ system: SystemPolicy, _ names: TypeNames
    ) {
        let useStore = [sender, receiver].allSatisfy { index in
            system.compartments[index].uses.contains { $0.service == .store }
        }
        guard useStore else { return }
        database.allow(
            number(of: names.compartments[receiver].subject),
            number(of: names.compartments[sender].subject), ServicePermissions.ofSendersNodes)
    }
}

/// What services and their users may do without further declaration.
enum ServicePermissions {
    /// Whether a service serves its users by a ring that each of them grants it.
    static func hasRing(_ service: SystemPolicy.Service) -> Bool {
        service == .store || service == .console
    }

    /// What a service may ask of the hypervisor.
    static func ofHypervisor(_ service: SystemPolicy.Service) -> [Permission] {
        switch service {
        case .store: [SecurityPermission.computeAv, HypercallPermission.virq]
        case .console: [XenPermission.readconsole, HypercallPermission.virq]
        case .control, .tpm, .audit: []
        }
    }

    /// What a service may do to a compartment that uses it: map its ring, and know of its end.
    static let ofUser: [Permission] = [
        GrantPermission.mapRead, GrantPermission.mapWrite, GrantPermission.unmap,
        DomainPermission.getdomaininfo,
    ]

    /// What the receiver of a channel may do to the sender's nodes.
    static let ofSendersNodes: [Permission] = [
        XenstorePermission.read, XenstorePermission.list, XenstorePermission.watch,
    ]

    /// What a user of the store may do to nodes of its own label.
    static let ofOwnNodes: [Permission] = [
        XenstorePermission.read, XenstorePermission.write, XenstorePermission.create,
        XenstorePermission.remove, XenstorePermission.list, XenstorePermission.watch,
        XenstorePermission.setperms,
    ]
}
