import ControlFrames
import TestSupport

/// Sessions on the control line, for the fuzzer: what to begin with, how to change it, and the
/// decoder. The first byte says which end reads.
enum ControlChanges {
    /// Changes bytes; mostly mends lengths and checksums, so that what is behind them is reached.
    static func change(
        _ bytes: inout [UInt8], _ others: [[UInt8]], _ random: inout SeededGenerator
    ) {
        WordChanges.change(&bytes, others, &random)
        if Int.random(in: 0..<4, using: &random) > 0 { mend(&bytes, &random) }
    }

    /// Makes frames of what follows one another as frames do.
    private static func mend(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
        var start = 1
        var number: UInt32 = 1
        let renumbers = Bool.random(using: &random)
        while start + ControlFrameHeader.byteCount <= bytes.count {
            let body = start + ControlFrameHeader.byteCount
            func word(_ offset: Int) -> UInt32 {
                bytes[(start + offset)..<(start + offset + 4)].reversed()
                    .reduce(0) { $0 << 8 | UInt32($1) }
            }
            let length = min(Int(clamping: word(16)), bytes.count - body)
            let kind = ControlFrameKind(rawValue: UInt16(word(4) >> 16))
            let sequence = renumbers ? number : word(12)
            let payload = Array(bytes[body..<body + length])
            if let header = try? ControlFrameHeader(
                kind: kind, sequence: sequence, payload: payload.span, version: .agent)
            {
                let encoded = header.encoded
                for index in encoded.indices { bytes[start + index] = encoded[index] }
            }
            number &+= 1
            start = body + length
        }
    }

    /// An archive of a load.
    private static func archive() -> [UInt8] {
        NewcArchive.archive([("policy", [1, 2, 3, 4, 5]), ("manifest", [6])])
    }

    /// A message of a TPM, with a code of 0x158.
    private static func tpmMessage(_ count: UInt8) -> [UInt8] {
        [0x80, 1, 0, 0, 0, count, 0, 0, 1, 0x58]
            + [UInt8](repeating: 7, count: Int(count) - 10)
    }

    /// Sessions of both directions with every kind.
    static func seeds() -> [[UInt8]] {
        let nonce = [UInt8](repeating: 5, count: 32)
        let signature = [UInt8](repeating: 6, count: 96)
        let order = ControlPayload.order(domain: 2, name: "worker") + signature
        let requests: [(ControlFrameKind, [UInt8])] = [
            (.open, nonce), (.list, ControlPayload.list([1, 2, 9])), (.deploy, order),
            (.destroy, order), (.load, archive() + signature), (.readRecords, []),
            (.tpmCommand, tpmMessage(12)), (.readLog, ControlPayload.readLog(from: 7)),
            (.close, []), (ControlFrameKind(rawValue: 99), []),
        ]
        let flags: [UInt32] = [0x22, 0x0a, 0x0003_0006, 3, 0]
        let states = flags.map {
            ControlDomainState(domain: 1, error: UInt16($0 & 1), flags: $0, generation: 1)
        }
        let taken = ControlRevocation(kind: 1, holder: 2, other: 3, number: 4)
        let answers: [(ControlFrameKind, [UInt8])] = [
            (.opened, nonce + nonce + nonce), (.domains, ControlPayload.domains(1, states)),
            (.done, ControlPayload.domains(1, [states[0]])),
            (.loaded, ControlPayload.loaded(1, sequence: 2, total: 1, [taken])),
            (.records, ControlPayload.records(1, [65])),
            (.refused, ControlPayload.refused(1, .policy, detail: 3)),
            (.working, ControlPayload.working(1, milliseconds: 9)),
            (.tpmResponse, ControlPayload.tpmResponse(1, tpmMessage(10))),
            (.log, ControlPayload.log(1, total: 9, [1, 2, 3])),
            (.closed, ControlPayload.closed(.sequence)),
        ]
        let sessions = [(UInt8(0), requests), (1, answers)].flatMap { side, frames in
            var sender = ControlFrameSender()
            let all = frames.map { sender.frame($0.0, $0.1) }
            let pairs = all.dropFirst().map { [side] + all[0] + $0 }
            return [[side] + all.flatMap { $0 }] + pairs
        }
        // A header of version 1, and one whose length is beyond every bound.
        var first = sessions[0]
        first[5] = 1
        var long = sessions[0]
        for place in 17..<21 { long[place] = 0xff }
        return sessions + [first, long]
    }
}

extension Decoder {
    /// The control line of version 2: sessions, requests and answers.
    static func controlFrames() -> Decoder {
        Decoder(
            name: "control-frames", seeds: ControlChanges.seeds(), most: 1 << 12,
            change: ControlChanges.change
        ) { bytes in
            let isHost = (bytes.first ?? 0) & 1 == 1
            let stream = Array(bytes.dropFirst())
            var whole = LineReader(isHost: isHost)
            whole.feed(stream)
            var pieces = LineReader(isHost: isHost)
            for start in stride(from: 0, to: stream.count, by: 7) {
                pieces.feed(Array(stream[start..<min(stream.count, start + 7)]))
            }
            if let promise = whole.broken ?? pieces.broken { return .broken(promise) }
            guard headersAgree(stream) else { return .broken("a header has one version") }
            guard whole.frames == pieces.frames else { return .broken("pieces do not matter") }
            return whole.decoded > 0 ? .accepted : .refused
        }
    }
}

