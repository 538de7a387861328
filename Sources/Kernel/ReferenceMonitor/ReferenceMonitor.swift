public import BootArena
public import PolicyDatabase
public import SystemManifest

/// The one place where the running machine asks what a label may do.
///
/// For: every hypercall. The labels of a system are known when it starts, so all decisions are
/// computed then and only looked up later. Not for: computing; it tabulates what `PolicyDatabase`
/// computes. There is no cache and no state that a decision changes: what is executed for one
/// request does not depend on what was asked before, or by whom.
///
/// It trusts the policy and the manifest to have been validated, and found to belong together.
///
/// Labels are numbered: the hypervisor; the compartments; the shared subtrees of the store; the
/// directories of channels; the ranges of devices; the devices, as PCI functions; all in the order
/// of the manifest's records. Then come the policy itself (initial SID `security`), the label of
/// every event channel that nobody declared, to which nothing is permitted, and at last those of
/// the ends of event channels.
///
/// - Invariant (closed): each label that a request can name was interned when the monitor was made.
/// - Invariant (exact): what it says of two labels and a class is what `PolicyDatabase` computes
///   for them, but for the label that stands for what has none: to it nothing is permitted.
public struct ReferenceMonitor: ~Copyable, Sendable {
    /// The number of compartments.
    public let compartmentCount: Int
    /// The number of different rows: labels with equal decisions share one.
    public let distinctRowCount: Int
    let labels: LabelTable
    private let decisions: DecisionTable

    /// Interns the labels of a system and computes all decisions.
    ///
    /// - Parameters:
    ///   - policy: the policy that the machine is to enforce.
    ///   - manifest: the compartments, whose labels are in the numbers of that policy.
    ///   - arena: where the tables go; `arenaSizeInBytes(policy:manifest:)` says what suffices.
    /// - Throws: `.missingHypervisorLabel`, `.invalidCompartmentLabel`, `.invalidObjectLabel`,
    ///   `.invalidEventLabel` if the policy has no such valid label; `.auditRulesUnsupported` if it
    ///   has `auditallow` rules; `.arenaExhausted`, also if the policy joins more compartments than
    ///   the manifest has channels for; `.rowDigestCollision`.
    /// - Complexity: linear in the labels, the rules and what these permit, twice; a column of
    ///   decisions is tried at no more than 65,535 places.
    public init(
        policy: borrowing PolicyDatabase, manifest: borrowing SystemManifest,
        arena: inout BootArena
    ) throws(ReferenceMonitorError) {
        guard !policy.hasAuditAllowRules else { throw .auditRulesUnsupported }
        let labels = try LabelTable.interned(policy, manifest, arena: &arena)
        var builder = try RowBuilder(policy, labels, arena: &arena)
        decisions = try builder.stored(policy, labels, arena: &arena)
        distinctRowCount = builder.rowCount
        compartmentCount = manifest.compartmentCount
        self.labels = labels
    }

    /// The arena that suffices for a monitor of a system, in bytes.
    ///
    /// - Complexity: linear in the rules of the policy and in the manifest's records.
    public static func arenaSizeInBytes(
        policy: borrowing PolicyDatabase, manifest: borrowing SystemManifest
    ) -> Int {
        MonitorSize(policy, manifest).arenaSizeInBytes
    }

    // MARK: Labels

    /// The number of interned labels.
    public var labelCount: Int { labels.count }

    /// The label of every event channel, and of every device, that the policy has no label for:
    /// nothing is permitted to it, and it may do nothing.
    public var deniedLabel: SecurityID { id(labels.size.denied) }

    /// The label of the policy itself, the initial SID `security`: what loading another one, or
    /// relabelling, is permitted on. The denied label if the policy has none.
    public var policyLabel: SecurityID { member(labels.size.policy) }

    /// Returns the label of an index; nil when there is none.
    public func label(at index: Int) -> SecurityID? {
        guard index >= 0, index < labelCount else { return nil }
        return id(index)
    }

