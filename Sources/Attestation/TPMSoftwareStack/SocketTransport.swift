// C binding: a socket of the host.
internal import Glibc

/// A TPM behind a connected stream socket: raw commands and responses follow one another on it;
/// both carry their own length.
public final class SocketTransport: TPMTransport {
    private let socket: Int32

    /// Takes the connected socket over, and closes it in the end.
    public init(takingSocket socket: Int32) { self.socket = socket }

    deinit { _ = Glibc.close(socket) }

    /// Sends a command and waits for its response, at most 30 seconds for each piece.
    ///
    /// - Throws: `.connectionBroken`; `.responseMalformed`.
    public func exchange(_ command: [UInt8]) throws(TPMConnectionError) -> [UInt8] {
        try send(command, over: socket)
        let header = try receive(10, over: socket)
        let length = header[2..<6].reduce(0) { $0 << 8 | Int($1) }
        guard (10...65536).contains(length) else { throw .responseMalformed("a command") }
        return header + (try receive(length - 10, over: socket))
    }
}

private func send(_ command: [UInt8], over socket: Int32) throws(TPMConnectionError) {
    var sent = 0
    while sent < command.count {
        // SAFETY: the buffer has room for what is left of the command.
        let count = unsafe command.withUnsafeBytes { bytes in
            unsafe Glibc.send(
                socket, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent,
                Int32(MSG_NOSIGNAL))
        }
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw .connectionBroken }
        sent += count
    }
}

private func receive(_ count: Int, over socket: Int32) throws(TPMConnectionError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    // SAFETY: the buffer has room for `count` bytes.
    let isRead = unsafe bytes.withUnsafeMutableBufferPointer { memory in
        unsafe memory.baseAddress.map { unsafe readExactly(socket, $0, count) } ?? (count == 0)
    }
    guard isRead else { throw .connectionBroken }
    return bytes
}

/// How long a TPM may take to answer.
private let timeoutInMilliseconds: Int32 = 30_000

/// Reads exactly `count` bytes, waiting at most `timeoutInMilliseconds` for each piece.
///
/// - Precondition: `buffer` has room for `count` bytes.
@unsafe private func readExactly(
    _ socket: Int32, _ buffer: UnsafeMutablePointer<UInt8>, _ count: Int
) -> Bool {
    var received = 0
    while received < count {
        var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        let ready = unsafe poll(&descriptor, 1, timeoutInMilliseconds)
        if ready < 0, errno == EINTR { continue }
        guard ready > 0 else { return false }
        let piece = unsafe Glibc.read(socket, buffer + received, count - received)
        if piece < 0, errno == EINTR { continue }
        guard piece > 0 else { return false }
        received += piece
    }
    return true
}
