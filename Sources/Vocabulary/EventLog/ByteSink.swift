/// Takes bytes in order: a fixed buffer in the kernel, an array on the host. Encoders are written
/// once, for any sink, so that what the kernel extends and what a verifier expects cannot differ.
public protocol ByteSink: ~Copyable, ~Escapable {
    /// Takes the next byte.
    mutating func append(_ byte: UInt8)
}

extension ByteSink where Self: ~Copyable & ~Escapable {
    /// Takes `bytes` in order.
    public mutating func append(_ bytes: Span<UInt8>) {
        for index in bytes.indices { append(bytes[index]) }
    }

    /// Takes a number, least significant byte first.
    @inline(never)
    public mutating func append<Number: FixedWidthInteger>(littleEndian number: Number) {
        for position in 0..<Number.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: number >> Number(8 * position)))
        }
    }
}

/// A sink over a fixed buffer. Bytes that do not fit are dropped and counted, so an encoder needs
/// no error of its own: whoever made the sink asks `overflowed` at the end.
public struct BufferSink: ByteSink, ~Copyable, ~Escapable {
    private var buffer: MutableSpan<UInt8>
    private var start: Int

    /// Returns how many bytes were taken.
    /// - Units: bytes.
    public private(set) var count = 0

    /// Returns whether a byte was dropped because the buffer was full.
    public private(set) var overflowed = false

    /// Makes a sink that fills `buffer` from the offset `start`.
    @_lifetime(copy buffer)
    public init(_ buffer: consuming MutableSpan<UInt8>, from start: Int = 0) {
        self.start = start
        self.buffer = buffer
    }

    /// Takes the next byte, or drops it and remembers that it did not fit.
    @_lifetime(self: copy self)
    @inline(never)
    public mutating func append(_ byte: UInt8) {
        let (position, wrapped) = start.addingReportingOverflow(count)
        guard !wrapped, position >= 0, position < buffer.count else {
            overflowed = true
            return
        }
        buffer[position] = byte
        count += 1
    }

    /// Returns what was taken since the sink was made or last restarted.
    public var written: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            guard count > 0 else { return buffer.span.extracting(first: 0) }
            return buffer.span.extracting(start..<start + count)
        }
    }

    /// Goes on at another offset of the buffer, counting from nothing.
    @_lifetime(self: copy self)
    public mutating func restart(at start: Int) {
        self.start = start
        count = 0
    }
}
