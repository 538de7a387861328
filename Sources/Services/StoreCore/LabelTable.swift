import BootArena
import PolicyDatabase
import ReferenceMonitor

/// What the nodes of one label may take together, beside the quotas of the domains that own them.
///
/// - Units: bytes of names and values.
public struct SubtreeQuota: Equatable, Sendable, BitwiseCopyable {
    /// The most nodes; 0: no bound.
    public var nodes: Int
    /// The most bytes of names and values; 0: no bound.
    public var sizeInBytes: Int
    /// The most changes in any second; 0: no bound.
    public var changesPerSecond: Int

    /// Creates a quota; 0 stands for no bound.
    public init(nodes: Int = 0, sizeInBytes: Int = 0, changesPerSecond: Int = 0) {
        self.nodes = nodes
        self.sizeInBytes = sizeInBytes
        self.changesPerSecond = changesPerSecond
    }

    /// Whether each number can be a bound.
    var isValid: Bool {
        nodes >= 0 && nodes < 1 << 31 && sizeInBytes >= 0 && sizeInBytes < 1 << 40
            && changesPerSecond >= 0 && changesPerSecond < 1 << 30
    }

    /// Whether nothing is bounded.
    var isEmpty: Bool { nodes == 0 && sizeInBytes == 0 && changesPerSecond == 0 }
}

/// What the nodes of one label take together.
public struct SubtreeUsage: Equatable, Sendable {
    /// The number of nodes.
    public let nodes: Int
    /// The bytes of their names and values.
    public let sizeInBytes: Int
}

/// What is counted for one label.
struct LabelRecord: ZeroInitializable {
    /// How often nodes of the label were changed: the source of their generations.
    var generation: UInt64 = 0
    /// How often a node that this label may know of was made or removed below a node of another
    /// label than its own.
    var foreignChanges: UInt64 = 0
    var nodes = 0
    var bytes = 0
    /// What a request, or a transaction that is to be committed, adds.
    var pendingNodes = 0
    var pendingBytes = 0
    var quota = SubtreeQuota()
    var bucket = TokenBucket()
}

/// How much of a rate is left: a second's worth at most.
struct TokenBucket: ZeroInitializable {
    /// What may be done at once, in millionths.
    private var allowance: UInt64 = 0
    /// When that was true; 0: never yet.
    private var time: UInt64 = 0

    /// Takes one out, of a rate a second that is above 0; returns how many microseconds it takes
    /// until there is one, 0 if it was taken.
    mutating func take(rate: UInt64, at now: UInt64) -> UInt64 {
        let full = rate * 1_000_000
        // Time that went back adds nothing, and a second is enough.
        let passed = min(now > time ? now - time : 0, 1_000_000)
        let left = time == 0 ? full : min(full, allowance + passed * rate)
        time = max(1, max(now, time))
        guard left >= 1_000_000 else {
            allowance = left
            return (1_000_000 - left) / rate + 1
        }
        allowance = left - 1_000_000
        return 0
    }
}

/// The decisions of an authority, computed once, the labels of paths, and what is counted for each
/// label.
///
/// - Invariant (closed): before an authority is installed everything is denied; and always what has
///   the label `none`, to which and for which nothing is permitted.
struct LabelTable: ~Copyable {
    private var decisions: ArenaTable<UInt16>
    private var records: ArenaTable<LabelRecord>
    private let capacity: Int
    private(set) var count = 0
    /// The label of which `way` is the opened form.
    private(set) var base: UInt16 = 0
    private var rules: ArenaTable<LabelRule>
    private var ruleCount = 0
    /// Whether some label has a quota.
    private(set) var hasQuotas = false

    init(
        capacity: Int, rules ruleCapacity: Int, arena: inout BootArena
    ) throws(BootArenaError) {
        let width = capacity + LabelTable.ownCount
        let decisions = try arena.reserveZeros(count: width * width, of: UInt16.self)
        let records = try arena.reserveZeros(count: width, of: LabelRecord.self)
        let rules = try arena.reserveZeros(count: ruleCapacity, of: LabelRule.self)
        self.decisions = decisions
        self.records = records
        self.rules = rules
        self.capacity = capacity
    }

