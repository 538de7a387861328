import BootArena
import PolicyDatabase
import SystemManifest

/// All labels of a system, each with its index: the hypervisor, the compartments, then the ends of
/// event channels.
///
/// - Invariant (distinct): event labels are distinct from each other and from those before them.
struct LabelTable: ~Copyable {
    private var labels: ArenaTable<PreparedContext>
    /// The number of labels; the table has room for more.
    private(set) var count = 0
    private var eventLabels: ArenaTable<UInt16>
    private let compartmentCount: Int

    private init(
        labels: consuming ArenaTable<PreparedContext>, eventLabels: consuming ArenaTable<UInt16>,
        compartmentCount: Int
    ) {
        self.labels = labels
        self.eventLabels = eventLabels
        self.compartmentCount = compartmentCount
    }

    /// Interns the labels of a system.
    static func interned(
        policy: borrowing PolicyDatabase, manifest: borrowing SystemManifest,
        arena: inout BootArena
    ) throws(ReferenceMonitorError) -> LabelTable {
        guard let context = policy.context(of: .xen), let hypervisor = policy.prepare(context)
        else { throw .missingHypervisorLabel }
        let width = manifest.compartmentCount + 1
        let labels = try table(of: width + width * width, repeating: hypervisor, in: &arena)
        let eventLabels = try table(of: width * width, repeating: UInt16(0), in: &arena)
        var result = LabelTable(
            labels: labels, eventLabels: eventLabels, compartmentCount: manifest.compartmentCount)
        result.append(hypervisor)
        try result.internCompartments(policy, manifest)
        try result.internEventLabels(policy)
        return result
    }

    /// All labels, in the order of their indices.
    var span: Span<PreparedContext> {
        @_lifetime(borrow self) get { labels.span.extracting(first: count) }
    }

    /// Returns the index of the label that the end of `source` towards `target` has; both are
    /// indices of the hypervisor or of compartments.
    func eventLabel(source: Int, target: Int) -> UInt16 {
        let width = compartmentCount + 1
        precondition(
            source < width && target < width,
            "an event channel joins something else than compartments")
        return eventLabels[source * width + target]
    }

    private mutating func internCompartments(
        _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest
    ) throws(ReferenceMonitorError) {
        for index in 0..<compartmentCount {
            let label = manifest.label(at: manifest.compartment(at: index).label)
            let context = SecurityContext(
                user: label.user, role: label.role, type: label.type, range: label.range)
            guard let prepared = policy.prepare(context) else { throw .invalidCompartmentLabel }
            append(prepared)
        }
    }

    /// Interns the label of an event channel's end for every ordered pair.
    private mutating func internEventLabels(
        _ policy: borrowing PolicyDatabase
    ) throws(ReferenceMonitorError) {
        let width = compartmentCount + 1
        for source in 0..<width {
            for target in 0..<width {
                guard
                    let context = policy.computeTransition(
                        source: labels[source].context, target: labels[target].context,
                        class: .event),
                    let prepared = policy.prepare(context)
                else { throw .invalidEventLabel }
                eventLabels[source * width + target] = intern(prepared)
            }
        }
    }

    /// Returns the index of a label, which is new or that of an equal one.
    private mutating func intern(_ label: PreparedContext) -> UInt16 {
        for index in 0..<count where labels[index].context == label.context {
            return UInt16(truncatingIfNeeded: index)
        }
        append(label)
        return UInt16(truncatingIfNeeded: count - 1)
    }

    /// At most one label for each subject and each ordered pair: the table holds them all, and
    /// 33 + 33 · 33 of them fit into 16 bits.
    private mutating func append(_ label: PreparedContext) {
        labels[count] = label
        count += 1
    }
}

/// Reserves a table, with the monitor's word for an arena that is too small or sealed.
func table<Element: BitwiseCopyable>(
    of count: Int, repeating value: Element, in arena: inout BootArena
) throws(ReferenceMonitorError) -> ArenaTable<Element> {
    do throws(BootArenaError) {
        return try arena.reserve(count: count, repeating: value)
    } catch {
        throw .arenaExhausted
    }
}
