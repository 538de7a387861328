/// One pass over a policy's bytes: reading them into records, or writing them from records.
///
/// Each record says its layout once, in `layOut`, and both directions follow it: a field cannot be
/// read in another place than it is written. A reader sets what it is passed; a writer leaves it as
/// it is, and tests it as the reader would.
protocol LayoutPass {
    /// The format; the reader knows it when it has read the header.
    var format: PolicyFormat { get set }
    /// How many bytes were read or written.
    var offset: Int { get }

    mutating func byte(_ value: inout UInt8) throws(PolicyFileError)
    mutating func halfWord(_ value: inout UInt16) throws(PolicyFileError)
    mutating func word(_ value: inout UInt32) throws(PolicyFileError)
    /// Passes a name whose length stood before; throws `.badName` for none, and if not UTF-8.
    mutating func text(_ value: inout String, byteCount: UInt32) throws(PolicyFileError)
    /// Passes records whose number stood before, each as `body` does it.
    mutating func each<Item: LayoutRecord>(
        _ items: inout [Item], count: UInt32,
        _ body: (inout Item, inout Self) throws(PolicyFileError) -> Void
    ) throws(PolicyFileError)
}

/// What has a layout of its own.
protocol LayoutRecord {
    /// The fewest bytes that one takes, at least 1: what a count is measured against.
    static var leastByteCount: Int { get }

    /// Creates one to read into.
    init()

    /// Reads or writes the record.
    mutating func layOut(_ pass: inout some LayoutPass) throws(PolicyFileError)
}

extension LayoutPass {
    func failure(_ reason: PolicyFileError.Reason) -> PolicyFileError {
        PolicyFileError(reason: reason, offset: offset)
    }

    mutating func record(_ record: inout some LayoutRecord) throws(PolicyFileError) {
        try record.layOut(&self)
    }

    /// Passes records whose number stood before.
    mutating func items<Item: LayoutRecord>(
        _ items: inout [Item], count: UInt32
    ) throws(PolicyFileError) {
        try each(&items, count: count) { (item, pass) throws(PolicyFileError) in
            try item.layOut(&pass)
        }
    }

    mutating func words(
        _ first: inout UInt32, _ second: inout UInt32
    ) throws(PolicyFileError) {
        try word(&first)
        try word(&second)
    }

    mutating func doubleWord(_ value: inout UInt64) throws(PolicyFileError) {
        var low = UInt32(truncatingIfNeeded: value)
        var high = UInt32(truncatingIfNeeded: value >> 32)
        try words(&low, &high)
        value = UInt64(low) | UInt64(high) << 32
    }

    /// Passes a number that stands with its most significant byte first, as addresses do.
    mutating func networkWord(_ value: inout UInt32) throws(PolicyFileError) {
        var swapped = value.byteSwapped
        try word(&swapped)
        value = swapped.byteSwapped
    }

    mutating func constant(
        _ value: UInt32, orElse reason: PolicyFileError.Reason
    ) throws(PolicyFileError) {
        var found = value
        try word(&found)
        guard found == value else { throw failure(reason) }
    }

    /// Passes a number of bytes or records.
    mutating func count(_ value: Int) throws(PolicyFileError) -> UInt32 {
        guard var count = UInt32(exactly: value) else { throw failure(.countTooLarge) }
        try word(&count)
        return count
    }

    mutating func length(of name: String) throws(PolicyFileError) -> UInt32 {
        try count(name.utf8.count)
    }

    /// Passes by what a symbol is bounded.
    mutating func bounds(_ value: inout UInt32) throws(PolicyFileError) {
        if format.has(.bounds) { try word(&value) } else { try leaveOut(value != 0) }
    }

    /// Passes a name with its length before it.
    mutating func name(_ value: inout String) throws(PolicyFileError) {
        let length = try length(of: value)
        try text(&value, byteCount: length)
    }

    /// Passes records with their number before them.
    mutating func table(_ items: inout [some LayoutRecord]) throws(PolicyFileError) {
        let count = try count(items.count)
        try self.items(&items, count: count)
    }

