import BootArena

/// One open transaction.
struct TransactionRecord: FreeRow {
    /// The number that its client calls it by; 0 when the record is free.
    var number: UInt32 = 0
    var client: UInt16 = 0
    /// A request in it was refused for a quota: it cannot be committed.
    var hasFailed = false
    /// Something that it touched is gone for ever: it will meet a conflict.
    var isDoomed = false
    var firstAccess: UInt32 = 0
    var lastAccess: UInt32 = 0
    var accessCount: UInt32 = 0
    /// How many of its accesses hide what is below them in the tree.
    var hidingCount: UInt32 = 0
    /// The next transaction of the client.
    var next: UInt32 = 0

    var nextFree: UInt32 {
        get { next }
        set { next = newValue }
    }
}

/// What a transaction has seen of one node, or made of it.
struct AccessRecord: HashedRow, FreeRow {
    /// The node's generation at the first access; 0: there was none.
    var baseGeneration: UInt64 = 0
    /// The store's clock when the transaction removed the node with all below.
    var removedClock: UInt64 = 0
    var path: UInt32 = 0
    var pathDigest: UInt32 = 0
    var hashNext: UInt32 = 0
    /// The next access of the transaction, in the order of first accesses.
    var next: UInt32 = 0
    var transaction: UInt32 = 0
    /// The name and value that the transaction sees: those of the node, held too, or its own.
    var content: UInt32 = 0
    var permissions: UInt32 = 0
    var childBytes: UInt32 = 0
    var pathLength: UInt16 = 0
    var nameLength: UInt16 = 0
    var valueLength: UInt16 = 0
    var label: UInt16 = 0
    var baseLabel: UInt16 = 0
    /// In whose quota the node is counted, or will be.
    var account: UInt16 = 0
    /// In whose quota the blocks of `content` are counted.
    var contentAccount: UInt16 = 0
    private var flags: UInt16 = 0

    var nextFree: UInt32 {
        get { next }
        set { next = newValue }
    }

    /// The node exists for the transaction.
    var exists: Bool {
        get { flags & 1 != 0 }
        set { flags = newValue ? flags | 1 : flags & ~1 }
    }

    /// The transaction changed the node or the list of its children.
    var isModified: Bool {
        get { flags & 2 != 0 }
        set { flags = newValue ? flags | 2 : flags & ~2 }
    }

    /// What the tree has below this path does not exist for the transaction.
    var hidesTree: Bool {
        get { flags & 4 != 0 }
        set { flags = newValue ? flags | 4 : flags & ~4 }
    }

    /// The transaction added or removed children.
    var changesChildren: Bool {
        get { flags & 8 != 0 }
        set { flags = newValue ? flags | 8 : flags & ~8 }
    }

    /// `content` is the transaction's own.
    var changesContent: Bool {
        get { flags & 16 != 0 }
        set { flags = newValue ? flags | 16 : flags & ~16 }
    }

    /// The transaction changed the permissions.
    var changesPermissions: Bool {
        get { flags & 32 != 0 }
        set { flags = newValue ? flags | 32 : flags & ~32 }
    }

    /// One node more is reserved in the quota of `account`.
    var reservesNode: Bool {
        get { flags & 64 != 0 }
        set { flags = newValue ? flags | 64 : flags & ~64 }
    }

    /// Watches fire for this path when the transaction is committed.
    var fires: Bool {
        get { flags & 128 != 0 }
        set { flags = newValue ? flags | 128 : flags & ~128 }
    }

    /// The blocks of `content`.
    var blockCount: Int { BlockTable.blockCount(for: Int(nameLength) + Int(valueLength)) }
}

/// The open transactions and what they have touched, found by transaction and path.
struct TransactionTable: ~Copyable {
    private var records: ArenaTable<TransactionRecord>
    private var accesses: ArenaTable<AccessRecord>
    private var buckets: ArenaTable<UInt32>
    private var rows = FreeRows()
    private var accessRows = FreeRows()