    /// The labels that no policy has: `none` and `way`.
    static var ownCount: Int { 2 }

    /// The arena that suffices for a table, in bytes.
    static func arenaSizeInBytes(capacity: Int, rules: Int) -> Int {
        let width = capacity + ownCount
        return (width * width + 4) * MemoryLayout<UInt16>.stride
            + (width + 2) * MemoryLayout<LabelRecord>.stride
            + (rules + 2) * MemoryLayout<LabelRule>.stride + 256
    }

    /// The numbers that go with the tables.
    var counters: StoreCounters {
        get { [UInt64(count), UInt64(ruleCount), UInt64(base), hasQuotas ? 1 : 0, 0] }
        set {
            count = Int(truncatingIfNeeded: newValue[0])
            ruleCount = Int(truncatingIfNeeded: newValue[1])
            base = UInt16(truncatingIfNeeded: newValue[2])
            hasQuotas = newValue[3] != 0
        }
    }

    private static var secretBit: UInt16 { 1 << 15 }

    /// The label of what the policy names no more: nobody may know that it is there.
    var none: UInt16 { UInt16(truncatingIfNeeded: capacity) }

    /// The label of what only leads somewhere, like `/local`: as the root's, but everybody may read
    /// it and list there what is no secret from him. It is no subject's.
    var way: UInt16 { UInt16(truncatingIfNeeded: capacity + 1) }

    /// What the authority calls a label: `way` has no name of its own.
    func known(_ label: UInt16) -> UInt16 { label == way ? base : label }

    private func place(_ subject: UInt16, _ object: UInt16) -> Int {
        Int(subject) * (capacity + LabelTable.ownCount) + Int(object)
    }

    // MARK: Decisions

