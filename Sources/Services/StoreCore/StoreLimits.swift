public import SystemManifest

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
        var sum = administrator
        for _ in 0..<domains { sum.add(quota) }
        self.init(
            domains: domains, sum: sum, clients: clients, labels: labels, labelRules: labelRules)
    }

    /// Creates the room for `domains` domains whose quotas, with domain 0's, add up to `sum`, and
    /// for `clients` connections.
    public init(
        domains: Int, sum: StoreQuota, clients: Int, labels: Int = 1, labelRules: Int = 64
    ) {
        nodes = sum.nodes
        blocks = sum.blocks
        permissionLists = sum.permissionLists
        self.domains = domains + 1
        self.clients = clients
        watches = sum.watches
        events = sum.events
        transactions = sum.transactions
        accesses = sum.accesses
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
    /// Requests whose replies have not been delivered.
    public var requests: Int
    /// Requests a second, over any second; 0: as many as there is time for.
    public var requestsPerSecond: Int

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
        requests = 20
        requestsPerSecond = 20_000
    }

    /// Puts what a manifest says in place of the numbers that it has; 0 leaves one as it is.
    ///
    /// - Units: a manifest's memory is of names, values, watches, transactions and events, in
    ///   bytes; it is counted in blocks of 32 bytes, rounded down.
    public mutating func replace(by record: StoreQuotaRecord) {
        if record.nodes > 0 { nodes = Int(record.nodes) }
        if record.nodeSizeInBytes > 0 { nodeSizeInBytes = Int(record.nodeSizeInBytes) }
        if record.watches > 0 { watches = Int(record.watches) }
        if record.transactions > 0 { transactions = Int(record.transactions) }
        if record.requests > 0 { requests = Int(record.requests) }
        if record.requestsPerSecond > 0 { requestsPerSecond = Int(record.requestsPerSecond) }
        if record.memoryInBytes > 0 { blocks = Int(clamping: record.memoryInBytes / 32) }
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
        quota.requests = 1 << 16
        quota.requestsPerSecond = 0
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
    public mutating func add(_ other: StoreQuota) {
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
            && isIn(requestsPerSecond, 1 << 30) && requests > 0 && isIn(requests, 1 << 30)
            && permissionEntries >= 1 && permissionEntries <= PermissionList.maximumCount
    }

    private func isIn(_ number: Int, _ limit: Int) -> Bool {
        number >= 0 && number < limit
    }
}

/// Why a request was refused or shortened; each is counted for each domain.
public enum StoreRefusal: Int, Sendable, BitwiseCopyable {
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
    /// Too many requests wait for their replies to be delivered: the next waits too.
    case requests
    /// Too many requests in a second: the next waits.
    case rate
    /// The quota of nodes of a subtree.
    case subtreeNodes
    /// The quota of bytes of a subtree.
    case subtreeMemory
    /// Too many changes of a subtree in a second.
    case subtreeRate

    /// The number of reasons; their raw values are 0 and on.
    public static var count: Int { 18 }
}

/// What was refused, for whoever explains it: a number for the request, who asked, and why.
public struct StoreRefusalRecord: Equatable, Sendable, BitwiseCopyable {
    /// How many refusals there were before, of all domains; nil reason: there was none at all.
    public internal(set) var sequence: UInt64 = 0
    /// The domain whose request it was.
    public internal(set) var domain: UInt16 = 0
    /// Why.
    public internal(set) var reason: StoreRefusal?
    /// For `.label`: what the client is.
    public internal(set) var subject = StoreLabel(index: 0)
    /// For `.label`: what the node is.
    public internal(set) var object = StoreLabel(index: 0)
    /// For `.label`: the mask of the permission of class `xenstore` that the policy does not give.
    public internal(set) var permission: UInt32 = 0
}

/// Whether a client's next request is to be served now.
public enum StoreAdmission: Equatable, Sendable {
    /// It is.
    case now
    /// When replies were delivered: its domain has used up its quota of outstanding requests.
    case afterDelivery
    /// After so many microseconds: its domain has used up its rate.
    case after(microseconds: UInt64)
}
