// C binding: passing a descriptor over a Unix socket (`SCM_RIGHTS`, unix(7)).
internal import Glibc

/// One control message with one descriptor: `struct cmsghdr` and an `int`, padded to 8 bytes.
private struct RightsMessage {
    var header = cmsghdr()
    var descriptor: Int32 = -1
    var padding: Int32 = 0

    /// `CMSG_LEN(sizeof(int))`.
    static var length: Int { MemoryLayout<cmsghdr>.size + MemoryLayout<Int32>.size }
}

/// Sends bytes, and a duplicate of a descriptor with them.
///
/// - Throws: `.systemCall`, also if not all bytes were taken at once.
package func send(
    _ bytes: [UInt8], with descriptor: Descriptor, over socket: Descriptor
) throws(VirtualHardwareError) {
    var bytes = bytes
    var rights = RightsMessage()
    rights.header.cmsg_len = RightsMessage.length
    rights.header.cmsg_level = SOL_SOCKET
    rights.header.cmsg_type = Int32(SCM_RIGHTS)
    rights.descriptor = descriptor.number
    let count = bytes.count
    // SAFETY: all memory that the message points to lives in this scope.
    let sent = unsafe bytes.withUnsafeMutableBytes { memory in
        unsafe withMessage(memory, &rights) {
            unsafe sendmsg(socket.number, &$0, Int32(MSG_NOSIGNAL))
        }
    }
    guard sent == count else { throw .systemCall("sendmsg", errno: errno) }
}

/// Receives at most 4 KiB, and the descriptor that came with them; no bytes means that the other
/// side has closed.
///
/// - Throws: `.systemCall`.
package func receive(
    from socket: Descriptor
) throws(VirtualHardwareError) -> (bytes: [UInt8], descriptor: Descriptor?) {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var rights = RightsMessage()
    var controlLength = 0
    // SAFETY: as for `send`.
    let count = unsafe bytes.withUnsafeMutableBytes { memory in
        unsafe withMessage(memory, &rights) { message in
            let count = unsafe recvmsg(socket.number, &message, Int32(MSG_CMSG_CLOEXEC))
            unsafe controlLength = message.msg_controllen
            return count
        }
    }
    guard count >= 0 else {
        if errno == ECONNRESET || errno == EINTR { return ([], nil) }
        throw .systemCall("recvmsg", errno: errno)
    }
    let isPassed =
        controlLength >= RightsMessage.length && rights.header.cmsg_level == SOL_SOCKET
        && rights.header.cmsg_type == Int32(SCM_RIGHTS)
    let passed = isPassed ? Descriptor(taking: rights.descriptor) : nil
    return (Array(bytes.prefix(count)), passed)
}

@unsafe private func withMessage(
    _ memory: UnsafeMutableRawBufferPointer, _ rights: inout RightsMessage,
    _ body: (inout msghdr) -> Int
) -> Int {
    var vector = unsafe iovec(iov_base: memory.baseAddress, iov_len: memory.count)
    return unsafe withUnsafeMutablePointer(to: &vector) { vector in
        unsafe withUnsafeMutableBytes(of: &rights) { control in
            var message = unsafe msghdr()
            unsafe message.msg_iov = vector
            unsafe message.msg_iovlen = 1
            unsafe message.msg_control = control.baseAddress
            unsafe message.msg_controllen = control.count
            return unsafe body(&message)
        }
    }
}
