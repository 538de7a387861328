import BootArena

/// What a list of siblings takes of a node, apart from the rest: in a large store each record that
/// is looked at is a miss, and these lie close together.
///
/// - Layout: 24 bytes.
struct NodeEntry: ZeroInitializable {
    /// The name's first bytes, from the lowest: a short name is not looked up in its chain.
    ///
    /// - Invariant (prefix): those of the chain; a node is never renamed.
    var namePrefix: UInt64 = 0
    var nextSibling: UInt32 = 0
    var previousSibling: UInt32 = 0
    /// The chain with the name and then the value.
    var content: UInt32 = 0
    var nameLength: UInt16 = 0
    var label: UInt16 = 0
}

/// The rest of one node of the tree as everybody sees it.
///
/// - Layout: 48 bytes.
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
    /// The bytes of the children's names with their NULs, and whether labels below differ.
    private var childBytesAndMixture: UInt32 = 0
    /// The index in the permission table.
    var permissions: UInt32 = 0
    var nameDigest: UInt32 = 0
    var valueLength: UInt16 = 0
    /// The index of the domain whose quota the node is counted in.
    var account: UInt16 = 0

    var nextFree: UInt32 {
        get { hashNext }
        set { hashNext = newValue }
    }

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
}

/// How many bytes of a name a node's entry holds.
private let namePrefixSize = 8

/// The first bytes of a name as an entry holds them.
func namePrefix(_ name: Span<UInt8>) -> UInt64 {
    var prefix: UInt64 = 0
    for index in 0..<min(name.count, namePrefixSize) {
        prefix |= UInt64(name[index]) << UInt64(8 * index)
    }
    return prefix
}

/// The nodes: a tree by links, and children by name through one hash table.
///
/// - Invariant (tree): each node but the root is in its parent's list of children, once, and in the
///   bucket of (parent, name).
struct NodeTable: ~Copyable {
    static let root: UInt32 = 1

    private var records: ArenaTable<NodeRecord>
    /// Of each record, at the same index.
    private var entries: ArenaTable<NodeEntry>
    private var buckets: ArenaTable<UInt32>
    private var rows = FreeRows()
    private(set) var count = 0

    init(capacity: Int, arena: inout BootArena) throws(BootArenaError) {
        let records = try arena.reserveZeros(count: capacity + 1, of: NodeRecord.self)
        let entries = try arena.reserveZeros(count: capacity + 1, of: NodeEntry.self)
        let buckets = try arena.reserveZeros(count: bucketCount(for: capacity), of: UInt32.self)
        self.records = records
        self.entries = entries
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

    subscript(entry index: UInt32) -> NodeEntry {
        @inline(__always) get { entries[Int(index)] }
        @inline(__always) set { entries[Int(index)] = newValue }
    }

    /// The bytes of a node's name and value.
    func contentSize(of index: UInt32) -> Int {
        Int(entries[Int(index)].nameLength) + Int(records[Int(index)].valueLength)
    }

    /// The blocks of a node's name and value.
    func blockCount(of index: UInt32) -> Int { BlockTable.blockCount(for: contentSize(of: index)) }

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
        entries[Int(index)] = NodeEntry()
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
        let prefix = namePrefix(name)
        while index != 0 {
            let record = records[Int(index)]
            if record.nameDigest == digest, record.parent == parent {
                let entry = entries[Int(index)]
                if Int(entry.nameLength) == name.count, entry.namePrefix == prefix,
                    name.count <= namePrefixSize || blocks.starts(entry.content, with: name)
                {
                    return index
                }
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
        while index != 0 {
            let entry = entries[Int(index)]
            let length = Int(entry.nameLength)
            guard entry.label == label, length <= BlockTable.blockSize, end + length < limit
            else { break }
            if length <= namePrefixSize {
                for position in 0..<length {
                    target[end + position] = UInt8(
                        truncatingIfNeeded: entry.namePrefix >> UInt64(8 * position))
                }
            } else {
                blocks.copyFront(entry.content, count: length, to: &target, at: end)
            }
            target[end + length] = 0
            end += length + 1
            index = entry.nextSibling
        }
        return (index, end - start)
    }

    /// Links a record as the last child of its parent.
    mutating func attach(_ index: UInt32) {
        let record = records[Int(index)]
        let bucket = buckets.bucket(record.parent, record.nameDigest)
        records.link(index, into: &buckets, at: bucket)
        let last = records[Int(record.parent)].lastChild
        entries[Int(index)].previousSibling = last
        entries[Int(index)].nextSibling = 0
        if last == 0 {
            records[Int(record.parent)].firstChild = index
        } else {
            entries[Int(last)].nextSibling = index
        }
        records[Int(record.parent)].lastChild = index
        if !isForeign(index) {
            records[Int(record.parent)].childBytes += Int(entries[Int(index)].nameLength) + 1
        }
    }

    /// Takes a record out of its parent's list and its bucket.
    mutating func detach(_ index: UInt32) {
        let record = records[Int(index)]
        let entry = entries[Int(index)]
        let bucket = buckets.bucket(record.parent, record.nameDigest)
        records.unlink(index, from: &buckets, at: bucket)
        if entry.previousSibling == 0 {
            records[Int(record.parent)].firstChild = entry.nextSibling
        } else {
            entries[Int(entry.previousSibling)].nextSibling = entry.nextSibling
        }
        if entry.nextSibling == 0 {
            records[Int(record.parent)].lastChild = entry.previousSibling
        } else {
            entries[Int(entry.nextSibling)].previousSibling = entry.previousSibling
        }
        if !isForeign(index) {
            records[Int(record.parent)].childBytes -= Int(entry.nameLength) + 1
        }
    }

    /// Whether a node has another label than its parent. Then it counts in no size of the parent's,
    /// and changes no generation of it: both tell of the parent's label only.
    func isForeign(_ index: UInt32) -> Bool {
        let parent = records[Int(index)].parent
        return parent != 0 && entries[Int(index)].label != entries[Int(parent)].label
    }

    /// Gives a node another label, and counts it in its parent's size accordingly.
    mutating func setLabel(_ index: UInt32, _ label: UInt16) {
        let parent = records[Int(index)].parent
        let size = Int(entries[Int(index)].nameLength) + 1
        if parent != 0, !isForeign(index) {
            records[Int(parent)].childBytes -= size
        }
        entries[Int(index)].label = label
        if parent != 0, !isForeign(index) {
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
            if isForeign(child) {
                records[Int(index)].hasMixedLabels = true
                records[Int(index)].hasForeignChildren = true
            } else {
                size += Int(entries[Int(child)].nameLength) + 1
            }
            child = entries[Int(child)].nextSibling
        }
        records[Int(index)].childBytes = size
    }

    /// Returns the node after `index` in the walk of the tree below `top`, parents first; 0 at the
    /// end.
    func following(_ index: UInt32, below top: UInt32) -> UInt32 {
        if records[Int(index)].firstChild != 0 { return records[Int(index)].firstChild }
        var current = index
        while current != top {
            if entries[Int(current)].nextSibling != 0 { return entries[Int(current)].nextSibling }
            current = records[Int(current)].parent
        }
        return 0
    }
}