    init(capacity: Int, accesses count: Int, arena: inout BootArena) throws(BootArenaError) {
        let records = try arena.reserveZeros(count: capacity + 1, of: TransactionRecord.self)
        let accesses = try arena.reserveZeros(count: count + 1, of: AccessRecord.self)
        let buckets = try arena.reserveZeros(count: bucketCount(for: count), of: UInt32.self)
        self.records = records
        self.accesses = accesses
        self.buckets = buckets
    }

    /// The numbers that go with the tables.
    var counters: StoreCounters {
        get {
            let (rows, accessRows) = (rows.counters, accessRows.counters)
            return [rows.0, rows.1, accessRows.0, accessRows.1, 0]
        }
        set {
            rows.counters = (newValue[0], newValue[1])
            accessRows.counters = (newValue[2], newValue[3])
        }
    }

    /// The records that may be in use are those before this one.
    var endIndex: UInt32 { rows.endIndex }

    subscript(transaction index: UInt32) -> TransactionRecord {
        @inline(__always) get { records[Int(index)] }
        @inline(__always) set { records[Int(index)] = newValue }
    }

    subscript(index: UInt32) -> AccessRecord {
        @inline(__always) get { accesses[Int(index)] }
        @inline(__always) set { accesses[Int(index)] = newValue }
    }

    /// Gives the labels of all accesses their new numbers.
    mutating func translateLabels(_ translation: Span<UInt16>, _ labels: borrowing LabelTable) {
        for index in 1..<accessRows.unusedFrom {
            accesses[index].label = labels.translated(accesses[index].label, translation)
            accesses[index].baseLabel = labels.translated(accesses[index].baseLabel, translation)
        }
    }

    /// Opens a transaction.
    ///
    /// - Precondition: there is room; the quotas see to it.
    mutating func open(number: UInt32, client: UInt16, next: UInt32) -> UInt32 {
        let index = rows.take(from: records)
        records[Int(index)] = TransactionRecord(number: number, client: client, next: next)
        return index
    }

    /// Frees the record of a transaction without accesses, which its client no longer lists.
    mutating func close(_ index: UInt32) {
        records[Int(index)] = TransactionRecord()
        rows.give(index, to: &records)
    }

    /// Returns the access of a transaction to a path; 0 when there is none.
    func find(
        _ transaction: UInt32, _ path: Span<UInt8>, digest: UInt32, in blocks: borrowing BlockTable
    ) -> UInt32 {
        var index = buckets[buckets.bucket(transaction, digest)]
        while index != 0 {
            let record = accesses[Int(index)]
            if record.pathDigest == digest, record.transaction == transaction,
                Int(record.pathLength) == path.count, blocks.starts(record.path, with: path)
            {
                return index
            }
            index = record.hashNext
        }
        return 0
    }

    /// Adds an access at the end of its transaction's list.
    ///
    /// - Precondition: there is room; the quotas see to it.
    mutating func add(_ access: AccessRecord) -> UInt32 {
        let index = accessRows.take(from: accesses)
        accesses[Int(index)] = access
        accesses[Int(index)].next = 0
        let bucket = buckets.bucket(access.transaction, access.pathDigest)
        accesses.link(index, into: &buckets, at: bucket)
        let last = records[Int(access.transaction)].lastAccess
        if last == 0 {
            records[Int(access.transaction)].firstAccess = index
        } else {
            accesses[Int(last)].next = index
        }
        records[Int(access.transaction)].lastAccess = index
        records[Int(access.transaction)].accessCount += 1
        return index
    }

    /// Takes the first access out of a transaction; nil when it has none.
    mutating func removeFirst(of transaction: UInt32) -> AccessRecord? {
        let index = records[Int(transaction)].firstAccess
        guard index != 0 else { return nil }
        let record = accesses[Int(index)]
        let bucket = buckets.bucket(record.transaction, record.pathDigest)
        accesses.unlink(index, from: &buckets, at: bucket)
        records[Int(transaction)].firstAccess = record.next
        if record.next == 0 { records[Int(transaction)].lastAccess = 0 }
        records[Int(transaction)].accessCount -= 1
        accesses[Int(index)] = AccessRecord()
        accessRows.give(index, to: &accesses)
        return record
    }
}
