import Foundation
import TestSupport
import Testing

/// `casemate run`, `console` and `audit --follow` as a person has them: on a terminal.
@Suite("commands on a terminal", .serialized) struct TerminalTests {
    private static let tool = Command.program.path(percentEncoded: false)

    @Test("a console passes typing on, Ctrl-C too, and Control and ] leaves it as it was")
    func console() throws {
        let machine = try StandInMachine(StandInMachine.consoles)
        let run = try machine.start()
        defer { run.terminate() }
        let terminal = try TerminalProgram(
            "'\(Self.tool)' console two --run '\(machine.directory)'; echo status $?; stty -a")
        try terminal.wait(for: "casemate: attached; control and ] leaves")
        try terminal.type("hello\r")
        try terminal.wait(for: "(two) heard hello")
        try terminal.type("\u{3}\r")
        try terminal.wait(for: "(two) heard $'\\003'")
        // The next compartment's lines are not those that were asked for.
        try terminal.type("\u{1f}other\r\u{1f}back\r")
        try terminal.wait(for: "(two) heard back")
        #expect(!terminal.screen.contains("heard other"))
        try terminal.type("\u{1d}")
        try terminal.wait(for: "casemate: left")
        try terminal.wait(for: "status 0")
        #expect(terminal.end() == 0)
        #expect(run.isRunning)
        let record = try String(contentsOfFile: machine.directory + "/console.log", encoding: .utf8)
        #expect(record.contains("(one) heard other"))
    }

    @Test("a machine that takes its time is typed to where it says, and not one further")
    func slow() throws {
        let answer = "printf '(casemate) input goes"
        let machine = try StandInMachine(
            StandInMachine.consoles.replacing(answer, with: "sleep 3; \(answer)"))
        let run = try machine.start()
        defer { run.terminate() }
        let terminal = try TerminalProgram(
            "'\(Self.tool)' console two --run '\(machine.directory)'; echo status $?")
        try terminal.wait(for: "casemate: attached; control and ] leaves")
        try terminal.type("hello\r")
        try terminal.wait(for: "(two) heard hello")
        try terminal.type("\u{1d}")
        try terminal.wait(for: "status 0")
        #expect(terminal.end() == 0)
    }

    @Test("the terminal is restored, also when the machine ends") func restored() throws {
        let machine = try StandInMachine(StandInMachine.consoles)
        let run = try machine.start()
        let terminal = try TerminalProgram(
            "'\(Self.tool)' console --run '\(machine.directory)'; echo status $?; stty -a; "
                + "echo done")
        try terminal.wait(for: "attached")
        run.terminate()
        run.waitUntilExit()
        try terminal.wait(for: "done")
        #expect(terminal.screen.contains("casemate: the terminal was closed"))
        #expect(terminal.screen.contains("status 0"))
        for mode in ["icanon", "isig", "echo"] {
            #expect(terminal.screen.contains(try Regex("\\s\(mode)\\s")), "\(mode)")
        }
        #expect(terminal.end() == 0)
    }

    @Test("a compartment that cannot be typed to is refused, and so is one that is unknown")
    func unknown() throws {
        let machine = try StandInMachine("exec sleep 600")
        let run = try machine.start()
        defer { run.terminate() }
        let silent = try machine.tool("console", "two")
        #expect(silent.status == 74)
        #expect(silent.errors == "casemate: the machine does not say whom its input goes to\n")
        let unknown = try machine.tool("console", "twoo")
        #expect(unknown.status == 64)
        #expect(unknown.errors.contains("the compartment `twoo` is unknown"))
    }

    @Test("audit --follow shows what comes, at once, until Ctrl-C") func follow() throws {
        let machine = try StandInMachine(StandInMachine.consoles)
        let run = try machine.start()
        defer { run.terminate() }
        let terminal = try TerminalProgram(
            "'\(Self.tool)' audit --follow --run '\(machine.directory)'; echo status $?")
        let typist = try TerminalProgram(
            "'\(Self.tool)' console --run '\(machine.directory)'")
        try typist.wait(for: "attached")
        let sentence =
            "denied event { send } from one to two by EVTCHNOP_send; "
            + "system.casemate:22: channel up"
        try typist.type("deny\r")
        try terminal.wait(for: "1: \(sentence)")
        try typist.type("deny\rdeny\r")
        try terminal.wait(for: "1: again, ")
        try terminal.type("\u{3}")
        try terminal.wait(for: "status 0")
        #expect(terminal.end() == 0)
        try typist.type("\u{1d}")
        #expect(typist.end() == 0)
        let audit = try machine.tool("audit")
        #expect(audit.output == "1: \(sentence) (3 times)\n")
    }

    @Test("casemate run shows the machine, passes typing on, and Ctrl-C ends it") func run() throws
    {
        let machine = try StandInMachine(StandInMachine.consoles)
        let words = machine.words().map { "'\($0)'" }.joined(separator: " ")
        let terminal = try TerminalProgram(
            "PATH='\(machine.system.folder.path("programs"))':$PATH \(words); echo status $?")
        try terminal.wait(for: "policy and manifest: valid")
        try terminal.type("hello\r")
        try terminal.wait(for: "(one) heard hello")
        try terminal.type("\u{1d}hello\r")
        try terminal.wait(for: "(two) heard hello")
        try terminal.type("\u{3}")
        try terminal.wait(for: "status 0")
        #expect(terminal.end() == 0)
        try machine.wait { machine.processes().isEmpty }
    }
}
