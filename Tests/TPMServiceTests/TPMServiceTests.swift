import GuestRuntime
import TPMService
import TestSupport
import Testing

private let random = TestTPM.command(0x17B, [0, 16])
private let answer = TestTPM.command(0, [0, 4, 1, 2, 3, 4])

@Test("a user that names its ring in the store is joined, and its command answered by the TPM")
func wholeWay() throws {
    let test = try TestTPM()
    #expect(test.server.joinedCount == 2)
    test.machine.response = answer
    test.submit(random, of: 3)
    test.settle()
    #expect(test.machine.commands.map(\.domain) == [3])
    #expect(test.machine.commands.map(\.bytes) == [random])
    #expect(test.state(of: 3) == 2)
    #expect(test.response(of: 3) == answer)
    #expect((test.machine.signals[3] ?? 0) > 0)
    #expect(test.state(of: 4) == 0)
    #expect(test.machine.pages[4] == [UInt8](repeating: 0, count: 4096))
    #expect(!test.machine.storeHasRung)
}

@Test("a command that was submitted before the ring was joined is served", arguments: [1, 3, 1024])
func earlyCommand(step: Int) throws {
    let test = try TestTPM(connect: [])
    test.machine.storeStep = step
    test.start(3)
    test.machine.response = answer
    test.submit(random, of: 3)
    test.connect(3)
    test.settle(rounds: 600)
    #expect(test.response(of: 3) == answer)
}

@Test("a response is put where the command stood, whatever the page says by then")
func placeIsKept() throws {
    let test = try TestTPM()
    test.machine.response = answer
    test.machine.isDone = false
    test.submit(random, of: 3, extraPages: 255)
    test.settle(rounds: 3)
    #expect(test.machine.commands.count == 1)
    test.machine.pages[3]?[7] = 3
    test.machine.isDone = true
    test.settle()
    #expect(test.response(of: 3, extraPages: 255) == answer)
}

@Test("a length that no command has, or that the page cannot hold, is refused without the TPM")
func badLengths() throws {
    for (length, extra) in [
        (UInt32(0), UInt8(0)), (9, 0), (11, 0), (13, 0), (4089, 0), (4096, 0), (0xFFFF_FFFF, 0),
        (0x8000_0000, 255), (3069, 255),
    ] {
        let test = try TestTPM()
        test.submit(random, of: 3, extraPages: extra)
        test.setLength(length, of: 3)
        test.settle()
        #expect(test.machine.commands.isEmpty, "\(length)")
        #expect(test.state(of: 3) == 2)
        #expect(test.response(of: 3, extraPages: Int(extra)).suffix(4) == [0, 0, 1, 0x42])
    }
}

@Test("the longest command that a page holds is passed on, whole")
func longestCommand() throws {
    let test = try TestTPM()
    let command = TestTPM.command(0x137, [UInt8](repeating: 7, count: 4078))
    test.machine.response = answer
    test.submit(command, of: 3)
    test.settle()
    #expect(test.machine.commands.map(\.bytes) == [command])
    #expect(test.response(of: 3) == answer)
}

@Test("a command at another locality is refused without the TPM")
func otherLocality() throws {
    let test = try TestTPM()
    test.submit(random, of: 3, locality: 4)
    test.submit(TestTPM.command(0x46, [0, 0, 0, 8], tag: 0xC1), of: 4, locality: 1)
    test.settle()
    #expect(test.machine.commands.isEmpty)
    #expect(test.response(of: 3) == TestTPM.refusal(0x907))
    #expect(test.response(of: 4) == TestTPM.refusal(0x3D, tag: 0xC4))
}

@Test("what the hypervisor refuses, or the TPM fails at, is answered in the command's own family")
func refusals() throws {
    for (outcome, two, one) in [
        (CommandOutcome.refused, UInt32(0x120), UInt32(8)), (.malformed, 0x1E, 0x1E),
        (.failed, 0x101, 9),
    ] {
        let test = try TestTPM()
        test.machine.outcome = outcome
        test.submit(random, of: 3)
        test.submit(TestTPM.command(0x46, [0, 0, 0, 8], tag: 0xC1), of: 4)
        test.settle()
        #expect(test.response(of: 3) == TestTPM.refusal(two))
        #expect(test.response(of: 4) == TestTPM.refusal(one, tag: 0xC4))
    }
}

@Test("one that the TPM is too busy for waits, and is served later")
func busy() throws {
    let test = try TestTPM()
    test.machine.outcome = .busy
    test.submit(random, of: 3)
    test.settle()
    #expect(test.state(of: 3) == 1)
    #expect(test.server.wakeTime != nil)
    test.machine.outcome = .begun
    test.machine.response = answer
    test.settle()
    #expect(test.response(of: 3) == answer)
    #expect(test.server.wakeTime == nil)
}

