import PolicySemantics

/// The names of the types of a system. A name of the language has letters, digits and `_`; those
/// made from it have a `-`, so that they meet neither each other nor the fixed ones.
enum TypeNames {
    /// The attribute of all compartments.
    static let compartment = "compartment"
    /// The attribute of all compartments that have a console.
    static let consoleUser = "console_user"
    /// The attribute of all ends of channels.
    static let channel = "channel_end"
    /// The attribute of all ends of consoles.
    static let console = "console_end"
    /// The attribute of all nodes of the store that compartments share.
    static let node = "store_node"
    /// The attribute of all devices.
    static let device = "device"
    /// All attributes, in order.
    static let attributes = [compartment, consoleUser, channel, console, node, device]
    /// The type of the hypervisor.
    static let hypervisor = "xen_t"
    /// The type of the domain that stock Xen starts first.
    static let host = "dom0_t"
    /// The ends that it holds of its channels with compartments, and those that they hold.
    static let hostEnd = "host-end"
    static let guestEnd = "guest-end"
    /// The type of what has no label.
    static let unlabeled = "unlabeled_t"
    /// The type of the policy itself.
    static let policy = "security_t"

    /// The types of initial SIDs, in the order of their numbers.
    ///
    /// - Source: Xen 4.17, `tools/flask/policy/policy/initial_sids`.
    static let initialTypes = [
        "xenboot_t", hypervisor, "dom0_t", "domio_t", "domxen_t", unlabeled, policy,
        "ioport_t", "iomem_t", "irq_t", "device_t", "domU_t", "domDM_t",
    ]
    /// Those of them that act.
    static let initialSubjects: Set<String> = [
        "xenboot_t", hypervisor, "dom0_t", "domU_t", "domDM_t",
    ]

    /// What a compartment acts as.
    static func subject(_ name: String) -> String { "\(name)-t" }
    /// What stock Xen calls a compartment that acts on itself.
    static func own(_ name: String) -> String { "\(name)-self" }
    /// A compartment's end of its console.
    static func console(_ name: String) -> String { "\(name)-console" }
    /// The end that `owner` holds of its channels with `peer`.
    static func end(_ owner: String, _ peer: String) -> String { "\(owner)-to-\(peer)" }
    /// What `writer` leaves in the store for `reader`.
    static func directory(_ writer: String, _ reader: String) -> String {
        "\(writer)-to-\(reader)-node"
    }
    /// The nodes of a shared subtree of the store.
    static func subtree(_ name: String) -> String { "\(name)-node" }
    /// A device.
    static func device(_ name: String) -> String { "\(name)-device" }
}
