import BootArena

/// Names a connection to the store; of no use any more once it was closed.
public struct StoreClient: Equatable, Sendable, BitwiseCopyable {
    let index: UInt16
    let incarnation: UInt32

    init(index: UInt16, incarnation: UInt32) {
        self.index = index
        self.incarnation = incarnation
    }

    /// The connection in one number, for an owner that hands its state to a successor.
    public var token: UInt64 { UInt64(incarnation) << 16 | UInt64(index) }

    /// Names the connection that had `token`; one that never was is as one that was closed.
    public init(token: UInt64) {
        index = UInt16(truncatingIfNeeded: token)
        incarnation = UInt32(truncatingIfNeeded: token >> 16)
    }
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
    /// Requests whose replies have not been delivered.
    var outstanding: UInt32 = 0
    /// The index of its domain.
    var account: UInt16 = 0
    var label: UInt16 = 0
    /// The next connection that its owner is to be told of, plus 1.
    var nextSignalled: UInt16 = 0
    var isSignalled = false
    var isOpen = false
    /// Xen's permissions do not bind it; the policy does.
    var isPrivileged = false
}

/// A domain that exists, with what it may use and uses.
struct DomainRecord: ZeroInitializable {
    var quota = StoreQuota()
    var domain: UInt16 = 0
    private var targetNumber: UInt32 = 0
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
    var outstanding = 0
    /// The label of its connections; that of a domain without any is that of all.
    var label: UInt16 = 0
    /// How many requests it may make at once.
    var bucket = TokenBucket()
    var refusals = InlineArray<20, UInt32>(repeating: 0)

    /// The domain for which this one may act.
    var target: UInt16? {
        get { targetNumber == 0 ? nil : UInt16(truncatingIfNeeded: targetNumber - 1) }
        set { targetNumber = newValue.map { UInt32($0) + 1 } ?? 0 }
    }
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
    /// Requests whose replies have not been delivered.
    public let requests: Int

    init(_ record: DomainRecord) {
        nodes = record.nodes + record.reservedNodes
        blocks = record.blocks
        permissionLists = record.permissionLists
        watches = record.watches
        events = record.events
        transactions = record.transactions
        accesses = record.accesses
        requests = record.outstanding
    }
}
