public import ControlFrames

/// Why a request to the agent of a running machine has no answer that was hoped for.
public enum ControlClientError: Error, Equatable {
    /// The socket, or the machine behind it, failed; nothing was asked.
    case transport(VirtualHardwareError)
    /// Something was asked, and no answer came; whether it was done is not known.
    case unanswered(VirtualHardwareError)
    /// Nobody answered: no agent runs in the control compartment, or not yet.
    case noAgent
    /// The agent ended the session.
    case closed(ControlSessionEnd)
    /// The agent refused; nothing changed, unless the reason is `.notInTime`.
    case refused(ControlRefusal, detail: UInt32)
    /// The answer is none to this request.
    case strange
    /// The request could not be signed.
    case unsigned
}

/// One answer of the agent.
public struct ControlReply: Equatable, Sendable {
    /// What is answered.
    public let kind: ControlFrameKind
    /// The payload, which was checked.
    public let payload: [UInt8]
}

/// The host's end of the control line, for one session.
///
/// What the agent says is not signed: whoever has the line can say it.
public struct ControlClient: ~Copyable {
    /// The id of the key that the agent trusts.
    public let keyID: [UInt8]
    private let socket: Descriptor
    private let challenge: [UInt8]
    private var sender: ControlFrameSender
    private var reader: AnswerReader

    /// How long the agent has for the beginning of a session.
    private static let patienceInMilliseconds: Int32 = 10_000
    /// How long it has for an answer, or for a sign of life before it.
    private static let workInMilliseconds: Int32 = 60_000

    /// Begins a session.
    ///
    /// - Parameter path: the socket in the run directory.
    /// - Throws: `.transport`; `.noAgent` when nobody answers within ten seconds.
    public init(_ path: String) throws(ControlClientError) {
        var sender = ControlFrameSender()
        var reader = AnswerReader()
        var opened: [UInt8]?
        let socket: Descriptor
        do throws(VirtualHardwareError) {
            socket = try connectUnix(path)
            let nonce = (0..<ControlSession.nonceByteCount).map { _ in
                UInt8.random(in: 0...255)
            }
            try socket.writeAll(sender.frame(.open, nonce))
            while opened == nil {
                guard
                    let reply = try reader.next(
                        socket, timeoutInMilliseconds: Self.patienceInMilliseconds)
                else { break }
                // An answer to somebody before us is passed over.
                if reply.kind == .opened, reply.payload.starts(with: nonce) {
                    opened = reply.payload
                }
            }
        } catch {
            throw error == .connectionClosed ? .noAgent : .transport(error)
        }
        guard let opened else { throw .noAgent }
        challenge = Array(opened[32..<64])
        keyID = Array(opened[64...])
        self.sender = sender
        self.reader = reader
        self.socket = socket
    }

    /// Makes a request and waits for the answer.
    ///
    /// - Parameters:
    ///   - sign: makes the signature of a request that has one.
    ///   - progress: is called while the agent works, with the milliseconds.
    /// - Throws: `ControlClientError`. After `.refused` the session goes on.
    public mutating func ask(
        _ kind: ControlFrameKind, _ body: [UInt8] = [],
        sign: (_ message: [UInt8]) -> [UInt8]? = { _ in nil },
        progress: (_ milliseconds: UInt32) -> Void = { _ in }
    ) throws(ControlClientError) -> ControlReply {
        let number = sender.next
        var payload = body
        if kind.isSigned {
            let message = ControlPayload.signedMessage(
                challenge: challenge, sequence: number, kind: kind, body: body)
            guard let signature = sign(message) else { throw .unsigned }
            payload += signature
        }
        do throws(VirtualHardwareError) {
            try socket.writeAll(sender.frame(kind, payload))
        } catch { throw .transport(error) }
        while true {
            let reply = try reply()
            let answer: ControlAnswer
            do throws(ControlAnswerError) {
                answer = try ControlAnswer(validating: reply.payload.span, kind: reply.kind)
            } catch { throw .strange }
            if let end = answer.end { throw .closed(end) }
            guard answer.request == number else { throw .strange }
            if let refusal = answer.refusal {
                throw .refused(refusal.reason, detail: refusal.detail)
            }
            guard reply.kind == .working else { return reply }
            progress(answer.elapsedInMilliseconds)
        }
    }

    /// Ends the session.
    public consuming func close() {
        try? socket.writeAll(sender.frame(.close))
    }

    private mutating func reply() throws(ControlClientError) -> ControlReply {
        do throws(VirtualHardwareError) {
            guard
                let reply = try reader.next(
                    socket, timeoutInMilliseconds: Self.workInMilliseconds)
            else { throw VirtualHardwareError.timeout }
            return reply
        } catch { throw .unanswered(error) }
    }
}

/// Cuts answers out of the bytes of the line.
private struct AnswerReader {
    private var session = ControlSession(opening: .opened)
    private var pending: [UInt8] = []

    /// Returns the next frame; nil when nothing came in time. What is none is passed over.
    ///
    /// - Throws: `.connectionClosed`, `.systemCall`.
    mutating func next(
        _ socket: Descriptor, timeoutInMilliseconds: Int32
    ) throws(VirtualHardwareError) -> ControlReply? {
        while true {
            switch session.step(pending.span) {
            case .skip(let count): pending.removeFirst(count)
            case .broken:
                session.end()
                pending.removeFirst()
            case .frame(let header):
                session.take(header)
                let end = ControlFrameHeader.byteCount + header.payloadByteCount
                let payload = Array(pending[ControlFrameHeader.byteCount..<end])
                pending.removeFirst(end)
                return ControlReply(kind: header.kind, payload: payload)
            case .wait:
                guard
                    try isReadable(socket.number, timeoutInMilliseconds: timeoutInMilliseconds)
                else { return nil }
                let bytes = try socket.readSome()
                guard !bytes.isEmpty else { throw .connectionClosed }
                pending += bytes
            }
        }
    }
}
