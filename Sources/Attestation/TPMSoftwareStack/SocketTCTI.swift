// C binding: the transport of the TPM software stack over a connected stream socket. Raw TPM
// commands and responses follow one another on it; both carry their own length. It exists so that
// no TCP port is ever opened: the stack's own transports to a software TPM know only TCP.
internal import CTSS2
internal import Glibc

/// `TSS2_TCTI_RC_IO_ERROR`, `…_NOT_IMPLEMENTED`, `…_MALFORMED_RESPONSE`, `…_BAD_REFERENCE`,
/// `…_INSUFFICIENT_BUFFER` (`tss2_common.h`): the layer 10, and the base codes 10, 2, 17, 5, 6.
private enum ReturnCode {
    static var layer: TSS2_RC { 10 << 16 }
    static var ioError: TSS2_RC { layer | 10 }
    static var notImplemented: TSS2_RC { layer | 2 }
    static var malformedResponse: TSS2_RC { layer | 17 }
    static var badReference: TSS2_RC { layer | 5 }
    static var insufficientBuffer: TSS2_RC { layer | 6 }
}

/// What the stack holds a pointer to: its own table of functions first, then our socket.
private struct ContextBlock {
    var common: TSS2_TCTI_CONTEXT_COMMON_V2
    var socket: Int32
    /// The header of a response of which the stack has asked the length only.
    var header: InlineArray<10, UInt8>?
}

/// A transport context over a socket that it owns.
@safe final class SocketTCTI {
    private let block: UnsafeMutablePointer<ContextBlock>

    /// Takes the connected stream socket over, and closes it in the end.
    init(takingSocket socket: Int32) {
        unsafe block = .allocate(capacity: 1)
        var common = TSS2_TCTI_CONTEXT_COMMON_V2()
        common.v1.magic = 0x434D_554E_4958_4644
        common.v1.version = 2
        unsafe common.v1.transmit = transmit
        unsafe common.v1.receive = receive
        unsafe common.v1.cancel = { _ in ReturnCode.notImplemented }
        unsafe common.v1.getPollHandles = { _, _, _ in ReturnCode.notImplemented }
        unsafe common.v1.setLocality = { _, _ in ReturnCode.notImplemented }
        unsafe common.makeSticky = { _, _, _ in ReturnCode.notImplemented }
        unsafe block.initialize(to: ContextBlock(common: common, socket: socket, header: nil))
    }

    deinit {
        // SAFETY: the stack's context, the only other holder of the pointer, is finalised before.
        _ = unsafe Glibc.close(block.pointee.socket)
        unsafe block.deallocate()
    }

    /// The pointer that the stack wants; valid as long as `self`.
    @unsafe var context: OpaquePointer { unsafe OpaquePointer(block) }
}

/// Sends one whole command.
private let transmit: TSS2_TCTI_TRANSMIT_FCN = { context, size, command in
    guard let context = unsafe context, let command = unsafe command else {
        return ReturnCode.badReference
    }
    // SAFETY: the stack passes back the pointer that `SocketTCTI.context` gave it, and a command
    // of `size` bytes.
    let socket = unsafe UnsafeMutablePointer<ContextBlock>(context).pointee.socket
    var sent = 0
    while sent < size {
        let count = unsafe Glibc.send(
            socket, command + sent, size - sent, Int32(MSG_NOSIGNAL))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return ReturnCode.ioError }
        sent += count
    }
    return 0
}

/// Receives one whole response, into the stack's buffer of `size.pointee` bytes; without a buffer
/// it only tells the response's length.
private let receive: TSS2_TCTI_RECEIVE_FCN = { context, size, response, _ in
    guard let context = unsafe context, let size = unsafe size else {
        return ReturnCode.badReference
    }
    // SAFETY: as for `transmit`; `response` has room for `size.pointee` bytes.
    let block = unsafe UnsafeMutablePointer<ContextBlock>(context)
    let socket = unsafe block.pointee.socket
    var header = InlineArray<10, UInt8>(repeating: 0)
    if let known = unsafe block.pointee.header {
        header = known
    } else {
        var bytes = header.mutableSpan
        let isRead = unsafe bytes.withUnsafeMutableBufferPointer { memory in
            unsafe memory.baseAddress.map { unsafe readExactly(socket, $0, 10) } ?? false
        }
        guard isRead else { return ReturnCode.ioError }
    }
    let length = (2..<6).reduce(0) { $0 << 8 | Int(header[$1]) }
    guard length >= 10, length <= 65536 else { return ReturnCode.malformedResponse }
    let capacity = unsafe size.pointee
    unsafe size.pointee = length
    guard let response = unsafe response, capacity >= length else {
        unsafe block.pointee.header = header
        return unsafe response == nil ? 0 : ReturnCode.insufficientBuffer
    }
    unsafe block.pointee.header = nil
    for index in 0..<10 { unsafe response[index] = header[index] }
    guard unsafe readExactly(socket, response + 10, length - 10) else { return ReturnCode.ioError }
    return 0
}

/// Sends one whole command and returns its response, without any stack.
///
/// - Throws: `.connectionBroken`; `.responseMalformed` for a length that none has.
func exchange(_ command: [UInt8], over socket: Int32) throws(TPMConnectionError) -> [UInt8] {
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
    let header = try receive(10, over: socket)
    let length = header[2..<6].reduce(0) { $0 << 8 | Int($1) }
    guard (10...65536).contains(length) else { throw .responseMalformed("a command") }
    return header + (try receive(length - 10, over: socket))
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
