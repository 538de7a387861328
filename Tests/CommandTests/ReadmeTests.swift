import Foundation
import TestSupport
import Testing

/// README's own commands: those that boot nothing, run in a copy of what they need; those that do,
/// as far as their command lines go. `Tests/run` boots what they boot.
@Suite("README.md") struct ReadmeTests {
    private let page: String

    init() throws {
        page = try String(
            contentsOf: RepositoryFiles.root.appending(path: "README.md"), encoding: .utf8)
    }

    /// The command lines of the blocks of the language `sh`, with what follows a backslash.
    private var commands: [String] {
        var commands: [String] = []
        var isInside = false
        for line in page.split(separator: "\n") {
            if line.hasPrefix("```") {
                isInside = line == "```sh"
            } else if isInside, let last = commands.indices.last, commands[last].hasSuffix("\\") {
                commands[last].removeLast()
                commands[last] += line.drop { $0 == " " }
            } else if isInside {
                commands.append(String(line))
            }
        }
        return commands
    }

    @Test("each command is the tool's, or one of the two scripts") func kinds() {
        let programs = Set(commands.compactMap { $0.split(separator: " ").first })
        #expect(programs == [".build/release/casemate", "hypervisor/run", "Tests/run"])
        #expect(commands.count >= 10)
        #expect(commands.prefix(2) == ["hypervisor/run --check", "Tests/run"])
    }

    @Test("the tool's commands do what they say, in their order") func tool() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let manager = FileManager.default
        try manager.copyItem(
            at: RepositoryFiles.root.appending(path: "policy"), to: folder.url("policy"))
        for name in [".build/release", "modules"] {
            try manager.createDirectory(at: folder.url(name), withIntermediateDirectories: true)
        }
        try manager.createSymbolicLink(
            at: folder.url(".build/release/casemate"), withDestinationURL: Command.program)
        // What is built here is not booted.
        for name in ["debian.vmlinux", "sensor.cpio", "collector.cpio"] {
            _ = try folder.write("stands for \(name)", to: "modules/\(name)")
        }
        var count = 0
        for command in commands where command.hasPrefix(".build/release/casemate ") {
            count += 1
            let run = try ToolRun(
                "/bin/sh",
                [
                    "-c",
                    "cd '\(folder.path())' && export CASEMATE_MODULES='\(folder.path("modules"))' "
                        + "&& \(command)",
                ])
            // Nothing comes from where a gateway is in the way of nobody.
            #expect(run.status == 0, "\(command): \(run.errors)")
            #expect(!run.output.isEmpty || command.contains("--output"), "\(command)")
        }
        #expect(count >= 6)
        for name in ["guard.svg", "authority.pem.pub", "out/system.manifest"] {
            #expect(manager.fileExists(atPath: folder.path(name)), "\(name)")
        }
    }

    @Test("the main job takes the command lines that are shown") func scripts() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        // It gets as far as asking for Swift.
        for (name, body) in [("swift", "echo 'Swift version 5.10'"), ("git", "exit 1")] {
            _ = try folder.writeProgram("#!/bin/sh\n\(body)\n", to: name)
        }
        for command in commands where command.hasPrefix("hypervisor/run") {
            let run = try ToolRun(
                "/bin/sh",
                ["-c", "CASEMATE_MODULES='\(folder.path("modules"))' \(command)"],
                programsIn: folder.path())
            #expect(run.status == 2 && run.errors.contains("swift on PATH is 5.10"), "\(command)")
        }
    }

    @Test("the table of verdicts is the one that the system's folder promises") func table() throws
    {
        let lines = page.split(separator: "\n").map(String.init)
        let shown = lines.filter { $0.hasPrefix("ok    ") }.map { String($0.dropFirst(6)) }
        let expected = try String(
            contentsOf: RepositoryFiles.root.appending(path: "policy/systems/guard/boot.expected"),
            encoding: .utf8
        ).split(separator: "\n")
        func texts(_ word: String) -> [String] {
            expected.filter { $0.hasPrefix(word) }.map { String($0.dropFirst(word.count)) }
        }
        #expect(shown.first == "the hypervisor validated policy and manifest")
        let claims = texts("claim ")
        #expect(Array(shown.dropFirst().prefix(claims.count)) == claims)
        let refusals = texts("refuse ").map { "the compiler refuses \($0)" }
        #expect(Array(shown.dropFirst(1 + claims.count).prefix(refusals.count)) == refusals)
        #expect(shown.count == claims.count + refusals.count + 3)
        #expect(lines.contains("\(shown.count) of \(shown.count) ok"))
    }
}