@Test("users take turns, whoever asks without end")
func turns() throws {
    let test = try TestTPM()
    test.machine.response = answer
    for _ in 0..<40 {
        for user in [UInt16(3), 4] where test.state(of: user) != 1 {
            test.submit(random, of: user)
        }
        test.machine.time += 10_000
        test.round()
    }
    let served = test.machine.commands.map(\.domain)
    #expect(served.count > 10)
    for index in served.indices.dropFirst() { #expect(served[index] != served[index - 1]) }
}

@Test("a TPM that takes its time is looked at ever more seldom, and nobody else is kept waiting")
func seldomLooks() throws {
    let test = try TestTPM()
    test.machine.isDone = false
    test.submit(random, of: 3)
    for _ in 0..<1000 {
        test.machine.time += 100
        test.round()
    }
    #expect(test.machine.looks >= 10)
    #expect(test.machine.looks <= 20)
    // The other user's refusal needs no TPM.
    test.submit(random, of: 4, locality: 2)
    test.machine.isDone = true
    test.machine.response = answer
    test.settle()
    #expect(test.response(of: 3) == answer)
    #expect(test.response(of: 4) == TestTPM.refusal(0x907))
}

@Test("a user that cancels has its command cancelled; without one its page becomes idle")
func cancellation() throws {
    let test = try TestTPM()
    test.machine.isDone = false
    test.submit(random, of: 3)
    test.settle(rounds: 3)
    test.machine.pages[3]?[4] = 3
    test.settle(rounds: 20)
    #expect(test.machine.wasCancelled)
    #expect(test.response(of: 3) == TestTPM.refusal(0x909))
    #expect(test.state(of: 3) == 2)
    test.machine.pages[4]?[4] = 3
    test.settle()
    #expect(test.state(of: 4) == 0)
}

@Test("a page that changes at every read gets at the TPM only what was judged, and harms nobody")
func changingPage() throws {
    for seed in 0..<50 {
        var generator = SeededGenerator(seed: UInt64(seed))
        let test = try TestTPM()
        test.machine.response = answer
        test.machine.interferes = 3
        test.machine.interference = { page in
            for _ in 0..<4 {
                page[Int.random(in: 0..<24, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            page[4] = 1
        }
        test.submit(random, of: 3)
        for _ in 0..<50 {
            test.machine.time += 10_000
            if test.state(of: 4) != 1 { test.submit(random, of: 4) }
            test.round()
        }
        // Whole commands only, and the neighbour is served.
        for command in test.machine.commands {
            #expect(command.bytes.count >= 10)
            #expect(
                Array(command.bytes[2..<6]) == [0, 0, 0, UInt8(command.bytes.count & 255)]
                    || command.bytes.count > 255)
        }
        #expect(test.machine.commands.contains { $0.domain == 4 && $0.bytes == random })
        #expect(test.machine.commands.filter { $0.domain == 4 }.allSatisfy { $0.bytes == random })
    }
}

@Test("the response of a user that has ended goes to nobody, and its successor starts anew")
func lives() throws {
    let test = try TestTPM()
    test.machine.isDone = false
    test.submit(random, of: 3)
    test.settle(rounds: 3)
    test.machine.lives[3] = DomainLife(generation: 1, isRunning: false)
    test.settle(rounds: 3)
    #expect(test.server.joinedCount == 1)
    #expect(test.machine.mapped[3] == nil)
    #expect(test.machine.wasCancelled)
    test.machine.response = answer
    test.start(3, generation: 2)
    test.settle()
    #expect(test.machine.pages[3] == [UInt8](repeating: 0, count: 4096))
    test.machine.isDone = true
    test.connect(3)
    test.settle()
    test.submit(random, of: 3)
    test.settle()
    #expect(test.response(of: 3) == answer)
}

@Test("a successor that has connected before the service knew of it is found all the same")
func quickSuccessor() throws {
    let test = try TestTPM()
    let life = test.machine.lives[3]
    test.start(3, generation: 2)
    test.machine.lives[3] = life
    test.connect(3)
    test.settle()
    test.machine.lives[3] = DomainLife(generation: 2, isRunning: true)
    test.settle()
    #expect(test.server.joinedCount == 2)
    test.machine.response = answer
    test.submit(random, of: 3)
    test.settle()
    #expect(test.response(of: 3) == answer)
}

@Test("a driver that leaves is let go; nodes that make no sense join nobody")
func drivers() throws {
    let test = try TestTPM()
    test.machine.write(TestTPM.directory(3) + "/state", "6")
    test.settle()
    #expect(test.server.joinedCount == 1)
    #expect(test.machine.ports.count == 1)
    for (name, value) in [
        ("ring-ref", "99999999999999999999"), ("ring-ref", ""), ("ring-ref", "-1"),
        ("ring-ref", "803x"), ("event-channel", "21"), ("event-channel", "x"),
        ("event-channel", String(repeating: "2", count: 4000)),
    ] {
        test.connect(3)
        test.machine.write(TestTPM.directory(3) + "/state", "1")
        test.machine.write(TestTPM.directory(3) + "/" + name, value)
        test.machine.write(TestTPM.directory(3) + "/state", "3")
        test.settle()
        #expect(test.server.joinedCount == 1, "\(name) \(value)")
        #expect(test.machine.mapped.count == 1)
    }
    test.connect(3)
    test.settle()
    #expect(test.server.joinedCount == 2)
}
