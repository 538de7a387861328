/// How many things the whole store has room for. Its memory is reserved once, from these numbers.
///
/// - Units: counts; a block holds 32 bytes of names, values, paths and tokens.
public struct StoreCapacity: Equatable, Sendable {
    /// Nodes, the root among them.
    public var nodes: Int
    /// Blocks of 32 bytes.
    public var blocks: Int
    /// Different lists of permissions.
    public var permissionLists: Int
    /// Domains, domain 0 among them.
    public var domains: Int
    /// Connections: one for each ring or socket client.
    public var clients: Int
    /// Watches.
    public var watches: Int
    /// Watch events that wait to be fetched.
    public var events: Int
    /// Open transactions.
    public var transactions: Int
    /// Nodes that open transactions have touched.
    public var accesses: Int
    /// Security labels, of subjects and of nodes.
    public var labels: Int
    /// Paths with a label of their own.
    public var labelRules: Int

    /// Creates the room for `domains` domains with `quota` each and `clients` connections, with
    /// `administrator` for domain 0.
    public init(
        domains: Int, quota: StoreQuota, administrator: StoreQuota, clients: Int, labels: Int = 1,
        labelRules: Int = 64
    ) {
        func sum(_ field: (StoreQuota) -> Int) -> Int {
            domains * field(quota) + field(administrator)
        }
        nodes = sum { $0.nodes }
        blocks = sum { $0.blocks }
        permissionLists = sum { $0.permissionLists }
        self.domains = domains + 1
        self.clients = clients
        watches = sum { $0.watches }
        events = sum { $0.events }
        transactions = sum { $0.transactions }
        accesses = sum { $0.accesses }
        self.labels = labels
        self.labelRules = labelRules
    }
}

/// What one domain may use. A quota is a reservation: the sum of all quotas fits into the store, so
/// that no domain can run out because of another.
public struct StoreQuota: Equatable, Sendable, BitwiseCopyable {
    /// Nodes that it owns.
    public var nodes: Int
    /// Blocks of 32 bytes that its nodes, watches, transactions and events take.
    public var blocks: Int
    /// Different lists of permissions of its nodes.
    public var permissionLists: Int
    /// Entries in one list of permissions, at most 16.
    public var permissionEntries: Int
    /// The size of one node as Xen counts it must stay below this: value, names of children with
    /// their NULs, 24 bytes, and 8 for each permission. In bytes.
    public var nodeSizeInBytes: Int
    /// Watches.
    public var watches: Int
    /// Watch events that wait to be fetched.
    public var events: Int
    /// Open transactions.
    public var transactions: Int
    /// Nodes that one transaction may touch.
    public var transactionNodes: Int
    /// Nodes that all its transactions may touch.
    public var accesses: Int

    /// Creates the quota of a guest: Xen's numbers where Xen has them.
    public init(nodes: Int = 1000) {
        self.nodes = nodes
        blocks = 8192
        permissionLists = 64
        permissionEntries = 5
        nodeSizeInBytes = 2048
        watches = 128
        events = 256
        transactions = 10
        transactionNodes = 1024
        accesses = 2048
    }

    /// Creates a quota for the domain that administers the store.
    public static func administrator(nodes: Int, blocks: Int) -> StoreQuota {
        var quota = StoreQuota(nodes: nodes)
        quota.blocks = blocks
        quota.permissionLists = 4096
        quota.permissionEntries = 16
        quota.watches = 4096
        quota.events = 4096
        quota.transactions = 1024
        quota.transactionNodes = 8192
        quota.accesses = 16384
        return quota
    }

    /// Whether a store of that capacity has room for it.
    func fits(_ capacity: StoreCapacity) -> Bool {
        nodes <= capacity.nodes && blocks <= capacity.blocks
            && permissionLists <= capacity.permissionLists && watches <= capacity.watches
            && events <= capacity.events && transactions <= capacity.transactions
            && accesses <= capacity.accesses
    }

    /// Adds what another domain has reserved.
    mutating func add(_ other: StoreQuota) {
        nodes += other.nodes
        blocks += other.blocks
        permissionLists += other.permissionLists
        watches += other.watches
        events += other.events
        transactions += other.transactions
        accesses += other.accesses
    }

    /// Whether each number can be a reservation at all.
    var isValid: Bool {
        let most = 1 << 31
        return isIn(nodes, most) && isIn(blocks, most) && isIn(permissionLists, most)
            && isIn(watches, most) && isIn(events, most) && isIn(transactions, 1 << 15)
            && isIn(accesses, most) && isIn(transactionNodes, most) && isIn(nodeSizeInBytes, most)
            && permissionEntries >= 1 && permissionEntries <= PermissionList.maximumCount
    }

    private func isIn(_ number: Int, _ limit: Int) -> Bool {
        number >= 0 && number < limit
    }
}

/// Why a request was refused or shortened; each is counted for each domain.
public enum StoreRefusal: Int, Sendable {
    /// The quota of nodes.
    case nodes
    /// The quota of blocks: memory.
    case memory
    /// The quota of different permission lists.
    case permissionLists
    /// Too many entries in one permission list.
    case permissionEntries
    /// The size of one node.
    case nodeSize
    /// The quota of watches.
    case watches
    /// The quota of open transactions.
    case transactions
    /// The nodes of one transaction, or of all of the domain's.
    case transactionNodes
    /// An event found no room: its watch will report its own path instead.
    case events
    /// A permission of the node, as in Xen.
    case permission
    /// A label: the policy.
    case label
    /// The request was malformed.
    case malformed
    /// A transaction met a conflict.
    case conflict

    /// The number of reasons; their raw values are 0 and on.
    public static var count: Int { 13 }
}
