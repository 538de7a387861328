import CompilerTestSupport
import ControlAgent
import ControlFrames
import PolicyAuthority
import PolicyCompiler
import TestSupport
import Testing

/// An agent with a machine that is not there, and a host.
struct Line {
    let key = AuthorityPrivateKey()
    var machine = FakeMachine()
    var host = FakeHost()
    var agent: ControlAgent

    init() { agent = ControlAgent(authority: key.publicKey) }

    /// Gives the agent bytes and returns what it answers.
    mutating func give(_ bytes: [UInt8]) -> [FakeHost.Answer] {
        agent.take(bytes, &machine)
        return host.read(&machine)
    }

    mutating func open() { _ = give(host.open()) }

    /// A frame with a signed request.
    mutating func signed(
        _ kind: ControlFrameKind, _ body: [UInt8], by other: AuthorityPrivateKey? = nil
    ) throws -> [UInt8] {
        let message = ControlPayload.signedMessage(
            challenge: host.challenge, sequence: host.sender.next, kind: kind, body: body)
        let signature = try #require((other ?? key).authorization(of: message))
        return host.sender.frame(kind, body + signature)
    }

    mutating func deploy() throws -> [UInt8] {
        try signed(.deploy, ControlPayload.order(domain: 2, name: "worker"))
    }
}

func refusal(_ answers: [FakeHost.Answer]) -> (reason: ControlRefusal, detail: UInt32)? {
    guard let answer = answers.last else { return nil }
    return try? ControlAnswer(validating: answer.payload.span, kind: answer.kind).refusal
}

