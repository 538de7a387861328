import SecurityLattice

/// Where a table stands: its first record, the records in it, and the highest number it gives.
struct Table: BitwiseCopyable {
    var offset = 0
    var count = 0
    var primaryCount = 0
}

/// Where a name stands.
struct NamePlace: BitwiseCopyable {
    let offset: Int
    let count: Int
}

/// A set of numbers (bit *n* is number n + 1), left where it stands in the file.
///
/// - Layout: `u32 unit (64)`, `u32 high bit`, `u32 count`, then `count` times `u32 start bit`,
///   `u64 map`, with rising start bits.
struct Bitmap: BitwiseCopyable {
    /// The offset of the first node.
    let offset: Int
    /// The number of nodes.
    let count: Int
    /// The first bit after the last one that is set; 0 for the empty set.
    let bitCount: UInt32
}

/// Reads one record after another, refusing to read past the end. It knows the shapes of records,
/// not their meaning.
///
/// - Invariant (inside): `offset` is never negative and never after the end.
struct DatabaseCursor: ~Escapable {
    let bytes: Span<UInt8>
    private(set) var offset: Int

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>, at offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    /// Whether everything was read.
    var isAtEnd: Bool { offset == bytes.count }

    @inline(never)
    mutating func skip(_ count: Int) throws(PolicyDatabaseError) {
        guard count >= 0, count <= bytes.count - offset else { throw .truncated }
        offset += count
    }

    /// Skips `count` records of `size` bytes.
    mutating func skip(_ count: UInt32, of size: Int) throws(PolicyDatabaseError) {
        // A 32-bit count times a record's size of a few bytes fits into 64 bits.
        try skip(Int(count) * size)
    }

    // Never inlined: there are hundreds of calls, each several times as long as the call itself.

    @inline(never)
    mutating func readUInt16() throws(PolicyDatabaseError) -> UInt16 {
        let start = offset
        try skip(2)
        return UInt16(bytes[start]) | UInt16(bytes[start + 1]) << 8
    }

    @inline(never)
    mutating func readUInt32() throws(PolicyDatabaseError) -> UInt32 {
        let start = offset
        try skip(4)
        return bytes.littleEndian32(at: start)
    }

    @inline(never)
    mutating func readUInt64() throws(PolicyDatabaseError) -> UInt64 {
        let low = try readUInt32()
        let high = try readUInt32()
        return UInt64(low) | UInt64(high) << 32
    }

    /// Reads a name of `count` bytes.
    @inline(never)
    mutating func readName(_ count: UInt32) throws(PolicyDatabaseError) -> NamePlace {
        guard count >= 1, count <= 255 else { throw .badSymbolName }
        let place = NamePlace(offset: offset, count: Int(count))
        try skip(place.count)
        return place
    }

    /// Reads the count of a table whose records all have `size` bytes, and skips them.
    @inline(never)
    mutating func readFixedTable(recordSize size: Int) throws(PolicyDatabaseError) -> Table {
        let count = try readUInt32()
        let table = Table(offset: offset, count: Int(count))
        try skip(count, of: size)
        return table
    }

    mutating func readBitmap() throws(PolicyDatabaseError) -> Bitmap {
        let unit = try readUInt32()
        let highBit = try readUInt32()
        let count = try readUInt32()
        guard unit == 64, highBit % 64 == 0, (highBit == 0) == (count == 0) else {
            throw .badBitmap
        }
        let start = offset
        var minimum: UInt32 = 0
        var bitCount: UInt32 = 0
        for _ in 0..<count {
            let startBit = try readUInt32()
            let map = try readUInt64()
            guard startBit % 64 == 0, startBit >= minimum, startBit < highBit, map != 0 else {
                throw .badBitmap
            }
            bitCount = startBit + 64 - UInt32(map.leadingZeroBitCount)
            // A start bit at the very end leaves no room for another node.
            minimum = startBit > UInt32.max - 128 ? UInt32.max : startBit + 64
        }
        guard count == 0 || highBit - 64 < bitCount else { throw .badBitmap }
        return Bitmap(offset: start, count: Int(count), bitCount: bitCount)
    }

    /// Reads a set of categories.
    mutating func readCategories() throws(PolicyDatabaseError) -> CategorySet {
        let bitmap = try readBitmap()
        guard bitmap.bitCount <= 256 else { throw .tooManyCategories }
        var cursor = DatabaseCursor(bytes, at: bitmap.offset)
        var words: InlineArray<4, UInt64> = [0, 0, 0, 0]
        for _ in 0..<bitmap.count {
            let startBit = try cursor.readUInt32()
            words[Int(startBit / 64)] = try cursor.readUInt64()
        }
        return CategorySet(words: words[0], words[1], words[2], words[3])
    }

    mutating func readSensitivity() throws(PolicyDatabaseError) -> Sensitivity {
        guard let sensitivity = Sensitivity(databaseValue: try readUInt32()) else {
            throw .badLevel
        }
        return sensitivity
    }

    mutating func readLevel() throws(PolicyDatabaseError) -> SecurityLevel {
        let sensitivity = try readSensitivity()
        return SecurityLevel(sensitivity, try readCategories())
    }

    /// Reads `u32 n`, n sensitivities, n sets of categories; one level stands for both.
    @inline(never) mutating func readRange() throws(PolicyDatabaseError) -> SecurityRange {
        let count = try readUInt32()
        guard count == 1 || count == 2 else { throw .badRange }
        let lowSensitivity = try readSensitivity()
        let highSensitivity = count == 2 ? try readSensitivity() : lowSensitivity
        let lowCategories = try readCategories()
        let highCategories = count == 2 ? try readCategories() : lowCategories
        let low = SecurityLevel(lowSensitivity, lowCategories)
        let high = SecurityLevel(highSensitivity, highCategories)
        guard let range = SecurityRange(low: low, high: high) else { throw .badRange }
        return range
    }

    @inline(never) mutating func readContext() throws(PolicyDatabaseError) -> SecurityContext {
        let user = try readUInt32()
        let role = try readUInt32()
        let type = try readUInt32()
        return SecurityContext(user: user, role: role, type: type, range: try readRange())
    }
}

extension Span<UInt8> {
    /// Returns whether `bitmap`, read from these bytes, holds `number` (from 1).
    func contains(_ number: UInt32, in bitmap: Bitmap) -> Bool {
        guard number >= 1, number <= bitmap.bitCount else { return false }
        let bit = number - 1
        for index in 0..<bitmap.count {
            let node = bitmap.offset + 12 * index
            let startBit = littleEndian32(at: node)
            guard startBit <= bit else { return false }
            guard bit - startBit < 64 else { continue }
            let word = littleEndian32(at: node + (bit - startBit < 32 ? 4 : 8))
            return word >> (bit % 32) & 1 != 0
        }
        return false
    }

    /// Returns the number in two bytes from `offset`; they must lie inside.
    @inline(never)
    func littleEndian16(at offset: Int) -> UInt16 {
        UInt16(self[offset]) | UInt16(self[offset + 1]) << 8
    }

    /// Returns the number in four bytes from `offset`; they must lie inside.
    @inline(never)
    func littleEndian32(at offset: Int) -> UInt32 {
        let bytes = extracting(offset..<offset + 4)
        return UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16
            | UInt32(bytes[3]) << 24
    }

    func littleEndian64(at offset: Int) -> UInt64 {
        UInt64(littleEndian32(at: offset)) | UInt64(littleEndian32(at: offset + 4)) << 32
    }
}
