import ControlFrames
import TestSupport
import Testing

/// What one receiver makes of some bytes: the kinds of the frames, and why its sessions ended.
private struct Receiver {
    var session: ControlSession
    var pending: [UInt8] = []
    var kinds: [ControlFrameKind] = []
    var ends: [ControlSessionEnd] = []

    init(opening: ControlFrameKind = .open) { session = ControlSession(opening: opening) }

    mutating func feed(_ bytes: [UInt8]) {
        pending += bytes
        while true {
            switch session.step(pending.span) {
            case .wait: return
            case .skip(let count): pending.removeFirst(count)
            case .broken(let end):
                ends.append(end)
                session.end()
                pending.removeFirst()
            case .frame(let header):
                session.take(header)
                kinds.append(header.kind)
                pending.removeFirst(ControlFrameHeader.byteCount + header.payloadByteCount)
            }
        }
    }
}

private let nonce = [UInt8](repeating: 7, count: 32)
private let order =
    ControlPayload.order(domain: 2, name: "worker") + [UInt8](repeating: 1, count: 96)

/// A session: open, list, deploy, close.
private func sessionFrames() -> [[UInt8]] {
    var sender = ControlFrameSender()
    return [
        sender.frame(.open, nonce), sender.frame(.list, ControlPayload.list([2, 3])),
        sender.frame(.deploy, order), sender.frame(.close),
    ]
}

private let kindsOfSession: [ControlFrameKind] = [.open, .list, .deploy, .close]

@Suite struct ControlSessionTests {
    @Test("a session is read in any pieces")
    func pieces() {
        let bytes = sessionFrames().flatMap { $0 }
        for size in [1, 2, 23, 24, 25, 100, bytes.count] {
            var receiver = Receiver()
            for start in stride(from: 0, to: bytes.count, by: size) {
                receiver.feed(Array(bytes[start..<min(bytes.count, start + size)]))
            }
            #expect(receiver.kinds == kindsOfSession && receiver.ends.isEmpty)
        }
    }

    @Test("before a session everything is skipped but its beginning")
    func skipped() {
        var receiver = Receiver()
        let frames = sessionFrames()
        // The middle of another session, a damaged beginning, and the letters of a header.
        receiver.feed(frames[2] + frames[0].dropLast() + [0] + Array("CMCFCMCMCF".utf8))
        #expect(receiver.kinds.isEmpty && receiver.ends.isEmpty)
        receiver.feed(frames.flatMap { $0 })
        #expect(receiver.kinds == kindsOfSession)
    }

    @Test("a frame that came before, or comes too early, ends the session")
    func sequence() {
        let frames = sessionFrames()
        for wrong in [[0, 1, 1], [0, 2], [0, 1, 3]] {
            var receiver = Receiver()
            receiver.feed(wrong.flatMap { frames[$0] })
            #expect(receiver.ends == [.sequence], "\(wrong)")
            #expect(receiver.kinds == wrong.dropLast().map { kindsOfSession[$0] })
            #expect(!receiver.session.isOpen)
        }
    }

    @Test("a session can begin within another one, and the old one's frames are none of it")
    func begunAgain() {
        let frames = sessionFrames()
        var receiver = Receiver()
        receiver.feed([0, 1, 0, 1].flatMap { frames[$0] })
        #expect(receiver.kinds == [.open, .list, .open, .list] && receiver.ends.isEmpty)
        receiver.feed(frames[3])
        #expect(receiver.ends == [.sequence])
    }

    @Test("every damaged bit of a frame but its kind's ends the session; the next one is found")
    func damage() {
        let frames = sessionFrames()
        for bit in 0..<8 * frames[1].count where !(48..<64).contains(bit) {
            var damaged = frames[1]
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            var receiver = Receiver()
            receiver.feed(frames[0] + damaged)
            #expect(receiver.kinds == [.open], "bit \(bit)")
            // Who damaged the length may have to be told that nothing more comes.
            if receiver.ends.isEmpty {
                receiver.session.end()
                receiver.pending.removeFirst()
            }
            receiver.feed(sessionFrames().flatMap { $0 })
            #expect(receiver.kinds == [.open] + kindsOfSession, "bit \(bit)")
        }
    }

    @Test("the frames of one direction, and of version 1, are none of the other's")
    func directions() throws {
        var sender = ControlFrameSender()
        var receiver = Receiver(opening: .opened)
        receiver.feed(sessionFrames().flatMap { $0 })
        let header = try ControlFrameHeader(kind: .eventLog, sequence: 1, payload: nonce.span)
        receiver.feed(header.encoded.indices.map { header.encoded[$0] } + nonce)
        #expect(receiver.kinds.isEmpty)
        receiver.feed(sender.frame(.opened, nonce + nonce + nonce))
        #expect(receiver.kinds == [.opened])
    }

    @Test("a payload may be as long as its kind says, and not longer")
    func lengths() {
        for kind in [ControlFrameKind.list, .deploy, .close, .readRecords] {
            for extra in [0, 1] {
                var sender = ControlFrameSender()
                var receiver = Receiver()
                receiver.feed(sender.frame(.open, nonce))
                let count = kind.maximumPayloadByteCount + extra
                receiver.feed(sender.frame(kind, [UInt8](repeating: 0, count: count)))
                #expect(receiver.ends == (extra == 0 ? [] : [.malformed]), "\(kind)")
            }
        }
    }

    @Test("numbers end, and do not begin again")
    func exhaustion() throws {
        var session = ControlSession(opening: .open)
        let last = try ControlFrameHeader(
            kind: .list, sequence: .max, payload: nonce.span, version: .agent)
        session.take(last)
        var receiver = Receiver()
        receiver.session = session
        receiver.feed(sessionFrames()[1])
        #expect(receiver.ends == [.sequence])
    }
}
