import BootArena
import PolicyDatabase
import SecurityLattice
import SystemManifest

/// All labels of a system, each with its index: those that the manifest's records name, in their
/// order, then the ends of event channels that a rule names, each once.
///
/// - Invariant (ordered): labels before `size.firstEnd` stand where `MonitorSize` says.
/// - Invariant (distinct): labels of ends are distinct from each other.
struct LabelTable: ~Copyable {
    private let inPlace = InPlace()
    let size: MonitorSize
    private var labels: ArenaTable<PreparedContext>
    /// The number of labels; the table has room for more.
    private(set) var count = 0
    /// What the policy says of each type.
    private(set) var types: ArenaTable<PreparedType>
    /// The first label of each type, and the next one of the same; `none`: there is none.
    private var firstOfType: ArenaTable<UInt16>
    private var nextOfType: ArenaTable<UInt16>
    /// For each ordered pair of the hypervisor and the compartments the label of the end.
    private var eventLabels: ArenaTable<UInt16>

    /// The bytes of the tables here that each label takes, beside itself.
    static var bytesForLabel: Int { 2 }
    /// What no label has as its index.
    static var none: UInt16 { .max }
    /// What stands instead of the next label of the same type where a label has no decisions.
    private static var outside: UInt16 { .max - 1 }

    /// Interns the labels of a system.
    static func interned(
        _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest,
        arena: inout BootArena
    ) throws(ReferenceMonitorError) -> LabelTable {
        let size = MonitorSize(policy, manifest)
        var types = try table(of: size.types + 1, repeating: PreparedType.none, in: &arena)
        var span = types.mutableSpan
        policy.readTypes(into: &span)
        guard let context = policy.context(of: .xen),
            let hypervisor = policy.prepare(context, types.span)
        else { throw .missingHypervisorLabel }
        let width = size.compartments + 1
        var result = LabelTable(
            size: size, labels: try table(of: size.labels, repeating: hypervisor, in: &arena),
            types: types,
            firstOfType: try table(of: size.types + 1, repeating: LabelTable.none, in: &arena),
            nextOfType: try table(of: size.labels, repeating: LabelTable.none, in: &arena),
            eventLabels: try table(of: width * width, repeating: 0, in: &arena))
        let named = try table(of: width * width, repeating: UInt16(0), in: &arena)
        result.append(hypervisor)
        try result.addRecords(policy, manifest)
        try result.appendObject(policy.context(of: .security), policy)
        result.appendOutsider(policy)
        try result.addEnds(policy, named)
        return result
    }

    /// All labels, in the order of their indices.
    var span: Span<PreparedContext> {
        @_lifetime(borrow self) get { labels.span.extracting(first: count) }
    }

    /// Returns the index of the label that the end of `source` towards `target` has; both are
    /// indices of the hypervisor or of compartments.
    @inline(never) func eventLabel(source: Int, target: Int) -> UInt16 {
        let width = size.compartments + 1
        precondition(
            source < width && target < width,
            "an event channel joins something else than compartments")
        return eventLabels[source * width + target]
    }

    /// Returns the first label whose type is `number`; nil: there is none.
    func first(ofType number: UInt32) -> Int? {
        let label = firstOfType[Int(number)]
        return label == LabelTable.none ? nil : Int(label)
    }

    /// Returns the next label of the same type; nil: there is none.
    func next(after label: Int) -> Int? {
        let next = nextOfType[label]
        return next >= LabelTable.outside ? nil : Int(next)
    }

    /// Whether rules decide about a label; if not, nothing is permitted to it and for it.
    func isMember(_ label: Int) -> Bool { nextOfType[label] != LabelTable.outside }

    // MARK: Labels of records

    private mutating func addRecords(
        _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest
    ) throws(ReferenceMonitorError) {
        for index in 0..<size.compartments {
            let label = manifest.compartment(at: index).label
            try appendRecord(label, or: .invalidCompartmentLabel, policy, manifest)
        }
        for index in 0..<size.subtrees {
            let label = manifest.subtree(at: index).label
            try appendRecord(label, or: .invalidObjectLabel, policy, manifest)
        }
        for index in 0..<size.directories {
            let label = manifest.directory(at: index).label
            try appendRecord(label, or: .invalidObjectLabel, policy, manifest)
        }
        for index in 0..<size.deviceRanges {
            let range = manifest.deviceRange(at: index)
            let context =
                switch range.kind {
                case .interrupt:
                    policy.context(ofInterrupt: UInt32(truncatingIfNeeded: range.first))
                case .ports: policy.context(ofPorts: range.first, range.last)
                case .memory: policy.context(ofFrames: range.first >> 12, range.last >> 12)
                }
            try appendObject(context, policy)
        }
        for index in 0..<size.devices {
            var context: SecurityContext?
            if let address = manifest.device(at: index).pciAddress {
                context = policy.context(ofFunction: address)
            }
            try appendObject(context, policy)
        }
    }

