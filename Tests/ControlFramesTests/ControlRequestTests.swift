import ControlFrames
import TestSupport
import Testing

private let signature = [UInt8](repeating: 9, count: 96)

private func failure(_ kind: ControlFrameKind, _ payload: [UInt8]) -> ControlRequestError? {
    do throws(ControlRequestError) {
        _ = try ControlRequest(validating: payload.span, kind: kind)
        return nil
    } catch { return error }
}

private func answerFailure(_ kind: ControlFrameKind, _ payload: [UInt8]) -> ControlAnswerError? {
    do throws(ControlAnswerError) {
        _ = try ControlAnswer(validating: payload.span, kind: kind)
        return nil
    } catch { return error }
}

private func array(_ bytes: borrowing Span<UInt8>) -> [UInt8] { bytes.indices.map { bytes[$0] } }

@Suite struct ControlRequestTests {
    @Test("an order names a domain and a compartment, and what is signed is all of it")
    func order() throws {
        let body = ControlPayload.order(domain: 0x0102, name: "worker_2")
        #expect(body == [2, 1] + Array("worker_2".utf8))
        let payload = body + signature
        let request = try ControlRequest(validating: payload.span, kind: .destroy)
        #expect(request.orderedDomain == 0x0102)
        #expect(array(request.name) == Array("worker_2".utf8))
        #expect(array(request.body) == body && array(request.signature) == signature)
        #expect(request.domainCount == 0)
    }

