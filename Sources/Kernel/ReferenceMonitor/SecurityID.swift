/// The monitor's number for a label. Only a monitor makes them, for labels that it has interned.
///
/// - Invariant (interned): the index is below the number of labels of the monitor that made it.
public struct SecurityID: Equatable, Sendable, BitwiseCopyable {
    /// The index among the interned labels: 0 is the hypervisor, 1 to n are the compartments in
    /// the manifest's order; `ReferenceMonitor` says what follows.
    public let index: UInt16

    /// - Precondition: (interned).
    init(index: UInt16) { self.index = index }

    /// The label of the hypervisor itself: the policy's initial SID `xen`.
    public static var hypervisor: SecurityID { SecurityID(index: 0) }
}

/// What the policy says to one request. A denial is recorded by whoever asked.
public enum AccessDecision: Equatable, Sendable {
    /// The policy permits it.
    case allowed
    /// Everything else.
    case denied
}

/// Why a monitor could not be made. The machine then stops.
public enum ReferenceMonitorError: Error, Equatable {
    /// The policy gives the hypervisor no label.
    case missingHypervisorLabel
    /// A compartment's label is not valid in the policy.
    case invalidCompartmentLabel
    /// The label of an event channel between two compartments is not valid in the policy.
    case invalidEventLabel
    /// The label of a subtree, of a channel's directory or of a device is not valid in the policy.
    case invalidObjectLabel
    /// The policy asks for granted accesses to be recorded, which this version does not do.
    case auditRulesUnsupported
    /// The boot arena is too small for the labels and decisions of this system, or the policy
    /// permits more than its manifest says.
    case arenaExhausted
    /// Two different rows have the same digest, so that rows could not be told apart.
    case rowDigestCollision

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .missingHypervisorLabel: "monitor: the policy has no label for the hypervisor"
        case .invalidCompartmentLabel: "monitor: a compartment's label is not valid"
        case .invalidEventLabel: "monitor: an event channel's label is not valid"
        case .invalidObjectLabel: "monitor: the label of a node or device is not valid"
        case .auditRulesUnsupported: "monitor: auditallow rules are not supported"
        case .arenaExhausted: "monitor: the boot arena is too small"
        case .rowDigestCollision: "monitor: two rows have the same digest"
        }
    }
}
