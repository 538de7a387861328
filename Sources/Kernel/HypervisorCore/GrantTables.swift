public import BootArena

/// What the hypervisor knows of an entry that is in use.
///
/// - Invariant: *(cached)* while it is in use, `frame` is the frame that was looked up when the use
///   began, whatever the guest writes to its table meanwhile.
package struct ActiveGrant: BitwiseCopyable {
    /// Who uses it.
    package var grantee = DomainID(number: 0)
    /// How many uses only read.
    package var readers: UInt16 = 0
    /// How many uses write.
    package var writers: UInt16 = 0
    /// The frame that it stands for.
    package var frame = MachineFrame(number: 0)

    /// Whether anybody uses it.
    package var isInUse: Bool { readers != 0 || writers != 0 }
}

/// One mapping of a foreign frame, by the handle of the domain that holds it.
package struct GrantMapping: BitwiseCopyable {
    /// What became of it.
    package enum State: UInt8, BitwiseCopyable {
        /// The handle can be given out.
        case free
        /// The foreign frame is mapped.
        case live
        /// It was taken out of the page tables; the processors have not been told.
        case closing
        /// The grant ended before the mapping did: a blank page of the holder's own is mapped.
        case severed
    }

    /// What became of it.
    package var state = State.free
    /// Whether its holder may write.
    package var isWritable = false
    /// The domain that granted.
    package var grantor = DomainID(number: 0)
    /// The next free handle, when this one is free.
    package var nextFree: UInt32 = 0
    /// The entry.
    package var reference = GrantReference(number: 0)
    /// Where its holder sees it.
    package var place = GuestFrame(number: 0)
    /// The neighbours in the list of the pair's mappings that do the same; `.max`: none.
    package var next: UInt32 = .max
    package var previous: UInt32 = .max
}

/// The grants in use and the mappings, of all domains.
///
/// - Invariant: *(pins)* an entry's `readers` and `writers` are the live mappings of it; a copy
///   counts while it lasts.
/// - Invariant: *(quota)* of each pair, no more mappings are live than `quota` says.
/// - Invariant: *(handles)* a handle is in the list of free ones, once, or is not free.
public struct GrantTables: ~Copyable {
    /// Entries of one domain's table.
    public static var referenceCount: Int { Domain.grantFrameCount * 512 }

    /// How many domains there are.
    public let domainCount: Int
    /// How many mappings a domain can hold.
    public let handleCount: Int
    package var active: ArenaTable<ActiveGrant>
    package var mappings: ArenaTable<GrantMapping>
    private var firstFree: ArenaTable<UInt32>
    private var used: ArenaTable<UInt32>
    private var quotas: ArenaTable<UInt32>
    /// Of each ordered pair, the handle that the list of its live mappings that only read begins
    /// with, then that of those that write; `.max`: none.
    private var firstOfPair: ArenaTable<UInt32>

    /// The arena that the tables take at most, in bytes.
    public static func arenaSizeInBytes(domainCount: Int, handleCount: Int) -> Int {
        domainCount * referenceCount * MemoryLayout<ActiveGrant>.stride
            + domainCount * handleCount * MemoryLayout<GrantMapping>.stride
            + domainCount * (domainCount * 16 + 4) + 576
    }

    // MARK: Quotas

    /// Lets `grantee` map `pages` pages of `grantor` at one time; until then none.
    package mutating func setQuota(grantee: Int, grantor: Int, pages: UInt32) {
        quotas[pair(grantee, grantor)] = pages
    }

    /// How many pages of `grantor` `grantee` may map at one time.
    public func quota(grantee: Int, grantor: Int) -> UInt32 { quotas[pair(grantee, grantor)] }

    /// How many pages of `grantor` `grantee` has mapped; what was severed does not count.
    public func used(grantee: Int, grantor: Int) -> UInt32 { used[pair(grantee, grantor)] }

    private func pair(_ grantee: Int, _ grantor: Int) -> Int {
        precondition(grantor >= 0 && grantor < domainCount, "a grantor is out of range")
        return grantee * domainCount + grantor
    }

    // MARK: Entries and handles

    /// Where an entry is in `active`; nil when the table has no such entry.
    package func slot(_ grantor: Int, _ reference: GrantReference) -> Int? {
        guard reference.number < UInt32(GrantTables.referenceCount) else { return nil }
        return grantor * GrantTables.referenceCount + Int(reference.number)
    }

