/// Builds one command, big-endian, in a buffer that is larger than any of ours.
struct CommandBuilder: ~Copyable, ~Escapable {
    private var buffer: MutableSpan<UInt8>
    private var count = 0

    @_lifetime(copy buffer)
    init(_ buffer: consuming MutableSpan<UInt8>) {
        self.buffer = buffer
    }

    /// Writes the header; the size is filled in at the end.
    @_lifetime(self: copy self)
    mutating func begin(tag: UInt16, code: UInt32) {
        append16(tag)
        append32(0)
        append32(code)
    }

    @_lifetime(self: copy self)
    mutating func append8(_ byte: UInt8) {
        buffer[count] = byte
        count += 1
    }

    @_lifetime(self: copy self)
    mutating func append16(_ number: UInt16) {
        append8(UInt8(truncatingIfNeeded: number >> 8))
        append8(UInt8(truncatingIfNeeded: number))
    }

    @_lifetime(self: copy self)
    mutating func append32(_ number: UInt32) {
        append16(UInt16(truncatingIfNeeded: number >> 16))
        append16(UInt16(truncatingIfNeeded: number))
    }

    /// Appends a `TPMT_HA`: an algorithm and its digest.
    @_lifetime(self: copy self)
    @inline(never) mutating func append(_ algorithm: UInt16, _ digest: Span<UInt8>) {
        append16(algorithm)
        for index in digest.indices { append8(digest[index]) }
    }

    /// Fills in the size and returns it.
    @_lifetime(self: copy self)
    mutating func end() -> Int {
        let size = count
        count = 2
        append32(UInt32(truncatingIfNeeded: size))
        return size
    }
}

/// Reads a response, big-endian; reading past its end is an error.
struct ResponseReader: ~Escapable {
    private let bytes: Span<UInt8>
    private var position = 0

    @_lifetime(copy bytes)
    init(_ bytes: Span<UInt8>) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    @_lifetime(copy self)
    mutating func take(_ count: Int) throws(TPMError) -> Span<UInt8> {
        guard count >= 0, count <= bytes.count - position else { throw .responseMalformed }
        let start = position
        position = start + count
        return bytes.extracting(start..<start + count)
    }

    mutating func number8() throws(TPMError) -> UInt8 {
        let field = try take(1)
        return field[0]
    }

    mutating func number16() throws(TPMError) -> UInt16 {
        let field = try take(2)
        return UInt16(field[0]) << 8 | UInt16(field[1])
    }

    mutating func number32() throws(TPMError) -> UInt32 {
        let field = try take(4)
        return UInt32(field[0]) << 24 | UInt32(field[1]) << 16 | UInt32(field[2]) << 8
            | UInt32(field[3])
    }
}
