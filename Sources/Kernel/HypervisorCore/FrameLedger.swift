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

    /// Clears the frames, after which they may have another owner.
    public consuming func scrubbed<M: Machine & ~Copyable>(
        _ machine: inout M
    ) -> ScrubbedFrames {
        let end = first.number + count
        for number in first.number..<end where !machine.omits(.scrubMemory) {
            machine.scrub(MachineFrame(number: number))
        }
        return ScrubbedFrames(frames: self)
    }
}

/// Frames in which nothing of their last owner is left: all that a domain can be built of.
public struct ScrubbedFrames: ~Copyable {
    private let frames: OwnedFrames

    fileprivate init(frames: consuming OwnedFrames) { self.frames = frames }

    /// Gives them to an owner.
    public consuming func take() -> OwnedFrames { frames }
}

/// Who owns which frames, and how many uses others make of a domain's.
///
/// - Invariant: *(one owner)* no two entries overlap.
/// - Invariant: *(in use)* frames leave the ledger only when nobody uses them.
public struct FrameLedger: ~Copyable {
    /// What a domain owns, and how often others use it.
    private struct Entry: BitwiseCopyable {
        var first: UInt64 = 0
        var count: UInt64 = 0
        var uses: UInt32 = 0
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

    /// Takes a domain's frames from it.
    ///
    /// - Returns: nil when it owns none, or somebody uses one; nothing changed then.
    public mutating func surrender(_ index: Int) -> OwnedFrames? {
        let entry = entries[index]
        guard entry.count > 0, entry.uses == 0 else { return nil }
        entries[index] = Entry()
        return OwnedFrames(first: MachineFrame(number: entry.first), count: entry.count)
    }

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