@Suite struct ControlAgentTests {
    @Test("a signed order is carried out, and everybody is told")
    func order() throws {
        var line = Line()
        line.open()
        let deployed = line.give(try line.deploy())
        #expect(deployed.map(\.kind) == [.done])
        #expect(line.machine.deeds == ["start 2"])
        let body = ControlPayload.order(domain: 2, name: "worker")
        #expect(line.give(try line.signed(.destroy, body)).map(\.kind) == [.done])
        #expect(line.machine.deeds == ["start 2", "end 2"])
        #expect(
            line.machine.lines == [
                "session opened", "request 2, deploy worker, domain 2: done",
                "request 3, destroy worker, domain 2: done",
            ])
    }

    @Test("an order without a signature, with another's or for another request changes nothing")
    func unsigned() throws {
        let body = ControlPayload.order(domain: 2, name: "worker")
        var line = Line()
        line.open()
        let nothing = line.host.sender.frame(.deploy, body + [UInt8](repeating: 0, count: 96))
        #expect(refusal(line.give(nothing))?.reason == .notAuthorized)
        let foreign = try line.signed(.deploy, body, by: AuthorityPrivateKey())
        #expect(refusal(line.give(foreign))?.reason == .notAuthorized)
        // The signature is for `deploy`, the frame says `destroy`; then another domain.
        var frame = try line.deploy()
        frame[6] = UInt8(ControlFrameKind.destroy.rawValue)
        #expect(refusal(line.give(frame))?.reason == .notAuthorized)
        let good = Array(try line.deploy().dropFirst(ControlFrameHeader.byteCount))
        line.open()
        _ = line.give(line.host.sender.frame(.close))
        line.open()
        var other = good
        other[0] = 3
        #expect(
            refusal(line.give(line.host.sender.frame(.deploy, other)))?.reason == .notAuthorized)
        #expect(line.machine.deeds.isEmpty)
        #expect(line.machine.lines.filter { $0.contains("signature is not") }.count == 4)
    }

    @Test("a request that was recorded is worth nothing: not again, not later, not elsewhere")
    func replay() throws {
        var line = Line()
        line.open()
        let recorded = try line.deploy()
        #expect(line.give(recorded).map(\.kind) == [.done])
        // Again: the number was there. The session is over, and so is its challenge.
        #expect(line.give(recorded).map(\.kind) == [.closed])
        line.open()
        #expect(refusal(line.give(recorded))?.reason == .notAuthorized)
        #expect(line.machine.deeds == ["start 2"])
        // The whole session, as it went over the line.
        var other = Line()
        let opening = other.host.open()
        _ = other.give(opening)
        let order = try other.deploy()
        _ = other.give(order)
        _ = other.give(opening + order)
        #expect(other.machine.deeds == ["start 2"])
    }

    @Test("half a frame, a vanished host and garbage leave nothing half done")
    func broken() throws {
        var line = Line()
        line.open()
        let order = try line.deploy()
        for count in 0..<order.count {
            _ = line.give(Array(order.prefix(count)))
            // The next host comes while the old frame is still open: it is heard after the silence.
            var next = FakeHost()
            let opening = next.open()
            line.agent.take(opening, &line.machine)
            while line.agent.isWaiting { line.agent.fallSilent(&line.machine) }
            line.host = next
            #expect(line.host.read(&line.machine).contains { $0.kind == .opened }, "\(count)")
        }
        #expect(line.machine.deeds.isEmpty)
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            var bytes = try line.deploy()
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] ^= 1 << 3
            line.agent.take(generator.bytes(20) + bytes, &line.machine)
            while line.agent.isWaiting { line.agent.fallSilent(&line.machine) }
        }
        #expect(line.machine.deeds.isEmpty)
        line.host = FakeHost()
        line.open()
        #expect(line.give(try line.deploy()).map(\.kind) == [.done])
    }

    @Test("what only asks needs no signature; who may not know is told so")
    func list() throws {
        var line = Line()
        line.open()
        let answers = line.give(line.host.sender.frame(.list, ControlPayload.list([2, 3])))
        let payload = try #require(answers.last).payload
        let answer = try ControlAnswer(validating: payload.span, kind: .domains)
        #expect(answer.domain(at: 0).life == .absent && answer.domain(at: 1).error == 1)
        #expect(refusal(line.give(line.host.sender.frame(.readRecords)))?.reason == .hypervisor)
        line.machine.recordText = .success(Array("audit 1: x\n".utf8))
        #expect(line.give(line.host.sender.frame(.readRecords)).map(\.kind) == [.records])
        #expect(line.give(line.host.sender.frame(.close)).map(\.kind) == [.closed])
        #expect(line.machine.deeds.isEmpty)
    }

    @Test("the event log is read in parts, by whoever has the line, and not beyond its end")
    func eventLog() throws {
        var line = Line()
        line.open()
        func ask(_ offset: UInt32) -> [FakeHost.Answer] {
            line.give(line.host.sender.frame(.readLog, ControlPayload.readLog(from: offset)))
        }
        #expect(refusal(ask(0))! == (.hypervisor, 1))
        let log = (0..<40_000).map { UInt8(truncatingIfNeeded: $0) }
        line.machine.log = .success(log)
        var read: [UInt8] = []
        for expected in [16_384, 16_384, 7_232, 0] {
            let answer = try #require(ask(UInt32(read.count)).first)
            let part = try ControlAnswer(validating: answer.payload.span, kind: answer.kind)
            #expect(part.logByteCount == 40_000 && part.logPart.count == expected)
            for index in part.logPart.indices { read.append(part.logPart[index]) }
        }
        #expect(read == log)
        let behind = try #require(ask(.max).first)
        let part = try ControlAnswer(validating: behind.payload.span, kind: behind.kind)
        #expect(part.logByteCount == 40_000 && part.logPart.isEmpty)
        #expect(line.machine.deeds.isEmpty)
        let malformed = line.give(line.host.sender.frame(.readLog, [0, 0, 0]))
        #expect(refusal(malformed)?.reason == .malformed)
    }

    @Test("nothing is served without a session, or without random numbers")
    func noSession() throws {
        var line = Line()
        #expect(line.give(try line.deploy()).isEmpty)
        line.machine.hasRandomNumbers = false
        #expect(line.give(line.host.open()).isEmpty)
        #expect(line.give(try line.deploy()).isEmpty)
        #expect(line.machine.deeds.isEmpty)
    }

    @Test("what the hypervisor refuses, and what does not come to its end, is said")
    func refused() throws {
        var line = Line()
        line.open()
        line.machine.orderError = 22
        #expect(refusal(line.give(try line.deploy()))! == (.hypervisor, 22))
        line.machine.orderError = 0
        let body = ControlPayload.order(domain: 9, name: "nobody")
        #expect(refusal(line.give(try line.signed(.deploy, body)))! == (.hypervisor, 1))
        // A module that is not the promised one: the domain stays absent.
        line.machine.orderTime = nil
        #expect(refusal(line.give(try line.deploy()))?.reason == .notInTime)
        #expect(line.machine.pauses < 10)
        #expect(
            refusal(line.give(line.host.sender.frame(ControlFrameKind(rawValue: 50), [])))! == (
                .malformed, 50
            ))
    }

    @Test("an order that takes long is reported each second, and for two minutes")
    func slow() throws {
        var line = Line()
        line.open()
        line.machine.orderTime = 25
        #expect(line.give(try line.deploy()).map(\.kind) == [.working, .working, .done])
        line.machine.orderTime = .max
        let body = ControlPayload.order(domain: 2, name: "worker")
        #expect(refusal(line.give(try line.signed(.destroy, body)))?.reason == .notInTime)
        #expect(line.machine.pauses < 1250)
    }
}

