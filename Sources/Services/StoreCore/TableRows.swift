import BootArena

/// A row that can be free, and then leads to the next free one.
protocol FreeRow: ZeroInitializable {
    /// The next free row; 0 at the end. It may mean something else in a row that is in use.
    var nextFree: UInt32 { get set }
}

/// A row that is found by a hash.
protocol HashedRow: ZeroInitializable {
    /// The next row in the bucket; 0 at the end.
    var hashNext: UInt32 { get set }
}

/// Which rows of a table are free: those that were given back, and those that were never used. Row
/// 0 is never used: it stands for none.
///
/// - Invariant (free): the list holds exactly the rows before `unusedFrom` that are not in use.
struct FreeRows: BitwiseCopyable {
    private var first: UInt32 = 0
    /// The rows from here on were never used.
    private(set) var unusedFrom = 1

    /// Two numbers that are the whole of it.
    var counters: (UInt64, UInt64) {
        get { (UInt64(first), UInt64(unusedFrom)) }
        set {
            first = UInt32(truncatingIfNeeded: newValue.0)
            unusedFrom = Int(truncatingIfNeeded: newValue.1)
        }
    }

    /// The rows that may be in use are those from 1 and before this one.
    var endIndex: UInt32 { UInt32(truncatingIfNeeded: unusedFrom) }

    /// Takes a free row.
    ///
    /// - Precondition: there is one; the quotas see to it.
    mutating func take<Row: FreeRow>(from rows: borrowing ArenaTable<Row>) -> UInt32 {
        if first != 0 {
            let index = first
            first = rows[Int(index)].nextFree
            return index
        }
        precondition(unusedFrom < rows.count, "rows were taken beyond every quota")
        unusedFrom += 1
        return UInt32(truncatingIfNeeded: unusedFrom - 1)
    }

    /// Gives back a row that nothing leads to.
    mutating func give<Row: FreeRow>(_ index: UInt32, to rows: inout ArenaTable<Row>) {
        rows[Int(index)].nextFree = first
        first = index
    }
}

extension ArenaTable where Element: HashedRow {
    /// Puts a row into a bucket.
    mutating func link(_ index: UInt32, into buckets: inout ArenaTable<UInt32>, at bucket: Int) {
        self[Int(index)].hashNext = buckets[bucket]
        buckets[bucket] = index
    }

    /// Takes a row out of its bucket.
    ///
    /// - Precondition: it is there.
    mutating func unlink(
        _ index: UInt32, from buckets: inout ArenaTable<UInt32>, at bucket: Int
    ) {
        let next = self[Int(index)].hashNext
        var current = buckets[bucket]
        guard current != index else {
            buckets[bucket] = next
            return
        }
        while current != 0, self[Int(current)].hashNext != index {
            current = self[Int(current)].hashNext
        }
        precondition(current != 0, "a row is missing in its bucket")
        self[Int(current)].hashNext = next
    }
}

extension ArenaTable<UInt32> {
    /// The bucket of a number and a digest; there is a power of two of them.
    func bucket(_ number: UInt32, _ digest: UInt32) -> Int {
        // WRAPS: the mixing is defined modulo 2^32.
        let mixed = (number &* 0x9e37_79b1) ^ digest
        return bucket(mixed ^ mixed >> 16)
    }

    /// The bucket of a digest.
    func bucket(_ digest: UInt32) -> Int { Int(digest) & (count - 1) }
}

/// The power of two that is at least `capacity`, for the buckets of a hash table.
func bucketCount(for capacity: Int) -> Int {
    var count = 16
    while count < capacity, count < 1 << 31 { count *= 2 }
    return count
}
