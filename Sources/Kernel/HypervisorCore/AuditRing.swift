public import BootArena

/// What was refused, and what became of domains, as lines for the audit service: a ring that keeps
/// a line until its reader has said that it has it. What finds no room is dropped and counted; the
/// count is told before the next line.
///
/// - Invariant: *(whole)* the ring holds whole lines: a reader that takes all of it takes no half.
/// - Invariant: *(told)* every line has the next number, also one that was dropped.
public struct AuditRing: ~Copyable {
    private var bytes: ArenaTable<UInt8>
    /// How many bytes were ever added, and how many the reader has said that it has.
    private var added: UInt64 = 0
    private var taken: UInt64 = 0
    private var sequence: UInt64 = 0
    private var lost: UInt64 = 0

    /// How many bytes wait.
    /// - Units: bytes.
    public static var capacity: Int { 32_768 }

    /// Makes an empty ring.
    ///
    /// - Throws: as `BootArena.reserve`.
    public init(arena: inout BootArena) throws(BootArenaError) {
        bytes = try arena.reserve(count: AuditRing.capacity, repeating: 0)
    }

    /// Adds a line: its number, the text, and a line's end; or counts it as lost.
    public mutating func append(_ text: Span<UInt8>) {
        sequence += 1
        var note = AuditLine()
        if lost > 0 {
            note.text("audit: ".utf8.span)
            note.number(lost)
            note.text(" lines were lost here\n".utf8.span)
        }
        note.text("audit ".utf8.span)
        note.number(sequence)
        note.text(": ".utf8.span)
        let size = UInt64(note.bytes.count + text.count + 1)
        guard size <= UInt64(AuditRing.capacity) - (added - taken) else {
            lost += 1
            return
        }
        lost = 0
        for index in note.bytes.indices { add(note.bytes[index]) }
        for index in text.indices { add(text[index]) }
        add(0x0a)
    }

    private mutating func add(_ byte: UInt8) {
        bytes[Int(added % UInt64(AuditRing.capacity))] = byte
        added += 1
    }

    /// Whether anything waits.
    public var isEmpty: Bool { added == taken }

    /// Forgets what the reader has.
    ///
    /// - Parameter position: up to where it has read, modulo 2³²; one that lies outside what waits
    ///   changes nothing.
    mutating func forget(before position: UInt32) {
        // WRAPS: positions run freely modulo 2^32, and what waits is much less.
        let count = UInt64(position &- UInt32(truncatingIfNeeded: taken))
        if count <= added - taken { taken += count }
    }

    /// The position of the oldest byte that waits, modulo 2³², and how many wait.
    var waiting: (position: UInt32, count: Int) {
        (UInt32(truncatingIfNeeded: taken), Int(added - taken))
    }

    /// The byte that waits behind `offset` others.
    func byte(at offset: Int) -> UInt8 {
        bytes[Int((taken + UInt64(offset)) % UInt64(AuditRing.capacity))]
    }
}

/// A line of text in the making, at most 512 bytes; what is beyond is cut.
public struct AuditLine {
    private var storage = InlineArray<512, UInt8>(repeating: 0)
    private var count = 0

    /// An empty line.
    public init() {}

    /// What was added.
    public var bytes: Span<UInt8> {
        @_lifetime(borrow self) get { storage.span.extracting(first: count) }
    }

    /// Adds bytes.
    @inline(never)
    public mutating func text(_ text: Span<UInt8>) {
        for index in text.indices { add(text[index]) }
    }

    /// Adds a number in decimal.
    @inline(never)
    public mutating func number(_ value: UInt64) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var rest = value
        var length = 0
        repeat {
            digits[length] = 0x30 + UInt8(rest % 10)
            rest /= 10
            length += 1
        } while rest > 0
        for index in 0..<length { add(digits[length - 1 - index]) }
    }

    /// Adds a byte.
    public mutating func add(_ byte: UInt8) {
        guard count < 512 else { return }
        storage[count] = byte
        count += 1
    }
}
