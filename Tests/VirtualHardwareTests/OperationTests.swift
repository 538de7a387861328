import Foundation
import TestSupport
import Testing
import VirtualHardware

/// The lines of a terminal.
private func lines(_ text: String) -> [ConsoleLine] {
    var transcript = ConsoleTranscript()
    transcript.feed(Array((text + "\n").utf8))
    return transcript.lines
}

@Suite struct RecordedLivesTests {
    private func lives(after text: String) -> [RecordedLives.Life] {
        var lives = RecordedLives([
            ("first", true, false), ("later", false, false), ("byorder", true, true),
        ])
        for line in lines(text) { lives.take(line) }
        return lives.lives
    }

    @Test(
        "before a word is said, who starts at once runs, who starts later waits, the rest is absent"
    )
    func start() {
        #expect(lives(after: "").map(\.state) == [.running, .waiting, .absent])
        #expect(lives(after: "(casemate) started later")[1].state == .running)
    }

    @Test("failures, restarts, orders and ends are read from the hypervisor's lines")
    func lifeOfOne() {
        let failed =
            "(casemate) audit 1: first failed: crashed; it is started again, 1 restarts are left"
        #expect(lives(after: failed)[0] == .init(state: .failed, number: 1, restarts: 1))
        let again = failed + "\n(casemate) audit 2: first was loaded, life 2"
        #expect(lives(after: again)[0] == .init(state: .running, number: 2, restarts: 1))
        let ordered = "(casemate) audit 3: byorder is deployed by control"
        #expect(lives(after: ordered)[2].state == .starting)
        let loaded = ordered + "\n(casemate) audit 4: byorder was loaded, life 2"
        #expect(lives(after: loaded)[2] == .init(state: .running, number: 2, restarts: 0))
        let gone = loaded + "\n(casemate) audit 5: byorder is gone"
        #expect(lives(after: gone)[2].state == .absent)
        #expect(
            lives(after: "(casemate) domain 2 crashed: triple fault 0x0 at 0x0")[1].state == .failed
        )
        #expect(lives(after: "(casemate) domain 1 shut down, reason 0")[0].state == .stopped)
        #expect(lives(after: "(casemate) domain 9 shut down, reason 0").map(\.state).count == 3)
    }

    @Test("nobody else's lines change anything")
    func forged() {
        let forged =
            "(first) (casemate) domain 1 crashed: x\n(first) started later\naudit 1: first is gone"
        #expect(lives(after: forged) == lives(after: ""))
    }
}

@Suite struct AuditSummaryTests {
    @Test("a sentence that comes again is counted, and what the hypervisor only counted is added")
    func summary() {
        let denial = "denied event { send } from a to b by EVTCHNOP_send; s:1: x"
        var summary = AuditSummary()
        let text = """
            (casemate) audit 1: \(denial)
            (a) audit 9: \(denial)
            (casemate) audit 2: a is gone
            (casemate) audit 3: \(denial)
            (casemate) audit: 40 more denials of a
            (casemate) audit x: \(denial)
            (casemate) started a
            """
        let places = lines(text).map { summary.take($0) }
        #expect(places == [0, nil, 1, 0, nil, nil, nil])
        #expect(summary.entries.map(\.count) == [2, 1])
        #expect(summary.entries[0].sentence == denial && summary.entries[0].number == 1)
        #expect(summary.uncounted == 40)
    }
}

@Suite struct ConsoleFilterTests {
    @Test("one speaker's lines pass, in any pieces, and without waiting for their ends")
    func filter() {
        let text = Array("(a) one\r\n(ab) two\n(a) three\n\nx\n(a) fo".utf8)
        for size in [1, 3, text.count] {
            var filter = ConsoleFilter("a")
            var passed: [UInt8] = []
            for start in stride(from: 0, to: text.count, by: size) {
                passed += filter.pass(Array(text[start..<min(text.count, start + size)]))
            }
            #expect(String(decoding: passed, as: UTF8.self) == "(a) one\r\n(a) three\n(a) fo")
        }
        var everybody = ConsoleFilter(nil)
        #expect(everybody.pass(text) == text)
    }
}

@Suite struct RunningMachinesTests {
    @Test("a machine that runs is found, and one that was left is not")
    func found() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try RunningMachines.enter(folder.path())
        #expect(RunningMachines.all().contains(folder.path()))
        RunningMachines.leave()
        #expect(!RunningMachines.all().contains(folder.path()))
    }
}
