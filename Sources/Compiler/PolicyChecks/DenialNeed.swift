import PolicySemantics
import PolicySyntax

/// What a system would have to declare for a permission to be granted.
///
/// - Source: docs/abi/channels.md and docs/security-policy.md: what a channel gives to its ends.
enum DenialNeed: Equatable {
    /// A channel of a kind, from who asked to whom it would have reached.
    case channelThere(SystemPolicy.Channel.Kind)
    /// A channel of a kind, the other way: what is read comes from whom it would have reached.
    case channelBack(SystemPolicy.Channel.Kind)
    /// A channel of a kind, whichever way.
    case channel(SystemPolicy.Channel.Kind)
    /// A power over the policy.
    case power(Power)
    /// That the service `tpm` names the command, if it may be named.
    case command
    /// Nothing that the language can say.
    case nothing

    /// Finds out what would give a permission on an object of another compartment.
    init(_ objectClass: String, _ permission: String) {
        switch (objectClass, permission) {
        case ("event", "send"): self = .channelThere(.signal)
        case ("event", "create"), ("event", "bind"): self = .channel(.signal)
        case ("grant", "map_read"), ("mmu", "map_read"): self = .channelBack(.ring)
        case ("grant", "map_write"), ("mmu", "map_write"), ("argo", "send"):
            self = .channelThere(.ring)
        case ("grant", "copy"), ("grant", "transfer"): self = .channel(.ring)
        case ("xenstore", "read"), ("xenstore", "list"), ("xenstore", "watch"):
            self = .channelBack(.store)
        case ("xenstore", "write"), ("xenstore", "create"), ("xenstore", "remove"):
            self = .channelThere(.store)
        case ("xen", "firmware"): self = .command
        case ("security", "load_policy"): self = .power(.loadPolicy)
        case ("domain2", "relabelfrom"), ("domain2", "relabelto"), ("domain2", "relabelself"),
            ("xenstore", "relabelfrom"), ("xenstore", "relabelto"):
            self = .power(.relabel)
        default: self = .nothing
        }
    }

    /// The rule, in a sentence.
    var rule: String {
        switch self {
        case .channelThere(.signal):
            "a compartment signals another only by a channel that leads there"
        case .channelBack: "a compartment reads of another only what a channel from there brings"
        case .channelThere: "a compartment writes to another only by a channel that leads there"
        case .channel: "two compartments share something only where a channel joins them"
        case .power(let power): "nobody may \(power.rawValue) who is not declared to"
        case .command:
            "the service `tpm` passes on the commands that it names, and none that changes the "
                + "registers 0 to 9, 12, 13 and 15"
        case .nothing:
            "no declaration gives this permission; docs/abi/hypercalls.md lists those given"
        }
    }
}
