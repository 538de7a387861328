// C binding: any transport of ours as the TPM software stack wants it. It exists so that no TCP
// port is ever opened: the stack's own transports to a software TPM know only TCP.
internal import CTSS2

/// `TSS2_TCTI_RC_IO_ERROR`, `…_NOT_IMPLEMENTED`, `…_BAD_REFERENCE`, `…_INSUFFICIENT_BUFFER`
/// (`tss2_common.h`): the layer 10, and the base codes 10, 2, 5, 6.
private enum ReturnCode {
    static var layer: TSS2_RC { 10 << 16 }
    static var ioError: TSS2_RC { layer | 10 }
    static var notImplemented: TSS2_RC { layer | 2 }
    static var badReference: TSS2_RC { layer | 5 }
    static var insufficientBuffer: TSS2_RC { layer | 6 }
}

/// What the stack holds a pointer to: its own table of functions first, then what is ours.
private struct ContextBlock {
    var common: TSS2_TCTI_CONTEXT_COMMON_V2
    let transport: any TPMTransport
    /// The response that the stack did not take yet.
    var response: [UInt8] = []
    /// Why the last command has none.
    var failure: TPMConnectionError?
}

/// A transport context over a transport.
@safe final class TransportTCTI {
    private let block: UnsafeMutablePointer<ContextBlock>

    init(_ transport: any TPMTransport) {
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
        unsafe block.initialize(to: ContextBlock(common: common, transport: transport))
    }

    deinit {
        // SAFETY: the stack's context, the only other holder of the pointer, is finalised before.
        unsafe block.deinitialize(count: 1)
        unsafe block.deallocate()
    }

    /// The pointer that the stack wants; valid as long as `self`.
    @unsafe var context: OpaquePointer { unsafe OpaquePointer(block) }

    /// Why the last command had no response, which the stack's own code does not tell; nil: it had
    /// one.
    var failure: TPMConnectionError? { unsafe block.pointee.failure }
}

/// Sends one whole command, and has its response.
private let transmit: TSS2_TCTI_TRANSMIT_FCN = { context, size, command in
    guard let context = unsafe context, let command = unsafe command else {
        return ReturnCode.badReference
    }
    // SAFETY: the stack passes back the pointer that `TransportTCTI.context` gave it, and a command
    // of `size` bytes.
    let block = unsafe UnsafeMutablePointer<ContextBlock>(context)
    let bytes = unsafe Array(UnsafeBufferPointer(start: command, count: size))
    do throws(TPMConnectionError) {
        unsafe block.pointee.failure = nil
        unsafe block.pointee.response = try block.pointee.transport.exchange(bytes)
        return 0
    } catch {
        unsafe block.pointee.failure = error
        return ReturnCode.ioError
    }
}

/// Gives the stack the response, into its buffer of `size.pointee` bytes; without a buffer it only
/// tells the response's length.
private let receive: TSS2_TCTI_RECEIVE_FCN = { context, size, response, _ in
    guard let context = unsafe context, let size = unsafe size else {
        return ReturnCode.badReference
    }
    // SAFETY: as for `transmit`; `response` has room for `size.pointee` bytes.
    let block = unsafe UnsafeMutablePointer<ContextBlock>(context)
    let bytes = unsafe block.pointee.response
    guard !bytes.isEmpty else { return ReturnCode.ioError }
    let capacity = unsafe size.pointee
    unsafe size.pointee = bytes.count
    guard let response = unsafe response else { return 0 }
    guard capacity >= bytes.count else { return ReturnCode.insufficientBuffer }
    for index in bytes.indices { unsafe response[index] = bytes[index] }
    unsafe block.pointee.response = []
    return 0
}
