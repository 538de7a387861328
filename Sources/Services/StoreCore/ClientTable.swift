import BootArena

/// Names a connection to the store; of no use any more once it was closed.
public struct StoreClient: Equatable, Sendable, BitwiseCopyable {
    let index: UInt16
    let incarnation: UInt32
}

/// The number that the policy's labels have in the store.
public struct StoreLabel: Equatable, Sendable, BitwiseCopyable {
    /// The index, from 0.
    public let index: UInt16

    /// Creates the label of an index.
    public init(index: UInt16) { self.index = index }
}

/// One connection: a domain's ring, or a client of a socket.
struct ClientRecord: ZeroInitializable {
    var incarnation: UInt32 = 0
    var firstWatch: UInt32 = 0
    var firstTransaction: UInt32 = 0
    var firstEvent: UInt32 = 0
    var lastEvent: UInt32 = 0
    var overdueCount: UInt32 = 0
    var lastTransactionNumber: UInt32 = 0
    /// The index of its domain.
    var account: UInt16 = 0
    var label: UInt16 = 0
    var isOpen = false
    /// Xen's permissions do not bind it; the policy does.
    var isPrivileged = false
}

/// A domain that exists, with what it may use and uses.
struct DomainRecord: BitwiseCopyable {
    var quota = StoreQuota()
    var domain: UInt16 = 0
    /// The domain for which this one may act.
    var target: UInt16?
    var isUsed = false
    var isIntroduced = false
    var nodes = 0
    /// Nodes that open transactions will make.
    var reservedNodes = 0
    var blocks = 0
    var permissionLists = 0
    var watches = 0
    var events = 0
    var transactions = 0
    var accesses = 0
    var refusals = InlineArray<16, UInt32>(repeating: 0)
}

/// What a domain uses of the store; see `StoreQuota` for the words.
public struct StoreUsage: Equatable, Sendable {
    /// Nodes that count for it, those reserved by transactions among them.
    public let nodes: Int
    /// Blocks of 32 bytes.
    public let blocks: Int
    /// Different permission lists.
    public let permissionLists: Int
    /// Watches.
    public let watches: Int
    /// Events that wait.
    public let events: Int
    /// Open transactions.
    public let transactions: Int
    /// Nodes touched by open transactions.
    public let accesses: Int

    init(_ record: DomainRecord) {
        nodes = record.nodes + record.reservedNodes
        blocks = record.blocks
        permissionLists = record.permissionLists
        watches = record.watches
        events = record.events
        transactions = record.transactions
        accesses = record.accesses
    }
}
