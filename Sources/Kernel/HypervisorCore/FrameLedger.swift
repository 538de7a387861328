public import BootArena

/// Adjacent frames of memory with one owner: whoever holds this value. It cannot be copied, so two
/// cannot own a frame, and giving it away takes it from the giver.
public struct OwnedFrames: ~Copyable {
    /// The first frame.
    public let first: MachineFrame
    /// How many there are.
    public let count: UInt64

    /// Takes frames over that nobody owns.
    ///
    /// - Precondition: the machine has given these frames to nobody else. The ledger stops the
    ///   machine when two values overlap.
    public init(first: MachineFrame, count: UInt64) {
        self.first = first
        self.count = count
    }
}

/// Who owns which frames, and how many uses others make of a domain's.
///
/// - Invariant: *(one owner)* no two entries overlap.
/// - Invariant: *(in use)* frames are cleared only while nobody uses them.
public struct FrameLedger: ~Copyable {
    /// What a domain owns, and how often others use it.
    private struct Entry: BitwiseCopyable {
        var first: UInt64 = 0
        var count: UInt64 = 0
        var uses: UInt32 = 0
        /// How many of them, from the first, hold nothing of who used them last.
        var cleared: UInt64 = 0
    }

    /// One entry for each domain.
    private var entries: ArenaTable<Entry>

    /// Makes a ledger in which nobody owns anything.
    ///
    /// - Throws: as `BootArena.reserve`.
    public init(domainCount: Int, arena: inout BootArena) throws(BootArenaError) {
        entries = try arena.reserve(count: domainCount, repeating: Entry())
    }

    /// The arena that the ledger takes, in bytes.
    public static func arenaSizeInBytes(domainCount: Int) -> Int {
        domainCount * MemoryLayout<Entry>.stride + 64
    }

    /// Gives frames to the domain of an index.
    ///
    /// - Precondition: it owns none, and nobody owns any of these.
    public mutating func adopt(_ frames: consuming OwnedFrames, by index: Int) {
        precondition(entries[index].count == 0, "a domain owns memory already")
        let (first, count) = (frames.first.number, frames.count)
        for other in entries.indices where entries[other].count > 0 {
            let entry = entries[other]
            // INVARIANT (one owner): checked here, where an owner is made.
            precondition(
                first >= entry.first + entry.count || entry.first >= first + count,
                "a frame has two owners")
        }
        entries[index] = Entry(first: first, count: count)
    }

    /// Says that the domain's frames hold something that nobody else may find.
    mutating func soil(_ index: Int) { entries[index].cleared = 0 }

    /// Clears the next of a domain's frames, at most `limit`.
    ///
    /// - Returns: whether all are clear: nothing of what was in them is left.
    /// - Precondition: nobody uses them.
    mutating func clear(_ index: Int, limit: UInt64, _ machine: inout some Hardware) -> Bool {
        let entry = entries[index]
        // INVARIANT (in use): what others use is not cleared under their hands.
        precondition(entry.uses == 0, "memory is cleared that somebody uses")
        let end = min(entry.count, entry.cleared + limit)
        for number in entry.cleared..<end where !machine.omits(.scrubMemory) {
            machine.scrub(MachineFrame(number: entry.first + number))
        }
        entries[index].cleared = end
        return end == entry.count
    }

    /// Whether nothing of their last use is in the domain's frames.
    func isClear(_ index: Int) -> Bool { entries[index].cleared == entries[index].count }

    /// Whether the domain owns the frame.
    public func owns(_ index: Int, _ frame: MachineFrame) -> Bool {
        let entry = entries[index]
        return frame.number >= entry.first && frame.number - entry.first < entry.count
    }

    /// How many uses others make of the domain's frames.
    public func uses(_ index: Int) -> UInt32 { entries[index].uses }

    /// One more use begins.
    mutating func beginUse(_ index: Int) { entries[index].uses += 1 }

    /// A use ends.
    mutating func endUse(_ index: Int) {
        if entries[index].uses > 0 { entries[index].uses -= 1 }
    }
}