    @Test("a name is what the language says: nothing that could be taken for something else")
    func names() {
        let good = ["a", "Z", "red_app", "x9", String(repeating: "n", count: 63)]
        for name in good {
            #expect(
                failure(.deploy, ControlPayload.order(domain: 1, name: name) + signature) == nil)
        }
        for name in ["9x", "_x", "a b", "a\n", "a)", "é", "a-b"] {
            #expect(
                failure(.deploy, ControlPayload.order(domain: 1, name: name) + signature)
                    == .malformedName, "\(name)")
        }
        let long = ControlPayload.order(domain: 1, name: String(repeating: "n", count: 64))
        #expect(failure(.deploy, long + signature) == .wrongLength)
        #expect(failure(.deploy, [1, 0] + signature) == .wrongLength)
        #expect(failure(.deploy, Array(signature.dropLast())) == .wrongLength)
    }

    @Test("a list has 1 to 32 domains in rising order")
    func list() throws {
        let payload = ControlPayload.list([7, 3, 3, 500])
        let request = try ControlRequest(validating: payload.span, kind: .list)
        #expect((0..<request.domainCount).map { request.domain(at: $0) } == [3, 7, 500])
        #expect(request.orderedDomain == nil && request.name.isEmpty && request.signature.isEmpty)
        #expect(failure(.list, ControlPayload.list(Array(0..<32))) == nil)
        #expect(failure(.list, ControlPayload.list(Array(0..<33))) == .wrongLength)
        #expect(failure(.list, []) == .wrongLength)
        #expect(failure(.list, [1, 0, 2]) == .wrongLength)
        #expect(failure(.list, [1, 0, 1, 0]) == .domainsNotRising)
        #expect(failure(.list, [2, 0, 1, 0]) == .domainsNotRising)
    }

    @Test("the other requests have the length that they have, and an answer is no request")
    func lengths() {
        #expect(failure(.open, [UInt8](repeating: 0, count: 32)) == nil)
        #expect(failure(.open, [UInt8](repeating: 0, count: 31)) == .wrongLength)
        #expect(failure(.load, [0] + signature) == nil)
        #expect(failure(.load, signature) == .wrongLength)
        #expect(failure(.close, []) == nil)
        #expect(failure(.close, [0]) == .wrongLength)
        #expect(failure(.readRecords, []) == nil)
        #expect(failure(.opened, []) == .unknownKind)
        #expect(failure(.readLog, [1, 2, 3]) == .wrongLength)
        #expect(failure(.readLog, [1, 2, 3, 4]) == nil)
        #expect(failure(ControlFrameKind(rawValue: 25), [1]) == .unknownKind)
    }

    @Test("a command of the TPM has the length that it says, 10 to 4,096 bytes; so has a response")
    func tpm() throws {
        func message(_ says: Int, _ count: Int) -> [UInt8] {
            [0x80, 1, 0, 0, UInt8(says >> 8), UInt8(says & 255), 0, 0, 1, 0x58]
                + [UInt8](repeating: 0, count: count - 10)
        }
        for (says, count, isOne) in [
            (10, 10, true), (4096, 4096, true), (11, 10, false), (10, 11, false), (0, 10, false),
        ] {
            let bytes = message(says, count)
            #expect(TPMMessage.isWhole(bytes.span) == isOne)
            #expect(failure(.tpmCommand, bytes) == (isOne ? nil : .malformedCommand))
            #expect(
                answerFailure(.tpmResponse, ControlPayload.tpmResponse(9, bytes))
                    == (isOne ? nil : .wrongLength))
        }
        #expect(failure(.tpmCommand, message(4097, 4097)) == .wrongLength)
        #expect(answerFailure(.tpmResponse, [UInt8](repeating: 0, count: 4101)) == .wrongLength)
        #expect(answerFailure(.tpmResponse, [1, 0, 0]) == .wrongLength)
        #expect(failure(.tpmCommand, Array(message(9, 10).prefix(9))) == .malformedCommand)
        let payload = ControlPayload.tpmResponse(9, message(12, 12))
        let answer = try ControlAnswer(validating: payload.span, kind: .tpmResponse)
        #expect(answer.request == 9 && array(answer.response) == message(12, 12))
        #expect(TPMMessage.code(of: answer.response) == 0x158 && answer.text.isEmpty)
    }

    @Test("what is signed differs when anything of the request does")
    func message() {
        func message(
            _ challenge: UInt8 = 1, _ sequence: UInt32 = 2, _ kind: ControlFrameKind = .deploy,
            _ body: [UInt8] = [3]
        ) -> [UInt8] {
            ControlPayload.signedMessage(
                challenge: [UInt8](repeating: challenge, count: 32), sequence: sequence,
                kind: kind, body: body)
        }
        let all = [
            message(), message(2), message(1, 3), message(1, 2, .destroy),
            message(1, 2, .load, [4]),
        ]
        #expect(Set(all).count == all.count)
        #expect(
            message()
                == Array("casemate control request 2\n".utf8) + [UInt8](repeating: 1, count: 32)
                + [2, 0, 0, 0, 18, 0, 3])
    }

    @Test("answers are read as they were written")
    func answers() throws {
        let state = ControlDomainState(domain: 4, error: 0, flags: 0x22, generation: 3)
        let payload = ControlPayload.domains(5, [state, state])
        let domains = try ControlAnswer(validating: payload.span, kind: .domains)
        #expect(domains.request == 5 && domains.domainCount == 2)
        #expect(domains.domain(at: 1) == state && state.life == .running)
        let taken = ControlRevocation(kind: 1, holder: 2, other: 3, number: 9)
        let loadedPayload = ControlPayload.loaded(6, sequence: 2, total: 7, [taken])
        let loaded = try ControlAnswer(validating: loadedPayload.span, kind: .loaded)
        #expect(loaded.load?.sequence == 2 && loaded.load?.total == 7)
        #expect(loaded.revocationCount == 1 && loaded.revocation(at: 0) == taken)
        let refusedPayload = ControlPayload.refused(7, .policy, detail: 5)
        let refused = try ControlAnswer(validating: refusedPayload.span, kind: .refused)
        #expect(refused.refusal?.reason == .policy && refused.refusal?.detail == 5)
        let text = ControlPayload.records(8, Array("audit 1: x\n".utf8))
        let records = try ControlAnswer(validating: text.span, kind: .records)
        #expect(array(records.text) == Array("audit 1: x\n".utf8) && records.end == nil)
        let logPayload = ControlPayload.log(10, total: 70_000, [7, 8, 9])
        let log = try ControlAnswer(validating: logPayload.span, kind: .log)
        #expect(log.logByteCount == 70_000 && array(log.logPart) == [7, 8, 9])
        #expect(log.request == 10 && log.text.isEmpty && records.logPart.isEmpty)
        let closedPayload = ControlPayload.closed(.silence)
        let closed = try ControlAnswer(validating: closedPayload.span, kind: .closed)
        #expect(closed.end == .silence && closed.request == nil)
        let working = ControlPayload.working(9, milliseconds: 1500)
        #expect(
            try ControlAnswer(validating: working.span, kind: .working).elapsedInMilliseconds
                == 1500)
    }

    @Test("an answer that cannot be one is refused")
    func wrongAnswers() {
        #expect(answerFailure(.opened, [UInt8](repeating: 0, count: 96)) == nil)
        #expect(answerFailure(.opened, [UInt8](repeating: 0, count: 95)) == .wrongLength)
        #expect(answerFailure(.domains, [0, 0, 0]) == .wrongLength)
        #expect(answerFailure(.domains, [UInt8](repeating: 0, count: 21)) == .wrongLength)
        #expect(answerFailure(.done, [UInt8](repeating: 0, count: 20)) == nil)
        #expect(answerFailure(.done, [UInt8](repeating: 0, count: 4)) == .wrongLength)
        #expect(answerFailure(.loaded, [UInt8](repeating: 0, count: 17)) == .wrongLength)
        #expect(answerFailure(.records, [1]) == .wrongLength)
        #expect(answerFailure(.log, [UInt8](repeating: 0, count: 7)) == .wrongLength)
        #expect(answerFailure(.log, [UInt8](repeating: 0, count: 8)) == nil)
        #expect(answerFailure(.log, [UInt8](repeating: 0, count: 16_393)) == .wrongLength)
        #expect(answerFailure(.refused, [UInt8](repeating: 0, count: 12)) == .unknownValue)
        #expect(answerFailure(.closed, [0, 0]) == .unknownValue)
        #expect(answerFailure(.closed, [9, 0]) == .unknownValue)
        #expect(answerFailure(.list, [1, 0]) == .unknownKind)
    }

    @Test("a life is read from Xen's flags")
    func lives() {
        func life(_ flags: UInt32, error: UInt16 = 0) -> ControlDomainState.Life {
            ControlDomainState(domain: 1, error: error, flags: flags, generation: 1).life
        }
        #expect(life(0x22) == .running)
        #expect(life(0x0a) == .absent)
        #expect(life(0x0003_0006) == .stopped(reason: 3))
        #expect(life(3) == .ending)
        #expect(life(2) == .unknown)
        #expect(life(0x22, error: 1) == .unknown)
    }

    /// One member of a cpio archive.
    private func member(_ name: String, _ content: [UInt8], magic: String = "070701") -> [UInt8] {
        func word(_ number: Int) -> String {
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }
        let numbers = [0, 0, 0, 0, 1, 0, content.count, 0, 0, 0, 0, name.utf8.count + 1, 0]
        var bytes = Array((magic + numbers.map(word).joined() + name).utf8) + [0]
        while bytes.count % 4 != 0 { bytes.append(0) }
        bytes += content
        while bytes.count % 4 != 0 { bytes.append(0) }
        return bytes
    }

    private func isArchive(_ bytes: [UInt8]) -> Bool {
        do throws(ControlArchiveError) {
            let archive = try ControlArchive(validating: bytes.span)
            return array(archive.policy) == [1, 2, 3] && array(archive.manifest) == [4]
        } catch { return false }
    }

    @Test("an archive has policy, manifest and the trailer, whole, and nothing between them")
    func archive() {
        let policy = member("policy", [1, 2, 3])
        let manifest = member("manifest", [4])
        let trailer = member("TRAILER!!!", [])
        let good = policy + manifest + trailer
        #expect(isArchive(good) && isArchive(good + [0, 0, 0]))
        #expect(!isArchive(manifest + policy + trailer))
        #expect(!isArchive(policy + manifest))
        #expect(!isArchive(policy + manifest + member("TRAILER!!!", [1])))
        #expect(!isArchive(member("policy", []) + manifest + trailer))
        #expect(!isArchive(policy + member("module/0", [1]) + manifest + trailer))
        #expect(!isArchive(member("policy", [1, 2, 3], magic: "070702") + manifest + trailer))
        for count in 0..<good.count - 3 { #expect(!isArchive(Array(good.prefix(count)))) }
        for place in [6 + 48, 6 + 88] {
            for digit in Array("gGf/:".utf8) {
                var bad = good
                bad[place] = digit
                #expect(!isArchive(bad))
            }
        }
    }
}
