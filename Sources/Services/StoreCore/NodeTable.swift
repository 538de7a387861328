import BootArena

/// One node of the tree as everybody sees it.
///
/// - Layout: 64 bytes.
struct NodeRecord: HashedRow, FreeRow {
    /// Rises with each change of the node itself or of the list of its children; counted apart for
    /// each label, so that it tells nothing about other labels.
    var generation: UInt64 = 0
    /// The store's clock at the last change in the node or anywhere below it.
    var subtreeClock: UInt64 = 0
    var parent: UInt32 = 0
    var hashNext: UInt32 = 0
    var firstChild: UInt32 = 0
    var lastChild: UInt32 = 0
    var nextSibling: UInt32 = 0
    var previousSibling: UInt32 = 0
    /// The bytes of the children's names with their NULs, and whether labels below differ.
    private var childBytesAndMixture: UInt32 = 0
    /// The chain with the name and then the value.
    var content: UInt32 = 0
    /// The index in the permission table.
    var permissions: UInt32 = 0
    var nameDigest: UInt32 = 0
    var nameLength: UInt16 = 0
    var valueLength: UInt16 = 0
    var label: UInt16 = 0
    /// The index of the domain whose quota the node is counted in.
    var account: UInt16 = 0

    var nextFree: UInt32 {
        get { hashNext }
        set { hashNext = newValue }
    }

    /// The bytes of name and value.
    var contentSize: Int { Int(nameLength) + Int(valueLength) }

    /// The size of the list of those children that have the node's own label, in bytes.
    var childBytes: Int {
        get { Int(childBytesAndMixture & 0x3fff_ffff) }
        set {
            childBytesAndMixture =
                childBytesAndMixture & 0xc000_0000
                | UInt32(truncatingIfNeeded: newValue) & 0x3fff_ffff
        }
    }

    /// Whether some child had another label, ever since this node was made.
    var hasForeignChildren: Bool {
        get { childBytesAndMixture & 0x4000_0000 != 0 }
        set {
            childBytesAndMixture =
                childBytesAndMixture & 0xbfff_ffff | (newValue ? 0x4000_0000 : 0)
        }
    }

    /// Whether some node below had another label, ever since this node was made.
    var hasMixedLabels: Bool {
        get { childBytesAndMixture & 0x8000_0000 != 0 }
        set {
            childBytesAndMixture =
                childBytesAndMixture & 0x7fff_ffff | (newValue ? 0x8000_0000 : 0)
        }
    }

    /// The blocks of name and value.
    var blockCount: Int { BlockTable.blockCount(for: Int(nameLength) + Int(valueLength)) }
}

/// The nodes: a tree by links, and children by name through one hash table.
///
/// - Invariant (tree): each node but the root is in its parent's list of children, once, and in the
///   bucket of (parent, name).
struct NodeTable: ~Copyable {
    static let root: UInt32 = 1

    private var records: ArenaTable<NodeRecord>
    private var buckets: ArenaTable<UInt32>
    private var rows = FreeRows()
    private(set) var count = 0

    init(capacity: Int, arena: inout BootArena) throws(BootArenaError) {
        let records = try arena.reserveZeros(count: capacity + 1, of: NodeRecord.self)
        let buckets = try arena.reserveZeros(count: bucketCount(for: capacity), of: UInt32.self)
        self.records = records
        self.buckets = buckets
    }

    /// The numbers that go with the tables.
    var counters: StoreCounters {
        get { [rows.counters.0, rows.counters.1, UInt64(count), 0, 0] }
        set {
            rows.counters = (newValue[0], newValue[1])
            count = Int(truncatingIfNeeded: newValue[2])
        }
    }

    /// The records that may be in use are those from 1 and before this one.
    var endIndex: UInt32 { rows.endIndex }

    subscript(index: UInt32) -> NodeRecord {
        @inline(__always) get { records[Int(index)] }
        @inline(__always) set { records[Int(index)] = newValue }
    }

    /// Takes a free record, in no list.
    ///
    /// - Precondition: there is one; the quotas see to it.
    mutating func take() -> UInt32 {
        count += 1
        return rows.take(from: records)
    }

    /// Frees a record that is in no list.
    mutating func free(_ index: UInt32) {
        records[Int(index)] = NodeRecord()
        rows.give(index, to: &records)
        count -= 1
    }

    /// Returns the child of that name; 0 when there is none.
    ///
    /// - Complexity: one step for each node in the bucket; names are hashed with a secret.
    func child(
        of parent: UInt32, named name: Span<UInt8>, digest: UInt32, in blocks: borrowing BlockTable
    ) -> UInt32 {
        var index = buckets[buckets.bucket(parent, digest)]
        while index != 0 {
            let record = records[Int(index)]
            if record.nameDigest == digest, record.parent == parent,
                Int(record.nameLength) == name.count, blocks.starts(record.content, with: name)
            {
                return index
            }
            index = record.hashNext
        }
        return 0
    }

