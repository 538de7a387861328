/// One end of an event channel.
public struct EventChannel: BitwiseCopyable {
    /// What the port is bound to.
    public enum Binding: BitwiseCopyable, Equatable {
        /// Not in use.
        case free
        /// Reserved for one remote domain, which has not bound it yet.
        case unbound(remote: DomainID)
        /// Joined to a port of another domain.
        case interdomain(remote: DomainID, port: EventChannelPort)
        /// Rung by the hypervisor for a virtual interrupt, or a device's from
        /// `HypervisorCore.firstLine`.
        case virtualInterrupt(number: UInt32)
        /// Rung by the domain itself.
        case interprocessor
        /// The console: the far end is the hypervisor.
        case console
        /// Taken away by a new policy: nothing rings it, and nothing can be sent. It stays its
        /// owner's until it is closed, because a guest may not survive that a port is gone.
        case revoked(remote: DomainID)
    }

    /// What the port is bound to.
    public var binding: Binding
    /// The processor that is told of events, by number.
    public var cpu: Int = 0
    /// The neighbours in the list of the domain's ports for the same remote, by number; 0: none.
    package var next: UInt8 = 0
    package var previous: UInt8 = 0

    /// Binds a port.
    public init(binding: Binding, cpu: Int = 0) {
        self.binding = binding
        self.cpu = cpu
    }

    /// A port that is not in use.
    public static var free: EventChannel { EventChannel(binding: .free) }

    /// Whether the port can be reserved.
    public var isFree: Bool { binding == .free }

    /// The other domain that the port is for; nil: it is for no other domain.
    package var remote: DomainID? {
        switch binding {
        case .unbound(let remote), .interdomain(let remote, _): remote
        case .free, .virtualInterrupt, .interprocessor, .console, .revoked: nil
        }
    }
}