    /// Where a handle is in `mappings`; nil when there is none.
    package func index(_ holder: Int, _ handle: UInt32) -> Int? {
        guard handle < UInt32(handleCount) else { return nil }
        return holder * handleCount + Int(handle)
    }

    /// The handle that `open` will give out next; nil when all are in use.
    package func nextHandle(_ holder: Int) -> UInt32? {
        firstFree[holder] < UInt32(handleCount) ? firstFree[holder] : nil
    }

    /// Gives out the next handle.
    ///
    /// - Precondition: there is one.
    mutating func open(_ holder: Int, _ mapping: GrantMapping, grantor: Int, keepsHandle: Bool) {
        let handle = firstFree[holder]
        guard let index = index(holder, handle) else { preconditionFailure("no handle is free") }
        let next = mappings[index].nextFree
        mappings[index] = mapping
        mappings[index].state = .live
        mappings[index].nextFree = next
        link(holder, handle, grantor: grantor)
        // INVARIANT (handles): the handle leaves the list.
        if !keepsHandle { firstFree[holder] = next }
        used[pair(holder, grantor)] += 1
    }

    /// Takes a handle back.
    mutating func close(_ holder: Int, _ handle: UInt32) {
        guard let index = index(holder, handle) else { return }
        mappings[index] = GrantMapping(nextFree: firstFree[holder])
        firstFree[holder] = handle
    }

    /// A mapping is no longer one of `grantor`'s frame.
    @inline(never) mutating func uncount(_ grantee: Int, _ handle: UInt32, grantor: Int) {
        let index = pair(grantee, grantor)
        if used[index] > 0 { used[index] -= 1 }
        unlink(grantee, handle, grantor: grantor)
    }

    // MARK: The mappings of a pair

    /// The handle that a pair's list of live mappings begins with; nil: there are none.
    ///
    /// - Complexity: constant, whatever else is mapped.
    func first(grantee: Int, grantor: Int, writable: Bool) -> UInt32? {
        let first = firstOfPair[2 * pair(grantee, grantor) + (writable ? 1 : 0)]
        return first == .max ? nil : first
    }

    /// The handle after one in such a list.
    func next(_ grantee: Int, after handle: UInt32) -> UInt32? {
        guard let index = index(grantee, handle) else { return nil }
        let next = mappings[index].next
        return next == .max ? nil : next
    }

    private mutating func link(_ holder: Int, _ handle: UInt32, grantor: Int) {
        guard let index = index(holder, handle) else { return }
        let list = 2 * pair(holder, grantor) + (mappings[index].isWritable ? 1 : 0)
        let first = firstOfPair[list]
        mappings[index].next = first
        mappings[index].previous = .max
        if let after = self.index(holder, first) { mappings[after].previous = handle }
        firstOfPair[list] = handle
    }

    private mutating func unlink(_ holder: Int, _ handle: UInt32, grantor: Int) {
        guard let index = index(holder, handle) else { return }
        let mapping = mappings[index]
        let list = 2 * pair(holder, grantor) + (mapping.isWritable ? 1 : 0)
        if let after = self.index(holder, mapping.next) {
            mappings[after].previous = mapping.previous
        }
        if let before = self.index(holder, mapping.previous) {
            mappings[before].next = mapping.next
        } else if firstOfPair[list] == handle {
            firstOfPair[list] = mapping.next
        }
        mappings[index].next = .max
        mappings[index].previous = .max
    }
}

extension GrantTables {
    /// Reserves tables for `domainCount` domains, each of which can hold `handleCount` mappings. No
    /// pair may map anything yet.
    ///
    /// - Throws: as `BootArena.reserve`.
    public init(
        domainCount count: Int, handleCount: Int, arena: inout BootArena
    ) throws(BootArenaError) {
        let active = count * GrantTables.referenceCount
        self.init(
            domainCount: count, handleCount: handleCount,
            active: try arena.reserve(count: active, repeating: ActiveGrant()),
            mappings: try arena.reserve(count: count * handleCount, repeating: GrantMapping()),
            firstFree: try arena.reserve(count: count, repeating: 0),
            used: try arena.reserve(count: count * count, repeating: 0),
            quotas: try arena.reserve(count: count * count, repeating: 0),
            firstOfPair: try arena.reserve(count: 2 * count * count, repeating: .max))
        for index in mappings.indices {
            mappings[index].nextFree = UInt32(index % max(handleCount, 1) + 1)
        }
    }
}
