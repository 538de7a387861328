package import BootArena

/// The store itself; `StoreCore` is its form in the product, without faults.
///
/// A xenstore is a tree of small values that domains read, write and watch, with transactions;
/// under Xen's own permissions, under quotas, and under a mandatory policy.
///
/// For: deciding and doing what one request asks. Not for: moving bytes; whoever owns rings or
/// sockets hands in whole messages and fetches replies and events. It trusts its owner for the
/// identity of clients, and nothing else.
///
/// All memory is reserved when the store is made. A request does work that its own length, the
/// depth of a path and its domain's quotas bound; removing a domain walks the tree once.
///
/// - Invariant (closed): the quotas of the domains sum up to no more than the store has room for,
///   so that no request can fail because of what another domain did.
/// - Invariant (accounted): each domain's usage is the sum over what is counted for it.
/// - Invariant (labelled): each node, subject and rule has a label of the policy, `none`
///   or `way`.
/// - Source: the contract is retold in `docs/abi/xenstore.md`.
package struct StoreEngine<Faults: StoreFaults>: ~Copyable {
    private let place = InPlace()
    var blocks: BlockTable
    var permissions: PermissionTable
    var nodes: NodeTable
    var transactions: TransactionTable
    var watches: WatchTable
    var labels: LabelTable
    var clients: ArenaTable<ClientRecord>
    var domains: ArenaTable<DomainRecord>
    /// For each domain id its index in `domains` plus 1; 0 for none.
    var domainIndices: ArenaTable<UInt16>
    /// The path that is asked about.
    var path: StorePath
    /// The path of a watch that is looked at meanwhile.
    var otherPath: StorePath
    var reply: ArenaTable<UInt8>
    var replyCount = 0
    var event: ArenaTable<UInt8>
    var eventCount = 0
    /// The greatest time that the owner has told, in microseconds.
    var now: UInt64 = 0
    /// Rises with every change of the tree; never shown to anybody.
    var clock: UInt64 = 0
    var capacity: StoreCapacity
    var introducePermissions: UInt32 = 0
    var releasePermissions: UInt32 = 0
    /// Secret, against names that were chosen to fall into one bucket.
    var secret: UInt64
    /// The first connection that its owner is to be told of, plus 1.
    var firstSignalled: UInt16 = 0
    /// What was refused last.
    var lastRefusal = StoreRefusalRecord()
    /// What was kept from somebody last, who was told that it is not there.
    var lastConcealment = StoreRefusalRecord()
    /// Labels that the owner has looked up for the path of the request, plus 1, by the length of
    /// the part of the path; 0 where it names none.
    var outsideLabels: ArenaTable<UInt16>
    /// Whether the owner is asked for the labels of new nodes.
    var asksForLabels = false
    /// Whether `outsideLabels` are those of this request.
    var hasOutsideLabels = false
    /// How many bytes of the path exist, where the owner is asked for the labels of the rest.
    var existingCount = 0
    /// How far the teardown after a change of policy or label has come.
    var teardown = Teardown()

    /// Blocks beyond all quotas: a new value is written before the old one is given up.
    static var turnoverBlocks: Int { 256 }

    /// Makes a store that holds the root only, owned by domain 0.
    ///
    /// - Parameters:
    ///   - capacity: what to reserve.
    ///   - administrator: the quota of domain 0.
    ///   - secret: random bits that nobody who can name nodes knows.
    ///   - arena: where the tables go; `arenaSizeInBytes(_:)` says what suffices.
    /// - Throws: `.exhausted` or `.sealed` as the arena; `.countOutOfRange` if a number is
    ///   negative, or the capacity has no room for domain 0's quota.
    package init(
        capacity: StoreCapacity, administrator: StoreQuota, secret: UInt64,
        resuming state: StoreState? = nil, arena: inout BootArena
    ) throws(BootArenaError) {
        guard administrator.isValid, administrator.fits(capacity), capacity.domains > 0,
            capacity.clients >= 0, capacity.clients < 1 << 16, capacity.domains < 1 << 16
        else { throw .countOutOfRange }
        let blocks = try BlockTable(
            capacity: capacity.blocks + Self.turnoverBlocks, arena: &arena)
        let permissions = try PermissionTable(
            capacity: capacity.permissionLists + 2, arena: &arena)
        let nodes = try NodeTable(capacity: capacity.nodes + 1, arena: &arena)
        let transactions = try TransactionTable(
            capacity: capacity.transactions, accesses: capacity.accesses, arena: &arena)
        let watches = try WatchTable(
            capacity: capacity.watches, events: capacity.events, arena: &arena)
        let labels = try LabelTable(
            capacity: capacity.labels, rules: capacity.labelRules, arena: &arena)
        let clients = try arena.reserveZeros(count: capacity.clients, of: ClientRecord.self)
        let domains = try arena.reserveZeros(count: capacity.domains, of: DomainRecord.self)
        let domainIndices = try arena.reserveZeros(count: 1 << 16, of: UInt16.self)
        let path = try StorePath(arena: &arena)
        let otherPath = try StorePath(arena: &arena)
        let reply = try arena.reserveZeros(count: Self.messageSize, of: UInt8.self)
        let event = try arena.reserveZeros(count: Self.messageSize, of: UInt8.self)
        let outsideLabels = try arena.reserveZeros(
            count: StorePath.maximum + 1, of: UInt16.self)
        self.blocks = blocks
        self.permissions = permissions
        self.nodes = nodes
        self.transactions = transactions
        self.watches = watches
        self.labels = labels
        self.clients = clients
        self.domains = domains
        self.domainIndices = domainIndices
        self.path = path
        self.otherPath = otherPath
        self.reply = reply
        self.event = event
        self.outsideLabels = outsideLabels
        self.capacity = capacity
        self.secret = secret
        if let state {
            resume(state)
        } else {
            place(domain: 0, quota: administrator, at: 0)
            makeRoot()
        }
    }

    /// The longest message, in bytes.
    static var messageSize: Int {
        StoreMessageHeader.sizeInBytes + StoreMessageHeader.maximumPayload
    }

    /// The arena that suffices for a store, in bytes.
    package static func arenaSizeInBytes(_ capacity: StoreCapacity) -> Int {
        func table<Element>(_ count: Int, _: Element.Type) -> Int {
            (count + 2) * MemoryLayout<Element>.stride + 64
        }
        let blockBytes = BlockTable.blockSize + 6
        var size = (capacity.blocks + turnoverBlocks + 2) * blockBytes + 256
        size += table(capacity.nodes + 1, NodeRecord.self)
        size += table(capacity.nodes + 1, NodeEntry.self)
        size += table(bucketCount(for: capacity.nodes + 1), UInt32.self)
        size += (capacity.permissionLists + 4) * (MemoryLayout<PermissionList>.stride + 16)
        size += table(bucketCount(for: capacity.permissionLists + 2), UInt32.self)
        size += table(capacity.transactions, TransactionRecord.self)
        size += table(capacity.accesses, AccessRecord.self)
        size += table(bucketCount(for: capacity.accesses), UInt32.self)
        size += table(capacity.watches, WatchRecord.self)
        size += table(capacity.events, EventRecord.self)
        size += table(bucketCount(for: capacity.watches), UInt32.self)
        size += LabelTable.arenaSizeInBytes(capacity: capacity.labels, rules: capacity.labelRules)
        size += table(capacity.clients, ClientRecord.self)
        size += table(capacity.domains, DomainRecord.self) + table(1 << 16, UInt16.self)
        return size + 4 * StorePath.maximum + 2 * messageSize + 1024
    }

    private mutating func makeRoot() {
        let list = PermissionList(owner: 0, others: .none)
        let index = permissions.insert(list)
        // The root and the two special paths hold it.
        for _ in 0..<3 { permissions.hold(index) }
        introducePermissions = index
        releasePermissions = index
        let root = nodes.take()
        precondition(root == NodeTable.root, "the root is not the first node")
        nodes[root].permissions = index
        nodes[root].generation = 1
        labels.account(0, nodes: 1, bytes: 0)
        domains[0].nodes = 1
        domains[0].permissionLists = 1
    }

    // MARK: Policy

    /// Puts an authority in force: all its decisions are computed now. Until then everything is
    /// denied.
    ///
    /// - Parameter root: the label of the root, and of what no rule names.
    /// - Throws: `.capacityExceeded` if it has more labels than there is room for;
    ///   `.unknownLabel` if `root` is none of them.
    package mutating func install<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority, root: StoreLabel = StoreLabel(index: 0)
    ) throws(StoreSetupError) {
        guard Int(root.index) < authority.labelCount else { throw .unknownLabel }
        guard labels.install(authority, root: root.index) else { throw .capacityExceeded }
        setRootLabel(root.index)
        for index in domains.indices { domains[index].label = root.index }
    }

    private mutating func setRootLabel(_ label: UInt16) {
        labels.account(nodes[entry: NodeTable.root].label, nodes: -1, bytes: 0)
        nodes.setLabel(NodeTable.root, label)
        labels.account(label, nodes: 1, bytes: 0)
    }

    /// See `StoreCore.openWay`.
    package mutating func openWay(_ given: Span<UInt8>) throws(StoreSetupError) {
        guard given.count == 1 else { return try addRule(given, labels.way) }
        do throws(StoreError) { try path.set(given, domain: 0) } catch { throw .invalidPath }
        guard path.isRoot else { throw .invalidPath }
        setRootLabel(labels.way)
    }

    /// See `StoreCore.limit`.
    package mutating func limit(
        _ label: StoreLabel, to quota: SubtreeQuota
    ) throws(StoreSetupError) {
        guard Int(label.index) < labels.count else { throw .unknownLabel }
        guard quota.isValid else { throw .invalidQuota }
        labels.setQuota(label.index, quota)
    }

    /// Returns what the nodes of a label take, and may; nil if there is no such label.
    package func subtree(_ label: StoreLabel) -> (usage: SubtreeUsage, quota: SubtreeQuota)? {
        guard Int(label.index) < labels.count else { return nil }
        return (labels.usage(label.index), labels.quota(label.index))
    }

    /// See `StoreCore.provide`.
    package mutating func provide(_ label: StoreLabel, length: Int) throws(StoreSetupError) {
        guard Int(label.index) < labels.count else { throw .unknownLabel }
        guard existingCount > 0, length > existingCount, length <= path.count else {
            throw .invalidPath
        }
        outsideLabels[length] = label.index + 1
    }

    /// Gives nodes that will be made at exactly `path`, and so those below, a label of their own.
    ///
    /// - Throws: `.invalidPath`; `.unknownLabel`; `.capacityExceeded` if there are too many rules,
    ///   or domain 0 has no blocks left for the path.
    package mutating func label(
        _ given: Span<UInt8>, _ label: StoreLabel
    ) throws(StoreSetupError) {
        guard Int(label.index) < labels.count else { throw .unknownLabel }
        try addRule(given, label.index)
    }

    private mutating func addRule(
        _ given: Span<UInt8>, _ label: UInt16
    ) throws(StoreSetupError) {
        do throws(StoreError) { try path.set(given, domain: 0) } catch { throw .invalidPath }
        guard !path.isSpecial else { throw .invalidPath }
        let blockCount = BlockTable.blockCount(for: path.count)
        guard domains[0].blocks + blockCount <= domains[0].quota.blocks else {
            throw .capacityExceeded
        }
        let chain = blocks.reserve(path.count)
        blocks.write(path, 0..<path.count, to: chain)
        let digest = NameHash.of(path.span, secret: secret)
        guard
            labels.addRule(
                path: chain, pathLength: path.count, digest: digest, label: label)
        else {
            blocks.release(chain)
            throw .capacityExceeded
        }
        domains[0].blocks += blockCount
    }

    // MARK: Measures

    /// The number of nodes, the root among them.
    package var nodeCount: Int { nodes.count }

    /// The number of blocks in use.
    package var blockCount: Int { blocks.usedCount }
}

/// Why a store could not be set up.
public enum StoreSetupError: Error, Equatable {
    /// There is no room: for a quota, a client, a label or a rule.
    case capacityExceeded
    /// A quota is negative, or its permission entries are not 1 to 16.
    case invalidQuota
    /// The domain exists already, or does not, or is domain 0 where that cannot be.
    case wrongDomain
    /// The policy has no such label.
    case unknownLabel
    /// A path is malformed.
    case invalidPath
}
