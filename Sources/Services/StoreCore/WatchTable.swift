import BootArena

/// What a client wants to be told of: changes at a path and below.
struct WatchRecord: HashedRow, FreeRow {
    var path: UInt32 = 0
    var token: UInt32 = 0
    var pathDigest: UInt32 = 0
    var hashNext: UInt32 = 0
    /// The next watch of the client.
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

    var nextFree: UInt32 {
        get { next }
        set { next = newValue }
    }

    var blockCount: Int {
        BlockTable.blockCount(for: Int(pathLength)) + BlockTable.blockCount(for: Int(tokenLength))
    }
}

/// A change that a client has not been told of.
struct EventRecord: FreeRow {
    var watch: UInt32 = 0
    /// The changed path; 0: the watch's own.
    var path: UInt32 = 0
    /// The next event of the client.
    var next: UInt32 = 0
    var pathLength: UInt16 = 0

    var nextFree: UInt32 {
        get { next }
        set { next = newValue }
    }
}

/// All watches, found by path, and the events that wait.
struct WatchTable: ~Copyable {
    private var records: ArenaTable<WatchRecord>
    private var events: ArenaTable<EventRecord>
    private var buckets: ArenaTable<UInt32>
    private var rows = FreeRows()
    private var eventRows = FreeRows()
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
            let (rows, eventRows) = (rows.counters, eventRows.counters)
            return [rows.0, rows.1, eventRows.0, eventRows.1, UInt64(count)]
        }
        set {
            rows.counters = (newValue[0], newValue[1])
            eventRows.counters = (newValue[2], newValue[3])
            count = Int(truncatingIfNeeded: newValue[4])
        }
    }

    /// The records that may be in use are those before this one.
    var endIndex: UInt32 { rows.endIndex }

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
        let index = rows.take(from: records)
        records[Int(index)] = watch
        records[Int(index)].isUsed = true
        records.link(index, into: &buckets, at: buckets.bucket(watch.pathDigest))
        count += 1
        return index
    }

    /// Frees a watch that has no events, and that its client no longer lists.
    mutating func remove(_ index: UInt32) {
        let bucket = buckets.bucket(records[Int(index)].pathDigest)
        records.unlink(index, from: &buckets, at: bucket)
        records[Int(index)] = WatchRecord()
        rows.give(index, to: &records)
        count -= 1
    }

    /// The first watch whose path might have this digest; go on by `hashNext`.
    func first(digest: UInt32) -> UInt32 { buckets[buckets.bucket(digest)] }

    /// Takes an event record.
    ///
    /// - Precondition: there is room; the quotas see to it.
    mutating func addEvent(_ event: EventRecord) -> UInt32 {
        let index = eventRows.take(from: events)
        events[Int(index)] = event
        return index
    }

    /// Frees an event record that no list holds.
    mutating func removeEvent(_ index: UInt32) {
        events[Int(index)] = EventRecord()
        eventRows.give(index, to: &events)
    }
}
