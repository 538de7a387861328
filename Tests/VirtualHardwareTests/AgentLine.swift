import ControlAgent
import ControlFrames
import Foundation
import PolicyAuthority
import Synchronization
import TestSupport
import TPMSoftwareStack
import VirtualHardware

/// The control line of a machine that is not there: a socket, and who serves it.
final class AgentLine: Sendable {
    /// Where the socket is.
    let path: String
    private let folder: String
    private let isOver = Mutex(false)

    /// Serves one session after the other.
    ///
    /// - Parameter serve: what is done with a connection; what it throws ends the connection.
    init(_ serve: @escaping @Sendable (Descriptor, () -> Bool) throws -> Void) throws {
        folder = try makeTemporaryDirectory()
        path = folder + "/control.socket"
        let listener = try listenUnix(path)
        Thread.detachNewThread { [self] in
            while !hasEnded {
                guard let ready = try? readable([listener.number], timeoutInMilliseconds: 20),
                    !ready.isEmpty, let line = try? acceptConnection(listener)
                else { continue }
                try? serve(line, { self.hasEnded })
            }
        }
    }

    /// The real agent, with the TPM behind a socket.
    ///
    /// - Parameters:
    ///   - tpm: the socket; nil: there is no TPM.
    ///   - cancelling: how many commands of a code are answered as cancelled.
    convenience init(tpm: String?, cancelling: (code: UInt32, count: Int)? = nil) throws {
        let key = AuthorityPrivateKey()
        let left = Mutex(cancelling?.count ?? 0)
        let code = cancelling?.code
        try self.init { line, hasEnded in
            var machine = RelayMachine(line: line, tpm: try tpm.map { try connectUnix($0) })
            machine.isCancelled = { command in
                guard command == code else { return false }
                return left.withLock { count in
                    count -= 1
                    return count >= 0
                }
            }
            var agent = ControlAgent(authority: key.publicKey)
            while !hasEnded() {
                agent.attend(&machine)
                guard try !readable([line.number], timeoutInMilliseconds: 5).isEmpty else {
                    continue
                }
                let bytes = try line.readSome()
                guard !bytes.isEmpty else { return }
                agent.take(bytes, &machine)
            }
        }
    }

    private var hasEnded: Bool { isOver.withLock { $0 } }

    /// Serves nobody any more.
    func end() {
        isOver.withLock { $0 = true }
        removeTemporaryDirectory(folder)
    }

    /// The event log that the machine has.
    static let eventLog = (0..<33_000).map { UInt8(truncatingIfNeeded: $0 / 7) }

    /// A transport through a session of its own.
    func transport(_ isInterrupted: @escaping () -> Bool = { false }) throws -> RelayTransport {
        let client = Client(try ControlClient(path))
        return RelayTransport(isInterrupted: isInterrupted) {
            command throws(TPMConnectionError) in
            do throws(ControlClientError) {
                return try client.value.runTPMCommand(command)
            } catch { throw .connectionBroken }
        }
    }

    private final class Client {
        var value: ControlClient
        init(_ value: consuming ControlClient) { self.value = value }
    }
}

/// A control compartment of which the TPM alone is there.
private struct RelayMachine: ControlledMachine {
    let line: Descriptor
    let tpm: Descriptor?
    var isCancelled: (UInt32) -> Bool = { _ in false }
    private var response: Result<[UInt8], MachineError>?

    init(line: Descriptor, tpm: Descriptor?) {
        self.line = line
        self.tpm = tpm
    }

    mutating func beginTPMCommand(_ command: [UInt8]) -> UInt32 {
        guard let tpm else { return 2 }
        let code = command[6..<10].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        do throws(VirtualHardwareError) {
            if isCancelled(code) {
                // `TPM_FAIL`, `TPM_RC_CANCELED`.
                response = .success(
                    command[0] == 0
                        ? [0x00, 0xC4, 0, 0, 0, 10, 0, 0, 0, 9]
                        : [0x80, 1, 0, 0, 0, 10, 0, 0, 9, 9])
                return 0
            }
            try tpm.writeAll(command)
            let head = try tpm.readExactly(10)
            let count = Int(head[4]) << 8 | Int(head[5])
            response = .success(head + (try tpm.readExactly(count - 10)))
            return 0
        } catch { return 5 }
    }

    mutating func takeTPMResponse() -> Result<[UInt8], MachineError>? {
        defer { response = nil }
        return response
    }

    mutating func send(_ bytes: [UInt8]) { try? line.writeAll(bytes) }
    mutating func challenge() -> [UInt8]? { [UInt8](repeating: 3, count: 32) }
    mutating func state(of domain: UInt16) -> ControlDomainState {
        ControlDomainState(domain: domain, error: 1, flags: 0, generation: 0)
    }
    mutating func order(_ order: MachineOrder, _ domain: UInt16) -> UInt32 { 1 }
    mutating func load(_ archive: [UInt8]) -> (error: UInt32, reason: UInt32) { (1, 0) }
    mutating func revoked() -> RevocationList? { nil }
    mutating func records() -> Result<[UInt8], MachineError> {
        .failure(MachineError(number: 1))
    }
    mutating func eventLog(from offset: UInt32) -> Result<EventLogPart, MachineError> {
        let log = AgentLine.eventLog
        let part = log.dropFirst(Int(offset)).prefix(16 << 10)
        return .success(EventLogPart(total: UInt32(log.count), bytes: Array(part)))
    }
    mutating func say(_ text: String) {}
    mutating func pause() {}
    var milliseconds: UInt64 { 0 }
}

/// One session in the hands of somebody who answers as they like.
struct HostileAgent {
    let line: Descriptor
    var sender = ControlFrameSender()
    /// The number of the request that came last.
    private(set) var request: UInt32 = 0

    init(_ line: Descriptor) { self.line = line }

    /// Takes the next request; returns its payload.
    mutating func take() throws -> [UInt8] {
        let head = try line.readExactly(ControlFrameHeader.byteCount)
        let header = try ControlFrameHeader(validating: head.span, version: .agent)
        request = header.sequence
        return try line.readExactly(header.payloadByteCount)
    }

    /// Answers the beginning of a session.
    mutating func open() throws {
        let nonce = try take()
        try line.writeAll(sender.frame(.opened, nonce + [UInt8](repeating: 1, count: 64)))
    }

    /// Sends a frame.
    mutating func answer(_ kind: ControlFrameKind, _ payload: [UInt8]) throws {
        try line.writeAll(sender.frame(kind, payload))
    }

    /// Waits until the other side has gone.
    func waitForEnd() throws {
        while try !line.readSome().isEmpty {}
    }
}
