public import ReferenceMonitor

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
        /// Rung by the hypervisor for a virtual interrupt.
        case virtualInterrupt(number: UInt32)
        /// Rung by the domain itself.
        case interprocessor
        /// The console: the far end is the hypervisor.
        case console
    }

    /// What the port is bound to.
    public var binding: Binding
    /// The label that sends on this end are decided by; meaningful for `.unbound`, `.interdomain`
    /// and `.console`.
    public var label: SecurityID
    /// The processor that is told of events, by number.
    public var cpu: Int = 0

    /// A port that is not in use.
    public static var free: EventChannel { EventChannel(binding: .free, label: .hypervisor) }

    /// Whether the port can be reserved.
    public var isFree: Bool { binding == .free }
}
