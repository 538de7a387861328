import ControlAgent
import ControlFrames
import TestSupport
import Testing

extension Line {
    /// Gives the agent a command for the TPM.
    mutating func command(_ bytes: [UInt8]) -> [FakeHost.Answer] {
        give(host.sender.frame(.tpmCommand, bytes))
    }

    /// Lets the agent look after the TPM.
    mutating func attend() -> [FakeHost.Answer] {
        agent.attend(&machine)
        return host.read(&machine)
    }

    /// How many bytes of the line the agent holds.
    var heldByteCount: Int {
        let held = Mirror(reflecting: agent).children.first { $0.label == "pending" }
        return (held?.value as? [UInt8])?.count ?? -1
    }
}

private func response(_ answers: [FakeHost.Answer]) -> (request: UInt32?, bytes: [UInt8])? {
    guard let answer = answers.last, answer.kind == .tpmResponse,
        let read = try? ControlAnswer(validating: answer.payload.span, kind: answer.kind)
    else { return nil }
    return (read.request, read.response.indices.map { read.response[$0] })
}

private let quote = FakeMachine.message(40, code: 0x158)

@Suite struct TPMCommandTests {
    @Test("a command reaches the TPM as it came, and its response the request that asked")
    func passes() throws {
        var line = Line()
        line.open()
        #expect(line.command(quote).isEmpty)
        #expect(line.machine.tpmCommands == [quote])
        #expect(line.agent.isAttending)
        let answer = try #require(response(line.attend()))
        #expect(answer.request == 2 && answer.bytes == FakeMachine.message(12, code: 0))
        #expect(!line.agent.isAttending && line.attend().isEmpty)
        #expect(
            line.machine.lines == [
                "session opened", "request 2, TPM command 0x158: done, the TPM answered 0x0",
            ])
        // Refusals of the TPM are answers like others.
        line.machine.tpmResponse = .success(FakeMachine.message(10, code: 0x120))
        _ = line.command(FakeMachine.message(10, code: 0x126))
        #expect(response(line.attend())?.bytes == FakeMachine.message(10, code: 0x120))
    }

    @Test("what is not exactly one command is refused, and no TPM sees it")
    func malformed() {
        var line = Line()
        line.open()
        for bytes in [
            [], FakeMachine.message(9, code: 1).dropLast(1) + [], Array(quote.dropLast()),
            quote + [0], Array(quote.prefix(10)), [UInt8](repeating: 0xff, count: 4096),
        ] {
            #expect(refusal(line.command(bytes))! == (.malformed, 23), "\(bytes.count)")
        }
        for (count, taken) in [(10, true), (3584, true), (3585, false), (4096, false)] {
            let answers = line.command(FakeMachine.message(count, code: 0x158))
            if taken {
                #expect(answers.isEmpty && response(line.attend()) != nil, "\(count)")
            } else {
                #expect(refusal(answers)! == (.longTPMCommand, 3584), "\(count)")
            }
        }
        #expect(line.machine.tpmCommands.map(\.count) == [10, 3584])
        // Longer than any frame of the kind: the session is over, whatever the checksum says.
        let long = line.command(FakeMachine.message(4097, code: 0x158))
        #expect(long.map(\.kind) == [.closed] && line.machine.tpmCommands.count == 2)
    }

    @Test("without a TPM, with one that others have, or that is silent, the reason is said")
    func refused() {
        var line = Line()
        line.open()
        for (error, reason) in [
            (UInt32(2), ControlRefusal.noTPM), (19, .noTPM), (16, .busyTPM), (12, .silentTPM),
        ] {
            line.machine.tpmError = error
            #expect(refusal(line.command(quote))?.reason == reason, "\(error)")
        }
        line.machine.tpmError = 0
        for (answer, detail) in [
            (Result<[UInt8], MachineError>.failure(MachineError(number: 62)), UInt32(62)),
            (.success([]), 74), (.success(Array(quote.dropLast())), 74),
            (.success(quote + [0]), 74),
        ] {
            line.machine.tpmResponse = answer
            #expect(line.command(quote).isEmpty)
            #expect(refusal(line.attend())! == (.silentTPM, detail))
        }
        #expect(line.machine.lines.last?.hasSuffix("no response: errno 74") == true)
    }

    @Test("orders and questions are served beside a command that takes long")
    func beside() throws {
        var line = Line()
        line.open()
        line.machine.tpmTime = 8
        #expect(line.command(quote).isEmpty)
        #expect(refusal(line.command(quote))?.reason == .busyTPM)
        #expect(line.give(line.host.sender.frame(.list, ControlPayload.list([2]))).count == 1)
        // The response comes in the middle of an order's wait, to its own request.
        line.machine.orderTime = 25
        let answers = line.give(try line.deploy())
        #expect(answers.map(\.kind) == [.tpmResponse, .working, .working, .done])
        #expect(response([answers[0]])?.request == 2)
        #expect(line.machine.deeds == ["start 2"] && line.machine.tpmCommands.count == 1)
        #expect(line.command(quote).isEmpty)
    }

    @Test("a command that takes long is reported each second, and no oftener")
    func working() throws {
        var line = Line()
        line.open()
        line.machine.tpmTime = nil
        _ = line.command(quote)
        var told: [UInt32] = []
        for _ in 0..<700 {
            line.machine.milliseconds += 5
            for answer in line.attend() {
                let read = try ControlAnswer(validating: answer.payload.span, kind: answer.kind)
                #expect(read.kind == .working && read.request == 2)
                told.append(read.elapsedInMilliseconds)
            }
        }
        #expect(told == [1000, 2000, 3000])
        // A clock that goes back says nothing, and does no harm.
        line.machine.milliseconds = 0
        #expect(line.attend().isEmpty)
    }

    @Test("a response to a session that is over goes to nobody, least of all to its successor")
    func orphan() throws {
        for ending in 0..<4 {
            var line = Line()
            line.open()
            line.machine.tpmTime = 5
            _ = line.command(quote)
            switch ending {
            case 0: _ = line.give(line.host.sender.frame(.close))
            case 1: _ = line.give([UInt8](repeating: 1, count: 60))
            case 2:
                _ = line.give([0x43])
                line.agent.fallSilent(&line.machine)
            default: break
            }
            line.open()
            // The successor's request has the same number.
            #expect(refusal(line.command(quote))?.reason == .busyTPM, "\(ending)")
            line.machine.milliseconds += 5000
            for _ in 0..<8 { #expect(line.attend().isEmpty, "\(ending)") }
            #expect(line.machine.lines.last?.hasSuffix("for a session that is over") == true)
            line.machine.tpmResponse = .success(FakeMachine.message(10, code: 0x120))
            line.machine.tpmTime = 1
            _ = line.command(quote)
            let answer = try #require(response(line.attend()))
            #expect(answer.request == 3 && answer.bytes.count == 10)
        }
    }

    @Test("a damaged, repeated or forged frame never reaches the TPM")
    func forged() {
        let frame: [UInt8]
        do {
            var line = Line()
            line.open()
            frame = line.host.sender.frame(.tpmCommand, quote)
        }
        for place in frame.indices {
            var line = Line()
            line.open()
            var bytes = frame
            bytes[place] ^= 1
            _ = line.give(bytes)
            while line.agent.isWaiting { line.agent.fallSilent(&line.machine) }
            #expect(line.machine.tpmCommands.isEmpty, "byte \(place)")
        }
        var line = Line()
        line.open()
        _ = line.give(frame)
        #expect(response(line.attend()) != nil)
        #expect(line.give(frame).map(\.kind) == [.closed])
        #expect(line.give(frame).isEmpty && line.machine.tpmCommands.count == 1)
    }

    @Test("a flood of commands, whole and half, finds a bounded agent that serves on")
    func flood() throws {
        var line = Line()
        line.open()
        line.machine.tpmTime = nil
        let long = FakeMachine.message(3584, code: 0x158)
        for _ in 0..<2000 { _ = line.command(long) }
        #expect(line.machine.tpmCommands.count == 1)
        #expect(line.machine.lines.filter { $0.contains("busy with another") }.count == 1999)
        #expect(line.heldByteCount == 0)
        // Frames that begin and do not end, then noise: nothing but the longest frame is held.
        var random = SeededGenerator(seed: 31)
        var most = 0
        for round in 0..<400 {
            let half = line.host.sender.frame(.tpmCommand, long).prefix(600 + round)
            line.agent.take(Array(half) + random.bytes(round), &line.machine)
            most = max(most, line.heldByteCount)
            line.machine.sent = []
        }
        #expect(most <= ControlFrameHeader.byteCount + 4096 + 1400)
        while line.agent.isWaiting { line.agent.fallSilent(&line.machine) }
        line.machine.sent = []
        line.host = FakeHost()
        line.open()
        #expect(line.give(try line.deploy()).last?.kind == .done)
        #expect(line.machine.tpmCommands.count == 1)
    }
}