    /// Computes all decisions; false when the authority has more labels than there is room for.
    ///
    /// - Parameter root: the label of which `way` is the opened form.
    mutating func install<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority, root: UInt16
    ) -> Bool {
        guard authority.labelCount >= 1, authority.labelCount <= capacity else { return false }
        count = authority.labelCount
        base = root
        for index in decisions.indices { decisions[index] = LabelTable.secretBit }
        let opened =
            XenstorePermission.read.mask | XenstorePermission.list.mask
            | XenstorePermission.watch.mask
        for subject in 0..<UInt16(truncatingIfNeeded: count) {
            for object in 0..<UInt16(truncatingIfNeeded: count) {
                decisions[place(subject, object)] = LabelTable.vector(
                    authority, subject: subject, object: object)
            }
            decisions[place(subject, way)] =
                decisions[place(subject, root)] | UInt16(truncatingIfNeeded: opened)
        }
        // Nodes may change from one label to another: no generation may come again.
        var latest: UInt64 = 0
        for index in records.indices { latest = max(latest, records[index].generation) }
        for index in records.indices { records[index].generation = latest }
        return true
    }

    private static func vector<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority, subject: UInt16, object: UInt16
    ) -> UInt16 {
        let subject = StoreLabel(index: subject)
        let object = StoreLabel(index: object)
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
        UInt32(decisions[place(subject, object)]) & permission.mask != 0
    }

    /// Whether `subject` may know that there is a node of label `object`.
    func mayKnow(_ subject: UInt16, _ object: UInt16) -> Bool {
        let vector = decisions[place(subject, object)]
        // Who writes finds out by that what is there.
        let open = XenstorePermission.read.mask | XenstorePermission.write.mask
        return UInt32(vector) & open != 0 || vector & LabelTable.secretBit == 0
    }

    /// Returns the new number of a label: `none` if it has none.
    func translated(_ label: UInt16, _ translation: Span<UInt16>) -> UInt16 {
        guard label != way else { return way }
        guard Int(label) < translation.count, translation[Int(label)] < UInt16(count) else {
            return none
        }
        return translation[Int(label)]
    }

    // MARK: Generations

    /// Returns the next generation of nodes of a label; never 0.
    mutating func nextGeneration(_ label: UInt16) -> UInt64 {
        // WRAPS: it would take centuries.
        records[Int(label)].generation &+= 1
        return records[Int(label)].generation
    }

    /// Notes that a node of a label was made or removed below one of another: to those who may know
    /// of it, and to nobody else, the list of children is another.
    ///
    /// - Complexity: the number of labels.
    mutating func noteForeign(_ label: UInt16) {
        for subject in 0..<count where mayKnow(UInt16(truncatingIfNeeded: subject), label) {
            // WRAPS: it would take centuries.
            records[subject].foreignChanges &+= 1
        }
    }

    /// How often such nodes were made or removed that a label may know of.
    func foreignChanges(_ subject: UInt16) -> UInt64 { records[Int(subject)].foreignChanges }

    // MARK: Rules

    /// Gives every rule's label its new number.
    mutating func translateRules(_ translation: Span<UInt16>) {
        for index in 0..<ruleCount {
            rules[index].label = translated(rules[index].label, translation)
        }
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

    // MARK: Quotas

    /// Bounds what the nodes of a label take together; what there is already stays.
    mutating func setQuota(_ label: UInt16, _ quota: SubtreeQuota) {
        records[Int(label)].quota = quota
        if !quota.isEmpty { hasQuotas = true }
    }

    /// Returns the quota of a label.
    func quota(_ label: UInt16) -> SubtreeQuota { records[Int(label)].quota }

    /// Returns what the nodes of a label take.
    func usage(_ label: UInt16) -> SubtreeUsage {
        SubtreeUsage(nodes: records[Int(label)].nodes, sizeInBytes: records[Int(label)].bytes)
    }

    /// Counts nodes and bytes of a label; both may be negative.
    mutating func account(_ label: UInt16, nodes: Int, bytes: Int) {
        records[Int(label)].nodes += nodes
        records[Int(label)].bytes += bytes
    }

    /// Forgets all counts and quotas: both are given anew after a change of labels.
    mutating func forgetAccounts() {
        for index in records.indices {
            records[index].nodes = 0
            records[index].bytes = 0
            records[index].quota = SubtreeQuota()
        }
        hasQuotas = false
    }

    /// Notes what is to be added to a label, until it is forgotten with `clearPending`.
    mutating func addPending(_ label: UInt16, nodes: Int, bytes: Int) {
        records[Int(label)].pendingNodes += nodes
        records[Int(label)].pendingBytes += bytes
    }

    /// Forgets what was to be added to a label.
    mutating func clearPending(_ label: UInt16) {
        records[Int(label)].pendingNodes = 0
        records[Int(label)].pendingBytes = 0
    }

    /// Which quota of a label has no room for what is to be added; nil when all have.
    func exceeded(_ label: UInt16) -> StoreRefusal? {
        let record = records[Int(label)]
        if record.quota.nodes > 0, record.pendingNodes > 0,
            record.nodes + record.pendingNodes > record.quota.nodes
        {
            return .subtreeNodes
        }
        if record.quota.sizeInBytes > 0, record.pendingBytes > 0,
            record.bytes + record.pendingBytes > record.quota.sizeInBytes
        {
            return .subtreeMemory
        }
        return nil
    }

    /// Takes one change out of the rate of a label; false when it is used up.
    mutating func takeChange(_ label: UInt16, at now: UInt64) -> Bool {
        let rate = records[Int(label)].quota.changesPerSecond
        guard rate > 0 else { return true }
        return records[Int(label)].bucket.take(rate: UInt64(rate), at: now) == 0
    }
}

/// The label of new nodes at one path.
struct LabelRule: ZeroInitializable {
    var path: UInt32 = 0
    var digest: UInt32 = 0
    var pathLength: UInt16 = 0
    var label: UInt16 = 0
}