    /// Returns the label of a compartment.
    ///
    /// - Precondition: `index` is below `compartmentCount`.
    public func label(ofCompartment index: Int) -> SecurityID {
        precondition(index >= 0 && index < compartmentCount, "a compartment is out of range")
        return id(index + 1)
    }

    /// Returns the label of the nodes of a shared subtree of the store.
    ///
    /// - Precondition: `index` is below the manifest's `subtreeCount`.
    public func label(ofSubtree index: Int) -> SecurityID {
        precondition(index >= 0 && index < labels.size.subtrees, "a subtree is out of range")
        return id(labels.size.firstSubtree + index)
    }

    /// Returns the label of what the end of a channel leaves in the store.
    ///
    /// - Precondition: `index` is below the manifest's `directoryCount`.
    public func label(ofDirectory index: Int) -> SecurityID {
        precondition(index >= 0 && index < labels.size.directories, "a directory is out of range")
        return id(labels.size.firstDirectory + index)
    }

    /// Returns the label of a range of a device; the denied label if no statement of the policy
    /// covers all of it.
    ///
    /// - Precondition: `index` is below the manifest's `deviceRangeCount`.
    public func label(ofDeviceRange index: Int) -> SecurityID {
        precondition(
            index >= 0 && index < labels.size.deviceRanges, "a range of a device is out of range")
        return member(labels.size.firstDeviceRange + index)
    }

    /// Returns the label of a device's PCI function; the denied label if it has none.
    ///
    /// - Precondition: `index` is below the manifest's `deviceCount`.
    public func label(ofFunctionOfDevice index: Int) -> SecurityID {
        precondition(index >= 0 && index < labels.size.devices, "a device is out of range")
        return member(labels.size.firstDevice + index)
    }

    /// Returns the label of the event channel's end that `source` holds towards `target`; the
    /// denied label if no rule of the policy names the two.
    ///
    /// - Precondition: both are the hypervisor or compartments, not event channels.
    public func eventLabel(source: SecurityID, target: SecurityID) -> SecurityID {
        SecurityID(
            index: labels.eventLabel(source: Int(source.index), target: Int(target.index)))
    }

    /// Returns the security context that a label stands for, in the numbers of the policy.
    public func context(of label: SecurityID) -> SecurityContext {
        labels.span[Int(label.index)].context
    }

    /// The index is below the number of labels, at most 65,535.
    func id(_ index: Int) -> SecurityID { SecurityID(index: UInt16(truncatingIfNeeded: index)) }

    private func member(_ index: Int) -> SecurityID {
        labels.isMember(index) ? id(index) : deniedLabel
    }

    // MARK: Decisions

    /// Decides whether `source` may do `permission` to an object labelled `target`.
    ///
    /// - Complexity: two dependent loads and a comparison, whatever is asked.
    public func decide(
        source: SecurityID, target: SecurityID, permission: Permission
    ) -> AccessDecision {
        decisions.decide(
            source: UInt32(source.index), target: UInt32(target.index),
            permission: permission.position)
    }

    /// Returns everything that `source` may do to objects of a class labelled `target`.
    ///
    /// - Complexity: a decision for each permission of the class.
    @inline(never) public func accessVector(
        source: SecurityID, target: SecurityID, class objectClass: ObjectClass
    ) -> AccessVector {
        var bits: UInt32 = 0
        for bit in 0..<UInt32(objectClass.permissionCount) {
            let decision = decisions.decide(
                source: UInt32(source.index), target: UInt32(target.index),
                permission: UInt32(objectClass.number) << 5 | bit)
            if decision == .allowed { bits |= 1 << bit }
        }
        return AccessVector(bits: bits)
    }

    /// What decisions are read from, in bytes: the places of the labels, and the cells.
    public var rowsSizeInBytes: Int { decisions.sizeInBytes }
}
