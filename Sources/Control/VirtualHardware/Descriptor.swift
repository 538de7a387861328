// C binding: descriptors and Unix sockets of the host.
internal import Glibc

/// A file descriptor, closed with its owner.
public final class Descriptor: Sendable {
    /// The number; valid as long as `self`.
    public let number: Int32

    /// Takes an open descriptor over.
    public init(taking number: Int32) {
        self.number = number
    }

    deinit {
        _ = Glibc.close(number)
    }

    /// Gives a duplicate away, for an owner that closes it itself.
    ///
    /// - Throws: `.systemCall`.
    public func duplicate() throws(VirtualHardwareError) -> Int32 {
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 64)
        guard copy >= 0 else { throw .systemCall("fcntl", errno: errno) }
        return copy
    }

    /// Reads what is there, at most `limit` bytes; nothing means that the other side has closed.
    ///
    /// - Throws: `.systemCall`.
    public func readSome(limit: Int = 65536) throws(VirtualHardwareError) -> [UInt8] {
        while true {
            var failure: Int32 = 0
            let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                // SAFETY: the buffer has room for `limit` bytes, of which `count` are initialised.
                let received = unsafe Glibc.read(number, buffer.baseAddress, limit)
                failure = received < 0 ? errno : 0
                count = max(0, received)
            }
            if failure == 0 { return bytes }
            if failure == ECONNRESET { return [] }
            guard failure == EINTR else { throw .systemCall("read", errno: failure) }
        }
    }

    /// Reads exactly `count` bytes.
    ///
    /// - Throws: `.timeout` if a piece takes longer than `timeoutInMilliseconds`;
    ///   `.connectionClosed`; `.systemCall`.
    public func readExactly(
        _ count: Int, timeoutInMilliseconds: Int32 = 30_000
    ) throws(VirtualHardwareError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard try isReadable(number, timeoutInMilliseconds: timeoutInMilliseconds) else {
                throw .timeout
            }
            let piece = try readSome(limit: count - bytes.count)
            guard !piece.isEmpty else { throw .connectionClosed }
            bytes += piece
        }
        return bytes
    }

    /// Writes all bytes to a socket.
    ///
    /// - Throws: `.connectionClosed`; `.systemCall`.
    public func writeAll(_ bytes: [UInt8]) throws(VirtualHardwareError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // SAFETY: the buffer has `$0.count` bytes.
            let written = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if written < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE || errno == ECONNRESET { throw .connectionClosed }
                throw .systemCall("send", errno: errno)
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Writes as much to a socket as it takes at once.
    ///
    /// - Returns: how many bytes it took.
    /// - Throws: `.connectionClosed`; `.systemCall`.
    public func writeSome(_ bytes: ArraySlice<UInt8>) throws(VirtualHardwareError) -> Int {
        guard !bytes.isEmpty else { return 0 }
        // SAFETY: the buffer has `$0.count` bytes.
        let written = unsafe bytes.withUnsafeBytes {
            unsafe Glibc.send(
                number, $0.baseAddress, $0.count,
                Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
        if written >= 0 { return written }
        switch errno {
        case EAGAIN, EINTR: return 0
        case EPIPE, ECONNRESET: throw .connectionClosed
        default: throw .systemCall("send", errno: errno)
        }
    }

    /// Appends bytes to a file; what a full disk does not take is lost.
    ///
    /// - Returns: whether the file has all of them.
    func append(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            // SAFETY: the buffer has `$0.count` bytes.
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(number, $0.baseAddress, $0.count)
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}

/// Returns the text of an `errno`.
func errorText(_ number: Int32) -> String {
    // SAFETY: `strerror` returns a string that lives until the next call; it is copied at once.
    unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
}

/// Waits until `descriptor` can be read or has been closed; `false` after the time.
func isReadable(
    _ descriptor: Int32, timeoutInMilliseconds: Int32
) throws(VirtualHardwareError) -> Bool {
    try !readable([descriptor], timeoutInMilliseconds: timeoutInMilliseconds).isEmpty
}

/// Waits until some descriptors can be read or have been closed, and returns those; none after
/// the time, or after a signal.
public func readable(
    _ descriptors: [Int32], timeoutInMilliseconds: Int32
) throws(VirtualHardwareError) -> [Int32] {
    var list = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    // SAFETY: the buffer has as many entries as are given.
    let count = unsafe list.withUnsafeMutableBufferPointer {
        unsafe poll($0.baseAddress, nfds_t($0.count), timeoutInMilliseconds)
    }
    if count < 0 {
        guard errno == EINTR else { throw .systemCall("poll", errno: errno) }
        return []
    }
    return list.filter { $0.revents != 0 }.map(\.fd)
}

/// Returns a connected pair of stream sockets.
///
/// - Throws: `.systemCall`.
public func socketPair() throws(VirtualHardwareError) -> (Descriptor, Descriptor) {
    var pair: (Int32, Int32) = (-1, -1)
    // SAFETY: a tuple of two `Int32` is an array of two.
    let code = unsafe withUnsafeMutableBytes(of: &pair) {
        unsafe socketpair(
            AF_UNIX, streamType, 0, $0.bindMemory(to: Int32.self).baseAddress)
    }
    guard code == 0 else { throw .systemCall("socketpair", errno: errno) }
    return (Descriptor(taking: pair.0), Descriptor(taking: pair.1))
}

/// Connects to the Unix stream socket at `path`.
///
/// - Throws: `.pathTooLong`; `.systemCall`.
public func connectUnix(_ path: String) throws(VirtualHardwareError) -> Descriptor {
    let descriptor = try newSocket()
    var address = try unixAddress(path)
    guard unsafe withAddress(&address, { unsafe connect(descriptor.number, $0, $1) }) == 0 else {
        throw .systemCall("connect", errno: errno)
    }
    return descriptor
}

/// Listens at `path`, mode 0600; whatever socket lay there before is replaced.
///
/// - Throws: `.pathTooLong`; `.systemCall`.
public func listenUnix(_ path: String) throws(VirtualHardwareError) -> Descriptor {
    let descriptor = try newSocket()
    var address = try unixAddress(path)
    _ = unsafe unlink(path)
    guard unsafe withAddress(&address, { unsafe bind(descriptor.number, $0, $1) }) == 0 else {
        throw .systemCall("bind", errno: errno)
    }
    guard unsafe chmod(path, 0o600) == 0 else { throw .systemCall("chmod", errno: errno) }
    guard listen(descriptor.number, 8) == 0 else { throw .systemCall("listen", errno: errno) }
    return descriptor
}

/// Accepts a connection.
///
/// - Throws: `.systemCall`.
package func acceptConnection(_ listener: Descriptor) throws(VirtualHardwareError) -> Descriptor {
    let number = accept(listener.number, nil, nil)
    guard number >= 0 else { throw .systemCall("accept", errno: errno) }
    let connection = Descriptor(taking: number)
    guard fcntl(number, F_SETFD, FD_CLOEXEC) == 0 else {
        throw .systemCall("fcntl", errno: errno)
    }
    return connection
}

private var streamType: Int32 { Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue) }

private func newSocket() throws(VirtualHardwareError) -> Descriptor {
    let number = socket(AF_UNIX, streamType, 0)
    guard number >= 0 else { throw .systemCall("socket", errno: errno) }
    return Descriptor(taking: number)
}

private func unixAddress(_ path: String) throws(VirtualHardwareError) -> sockaddr_un {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    let capacity = MemoryLayout.size(ofValue: address.sun_path)
    guard bytes.count < capacity, !bytes.contains(0) else { throw .pathTooLong(path) }
    // SAFETY: there is room for `bytes` and a NUL, which is there already.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    return address
}

@unsafe private func withAddress(
    _ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
) -> Int32 {
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    // SAFETY: a `sockaddr_un` is a `sockaddr` to every call that is given its size.
    return unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, size) }
    }
}
