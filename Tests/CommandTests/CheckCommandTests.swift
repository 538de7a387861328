import Foundation
import TestSupport
import Testing

@Suite("casemate check and format", .serialized) struct CheckCommandTests {
    private static let minimal = "policy/systems/minimal"

    @Test("a good system is proved, named by its folder or by its file")
    func proved() throws {
        for path in [Self.minimal, Self.minimal + "/", Self.minimal + "/system.casemate"] {
            let run = try Command("check", path)
            #expect(run.status == 0 && run.errors.isEmpty)
            #expect(run.output.contains("sensor (unclassified) -> collector (secret)"))
            #expect(run.output.contains("readings, policy/systems/minimal/system.casemate:24:9"))
            #expect(run.output.hasSuffix("\nproved\n"))
        }
    }

    @Test("a refuted system is answered with the chain, on both streams") func refuted() throws {
        let path = "policy/conformance/reject/flw-003-assertion-refuted.casemate"
        let run = try Command("check", path)
        #expect(run.status == 1)
        #expect(run.output.contains("a -> b (ab, line 25) -> c (bc, line 26) -> d (cd, line 27)"))
        #expect(run.output.hasSuffix("\nrefuted\n"))
        #expect(run.errors.hasPrefix("\(path):28:1: error[POL-FLW-003]: "))
    }

    @Test("with --json one document tells all, and the status stays") func json() throws {
        for (path, status) in [
            (Self.minimal, Int32(0)),
            ("policy/conformance/reject/syn-001-not-utf8.casemate", 1),
        ] {
            let run = try Command("check", "--json", path)
            #expect(run.status == status && run.errors.isEmpty)
            let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
            #expect((document as? [String: Any])?["proved"] as? Bool == (status == 0))
        }
    }

    @Test("what cannot be read is said in one line, with status 74") func unreadable() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let fifo = try Process.run(
            URL(filePath: "/usr/bin/mkfifo"), arguments: [folder.path("fifo")])
        fifo.waitUntilExit()
        #expect(fifo.terminationStatus == 0)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("dangling"), withDestinationPath: folder.path("nothing"))
        try Data(count: 1 << 20 + 1).write(to: folder.url("large"))
        let paths = [
            "", "policy/nothing", folder.path(), folder.path("fifo"), folder.path("dangling"),
            folder.path("large"), "/dev/null", "/dev/zero", "README\n.md",
        ]
        for path in paths {
            for command in ["check", "format"] {
                let run = try Command(command, path)
                #expect(run.status == 74, "\(path)")
                #expect(run.output.isEmpty, "\(path)")
                #expect(run.errors.hasPrefix("casemate: `"), "\(run.errors)")
                #expect(run.errors.count { $0 == "\n" } == 1, "\(run.errors)")
            }
        }
    }

    @Test("a wrong command line is status 64, and help is status 0") func usage() throws {
        for arguments in ["check", "chekc", "--frobnicate"] {
            let run = try Command(arguments)
            #expect(run.status == 64 && run.output.isEmpty && !run.errors.isEmpty)
        }
        #expect(try Command("check", "a", "b").status == 64)
        for command in ["check", "format"] {
            let run = try Command("help", command)
            #expect(run.status == 0 && run.output.contains("EXIT STATUS"))
            #expect(run.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
        }
        #expect(try Command("--help").output.contains("EXIT STATUS"))
    }

    @Test("formatting writes the canonical form once, and keeps the file's mode")
    func format() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = try folder.write("levels   low<high // c", to: "system.casemate")
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
        #expect(try Command("format", "--check", path).status == 1)
        #expect(try Command("format", folder.path()).status == 0)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text == "levels low < high  // c\n")
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        #expect(mode as? Int == 0o640)
        #expect(try Command("format", "--check", path).status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path()).count == 1)
    }

    @Test("formatting follows a link and leaves it a link") func link() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = try folder.write("levels  low", to: "real")
        try FileManager.default.createSymbolicLink(
            atPath: folder.path("link"), withDestinationPath: path)
        #expect(try Command("format", folder.path("link")).status == 0)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "levels low\n")
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: folder.path("link")) == path)
    }

    @Test("a source with errors of form is not touched") func untouched() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let text = "levels   low <\n"
        let path = try folder.write(text, to: "x.casemate")
        let run = try Command("format", path)
        #expect(run.status == 1 && run.errors.contains("POL-SYN-008"))
        #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
    }

    @Test("the tool starts in milliseconds") func startsQuickly() throws {
        let clock = ContinuousClock()
        let best = try (0..<10).map { _ in
            try clock.measure { _ = try Command("check", Self.minimal) }
        }.min()
        #expect(try #require(best) < .milliseconds(100))
    }
}
