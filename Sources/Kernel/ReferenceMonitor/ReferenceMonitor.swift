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
/// - Invariant (closed): each label that a request can name was interned when the monitor was made.
/// - Invariant (exact): word t · stride + c of a source's row is what `PolicyDatabase` computes for
///   that source, target t and class c.
public struct ReferenceMonitor: ~Copyable, Sendable {
    /// The number of compartments.
    public let compartmentCount: Int
    private let labels: LabelTable
    /// Where each label's row starts in `rows`.
    private let rowStarts: ArenaTable<UInt32>
    /// The different rows.
    private let rows: ArenaTable<UInt32>

    /// Interns the labels of a system and computes all decisions.
    ///
    /// - Parameters:
    ///   - policy: the policy that the machine is to enforce.
    ///   - manifest: the compartments, whose labels are in the numbers of that policy.
    ///   - arena: where the tables go; `arenaSizeInBytes(compartmentCount:)` says what suffices.
    /// - Throws: `.missingHypervisorLabel`, `.invalidCompartmentLabel`, `.invalidEventLabel` if the
    ///   policy has no such valid label; `.auditRulesUnsupported` if it has `auditallow` rules;
    ///   `.arenaExhausted`; `.rowDigestCollision`.
    /// - Complexity: for n compartments at most (n + 1)(n + 2) labels; for each the rules of the
    ///   policy, times the labels for those rules that name it; twice.
    public init(
        policy: borrowing PolicyDatabase, manifest: borrowing SystemManifest,
        arena: inout BootArena
    ) throws(ReferenceMonitorError) {
        guard !policy.hasAuditAllowRules else { throw .auditRulesUnsupported }
        let labels = try LabelTable.interned(
            policy: policy, manifest: manifest, arena: &arena)
        var builder = try RowBuilder(labelCount: labels.count, arena: &arena)
        builder.findDistinctRows(policy, labels)
        let rows = try builder.storeRows(policy, labels, arena: &arena)
        self.rows = rows
        rowStarts = builder.takeRowStarts()
        compartmentCount = manifest.compartmentCount
        self.labels = labels
    }

    /// The arena that suffices for a monitor of `compartmentCount` compartments whatever the policy
    /// says, in bytes. A system with few channels needs much less.
    public static func arenaSizeInBytes(compartmentCount: Int) -> Int {
        let labels = (compartmentCount + 1) * (compartmentCount + 2)
        let row = labels * PolicyDatabase.rowStride * 4
        return (labels + 1) * row + labels * 256
    }

    // MARK: Labels

    /// The number of interned labels.
    public var labelCount: Int { labels.count }

    /// Returns the label of an index; nil when there is none.
    public func label(at index: Int) -> SecurityID? {
        guard index >= 0, index < labelCount else { return nil }
        return SecurityID(index: UInt16(truncatingIfNeeded: index))
    }

    /// Returns the label of a compartment.
    ///
    /// - Precondition: `index` is below `compartmentCount`.
    public func label(ofCompartment index: Int) -> SecurityID {
        precondition(index >= 0 && index < compartmentCount, "a compartment is out of range")
        return SecurityID(index: UInt16(truncatingIfNeeded: index + 1))
    }

    /// Returns the label of the event channel's end that `source` holds towards `target`.
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

    // MARK: Decisions

    /// Decides whether `source` may do `permission` to an object labelled `target`.
    ///
    /// - Complexity: two dependent loads and a mask, whatever is asked.
    public func decide(
        source: SecurityID, target: SecurityID, permission: Permission
    ) -> AccessDecision {
        let vector = accessVector(
            source: source, target: target, class: permission.objectClass)
        return vector.contains(permission) ? .allowed : .denied
    }

    /// Returns everything that `source` may do to objects of a class labelled `target`.
    ///
    /// - Complexity: two dependent loads.
    public func accessVector(
        source: SecurityID, target: SecurityID, class objectClass: ObjectClass
    ) -> AccessVector {
        let start = Int(rowStarts[Int(source.index)])
        let column = Int(target.index) * PolicyDatabase.rowStride + Int(objectClass.number)
        return AccessVector(bits: rows[start + column])
    }

    /// The number of different rows: labels with equal decisions share one.
    public var distinctRowCount: Int {
        rows.count / (labelCount * PolicyDatabase.rowStride)
    }
}