    mutating func symbols<Symbol: LayoutRecord>(
        _ table: inout PolicyFile.SymbolTable<Symbol>
    ) throws(PolicyFileError) {
        try word(&table.primaryCount)
        try self.table(&table.symbols)
    }

    /// Refuses to write a policy in a version that has no place for something that it has.
    func leaveOut(_ isThere: Bool) throws(PolicyFileError) {
        if isThere { throw failure(.notInFormat) }
    }
}

/// Reads records.
struct LayoutReader: LayoutPass {
    private let bytes: [UInt8]
    private(set) var offset = 0
    var format: PolicyFormat

    init(_ bytes: [UInt8], format: PolicyFormat) {
        self.bytes = bytes
        self.format = format
    }

    /// How many bytes are left. Never negative: `advance` alone moves the offset.
    private var remaining: Int { bytes.count - offset }

    /// Steps over `count` bytes and returns where they begin.
    private mutating func advance(_ count: Int) throws(PolicyFileError) -> Int {
        guard count <= remaining else { throw failure(.truncated) }
        let start = offset
        offset += count
        return start
    }

    mutating func byte(_ value: inout UInt8) throws(PolicyFileError) {
        value = bytes[try advance(1)]
    }

    mutating func halfWord(_ value: inout UInt16) throws(PolicyFileError) {
        let start = try advance(2)
        value = UInt16(bytes[start]) | UInt16(bytes[start + 1]) << 8
    }

    mutating func word(_ value: inout UInt32) throws(PolicyFileError) {
        let start = try advance(4)
        value =
            UInt32(bytes[start]) | UInt32(bytes[start + 1]) << 8
            | UInt32(bytes[start + 2]) << 16 | UInt32(bytes[start + 3]) << 24
    }

    mutating func text(_ value: inout String, byteCount: UInt32) throws(PolicyFileError) {
        guard let count = Int(exactly: byteCount), count >= 1 else { throw failure(.badName) }
        let start = try advance(count)
        guard let name = String(validating: bytes[start..<start + count], as: UTF8.self) else {
            throw failure(.badName)
        }
        value = name
    }

    mutating func each<Item: LayoutRecord>(
        _ items: inout [Item], count: UInt32,
        _ body: (inout Item, inout Self) throws(PolicyFileError) -> Void
    ) throws(PolicyFileError) {
        guard let count = Int(exactly: count), count <= remaining / Item.leastByteCount else {
            throw failure(.countTooLarge)
        }
        items = []
        items.reserveCapacity(count)
        for _ in 0..<count {
            var item = Item()
            try body(&item, &self)
            items.append(item)
        }
    }

    func finish() throws(PolicyFileError) {
        if remaining > 0 { throw failure(.trailingBytes) }
    }
}

/// Writes records.
struct LayoutWriter: LayoutPass {
    private(set) var bytes: [UInt8] = []
    var format: PolicyFormat

    init(format: PolicyFormat) { self.format = format }

    var offset: Int { bytes.count }

    mutating func byte(_ value: inout UInt8) throws(PolicyFileError) { bytes.append(value) }

    mutating func halfWord(_ value: inout UInt16) throws(PolicyFileError) {
        bytes.append(UInt8(truncatingIfNeeded: value))
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    }

    mutating func word(_ value: inout UInt32) throws(PolicyFileError) {
        bytes.append(UInt8(truncatingIfNeeded: value))
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
        bytes.append(UInt8(truncatingIfNeeded: value >> 16))
        bytes.append(UInt8(truncatingIfNeeded: value >> 24))
    }

    mutating func text(_ value: inout String, byteCount: UInt32) throws(PolicyFileError) {
        guard !value.isEmpty, Int(exactly: byteCount) == value.utf8.count else {
            throw failure(.badName)
        }
        bytes.append(contentsOf: value.utf8)
    }

    mutating func each<Item: LayoutRecord>(
        _ items: inout [Item], count: UInt32,
        _ body: (inout Item, inout Self) throws(PolicyFileError) -> Void
    ) throws(PolicyFileError) {
        guard Int(exactly: count) == items.count else { throw failure(.wrongTableCount) }
        for index in items.indices { try body(&items[index], &self) }
    }
}
