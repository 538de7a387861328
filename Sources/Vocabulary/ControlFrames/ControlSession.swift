/// One direction of the line: where a frame begins, whether it is the next one, and what to do when
/// it is not.
///
/// A session begins with a frame of one kind and the number 1, and ends with the first thing that
/// is not the next frame. Behind that, and before a session, bytes are skipped until the beginning
/// of another one. So whoever takes the line over, after a peer that died in the middle of a frame
/// or wrote garbage, is understood, and nothing that was sent to another session is.
///
/// - Source: docs/abi/control-frames.md, version 2.
public struct ControlSession: Equatable, Sendable {
    /// The length of a nonce, of a challenge, and of a key's id.
    /// - Units: bytes.
    public static var nonceByteCount: Int { 32 }

    /// The kind that begins a session in this direction.
    private let opening: ControlFrameKind
    /// The number of the next frame; nil: there is no session.
    private var expected: UInt32?

    /// Starts without a session.
    ///
    /// - Parameter opening: the kind that begins one: `.open` at the agent, `.opened` at the host.
    public init(opening: ControlFrameKind) {
        self.opening = opening
    }

    /// Whether there is a session.
    public var isOpen: Bool { expected != nil }

    /// Says what to do with the bytes that came and were not taken yet.
    ///
    /// - Trust: any bytes.
    /// - Complexity: O(bytes), at most one look at each before a session, else at one frame.
    public func step(_ bytes: Span<UInt8>) -> ControlLineStep {
        guard bytes.count >= ControlFrameHeader.byteCount else { return .wait }
        guard let expected else { return scan(bytes) }
        guard let header = header(bytes, at: 0),
            header.payloadByteCount <= header.kind.maximumPayloadByteCount
        else { return .broken(.malformed) }
        guard opens(header) || header.sequence == expected && header.kind != opening else {
            return .broken(.sequence)
        }
        guard let isWhole = isWhole(header, bytes) else { return .wait }
        return isWhole ? .frame(header) : .broken(.checksum)
    }

    /// Goes on behind a frame that `step` found.
    public mutating func take(_ header: ControlFrameHeader) {
        // WRAPS: behind the last number there is 0, which no frame has.
        expected = header.sequence &+ 1
    }

    /// Ends the session, if there is one.
    public mutating func end() {
        expected = nil
    }

    /// Looks for the beginning of a session.
    private func scan(_ bytes: Span<UInt8>) -> ControlLineStep {
        let last = bytes.count - ControlFrameHeader.byteCount
        for start in 0...last where bytes[start] == 0x43 {
            guard let header = header(bytes, at: start), opens(header) else { continue }
            guard start == 0 else { return .skip(start) }
            guard let isWhole = isWhole(header, bytes) else { return .wait }
            return isWhole ? .frame(header) : .skip(1)
        }
        return .skip(last + 1)
    }

    private func opens(_ header: ControlFrameHeader) -> Bool {
        header.kind == opening && header.sequence == 1
            && header.payloadByteCount == opening.maximumPayloadByteCount
    }

    /// Whether the payload has its checksum; nil when it is not all there.
    private func isWhole(_ header: ControlFrameHeader, _ bytes: Span<UInt8>) -> Bool? {
        let end = ControlFrameHeader.byteCount + header.payloadByteCount
        guard bytes.count >= end else { return nil }
        return header.accepts(payload: bytes.extracting(ControlFrameHeader.byteCount..<end))
    }

    private func header(_ bytes: Span<UInt8>, at start: Int) -> ControlFrameHeader? {
        do throws(ControlFrameError) {
            return try ControlFrameHeader(
                validating: bytes.extracting(start..<start + ControlFrameHeader.byteCount),
                version: .agent)
        } catch { return nil }
    }
}

/// What a receiver does next with the bytes that it has.
public enum ControlLineStep: Equatable, Sendable {
    /// Waits for more.
    case wait
    /// Drops so many bytes: they belong to no frame.
    case skip(Int)
    /// Takes the frame with which the bytes begin.
    case frame(ControlFrameHeader)
    /// Ends the session, and drops one byte.
    case broken(ControlSessionEnd)
}

/// Why a session is over; the number is the one on the wire.
public enum ControlSessionEnd: UInt16, Sendable {
    /// What came is no header of version 2, or its payload is too long for its kind.
    case malformed = 1
    /// The frame is not the next one: one is missing, or it was there before.
    case sequence = 2
    /// The payload is not the one of the header.
    case checksum = 3
    /// A frame began, and nothing more came for two seconds.
    case silence = 4
    /// The host ended the session.
    case asked = 5

    /// A clause for people, ASCII.
    public var reason: StaticString {
        switch self {
        case .malformed: "what came is no frame"
        case .sequence: "a frame is missing, or came again"
        case .checksum: "a frame was damaged"
        case .silence: "a frame came only in part"
        case .asked: "the host ended it"
        }
    }
}
