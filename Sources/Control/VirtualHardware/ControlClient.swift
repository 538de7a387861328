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
    private static var beginning: AnswerPatience {
        AnswerPatience(silenceInMilliseconds: 10_000, wholeInMilliseconds: 10_000)
    }
    /// How long it has for an answer, or for a sign of life before it.
    private static var work: AnswerPatience { AnswerPatience(silenceInMilliseconds: 60_000) }

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
            var wait = AnswerWait(Self.beginning)
            while opened == nil {
                guard let reply = try reader.next(socket, &wait) else { break }
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
        try answer(to: send(kind, body, sign: sign), Self.work, progress: progress)
    }

    /// Sends a request.
    ///
    /// - Returns: its number.
    /// - Throws: `.unsigned`, `.transport`.
    mutating func send(
        _ kind: ControlFrameKind, _ body: [UInt8],
        sign: (_ message: [UInt8]) -> [UInt8]? = { _ in nil }
    ) throws(ControlClientError) -> UInt32 {
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
        return number
    }

    /// Waits for the answer to a request.
    ///
    /// - Parameters:
    ///   - patience: how long.
    ///   - isInterrupted: whether somebody wants an end.
    /// - Throws: `ControlClientError`. After `.refused` the session goes on.
    mutating func answer(
        to number: UInt32, _ patience: AnswerPatience, isInterrupted: () -> Bool = { false },
        progress: (_ milliseconds: UInt32) -> Void = { _ in }
    ) throws(ControlClientError) -> ControlReply {
        var wait = AnswerWait(patience)
        while true {
            let reply = try reply(&wait, isInterrupted)
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

    private mutating func reply(
        _ wait: inout AnswerWait, _ isInterrupted: () -> Bool
    ) throws(ControlClientError) -> ControlReply {
        do throws(VirtualHardwareError) {
            guard let reply = try reader.next(socket, &wait, isInterrupted) else {
                throw VirtualHardwareError.timeout
            }
            return reply
        } catch { throw .unanswered(error) }
    }
}

/// Cuts answers out of the bytes of the line.
private struct AnswerReader {
    private var session = ControlSession(opening: .opened)
    private var pending: [UInt8] = []

    /// Returns the next frame; nil when none came in time, whatever else did. What is none is
    /// passed over.
    ///
    /// - Throws: `.connectionClosed`, `.systemCall`.
    mutating func next(
        _ socket: Descriptor, _ wait: inout AnswerWait, _ isInterrupted: () -> Bool = { false }
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
                wait.take()
                return ControlReply(kind: header.kind, payload: payload)
            case .wait:
                guard wait.goesOn(isInterrupted: isInterrupted()) else { return nil }
                guard try isReadable(socket.number, timeoutInMilliseconds: 100) else { continue }
                let bytes = try socket.readSome()
                guard !bytes.isEmpty else { throw .connectionClosed }
                pending += bytes
            }
        }
    }
}

/// How long an answer is waited for.
struct AnswerPatience {
    /// How long no frame may come.
    let silenceInMilliseconds: Int
    /// How long all may take.
    var wholeInMilliseconds = Int.max
    /// How long it goes on when somebody wants an end.
    var farewellInMilliseconds = Int.max
}

/// A wait for an answer, with its limits.
private struct AnswerWait {
    private let patience: AnswerPatience
    private let start = ContinuousClock.now
    private var lastFrame = ContinuousClock.now
    private var interruption: ContinuousClock.Instant?

    init(_ patience: AnswerPatience) { self.patience = patience }

    /// Notes that a frame came.
    mutating func take() { lastFrame = .now }

    /// Whether it is worth to wait on.
    mutating func goesOn(isInterrupted: Bool) -> Bool {
        if isInterrupted, interruption == nil { interruption = .now }
        return milliseconds(since: lastFrame) < patience.silenceInMilliseconds
            && milliseconds(since: start) < patience.wholeInMilliseconds
            && interruption.map { milliseconds(since: $0) < patience.farewellInMilliseconds }
                ?? true
    }

    private func milliseconds(since instant: ContinuousClock.Instant) -> Int {
        let (seconds, attoseconds) = instant.duration(to: .now).components
        return Int(clamping: seconds) * 1000 + Int(clamping: attoseconds / 1_000_000_000_000_000)
    }
}