    /// Adds a label that a record of the manifest names, and the policy must know.
    @inline(never) private mutating func appendRecord(
        _ index: Int, or error: ReferenceMonitorError, _ policy: borrowing PolicyDatabase,
        _ manifest: borrowing SystemManifest
    ) throws(ReferenceMonitorError) {
        let label = manifest.label(at: index)
        let context = SecurityContext(
            user: label.user, role: label.role, type: label.type, range: label.range)
        guard let prepared = policy.prepare(context, types.span) else { throw error }
        append(prepared)
    }

    /// Adds the label of a device, or of the policy itself; to one without a label nothing is
    /// permitted.
    @inline(never) private mutating func appendObject(
        _ context: SecurityContext?, _ policy: borrowing PolicyDatabase
    ) throws(ReferenceMonitorError) {
        guard let context else { return appendOutsider(policy) }
        guard let label = policy.prepare(context, types.span) else { throw .invalidObjectLabel }
        append(label)
    }

    /// Adds a label to which, and for which, nothing is permitted. What it is called is
    /// `unlabeled`, or else the hypervisor's name: nobody sees more of it than a refusal.
    @inline(never) private mutating func appendOutsider(_ policy: borrowing PolicyDatabase) {
        var label = labels[0]
        if let context = policy.context(of: .unlabeled),
            let unlabeled = policy.prepare(context, types.span)
        {
            label = unlabeled
        }
        append(label, isMember: false)
    }

    /// Adds a label; one that is no member of its type has no decisions.
    @inline(never) private mutating func append(_ label: PreparedContext, isMember: Bool = true) {
        let type = Int(label.context.type)
        labels[count] = label
        nextOfType[count] = isMember ? firstOfType[type] : LabelTable.outside
        if isMember { firstOfType[type] = UInt16(truncatingIfNeeded: count) }
        count += 1
    }

    // MARK: Ends of event channels

    /// Interns the labels of the ends that a type transition or a range transition names. Any other
    /// pair has the label to which nothing is permitted: nobody declared a channel between them.
    private mutating func addEnds(
        _ policy: borrowing PolicyDatabase, _ types: consuming ArenaTable<UInt16>
    ) throws(ReferenceMonitorError) {
        var named = types
        let width = size.compartments + 1
        for pair in eventLabels.indices {
            eventLabels[pair] = UInt16(truncatingIfNeeded: size.denied)
        }
        for index in 0..<policy.accessRuleCount {
            guard let rule = policy.typeTransition(at: index, .event) else { continue }
            var source = first(ofType: rule.source)
            while let from = source {
                var target = first(ofType: rule.target)
                while let to = target {
                    if from < width, to < width {
                        named[from * width + to] = UInt16(truncatingIfNeeded: rule.result)
                    }
                    target = next(after: to)
                }
                source = next(after: from)
            }
        }
        try addRangedEnds(policy, named)
        for pair in named.indices
        where named[pair] != 0 && Int(eventLabels[pair]) == size.denied {
            let low = SecurityRange(labels[pair / width].context.range.low)
            try addEnd(pair, type: UInt32(named[pair]), range: low, policy)
        }
    }

    private mutating func addRangedEnds(
        _ policy: borrowing PolicyDatabase, _ named: borrowing ArenaTable<UInt16>
    ) throws(ReferenceMonitorError) {
        let width = size.compartments + 1
        var rules = policy.rangeTransitions(.event)
        while let rule = rules.next() {
            var source = first(ofType: rule.source)
            while let from = source {
                var target = first(ofType: rule.target)
                while let to = target {
                    let pair = from * width + to
                    // The first of several rules holds.
                    if from < width, to < width, Int(eventLabels[pair]) == size.denied {
                        let type = named[pair] == 0 ? rule.target : UInt32(named[pair])
                        try addEnd(pair, type: type, range: rule.result, policy)
                    }
                    target = next(after: to)
                }
                source = next(after: from)
            }
        }
    }

    /// Gives the end of a pair its label, which is new or that of another pair.
    private mutating func addEnd(
        _ pair: Int, type: UInt32, range: SecurityRange, _ policy: borrowing PolicyDatabase
    ) throws(ReferenceMonitorError) {
        let owner = labels[pair / (size.compartments + 1)].context
        let context = SecurityContext(
            user: owner.user, role: objectRole, type: type, range: range)
        var known = first(ofType: type)
        while let label = known {
            if label >= size.firstEnd, labels[label].context == context {
                eventLabels[pair] = UInt16(truncatingIfNeeded: label)
                return
            }
            known = next(after: label)
        }
        guard let label = policy.prepare(context, types.span) else { throw .invalidEventLabel }
        guard count < labels.count else { throw .arenaExhausted }
        eventLabels[pair] = UInt16(truncatingIfNeeded: count)
        append(label)
    }
}
