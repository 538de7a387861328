import PolicySemantics

/// The names of the types of a system. A name of the language has letters, digits and `_`; those
/// made from it have a `-`, so that they meet neither each other nor the fixed ones.
struct TypeNames {
    /// The types of one compartment.
    struct Compartment {
        /// What the compartment acts as.
        let subject: String
        /// What stock Xen calls a compartment that acts on itself.
        let own: String
        /// The compartment's end of its console.
        let console: String
    }

    /// One end of the channels between two compartments.
    struct Channel {
        let name: String
        /// The index of the compartment that owns the end.
        let owner: Int
        /// The index of the compartment at the other end.
        let peer: Int
        /// Whether a channel leads from the owner to the peer.
        let sends: Bool
    }

    /// The attribute of all compartments.
    static let compartment = "compartment"
    /// The attribute of all ends of channels.
    static let channel = "channel_end"
    /// The attribute of all ends of consoles.
    static let console = "console_end"
    /// The type of ends of channels that nobody declared.
    static let noChannel = "no_channel_t"
    /// The type of the hypervisor.
    static let hypervisor = "xen_t"

    /// The types of initial SIDs, in the order of their numbers.
    ///
    /// - Source: Xen 4.17, `tools/flask/policy/policy/initial_sids`.
    static let initialTypes = [
        "xenboot_t", "xen_t", "dom0_t", "domio_t", "domxen_t", "unlabeled_t", "security_t",
        "ioport_t", "iomem_t", "irq_t", "device_t", "domU_t", "domDM_t",
    ]
    /// Those of them that act.
    static let initialSubjects: Set<String> = [
        "xenboot_t", "xen_t", "dom0_t", "domU_t", "domDM_t",
    ]

    let attributes = [TypeNames.compartment, TypeNames.channel, TypeNames.console]
    let base = TypeNames.initialTypes
    let compartments: [Compartment]
    let channels: [Channel]

    init(_ system: SystemPolicy) {
        let names = system.compartments.map(\.name)
        compartments = names.map {
            Compartment(subject: "\($0)-t", own: "\($0)-self", console: "\($0)-console")
        }
        var ways: [[Bool]] = names.map { _ in names.map { _ in false } }
        for channel in system.channels {
            ways[channel.from][channel.to] = true
            if channel.isTwoWay { ways[channel.to][channel.from] = true }
        }
        for (user, compartment) in system.compartments.enumerated() {
            for use in compartment.uses where ServicePermissions.hasRing(use.service) {
                ways[user][use.provider] = true
                ways[use.provider][user] = true
            }
        }
        var ends: [Channel] = []
        for owner in names.indices {
            for peer in names.indices where ways[owner][peer] || ways[peer][owner] {
                ends.append(
                    Channel(
                        name: "\(names[owner])-to-\(names[peer])", owner: owner, peer: peer,
                        sends: ways[owner][peer]))
            }
        }
        channels = ends
    }
}
