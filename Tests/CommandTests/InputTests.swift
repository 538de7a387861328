import Foundation
import TestSupport
import Testing

/// What every command that reads a system does with bad input: a diagnostic, an exit status, and
/// nothing on standard output.
@Suite("bad input", .serialized) struct InputTests {
    /// A command that is given a source, with what it needs besides.
    private static let commands = [
        ["check"], ["flows"], ["graph"], ["explain"], ["diff"], ["build"], ["format"],
    ]

    private func run(_ command: [String], _ path: String, _ folder: TemporaryFolder) throws
        -> Command
    {
        let more: [String: [String]] = [
            "explain": ["a", "b"], "diff": [path], "build": ["--output", folder.path("out")],
            "format": ["--check"],
        ]
        return try Command(
            arguments: command + [path] + (more[command[0]] ?? []), programsIn: nil)
    }

    private static func source(
        header: String = "system s version 1\ntarget casemate\n",
        levels: String = "levels low < high\n",
        compartment: String =
            "compartment a at low {\n    kernel debian\n    memory 64 MiB\n    vcpus 1\n}\n",
        rest: String = ""
    ) -> String { header + levels + compartment + rest }

    /// A source that breaks one rule, the rule, and what the first word of its place is.
    private static let broken: [(name: String, source: String, code: String)] = [
        ("unknown name", source(rest: "channel c: a -> nobody signal\n"), "POL-NAM-002"),
        ("cyclic import", source(rest: "import \"system.casemate\"\n"), "POL-NAM-025"),
        ("level cycle", source(levels: "levels low < high < low\n"), "POL-MLS-002"),
        (
            "duplicate",
            source(rest: "levels low < high\n"), "POL-NAM-010"
        ),
        (
            "unit overflow",
            source(
                compartment: "compartment a at low {\n    kernel debian\n"
                    + "    memory 18446744073709551615 GiB\n    vcpus 1\n}\n"), "POL-LIM-006"
        ),
        (
            "number overflow",
            source(
                compartment: "compartment a at low {\n    kernel debian\n"
                    + "    memory 18446744073709551616 KiB\n    vcpus 1\n}\n"), "POL-SYN-006"
        ),
        ("missing module", source(rest: "import \"missing.casemate\"\n"), "POL-NAM-024"),
        ("folder as module", source(rest: "import \"folder\"\n"), "POL-NAM-024"),
    ]

    @Test("a source that breaks a rule is refused by every command, by the rule and its place")
    func refused() throws {
        for (name, source, code) in Self.broken {
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            let path = try folder.write(source, to: "system.casemate")
            try FileManager.default.createDirectory(
                at: folder.url("folder"), withIntermediateDirectories: false)
            for command in Self.commands where command != ["format"] {
                let found = try run(command, path, folder)
                #expect(found.status == 1, "\(name) \(command)")
                #expect(found.output.isEmpty, "\(name) \(command)")
                #expect(found.errors.contains("\(path):"), "\(name) \(command)")
                #expect(found.errors.contains("error[\(code)]"), "\(name): \(found.errors)")
                #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
            }
        }
    }

    @Test("garbage, folders, missing and unreadable files are one line and status 74, or 1")
    func unreadable() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        var generator = SeededGenerator.announced(10_000_000)
        try Data(generator.bytes(10_000_000)).write(to: folder.url("garbage"))
        try Data(generator.bytes(1 << 20)).write(to: folder.url("megabyte"))
        try FileManager.default.createDirectory(
            at: folder.url("folder"), withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("loop"), withDestinationPath: folder.path("loop"))
        for name in ["garbage", "folder", "missing", "loop"] {
            for command in Self.commands {
                let found = try run(command, folder.path(name), folder)
                #expect(found.status == 74, "\(name) \(command)")
                #expect(found.output.isEmpty && found.errors.hasPrefix("casemate: `"))
                #expect(found.errors.count { $0 == "\n" } == 1, "\(found.errors)")
            }
        }
        for command in Self.commands {
            let found = try run(command, folder.path("megabyte"), folder)
            #expect(found.status == 1 && found.output.isEmpty, "\(command)")
            #expect(found.errors.contains("error[POL-SYN-"), "\(command)")
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted()
        #expect(left == ["folder", "garbage", "loop", "megabyte"])
    }

    @Test("with --json a refused source is one document, whatever the command") func json() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = try folder.write(
            Self.source(rest: "channel c: a -> nobody signal\n"), to: "system.casemate")
        for command in Self.commands where !["graph", "format"].contains(command[0]) {
            let found = try run(command + ["--json"], path, folder)
            #expect(found.status == 1 && found.errors.isEmpty, "\(command)")
            let document =
                try JSONSerialization.jsonObject(with: Data(found.output.utf8)) as? [String: Any]
            let diagnostics = document?["diagnostics"] as? [[String: Any]]
            #expect(diagnostics?.first?["code"] as? String == "POL-NAM-002", "\(command)")
            #expect((document?["format"] as? String)?.hasPrefix("casemate-") == true)
        }
    }

    @Test("an answer that nobody takes is status 74, not an answer") func fullOutput() throws {
        let full = try ToolRun(
            "/bin/sh", ["-c", "exec \"$0\" check policy/systems/minimal > /dev/full", program])
        #expect(full.status == 74)
        #expect(full.errors.contains("casemate: standard output: No space left on device"))
    }

    private var program: String { Command.program.path(percentEncoded: false) }

    @Test("diagnostics are coloured on a terminal, and nowhere else") func color() throws {
        let path = "policy/conformance/reject/flw-003-assertion-refuted.casemate"
        func onTerminal(_ environment: String) throws -> String {
            try ToolRun(
                "/usr/bin/script",
                ["-qec", "env \(environment) '\(program)' check \(path)", "/dev/null"]
            ).output
        }
        let escape = "\u{1B}["
        let colored = try onTerminal("TERM=xterm NO_COLOR=")
        #expect(colored.contains("\(escape)1;31merror[POL-FLW-003]\(escape)0m"))
        #expect(colored.contains("\(escape)1;31mrefuted\(escape)0m"))
        for environment in ["TERM=xterm NO_COLOR=1", "TERM=dumb", "-u TERM"] {
            let plain = try onTerminal(environment)
            #expect(plain.contains("error[POL-FLW-003]") && !plain.contains(escape))
        }
        let piped = try Command("check", path)
        #expect(!piped.output.contains(escape) && !piped.errors.contains(escape))
    }
}
