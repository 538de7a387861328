import BootArena

/// What a domain may do to a node by Xen's own permissions, as bits.
struct NodeAccess: Equatable, BitwiseCopyable {
    let bits: UInt32

    static var none: NodeAccess { NodeAccess(bits: 0) }
    static var read: NodeAccess { NodeAccess(bits: 1) }
    static var write: NodeAccess { NodeAccess(bits: 2) }
    static var both: NodeAccess { NodeAccess(bits: 3) }
    /// Also to change permissions: the owner, and who acts for it.
    static var owner: NodeAccess { NodeAccess(bits: 7) }
    /// To write and to own: what changing permissions takes.
    static var administer: NodeAccess { NodeAccess(bits: 6) }

    func contains(_ other: NodeAccess) -> Bool { bits & other.bits == other.bits }

    /// The letter of the wire format.
    var letter: UInt8 {
        switch bits & 3 {
        case 0: UInt8(ascii: "n")
        case 1: UInt8(ascii: "r")
        case 2: UInt8(ascii: "w")
        default: UInt8(ascii: "b")
        }
    }

    /// The access of a letter; nil for any other.
    init?(letter: UInt8) {
        switch letter {
        case UInt8(ascii: "n"): bits = 0
        case UInt8(ascii: "r"): bits = 1
        case UInt8(ascii: "w"): bits = 2
        case UInt8(ascii: "b"): bits = 3
        default: return nil
        }
    }

    init(bits: UInt32) { self.bits = bits }
}

/// A node's permissions: the owner with what all others may, then exceptions.
///
/// - Source: the entry format of `XS_SET_PERMS`; the first matching entry counts.
struct PermissionList: BitwiseCopyable {
    static let maximumCount = 16
    /// The domain is gone: the entry stays to be seen, and means nothing to its successor.
    static let staleBit: UInt32 = 1 << 20

    private(set) var count = 0
    /// Domain id in bits 0 to 15, access in 16 to 17, stale in 20.
    private var entries = InlineArray<16, UInt32>(repeating: 0)

    init(owner: UInt16, others: NodeAccess) {
        entries[0] = UInt32(owner) | others.bits << 16
        count = 1
    }

    /// The domain that owns the node.
    var owner: UInt16 { UInt16(truncatingIfNeeded: entries[0]) }

    func domain(at index: Int) -> UInt16 { UInt16(truncatingIfNeeded: entries[index]) }

    func access(at index: Int) -> NodeAccess { NodeAccess(bits: entries[index] >> 16 & 3) }

    /// Adds an entry.
    ///
    /// - Precondition: `count` is below `maximumCount`.
    mutating func append(_ domain: UInt16, _ access: NodeAccess) {
        entries[count] = UInt32(domain) | access.bits << 16
        count += 1
    }

    /// Makes `domain` the owner. What the others may stays.
    mutating func replaceOwner(_ domain: UInt16) {
        entries[0] = entries[0] & 0x3_0000 | UInt32(domain)
    }

    /// Returns the list with another access in one entry, which is not the first.
    func changing(_ index: Int, to access: NodeAccess) -> PermissionList {
        var list = self
        list.entries[index] = entries[index] & ~0x3_0000 | (access.bits & 3) << 16
        return list
    }

    /// Marks the entries of a domain that is gone; returns whether there are any.
    mutating func markStale(_ domain: UInt16) -> Bool {
        var found = false
        for index in 0..<count where self.domain(at: index) == domain {
            entries[index] |= PermissionList.staleBit
            found = true
        }
        return found
    }

    /// Returns what `domain` may do, who may also act for `target`.
    func access(for domain: UInt16, target: UInt16?) -> NodeAccess {
        func isMeant(_ index: Int) -> Bool {
            let named = self.domain(at: index)
            return entries[index] & PermissionList.staleBit == 0
                && (named == domain || named == target)
        }
        if isMeant(0) { return .owner }
        for index in 1..<max(1, count) where isMeant(index) { return access(at: index) }
        return access(at: 0)
    }

    func equals(_ other: PermissionList) -> Bool {
        guard count == other.count else { return false }
        for index in 0..<count where entries[index] != other.entries[index] { return false }
        return true
    }

    /// A number that is equal for equal lists.
    var digest: UInt32 {
        var digest: UInt32 = 0x811c_9dc5
        // WRAPS: the hash is defined modulo 2^32.
        for index in 0..<count { digest = (digest ^ entries[index]) &* 0x0100_0193 }
        return digest ^ digest >> 15
    }
}

/// The different permission lists that nodes have, each once, with the number of its holders.
///
/// A list is the quota of its owner's: the owner is part of it, so no two domains share one.
///
/// - Invariant (held): an index with holders names a list; index 0 names none.
struct PermissionTable: ~Copyable {
    private struct Row: HashedRow, FreeRow {
        var list: PermissionList
        var holders: UInt32
        var hashNext: UInt32

        var nextFree: UInt32 {
            get { hashNext }
            set { hashNext = newValue }
        }
    }

    private var rows: ArenaTable<Row>
    private var buckets: ArenaTable<UInt32>
    private var free = FreeRows()

    init(capacity: Int, arena: inout BootArena) throws(BootArenaError) {
        let rows = try arena.reserveZeros(count: capacity + 1, of: Row.self)
        let buckets = try arena.reserveZeros(
            count: bucketCount(for: capacity), of: UInt32.self)
        self.rows = rows
        self.buckets = buckets
    }

    /// The numbers that go with the tables.
    var counters: StoreCounters {
        get { [free.counters.0, free.counters.1, 0, 0, 0] }
        set { free.counters = (newValue[0], newValue[1]) }
    }

    subscript(index: UInt32) -> PermissionList { rows[Int(index)].list }

    /// Returns the index of an equal list that somebody holds; 0 when there is none.
    func find(_ list: PermissionList) -> UInt32 {
        var index = buckets[buckets.bucket(list.digest)]
        while index != 0 {
            if rows[Int(index)].list.equals(list) { return index }
            index = rows[Int(index)].hashNext
        }
        return 0
    }

    /// Adds a list that `find` did not find, without a holder.
    ///
    /// - Precondition: there is room; the quotas see to it.
    mutating func insert(_ list: PermissionList) -> UInt32 {
        let index = free.take(from: rows)
        rows[Int(index)] = Row(list: list, holders: 0, hashNext: 0)
        rows.link(index, into: &buckets, at: buckets.bucket(list.digest))
        return index
    }

    mutating func hold(_ index: UInt32) { rows[Int(index)].holders += 1 }

    /// Gives up a list; returns whether that was the last holder, and the list is gone.
    mutating func release(_ index: UInt32) -> Bool {
        rows[Int(index)].holders -= 1
        guard rows[Int(index)].holders == 0 else { return false }
        rows.unlink(index, from: &buckets, at: buckets.bucket(rows[Int(index)].list.digest))
        free.give(index, to: &rows)
        return true
    }

    /// Marks what the lists say about a domain as meaning nothing any more.
    ///
    /// - Complexity: the number of lists.
    mutating func markStale(_ domain: UInt16) {
        for index in 1..<free.unusedFrom where rows[index].holders > 0 {
            var list = rows[index].list
            guard list.markStale(domain) else { continue }
            let number = UInt32(truncatingIfNeeded: index)
            let bucket = buckets.bucket(rows[index].list.digest)
            rows.unlink(number, from: &buckets, at: bucket)
            rows[index].list = list
            rows.link(number, into: &buckets, at: buckets.bucket(list.digest))
        }
    }
}
