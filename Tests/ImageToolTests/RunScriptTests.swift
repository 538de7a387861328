import Foundation
import TestSupport
import Testing

/// `hypervisor/run` until it starts a machine, with stand-ins for Swift and dpkg.
@Suite("hypervisor/run", .serialized) struct RunScriptTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            at: folder.url("programs"), withIntermediateDirectories: true)
        try program("dpkg-query", "echo installed")
        try program(
            "swift",
            """
            [ "$1" != --version ] || { echo 'Swift version 6.3.1'; exit 0; }
            echo $$ >'\(folder.path("begun"))'
            exec sleep 600
            """)
    }

    private func program(_ name: String, _ body: String) throws {
        _ = try folder.writeProgram("#!/bin/sh\n\(body)\n", to: "programs/\(name)")
    }

    private func run(_ arguments: String...) throws -> ToolRun {
        try ToolRun(
            "/usr/bin/env",
            ["CASEMATE_MODULES=\(folder.path("modules"))", "hypervisor/run"] + arguments,
            programsIn: folder.path("programs"))
    }

    private var line: String {
        "trap : INT; PATH='\(folder.path("programs"))':$PATH "
            + "CASEMATE_MODULES='\(folder.path("modules"))' "
            + "hypervisor/run policy/systems/minimal --prepare; echo status $?"
    }

    @Test("a wrong command line ends with 2 and what is wrong") func commandLine() throws {
        defer { folder.remove() }
        for (words, reason) in [
            (["--tpm", "3"], "there is no TPM 3"), (["--firmware", "bios"], "no firmware bios"),
            (["--chek"], "unknown option --chek"), (["a", "b"], "usage: hypervisor/run"),
            (["/nowhere"], "/nowhere/system.casemate"), (["--tpm"], "usage: hypervisor/run"),
        ] {
            let run = try ToolRun("hypervisor/run", words, programsIn: folder.path("programs"))
            #expect(run.status == 2 && run.errors.contains(reason), "\(words): \(run.errors)")
        }
        let help = try run("--help")
        #expect(help.status == 0 && help.output.contains("Exit status: 0 everything is well"))
    }

    @Test("no Swift, or another, ends with 2 and where to get it") func swift() throws {
        defer { folder.remove() }
        try program("swift", "echo 'Swift version 5.10'")
        let old = try run("policy/systems/minimal", "--prepare")
        #expect(old.status == 2 && old.errors.contains("swift on PATH is 5.10"))
        try program("swift", "exit 127")
        let none = try run("policy/systems/minimal", "--prepare")
        #expect(none.status == 2 && none.errors.contains("install Swift 6.3 for Debian 12"))
    }

    @Test("Ctrl-C while it builds ends the build, says so, and leaves nothing") func interrupted()
        throws
    {
        defer { folder.remove() }
        let terminal = try TerminalProgram(line)
        try terminal.wait(for: "tool and guest programs")
        // On a terminal the time runs.
        try terminal.wait(for: " 1.")
        let text = try String(contentsOf: folder.url("begun"), encoding: .utf8)
        try terminal.type("\u{3}")
        try terminal.wait(for: "interrupted")
        try terminal.wait(for: "status 130")
        #expect(terminal.end() == 0)
        #expect(!isRunning(try #require(Int(text.filter(\.isNumber)))))
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path("modules"))
        #expect(left == [".lock"])
    }

    @Test("a second one waits for the first, says so, and can be interrupted") func second() throws
    {
        defer { folder.remove() }
        try FileManager.default.createDirectory(
            at: folder.url("modules"), withIntermediateDirectories: true)
        let first = Process()
        first.executableURL = URL(filePath: "/usr/bin/env")
        first.arguments = [
            "--default-signal", "flock", "--no-fork", folder.path("modules/.lock"), "sleep", "600",
        ]
        try first.runBound()
        defer { first.terminate() }
        while !FileManager.default.fileExists(atPath: folder.path("modules/.lock")) {}
        Thread.sleep(forTimeInterval: 0.3)
        let terminal = try TerminalProgram(line)
        try terminal.wait(for: "another hypervisor/run makes modules in")
        try terminal.type("\u{3}")
        try terminal.wait(for: "status 130")
        #expect(terminal.end() == 0)
        #expect(!FileManager.default.fileExists(atPath: folder.path("begun")))
    }

    @Test("without a terminal each step is a plain line with its time") func plain() throws {
        defer { folder.remove() }
        try program(
            "swift", "[ \"$1\" != --version ] || { echo 'Swift version 6.3'; exit 0; }; exit 1")
        let run = try run("policy/systems/minimal", "--prepare")
        #expect(run.status == 1)
        #expect(run.output.contains(/tool and guest programs +FAILED +\d+\.\d s\n/))
        #expect(!run.output.contains("\r") && !run.output.contains("\u{1b}"))
    }
}
