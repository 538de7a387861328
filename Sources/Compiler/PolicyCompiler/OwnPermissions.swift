import PolicyDatabase
import PolicySemantics
import PolicySyntax

/// What statements give, beyond event channels and grants.
enum OwnPermissions {
    /// What every compartment may do to itself.
    static let ofItself: [Permission] = [
        DomainPermission.shutdown, HVMPermission.setparam, HVMPermission.getparam,
        MMUPermission.physmap, MMUPermission.memorymap, GrantPermission.setup,
        GrantPermission.query, HypercallPermission.vcpu, HypercallPermission.timer,
        HypercallPermission.schedule, HypercallPermission.virq, HypercallPermission.ipi,
        HypercallPermission.port,
    ]
    /// What every compartment may ask of the hypervisor.
    static let ofHypervisor: [Permission] = [
        VersionPermission.xenExtraversion, HypercallPermission.version,
    ]
    /// What who uses the store may do to nodes of his own.
    static let ofItsNodes = readingNodes + writingNodes + [XenstorePermission.setperms]
    /// What who writes to a node may do.
    static let writingNodes: [Permission] = [
        XenstorePermission.write, XenstorePermission.create, XenstorePermission.remove,
    ]
    /// What who reads a node may do.
    static let readingNodes: [Permission] = [
        XenstorePermission.read, XenstorePermission.list, XenstorePermission.watch,
    ]

    /// What a service asks of the hypervisor (`docs/abi/services.md`).
    static func ofHypervisor(_ service: SystemPolicy.Service) -> [Permission] {
        switch service {
        case .store: [SecurityPermission.computeAv, HypercallPermission.virq]
        case .console:
            [XenPermission.readconsole, XenPermission.writeconsole, HypercallPermission.virq]
        case .control: [XenPermission.physinfo, HypercallPermission.virq]
        case .audit: [XenPermission.clearconsole]
        case .tpm: [XenPermission.firmware, HypercallPermission.virq]
        }
    }

    /// What a service asks and orders about the life of a compartment that uses it.
    ///
    /// - Parameter startsByItself: whether the user starts with the machine.
    static func ofLife(
        _ service: SystemPolicy.Service, startsByItself: Bool
    ) -> [Permission] {
        switch service {
        case .store, .console, .tpm: [DomainPermission.getdomaininfo]
        case .control where !startsByItself:
            [
                DomainPermission.getdomaininfo, DomainPermission.unpause,
                DomainPermission.destroy,
            ]
        case .control, .audit: []
        }
    }

    /// What a power over the policy is.
    static func of(_ power: Power) -> [Permission] {
        switch power {
        case .loadPolicy:
            [SecurityPermission.loadPolicy]
        case .relabel:
            [
                SecurityPermission.computeRelabel, SecurityPermission.addOcontext,
                SecurityPermission.delOcontext,
            ]
        }
    }
}
