import BootArena

/// What a client wants to be told of: changes at a path and below.
struct WatchRecord: ZeroInitializable {
    var path: UInt32 = 0
    var token: UInt32 = 0
    var pathDigest: UInt32 = 0
    var hashNext: UInt32 = 0
    /// The next watch of the client; of a free record the next free one.
    var next: UInt32 = 0
    /// The last event of this watch that waits; 0 for none.
    var lastEvent: UInt32 = 0
    var pathLength: UInt16 = 0
    var tokenLength: UInt16 = 0
    /// How many bytes of the path were not given: events leave them out.
    var impliedCount: UInt16 = 0
    var client: UInt16 = 0
    var isUsed = false
    /// An event found no room: when there is, the watch reports its own path.
    var isOverdue = false
    /// Before the last change of policy or label the policy let the client watch the node there.
    var wasPermitted = false

    var blockCount: Int {
        BlockTable.blockCount(for: Int(pathLength)) + BlockTable.blockCount(for: Int(tokenLength))
    }
}

/// A change that a client has not been told of.
struct EventRecord: ZeroInitializable {
    var watch: UInt32 = 0
    /// The changed path; 0: the watch's own.
    var path: UInt32 = 0
    /// The next event of the client; of a free record the next free one.
    var next: UInt32 = 0
    var pathLength: UInt16 = 0
}

/// All watches, found by path, and the events that wait.
struct WatchTable: ~Copyable {
    private var records: ArenaTable<WatchRecord>
    private var events: ArenaTable<EventRecord>
    private var buckets: ArenaTable<UInt32>
    private var firstFree: UInt32 = 0
    private var unusedFrom = 1
    private var firstFreeEvent: UInt32 = 0
    private var unusedEventFrom = 1
    private(set) var count = 0

    init(capacity: Int, events eventCount: Int, arena: inout BootArena) throws(BootArenaError) {
        let records = try arena.reserveZeros(count: capacity + 1, of: WatchRecord.self)
        let events = try arena.reserveZeros(count: eventCount + 1, of: EventRecord.self)
        let buckets = try arena.reserveZeros(count: bucketCount(for: capacity), of: UInt32.self)
        self.records = records
        self.events = events
        self.buckets = buckets
    }

    /// The numbers that go with the tables.
    var counters: StoreCounters {
        get {
            [
                UInt64(firstFree), UInt64(unusedFrom), UInt64(firstFreeEvent),
                UInt64(unusedEventFrom), UInt64(count),
            ]
        }
        set {
            firstFree = UInt32(truncatingIfNeeded: newValue[0])
            unusedFrom = Int(truncatingIfNeeded: newValue[1])
            firstFreeEvent = UInt32(truncatingIfNeeded: newValue[2])
            unusedEventFrom = Int(truncatingIfNeeded: newValue[3])
            count = Int(truncatingIfNeeded: newValue[4])
        }
    }

    /// The records that may be in use are those before this one.
    var endIndex: UInt32 { UInt32(truncatingIfNeeded: unusedFrom) }

    subscript(index: UInt32) -> WatchRecord {
        @inline(__always) get { records[Int(index)] }
        @inline(__always) set { records[Int(index)] = newValue }
    }

    subscript(event index: UInt32) -> EventRecord {
        @inline(__always) get { events[Int(index)] }
        @inline(__always) set { events[Int(index)] = newValue }
    }

    /// Adds a watch.
    ///
    /// - Precondition: there is room; the quotas see to it.
    mutating func add(_ watch: WatchRecord) -> UInt32 {
        let index: UInt32
        if firstFree != 0 {
            index = firstFree
            firstFree = records[Int(index)].next
        } else {
            precondition(unusedFrom < records.count, "watches beyond every quota")
            index = UInt32(truncatingIfNeeded: unusedFrom)
            unusedFrom += 1
        }
        let bucket = Int(watch.pathDigest) & (buckets.count - 1)
        records[Int(index)] = watch
        records[Int(index)].isUsed = true
        records[Int(index)].hashNext = buckets[bucket]
        buckets[bucket] = index
        count += 1
        return index
    }

    /// Frees a watch that has no events, and that its client no longer lists.
    mutating func remove(_ index: UInt32) {
        let record = records[Int(index)]
        let bucket = Int(record.pathDigest) & (buckets.count - 1)
        var current = buckets[bucket]
        if current == index {
            buckets[bucket] = record.hashNext
        } else {
            while current != 0, records[Int(current)].hashNext != index {
                current = records[Int(current)].hashNext
            }
            precondition(current != 0, "a watch is missing in its bucket")
            records[Int(current)].hashNext = record.hashNext
        }
        records[Int(index)] = WatchRecord(next: firstFree)
        firstFree = index
        count -= 1
    }

    /// The first watch whose path might have this digest; go on by `hashNext`.
    func first(digest: UInt32) -> UInt32 { buckets[Int(digest) & (buckets.count - 1)] }

    /// Takes an event record.
    ///
    /// - Precondition: there is room; the quotas see to it.
    mutating func addEvent(_ event: EventRecord) -> UInt32 {
        let index: UInt32
        if firstFreeEvent != 0 {
            index = firstFreeEvent
            firstFreeEvent = events[Int(index)].next
        } else {
            precondition(unusedEventFrom < events.count, "events beyond every quota")
            index = UInt32(truncatingIfNeeded: unusedEventFrom)
            unusedEventFrom += 1
        }
        events[Int(index)] = event
        return index
    }

    /// Frees an event record that no list holds.
    mutating func removeEvent(_ index: UInt32) {
        events[Int(index)] = EventRecord(next: firstFreeEvent)
        firstFreeEvent = index
    }
}