/// Whether every header in a stream, wherever it begins, is read in one version at most, and is
/// written as it was read; each error has a reason.
private func headersAgree(_ stream: [UInt8]) -> Bool {
    for start in stride(from: 0, to: stream.count, by: 24) {
        let bytes = Array(stream[start..<min(stream.count, start + 24)])
        var found: [ControlFrameHeader] = []
        for version in [ControlFrameVersion.hypervisor, .agent] {
            do throws(ControlFrameError) {
                found.append(try ControlFrameHeader(validating: bytes.span, version: version))
            } catch {
                if error.reason.utf8CodeUnitCount == 0 { return false }
            }
        }
        guard found.count <= 1 else { return false }
        for header in found where header.version == .hypervisor {
            let known: [ControlFrameKind] = [.eventLog, .stopped, .laterEvent, .handedOver]
            let encoded = header.encoded
            guard encoded.indices.allSatisfy({ encoded[$0] == bytes[$0] }) else { return false }
            if known.contains(header.kind), header.kind.isSigned { return false }
        }
        // No frame has the number 0, or more than 1 MiB.
        for (sequence, count) in [(UInt32(0), 0), (1, start == 0 ? 1 << 20 | 1 : 0)] {
            let payload = [UInt8](repeating: 0, count: count)
            let header = try? ControlFrameHeader(
                kind: .list, sequence: sequence, payload: payload.span)
            if header != nil, sequence == 0 || count > 0 { return false }
        }
    }
    return true
}

/// Reads one direction as agent or host do, and everything of what it reads.
private struct LineReader {
    let isHost: Bool
    var session: ControlSession
    var pending: [UInt8] = []
    var frames: [ControlFrameHeader] = []
    var decoded = 0
    var broken: String?

    init(isHost: Bool) {
        self.isHost = isHost
        session = ControlSession(opening: isHost ? .opened : .open)
    }

    mutating func feed(_ bytes: [UInt8]) {
        pending += bytes
        while broken == nil {
            let step = session.step(pending.span)
            switch step {
            case .wait: return
            case .skip(let count):
                guard count > 0, count <= pending.count, !session.isOpen else {
                    broken = "bytes are skipped before a session, and some are"
                    return
                }
                pending.removeFirst(count)
            case .broken(let end):
                guard session.isOpen, end.reason.utf8CodeUnitCount > 0 else {
                    broken = "a session ends for a reason"
                    return
                }
                session.end()
                pending.removeFirst()
            case .frame(let header): take(header)
            }
        }
    }

    private mutating func take(_ header: ControlFrameHeader) {
        let encoded = header.encoded
        guard encoded.indices.allSatisfy({ encoded[$0] == pending[$0] }) else {
            broken = "a header is written as it was read"
            return
        }
        session.take(header)
        frames.append(header)
        let end = ControlFrameHeader.byteCount + header.payloadByteCount
        let payload = Array(pending[ControlFrameHeader.byteCount..<end])
        pending.removeFirst(end)
        let isDecoded =
            isHost ? readAnswer(payload, header.kind) : readRequest(payload, header.kind)
        if isDecoded { decoded += 1 }
    }

    private func readRequest(_ payload: [UInt8], _ kind: ControlFrameKind) -> Bool {
        do throws(ControlRequestError) {
            let request = try ControlRequest(validating: payload.span, kind: kind)
            var sum = request.name.count + Int(request.orderedDomain ?? 0)
            sum += Int(request.logOffset)
            for index in 0..<request.domainCount { sum += Int(request.domain(at: index)) }
            if kind == .load { sum += size(ofArchive: Array(payload.dropLast(96))) }
            if kind == .tpmCommand, !isMessage(request.body) { return false }
            return sum >= 0 && request.body.count + request.signature.count == payload.count
        } catch { return error.reason.utf8CodeUnitCount == 0 }
    }

    /// Whether bytes say themselves how many they are, as a TPM's messages do.
    private func isMessage(_ bytes: borrowing Span<UInt8>) -> Bool {
        let length = (2..<6).reduce(0) { $0 << 8 | Int(bytes[$1]) }
        return length == bytes.count && length <= 4096
            && Int(TPMMessage.code(of: bytes.extracting(0..<bytes.count)) >> 24) == Int(bytes[6])
    }

    /// How much an archive holds; 0 when it is none.
    private func size(ofArchive bytes: [UInt8]) -> Int {
        do throws(ControlArchiveError) {
            let archive = try ControlArchive(validating: bytes.span)
            return archive.policy.count + archive.manifest.count
        } catch { return 0 }
    }

    private func readAnswer(_ payload: [UInt8], _ kind: ControlFrameKind) -> Bool {
        do throws(ControlAnswerError) {
            let answer = try ControlAnswer(validating: payload.span, kind: kind)
            var sum = answer.text.count + Int(answer.elapsedInMilliseconds)
            sum += Int(answer.logByteCount) + answer.logPart.count
            for index in 0..<answer.domainCount where answer.domain(at: index).life == .running {
                sum += 1
            }
            for index in 0..<answer.revocationCount {
                sum += Int(answer.revocation(at: index).kind)
            }
            for part in 0...3 { sum += answer.openedPart(part).count }
            if kind == .tpmResponse, !isMessage(answer.response) { return false }
            _ = (answer.request, answer.refusal, answer.end, answer.load)
            return sum >= 0
        } catch { return false }
    }
}
