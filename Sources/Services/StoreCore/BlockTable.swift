import BootArena

/// Bytes of any length in chains of blocks of 32: names, values, paths, tokens.
///
/// Blocks of one size cannot fragment: whether a chain fits depends on its length and on how many
/// blocks are free, never on who freed what before. A chain that several hold is counted.
///
/// - Invariant (chain): from each chain's first block `next` leads to exactly as many blocks as its
///   length needs, then to 0; no block is in two chains, or in a chain and free.
struct BlockTable: ~Copyable {
    static let blockSize = 32

    private var bytes: ArenaTable<UInt8>
    private var next: ArenaTable<UInt32>
    /// For the first block of a chain, how many others hold it.
    ///
    /// - Invariant (sharers): 0 for every other block, and for those that are free.
    private var sharers: ArenaTable<UInt16>
    private var firstFree: UInt32 = 0
    /// The blocks from here on were never used. Block 0 is never used: it stands for none.
    private var unusedFrom = 1
    private(set) var usedCount = 0
    /// The sum of `sharers`: while nobody shares anything no chain has to be looked up there, which
    /// in a large store is a miss.
    private var sharerCount = 0

    init(capacity: Int, arena: inout BootArena) throws(BootArenaError) {
        let bytes = try arena.reserveZeros(
            count: (capacity + 1) * BlockTable.blockSize, of: UInt8.self)
        let next = try arena.reserveZeros(count: capacity + 1, of: UInt32.self)
        let sharers = try arena.reserveZeros(count: capacity + 1, of: UInt16.self)
        self.bytes = bytes
        self.next = next
        self.sharers = sharers
    }

    /// The numbers that go with the tables.
    var counters: StoreCounters {
        get {
            [
                UInt64(firstFree), UInt64(unusedFrom), UInt64(usedCount), UInt64(sharerCount), 0,
            ]
        }
        set {
            firstFree = UInt32(truncatingIfNeeded: newValue[0])
            unusedFrom = Int(truncatingIfNeeded: newValue[1])
            usedCount = Int(truncatingIfNeeded: newValue[2])
            sharerCount = Int(truncatingIfNeeded: newValue[3])
        }
    }

    /// The number of blocks that `count` bytes take.
    static func blockCount(for count: Int) -> Int { (count + blockSize - 1) / blockSize }

    /// The number of blocks that are in no chain.
    var freeCount: Int { next.count - 1 - usedCount }

    /// Reserves a chain for `count` bytes, whose content is then to be written; 0 when `count` is
    /// 0.
    ///
    /// - Precondition: so many blocks are free; the quotas see to it.
    mutating func reserve(_ count: Int) -> UInt32 {
        var first: UInt32 = 0
        for _ in 0..<BlockTable.blockCount(for: count) {
            let block = takeBlock()
            next[Int(block)] = first
            first = block
        }
        // INVARIANT (sharers): of a free block it is 0: who released the chain was the last holder.
        return first
    }

    private mutating func takeBlock() -> UInt32 {
        usedCount += 1
        if firstFree != 0 {
            let block = firstFree
            firstFree = next[Int(block)]
            return block
        }
        precondition(unusedFrom < next.count, "blocks were reserved beyond every quota")
        unusedFrom += 1
        return UInt32(truncatingIfNeeded: unusedFrom - 1)
    }

    /// Lets another hold the chain.
    mutating func share(_ chain: UInt32) {
        guard chain != 0 else { return }
        sharers[Int(chain)] += 1
        sharerCount += 1
    }

    /// Whether nobody else holds the chain.
    func isSole(_ chain: UInt32) -> Bool {
        chain == 0 || sharerCount == 0 || sharers[Int(chain)] == 0
    }

    /// Gives up the chain: the last holder frees its blocks.
    ///
    /// - Complexity: one step for each block.
    mutating func release(_ chain: UInt32) {
        guard chain != 0 else { return }
        guard sharers[Int(chain)] == 0 else {
            sharers[Int(chain)] -= 1
            sharerCount -= 1
            return
        }
        var block = chain
        while block != 0 {
            let following = next[Int(block)]
            next[Int(block)] = firstFree
            firstFree = block
            usedCount -= 1
            block = following
        }
    }

    /// Writes `source` into the chain from `offset`; it must fit.
    mutating func write(_ source: Span<UInt8>, to chain: UInt32, at offset: Int) {
        var (block, position) = seek(chain, offset)
        var index = 0
        while index < source.count {
            let part = min(BlockTable.blockSize - position, source.count - index)
            let start = Int(block) * BlockTable.blockSize + position
            var target = bytes.mutableSpan
            copyBytes(source.extracting(index..<index + part), into: &target, at: start)
            index += part
            position = 0
            // Only where something follows: each look at another table is a miss in a large store.
            if index < source.count { block = next[Int(block)] }
        }
    }

