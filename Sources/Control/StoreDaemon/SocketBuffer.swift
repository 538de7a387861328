// C binding: what recv(2) and send(2) read into and write from.
import Glibc

/// The bytes between a socket and the store, of a fixed number.
///
/// A connection holds it as a constant, and it is changed in place: an array would be counted, and
/// each access to it noted, several times for a request, which took a sixth of the daemon's time.
///
/// - Invariant (bounded): every access is checked to lie inside.
@safe struct SocketBuffer: ~Copyable {
    private let bytes: UnsafeMutableRawBufferPointer

    /// Allocates `count` zeros.
    init(count: Int) {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
        // SAFETY: fresh memory of that size.
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe self.bytes = bytes
    }

    // SAFETY: the memory is this buffer's alone, and spans of it end with their closures.
    deinit { unsafe bytes.deallocate() }

    /// How many bytes there are.
    var count: Int { unsafe bytes.count }

    /// Lends a range to `body`, which must not change it.
    ///
    /// - Precondition: the range lies inside.
    func withSpan<Result: ~Copyable>(
        _ range: Range<Int>, _ body: (Span<UInt8>) -> Result
    ) -> Result {
        check(range)
        // SAFETY: initialised bytes of a range that lies inside, for as long as the body runs.
        return unsafe body(Span(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[range])))
    }

    /// The bytes of a range, copied.
    ///
    /// - Precondition: the range lies inside.
    func array(_ range: Range<Int>) -> [UInt8] {
        check(range)
        // SAFETY: initialised bytes of a range that lies inside.
        return unsafe Array(bytes[range])
    }

    /// Copies bytes to `offset`.
    ///
    /// - Precondition: they fit.
    func set(_ source: Span<UInt8>, at offset: Int) {
        check(offset..<offset + source.count)
        // SAFETY: the range lies inside; the source is elsewhere, or is copied as memmove does.
        unsafe source.withUnsafeBytes { source in
            guard let from = source.baseAddress, let start = unsafe bytes.baseAddress else {
                return
            }
            unsafe (start + offset).copyMemory(from: from, byteCount: source.count)
        }
    }

    /// Moves the bytes of a range to the front.
    ///
    /// - Precondition: the range lies inside.
    func moveToFront(_ range: Range<Int>) {
        check(range)
        guard let start = unsafe bytes.baseAddress else { return }
        // SAFETY: both ranges lie inside; they may overlap.
        unsafe start.copyMemory(from: start + range.lowerBound, byteCount: range.count)
    }

    /// Reads what fits from `start`; 0 when the other side has closed or there is an error, nil
    /// when nothing is there.
    ///
    /// - Precondition: `start` is at most `count`.
    func receive(from socket: Int32, at start: Int) -> Int? {
        check(start..<count)
        while true {
            // SAFETY: there are `count - start` bytes from `start`.
            let number = unsafe recv(
                socket, bytes.baseAddress.map { unsafe $0 + start }, count - start, 0)
            if number >= 0 { return number }
            if errno == EAGAIN { return nil }
            if errno != EINTR { return 0 }
        }
    }

    /// Writes a range; returns how much of it, nil on an error.
    ///
    /// - Precondition: the range lies inside.
    func send(_ range: Range<Int>, to socket: Int32) -> Int? {
        check(range)
        // SAFETY: the range lies inside.
        let number = unsafe Glibc.send(
            socket, bytes.baseAddress.map { unsafe $0 + range.lowerBound }, range.count,
            Int32(MSG_NOSIGNAL))
        if number < 0 { return errno == EAGAIN || errno == EINTR ? 0 : nil }
        return number
    }

    private func check(_ range: Range<Int>) {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count, "a range is outside the buffer")
    }
}