@Suite struct ControlLoadTests {
    private func archive(_ manifest: [UInt8], _ policy: [UInt8] = [1]) -> [UInt8] {
        NewcArchive.archive([("policy", policy), ("manifest", manifest)])
    }

    @Test("a policy is loaded if order and manifest are the authority's, and only then")
    func load() throws {
        let compiled = try TestSystem.minimal().compiled
        var line = Line()
        line.open()
        func answer(_ manifest: [UInt8]) throws -> (reason: ControlRefusal, detail: UInt32)? {
            refusal(line.give(try line.signed(.load, archive(manifest, compiled.policy))))
        }
        let other = AuthorityPrivateKey()
        let foreign = try #require(SignedManifest.signed(compiled.manifest, by: other))
        let good = try #require(SignedManifest.signed(compiled.manifest, by: line.key))
        var damaged = good
        damaged[damaged.count - 1] ^= 1
        #expect(try answer(compiled.manifest)?.reason == .unsignedManifest)
        #expect(try answer(foreign)?.reason == .foreignManifest)
        #expect(try answer([1, 2, 3])?.reason == .malformedManifest)
        let reason = try answer(damaged)?.reason
        #expect(reason == .badManifestSignature || reason == .malformedManifest)
        let notAnArchive = try line.signed(.load, good)
        #expect(refusal(line.give(notAnArchive))?.reason == .malformedArchive)
        #expect(line.machine.deeds.isEmpty)
        // A good manifest by an order that nobody signed.
        let unsigned = line.host.sender.frame(
            .load, archive(good, compiled.policy) + [UInt8](repeating: 0, count: 96))
        #expect(refusal(line.give(unsigned))?.reason == .notAuthorized)
        line.machine.loadAnswer = (22, 4)
        #expect(try answer(good)! == (.policy, 4))
        line.machine.loadAnswer = (16, 0)
        #expect(try answer(good)! == (.policy, 272))
        #expect(line.machine.deeds.isEmpty)
        line.machine.loadAnswer = (0, 0)
        let loaded = line.give(try line.signed(.load, archive(good, compiled.policy)))
        #expect(loaded.map(\.kind) == [.loaded])
        let payload = try #require(loaded.last).payload
        let said = try ControlAnswer(validating: payload.span, kind: .loaded)
        #expect(said.load?.sequence == 2 && said.revocation(at: 0).holder == 3)
        #expect(line.machine.deeds.count == 1)
        #expect(line.machine.lines.contains("policy 2 is in force; 1 things were taken away"))
    }
}
