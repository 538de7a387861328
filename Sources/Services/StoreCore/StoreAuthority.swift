public import PolicyDatabase
public import ReferenceMonitor

/// Who decides what a label may do to nodes of a label. The store asks for everything once, when it
/// is installed, and keeps the answers as a table.
public protocol StoreAuthority: ~Copyable {
    /// The number of labels, of subjects and nodes, at least 1.
    var labelCount: Int { get }
    /// Decides whether `subject` may do a permission of class `xenstore` to nodes of label
    /// `object`; both are below `labelCount`.
    func decide(subject: StoreLabel, object: StoreLabel, permission: Permission) -> AccessDecision
    /// Whether it is to be kept from `subject` that there is a node of label `object`, where it may
    /// not read it.
    func isPresenceSecret(from subject: StoreLabel, object: StoreLabel) -> Bool
}

/// No mandatory control: one label, and all is allowed. Whoever uses it has to say so in every
/// status.
public struct NoMandatoryControl: StoreAuthority {
    /// Creates it.
    public init() {}
    /// One label for everything.
    public var labelCount: Int { 1 }
    /// Allows.
    public func decide(
        subject: StoreLabel, object: StoreLabel, permission: Permission
    ) -> AccessDecision { .allowed }
    /// No.
    public func isPresenceSecret(from subject: StoreLabel, object: StoreLabel) -> Bool { false }
}

/// The hypervisor's own decision rows. A label of the store is the monitor's of the same index: 0
/// is the hypervisor, then the compartments.
public struct MonitorAuthority: ~Copyable, StoreAuthority {
    private let monitor: ReferenceMonitor

    /// Takes over a monitor.
    public init(_ monitor: consuming ReferenceMonitor) { self.monitor = monitor }

    /// The labels of the hypervisor and of the compartments. Ends of event channels label no node.
    public var labelCount: Int { monitor.compartmentCount + 1 }

    /// Looks the decision up. An index that is no label is denied.
    public func decide(
        subject: StoreLabel, object: StoreLabel, permission: Permission
    ) -> AccessDecision {
        guard let source = monitor.label(at: Int(subject.index)),
            let target = monitor.label(at: Int(object.index))
        else { return .denied }
        return monitor.decide(source: source, target: target, permission: permission)
    }

    /// Yes: what a label may not read it may not know of.
    public func isPresenceSecret(from subject: StoreLabel, object: StoreLabel) -> Bool { true }
}