    /// Copies the names of siblings with their NULs to `table` from `start`, as long as they have
    /// one label, are short, and fit into `room` bytes.
    ///
    /// - Returns: the first of them for which that is not so, 0 at the end; and how many bytes were
    ///   copied.
    /// - Complexity: the number of siblings.
    func copyNames(
        from first: UInt32, label: UInt16, room: Int, in blocks: borrowing BlockTable,
        to table: inout ArenaTable<UInt8>, at start: Int
    ) -> (next: UInt32, count: Int) {
        var target = table.mutableSpan
        var (index, end) = (first, start)
        let limit = start + room
        // In groups, first the records and then the names: in a large store each is a miss, and
        // so the next ones are on their way while one is waited for.
        var contents = InlineArray<16, UInt32>(repeating: 0)
        var lengths = InlineArray<16, UInt16>(repeating: 0)
        while index != 0 {
            var count = 0
            var (next, total) = (index, end)
            while next != 0, count < contents.count {
                let length = records[Int(next)].nameLength
                total += Int(length) + 1
                guard records[Int(next)].label == label, length <= BlockTable.blockSize,
                    total <= limit
                else { break }
                contents[count] = records[Int(next)].content
                lengths[count] = length
                next = records[Int(next)].nextSibling
                count += 1
            }
            guard count > 0 else { break }
            for position in 0..<count {
                let length = Int(lengths[position])
                blocks.copyFront(contents[position], count: length, to: &target, at: end)
                target[end + length] = 0
                end += length + 1
            }
            index = next
        }
        return (index, end - start)
    }

    /// Links a record as the last child of its parent.
    mutating func attach(_ index: UInt32) {
        let record = records[Int(index)]
        let bucket = buckets.bucket(record.parent, record.nameDigest)
        records.link(index, into: &buckets, at: bucket)
        let last = records[Int(record.parent)].lastChild
        records[Int(index)].previousSibling = last
        records[Int(index)].nextSibling = 0
        if last == 0 {
            records[Int(record.parent)].firstChild = index
        } else {
            records[Int(last)].nextSibling = index
        }
        records[Int(record.parent)].lastChild = index
        if !isForeign(record) {
            records[Int(record.parent)].childBytes += Int(record.nameLength) + 1
        }
    }

    /// Takes a record out of its parent's list and its bucket.
    mutating func detach(_ index: UInt32) {
        let record = records[Int(index)]
        let bucket = buckets.bucket(record.parent, record.nameDigest)
        records.unlink(index, from: &buckets, at: bucket)
        if record.previousSibling == 0 {
            records[Int(record.parent)].firstChild = record.nextSibling
        } else {
            records[Int(record.previousSibling)].nextSibling = record.nextSibling
        }
        if record.nextSibling == 0 {
            records[Int(record.parent)].lastChild = record.previousSibling
        } else {
            records[Int(record.nextSibling)].previousSibling = record.previousSibling
        }
        if !isForeign(record) {
            records[Int(record.parent)].childBytes -= Int(record.nameLength) + 1
        }
    }

    /// Whether a node has another label than its parent. Then it counts in no size of the parent's,
    /// and changes no generation of it: both tell of the parent's label only.
    func isForeign(_ record: NodeRecord) -> Bool {
        record.parent != 0 && record.label != records[Int(record.parent)].label
    }

    /// Gives a node another label, and counts it in its parent's size accordingly.
    mutating func setLabel(_ index: UInt32, _ label: UInt16) {
        let parent = records[Int(index)].parent
        let size = Int(records[Int(index)].nameLength) + 1
        if parent != 0, !isForeign(records[Int(index)]) {
            records[Int(parent)].childBytes -= size
        }
        records[Int(index)].label = label
        if parent != 0, !isForeign(records[Int(index)]) {
            records[Int(parent)].childBytes += size
        }
        recountChildren(of: index)
    }

    /// Counts the size of a node's list of children anew, after labels have changed.
    ///
    /// - Complexity: the number of its children.
    mutating func recountChildren(of index: UInt32) {
        var (child, size) = (records[Int(index)].firstChild, 0)
        while child != 0 {
            if isForeign(records[Int(child)]) {
                records[Int(index)].hasMixedLabels = true
                records[Int(index)].hasForeignChildren = true
            } else {
                size += Int(records[Int(child)].nameLength) + 1
            }
            child = records[Int(child)].nextSibling
        }
        records[Int(index)].childBytes = size
    }

    /// Returns the node after `index` in the walk of the tree below `top`, parents first; 0 at the
    /// end.
    func following(_ index: UInt32, below top: UInt32) -> UInt32 {
        if records[Int(index)].firstChild != 0 { return records[Int(index)].firstChild }
        var current = index
        while current != top {
            if records[Int(current)].nextSibling != 0 { return records[Int(current)].nextSibling }
            current = records[Int(current)].parent
        }
        return 0
    }
}
