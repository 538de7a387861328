internal import TPMStructures

/// A TPM behind something that relays commands one by one, such as a machine's agent. A person may
/// end the conversation: what it made in the TPM is then still taken out of it.
///
/// - Invariant: *(broken)* behind the first failure nothing is sent any more.
public final class RelayTransport: TPMTransport {
    /// Relays one command.
    public typealias Relay = (_ command: [UInt8]) throws(TPMConnectionError) -> [UInt8]

    private let relay: Relay
    private let isInterrupted: () -> Bool
    private var failure: TPMConnectionError?

    /// - Parameters:
    ///   - isInterrupted: whether somebody wants an end; asked before each command.
    public init(isInterrupted: @escaping () -> Bool = { false }, _ relay: @escaping Relay) {
        self.relay = relay
        self.isInterrupted = isInterrupted
    }

    /// Relays a command. When the conversation was interrupted, a command that takes an object or a
    /// session out of the TPM still goes, and every other one is answered as if the TPM refused.
    public func exchange(_ command: [UInt8]) throws(TPMConnectionError) -> [UInt8] {
        if let failure { throw failure }
        let isOnePointTwo = command.first == 0
        if isInterrupted(), !takesOut(command) {
            return TPMRefusal.response(isOnePointTwo ? .onePointTwo : .twoPointZero)
        }
        do throws(TPMConnectionError) {
            let response = try relay(command)
            guard response.count >= 10,
                response[2..<6].reduce(0, { $0 << 8 | Int($1) }) == response.count
            else { throw .responseMalformed("a command") }
            return response
        } catch {
            failure = error
            throw error
        }
    }

    /// `TPM2_FlushContext`, `TPM_FlushSpecific`.
    private func takesOut(_ command: [UInt8]) -> Bool {
        command.count >= 10
            && [[0, 0, 0x01, 0x65], [0, 0, 0, 0xBA]].contains(Array(command[6..<10]))
    }
}

/// How a TPM, or who stands before it, says that a command is not for the asker: `TPM_RC_DISABLED`;
/// of TPM 1.2 `TPM_DISABLED_CMD`.
enum TPMRefusal {
    /// The code.
    static func code(_ family: TPMFamily) -> UInt32 { family == .onePointTwo ? 8 : 0x120 }

    /// The response, without a session.
    static func response(_ family: TPMFamily) -> [UInt8] {
        family == .onePointTwo
            ? [0x00, 0xC4, 0, 0, 0, 10, 0, 0, 0, 0x08]
            : [0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x20]
    }
}
