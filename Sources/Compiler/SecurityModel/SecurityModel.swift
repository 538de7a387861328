public import PolicySemantics
import SecurityLattice

/// The executable specification: what a system permits, in the words of its declaration.
///
/// For: judging the policy that the compiler writes and the monitor enforces, and reading. It
/// shares no code with either: it knows compartments, channels and levels, not types, rules or
/// labels. It is written to be believed at sight, not to be fast.
///
/// Everything that is not said here is denied.
public struct SecurityModel: Sendable {
    /// What acts, or is acted on.
    public enum Entity: Equatable, Sendable {
        /// The hypervisor.
        case hypervisor
        /// A compartment, by its index.
        case compartment(Int)
        /// The end of an event channel that `owner` holds towards `peer`: compartments by index,
        /// nil for the hypervisor.
        case end(owner: Int?, peer: Int?)
    }

    private let system: SystemPolicy

    /// Specifies a system.
    public init(_ system: SystemPolicy) { self.system = system }

    /// Returns whether `source` may do `permission`, such as `event send`, to `target`.
    public func permits(_ source: Entity, _ permission: String, on target: Entity) -> Bool {
        switch (source, target) {
        case (.compartment(let one), .compartment(let other)):
            return one == other
                ? permitsToItself(one, permission)
                : permits(one, permission, toUser: other) || reads(one, permission, of: other)
        case (.compartment(let one), .hypervisor):
            return SecurityModel.toHypervisor.contains(permission)
                || toHypervisor(as: system.compartments[one].options.service).contains(permission)
        case (.compartment(let one), .end(let owner, let peer)):
            return one == owner && permits(one, permission, towards: peer)
        case (.end(let owner?, let peer?), .compartment(let other)):
            return other == peer && permission == "event bind" && isJoined(owner, peer)
        default:
            return false
        }
    }

    /// Who uses the store has nodes of its own there, and may do everything to them.
    private func permitsToItself(_ index: Int, _ permission: String) -> Bool {
        if SecurityModel.toItself.contains(permission) { return true }
        return usesStore(index) && SecurityModel.toOwnNodes.contains(permission)
    }

    /// Store and console map the rings of their users, and know whether they live, where the levels
    /// are equal; to give a page back is always permitted, to read one where what it holds may come
    /// to the service.
    private func permits(_ service: Int, _ permission: String, toUser user: Int) -> Bool {
        guard isServed(user, by: service) else { return false }
        let comes = mayFlow(
            from: system.compartments[user].range, to: system.compartments[service].range)
        let goes = mayFlow(
            from: system.compartments[service].range, to: system.compartments[user].range)
        switch permission {
        case "grant unmap": return true
        case "grant map_read": return comes
        case "grant map_write", "domain getdomaininfo": return comes && goes
        default: return false
        }
    }

    /// The receiver of a channel reads what the sender leaves in the store, if both use it.
    private func reads(_ receiver: Int, _ permission: String, of sender: Int) -> Bool {
        ["xenstore read", "xenstore list", "xenstore watch"].contains(permission)
            && usesStore(sender) && usesStore(receiver) && isSender(sender, to: receiver)
            && mayFlow(
                from: system.compartments[sender].range, to: system.compartments[receiver].range)
    }

    private func usesStore(_ index: Int) -> Bool {
        system.compartments[index].uses.contains { $0.service == .store }
    }

    private func isServed(_ user: Int, by service: Int) -> Bool {
        system.compartments[user].uses.contains {
            $0.provider == service && ($0.service == .store || $0.service == .console)
        }
    }

    /// What a service may ask of the hypervisor.
    private func toHypervisor(as service: SystemPolicy.Service?) -> Set<String> {
        switch service {
        case .store: ["security compute_av", "hypercall virq"]
        case .console: ["xen readconsole", "hypercall virq"]
        case .control, .tpm, .audit, nil: []
        }
    }

    /// Returns whether a compartment may do something to its own end towards a peer.
    private func permits(_ owner: Int, _ permission: String, towards peer: Int?) -> Bool {
        guard let peer else {
            // The console: the hypervisor reads it, and has all levels.
            return ["event create", "event send", "event status"].contains(permission)
        }
        switch permission {
        case "event create", "event status": return isJoined(owner, peer)
        case "event send": return maySend(owner, peer)
        default: return false
        }
    }

    /// A compartment may signal another if a channel leads there, and information may flow there.
    private func maySend(_ from: Int, _ to: Int) -> Bool {
        hasChannel(from, to)
            && mayFlow(from: system.compartments[from].range, to: system.compartments[to].range)
    }

    /// Both ends of a channel exist, whichever way it leads.
    private func isJoined(_ one: Int, _ other: Int) -> Bool {
        hasChannel(one, other) || hasChannel(other, one)
    }

    private func hasChannel(_ from: Int, _ to: Int) -> Bool {
        isServed(from, by: to) || isServed(to, by: from) || isSender(from, to: to)
    }

    /// Whether a declared channel leads from one to the other.
    private func isSender(_ from: Int, to: Int) -> Bool {
        system.channels.contains { channel in
            channel.from == from && channel.to == to
                || channel.isTwoWay && channel.from == to && channel.to == from
        }
    }

    /// What every compartment may do to itself (`docs/abi/hypercalls.md`).
    private static let toItself: Set<String> = [
        "domain shutdown", "hvm setparam", "hvm getparam", "mmu physmap", "mmu memorymap",
        "grant setup", "grant query", "hypercall vcpu", "hypercall timer", "hypercall schedule",
        "hypercall virq", "hypercall ipi", "hypercall port",
    ]

    /// What a user of the store may do to nodes with its own label.
    private static let toOwnNodes: Set<String> = [
        "xenstore read", "xenstore write", "xenstore create", "xenstore remove", "xenstore list",
        "xenstore watch", "xenstore setperms",
    ]

    /// What every compartment may ask of the hypervisor.
    private static let toHypervisor: Set<String> = [
        "hypercall version", "version xen_extraversion", "xen writeconsole",
    ]
}
