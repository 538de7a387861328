import BootArena
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

/// The decisions of an authority, computed once, and the labels of paths.
///
/// - Invariant (closed): before an authority is installed everything is denied; and always what has
///   the label `none`, to which and for which nothing is permitted.
struct LabelTable: ~Copyable {
    private var decisions: ArenaTable<UInt16>
    /// How often nodes of a label were changed: the source of generations.
    private var generations: ArenaTable<UInt64>
    private let capacity: Int
    private(set) var count = 0
    private var rules: ArenaTable<LabelRule>
    private var ruleCount = 0

    init(
        capacity: Int, rules ruleCapacity: Int, arena: inout BootArena
    ) throws(BootArenaError) {
        // One more than the policy has: the label of what the policy names no more.
        let decisions = try arena.reserveZeros(
            count: (capacity + 1) * (capacity + 1), of: UInt16.self)
        let generations = try arena.reserveZeros(count: capacity + 1, of: UInt64.self)
        let rules = try arena.reserveZeros(count: ruleCapacity, of: LabelRule.self)
        self.decisions = decisions
        self.generations = generations
        self.rules = rules
        self.capacity = capacity
    }

    /// The numbers that go with the tables.
    var counters: StoreCounters {
        get { [UInt64(count), UInt64(ruleCount), 0, 0, 0] }
        set {
            count = Int(truncatingIfNeeded: newValue[0])
            ruleCount = Int(truncatingIfNeeded: newValue[1])
        }
    }

    private static var secretBit: UInt16 { 1 << 15 }

    /// The label of what the policy names no more: nobody may know that it is there.
    var none: UInt16 { UInt16(truncatingIfNeeded: capacity) }

    /// Computes all decisions; false when the authority has more labels than there is room for.
    mutating func install<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority
    ) -> Bool {
        guard authority.labelCount >= 1, authority.labelCount <= capacity else { return false }
        count = authority.labelCount
        for index in decisions.indices { decisions[index] = LabelTable.secretBit }
        for subject in 0..<count {
            for object in 0..<count {
                decisions[subject * (capacity + 1) + object] = LabelTable.vector(
                    authority, subject: subject, object: object)
            }
        }
        // Nodes may change from one label to another: no generation may come again.
        var latest: UInt64 = 0
        for index in generations.indices { latest = max(latest, generations[index]) }
        for index in generations.indices { generations[index] = latest }
        return true
    }

    private static func vector<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority, subject: Int, object: Int
    ) -> UInt16 {
        let subject = StoreLabel(index: UInt16(truncatingIfNeeded: subject))
        let object = StoreLabel(index: UInt16(truncatingIfNeeded: object))
        var vector: UInt16 = 0
        for bit in 0..<ObjectClass.xenstore.permissionCount {
            guard let permission = Permission(.xenstore, at: bit) else { continue }
            let decision = authority.decide(
                subject: subject, object: object, permission: permission)
            if decision == .allowed { vector |= UInt16(truncatingIfNeeded: permission.mask) }
        }
        if authority.isPresenceSecret(from: subject, object: object) { vector |= secretBit }
        return vector
    }

    /// Whether `subject` may do all of `permissions` to nodes of label `object`.
    func allows(_ subject: UInt16, _ object: UInt16, _ permission: Permission) -> Bool {
        let vector = decisions[Int(subject) * (capacity + 1) + Int(object)]
        return UInt32(vector) & permission.mask != 0
    }

    /// Whether `subject` may know that there is a node of label `object`.
    func mayKnow(_ subject: UInt16, _ object: UInt16) -> Bool {
        let vector = decisions[Int(subject) * (capacity + 1) + Int(object)]
        return UInt32(vector) & XenstorePermission.read.mask != 0
            || vector & LabelTable.secretBit == 0
    }

    /// Returns the next generation of nodes of a label; never 0.
    mutating func nextGeneration(_ label: UInt16) -> UInt64 {
        // WRAPS: it would take centuries.
        generations[Int(label)] &+= 1
        return generations[Int(label)]
    }

    /// Gives every rule's label its new number.
    mutating func translateRules(_ translation: Span<UInt16>) {
        for index in 0..<ruleCount {
            rules[index].label = translated(rules[index].label, translation)
        }
    }

    /// Returns the new number of a label: `none` if it has none.
    func translated(_ label: UInt16, _ translation: Span<UInt16>) -> UInt16 {
        guard Int(label) < translation.count, translation[Int(label)] < UInt16(count) else {
            return none
        }
        return translation[Int(label)]
    }

    /// Gives new nodes at exactly `path` a label; those below inherit it. False when the table is
    /// full.
    mutating func addRule(
        path: UInt32, pathLength: Int, digest: UInt32, label: UInt16
    ) -> Bool {
        guard ruleCount < rules.count else { return false }
        rules[ruleCount] = LabelRule(
            path: path, digest: digest, pathLength: UInt16(truncatingIfNeeded: pathLength),
            label: label)
        ruleCount += 1
        return true
    }

    /// Returns the label of the rule for a path; nil when there is none.
    ///
    /// - Complexity: the number of rules.
    func rule(
        for path: Span<UInt8>, secret: UInt64, in blocks: borrowing BlockTable
    ) -> UInt16? {
        guard ruleCount > 0 else { return nil }
        let digest = NameHash.of(path, secret: secret)
        for index in 0..<ruleCount where rules[index].digest == digest {
            let rule = rules[index]
            if Int(rule.pathLength) == path.count, blocks.holds(path, in: rule.path, at: 0) {
                return rule.label
            }
        }
        return nil
    }
}

/// The label of new nodes at one path.
struct LabelRule: ZeroInitializable {
    var path: UInt32 = 0
    var digest: UInt32 = 0
    var pathLength: UInt16 = 0
    var label: UInt16 = 0
}