    /// Writes a part of a path to the start of the chain; it must fit.
    mutating func write(_ path: borrowing StorePath, _ range: Range<Int>, to chain: UInt32) {
        write(path.span.extracting(range), to: chain, at: 0)
    }

    /// Copies `count` bytes of the chain from `offset` to `table` at `start`; they must fit.
    func copy(
        _ chain: UInt32, from offset: Int, count: Int, to table: inout ArenaTable<UInt8>,
        at start: Int
    ) {
        guard count > 0 else { return }
        var target = table.mutableSpan
        var (block, position) = seek(chain, offset)
        var index = 0
        while index < count {
            let part = min(BlockTable.blockSize - position, count - index)
            let from = Int(block) * BlockTable.blockSize + position
            copyBytes(bytes.span.extracting(from..<from + part), into: &target, at: start + index)
            index += part
            position = 0
            if index < count { block = next[Int(block)] }
        }
    }

    /// Copies `count` bytes from one chain to another; they must fit.
    mutating func copy(
        _ source: UInt32, from sourceOffset: Int, to target: UInt32, at targetOffset: Int,
        count: Int
    ) {
        var (from, fromPosition) = seek(source, sourceOffset)
        var (into, intoPosition) = seek(target, targetOffset)
        for _ in 0..<count {
            if fromPosition == BlockTable.blockSize { (from, fromPosition) = (next[Int(from)], 0) }
            if intoPosition == BlockTable.blockSize { (into, intoPosition) = (next[Int(into)], 0) }
            bytes[Int(into) * BlockTable.blockSize + intoPosition] =
                bytes[Int(from) * BlockTable.blockSize + fromPosition]
            fromPosition += 1
            intoPosition += 1
        }
    }

    /// Copies `count` bytes from the front of a chain, which lie in its first block, to `target` at
    /// `start`; they must fit.
    @inline(__always)
    func copyFront(
        _ chain: UInt32, count: Int, to target: inout MutableSpan<UInt8>, at start: Int
    ) {
        let from = Int(chain) * BlockTable.blockSize
        guard count < 8 else {
            copyBytes(bytes.span.extracting(from..<from + count), into: &target, at: start)
            return
        }
        // Short names are most of all: what prepares a copy of many bytes would take longer.
        var index = 0
        while index < count {
            // WRAPS: never, and what is outside stops the machine.
            target[start &+ index] = bytes[from &+ index]
            index &+= 1
        }
    }

    /// Returns the first `count` bytes of a chain, which lie in its first block.
    @_lifetime(borrow self)
    func front(_ chain: UInt32, count: Int) -> Span<UInt8> {
        let start = Int(chain) * BlockTable.blockSize
        return bytes.span.extracting(start..<start + count)
    }

    /// Returns whether the chain starts with `expected`; it must be that long.
    @inline(__always)
    func starts(_ chain: UInt32, with expected: Span<UInt8>) -> Bool {
        guard expected.count <= BlockTable.blockSize else {
            return holds(expected, in: chain, at: 0)
        }
        let start = Int(chain) * BlockTable.blockSize
        for index in expected.indices where bytes[start + index] != expected[index] {
            return false
        }
        return true
    }

    /// Returns whether the chain holds `expected` from `offset`; it must be that long.
    func holds(_ expected: Span<UInt8>, in chain: UInt32, at offset: Int) -> Bool {
        var (block, position) = seek(chain, offset)
        var index = 0
        while index < expected.count {
            let part = min(BlockTable.blockSize - position, expected.count - index)
            let start = Int(block) * BlockTable.blockSize + position
            let held = bytes.span.extracting(start..<start + part)
            for step in 0..<part where held[step] != expected[index + step] { return false }
            index += part
            position = 0
            if index < expected.count { block = next[Int(block)] }
        }
        return true
    }

    /// Returns the byte of the chain at `offset`; it must be that long.
    func byte(_ chain: UInt32, at offset: Int) -> UInt8 {
        let (block, position) = seek(chain, offset)
        return bytes[Int(block) * BlockTable.blockSize + position]
    }

    /// Finds the block and the position in it of the byte at `offset`.
    private func seek(_ chain: UInt32, _ offset: Int) -> (block: UInt32, position: Int) {
        var block = chain
        for _ in 0..<offset / BlockTable.blockSize { block = next[Int(block)] }
        return (block, offset % BlockTable.blockSize)
    }
}

/// Copies all of `source` into `table` from `start`; it must fit.
func copyBytes(_ source: Span<UInt8>, into table: inout ArenaTable<UInt8>, at start: Int) {
    var target = table.mutableSpan
    copyBytes(source, into: &target, at: start)
}

/// Copies all of `source` into `target` from `start`; it must fit.
@inline(__always)
func copyBytes(_ source: Span<UInt8>, into target: inout MutableSpan<UInt8>, at start: Int) {
    // Into a part that is exactly as long, so that no byte's place has to be compared.
    var part = target._mutatingExtracting(start..<start + source.count)
    for index in source.indices { part[index] = source[index] }
}
