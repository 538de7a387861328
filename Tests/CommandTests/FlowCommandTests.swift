import Foundation
import TestSupport
import Testing

@Suite("casemate explain, flows, diff and graph", .serialized) struct FlowCommandTests {
    private static let system = "policy/systems/guard"

    private func leaking(_ folder: TemporaryFolder) throws -> String {
        let file = RepositoryFiles.root.appending(path: "\(Self.system)/system.casemate")
        let text = String(decoding: try RepositoryFiles.bytes(of: file), as: UTF8.self)
        let leak = text + "channel leak: audit -> black_app signal\n"
        try Data(leak.utf8).write(to: folder.url("system.casemate"))
        return folder.path("system.casemate")
    }

    @Test("the guard is proved, and one line that lets audit signal down is refused by its path")
    func check() throws {
        #expect(try Command("check", Self.system).status == 0)
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try Command("check", try leaking(folder))
        #expect(run.status == 1)
        let text = try String(contentsOf: folder.url("system.casemate"), encoding: .utf8)
        let line = text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
        #expect(run.output.contains("by audit -> black_app (leak, line \(line))"))
        #expect(run.errors.contains("help: the least to remove: line \(line)"))
    }

    @Test("explain answers by its status, and names a wrong compartment") func explain() throws {
        let yes = try Command("explain", Self.system, "red_app", "black_app")
        #expect(yes.status == 0 && yes.output.hasPrefix("yes: "))
        let no = try Command("explain", Self.system, "audit", "black_app")
        #expect(no.status == 1 && no.output.contains("POL-FLW-001"))
        let wrong = try Command("explain", Self.system, "red_ap", "black_app")
        #expect(wrong.status == 64 && wrong.errors.contains("did you mean `red_app`?"))
        #expect(try Command("explain", Self.system, "audit", "audit").status == 64)
    }

    @Test("flows lists those of one compartment") func flows() throws {
        let run = try Command("flows", Self.system, "--from", "control", "--to", "admin")
        #expect(run.status == 0 && run.output.hasPrefix("  control (unclassified) -> admin"))
        #expect(run.output.split(separator: "\n").count == 2)
        #expect(try Command("flows", Self.system, "--from", "audit").output == "  none\n")
    }

    @Test("diff names the flows of the added line") func diff() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try Command("diff", Self.system, try leaking(folder))
        #expect(run.status == 1)
        #expect(run.output.contains("+ flow audit -> black_app: audit -> black_app (leak"))
        let same = try Command("diff", Self.system, Self.system)
        #expect(same.status == 0 && same.output.isEmpty)
    }

    @Test("graph writes Graphviz's language, and SVG where `dot` is installed") func graph() throws
    {
        let run = try Command("graph", Self.system)
        #expect(run.status == 0 && run.output.hasPrefix("digraph \"guard\" {\n"))
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let drawn = try Command("graph", Self.system, "--output", folder.path("g.svg"))
        if FileManager.default.isExecutableFile(atPath: "/usr/bin/dot") {
            #expect(drawn.status == 0)
            #expect(try String(contentsOf: folder.url("g.svg"), encoding: .utf8).contains("</svg>"))
        } else {
            #expect(drawn.status == 74 && drawn.errors.contains("graphviz"))
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path())
        #expect(left.allSatisfy { $0 == "g.svg" })
    }

    @Test("build refuses what the target does not enforce, statement by statement") func build()
        throws
    {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let system = try folder.write(
            """
            system s version 1
            target casemate
            levels low
            compartment a at low {
                kernel debian
                memory 4096 MiB
                vcpus 1
            }
            compartment b at low {
                kernel debian
                memory 64 MiB
                vcpus 1
            }
            channel disk: a -> b block
            """, to: "system.casemate")
        let run = try Command("build", system, "--output", folder.path("out"))
        #expect(run.status == 1)
        #expect(run.errors.contains("POL-TGT-005"), "\(run.errors)")
        // The memory is no reason: Casemate has room for it above 4 GiB.
        #expect(!run.errors.contains("POL-TGT-003"), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
    }

    @Test("a denial is explained from the command line, and each of a log once from standard input")
    func denied() throws {
        let system = "policy/systems/minimal"
        let sentence =
            "audit 1: denied event { send } from collector to sensor by EVTCHNOP_send; "
            + "system.casemate:24: channel readings goes from sensor to collector"
        let run = try Command("explain", system, "--denied", sentence)
        #expect(run.status == 0 && run.errors.isEmpty)
        #expect(run.output.contains("  channel …: collector -> sensor signal\n"))
        #expect(run.output.contains("policy/systems/minimal/system.casemate:24:9: `readings`"))
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let log = try folder.write(
            "boot\n(casemate) \(sentence)\r\n(sensor) noise\n(casemate) \(sentence)\r\n", to: "log")
        let piped = try ToolRun(
            "/bin/sh",
            [
                "-c", "exec \"$0\" explain \(system) --json --denied - < '\(log)'",
                Command.program.path(percentEncoded: false),
            ])
        #expect(piped.status == 0 && piped.errors.isEmpty)
        let document =
            try JSONSerialization.jsonObject(with: Data(piped.output.utf8)) as? [String: Any]
        let denials = document?["denials"] as? [[String: Any]]
        #expect(denials?.count == 1 && denials?.first?["from"] as? String == "collector")
        #expect(denials?.first?["placeDecides"] as? Bool == true)
        let none = try Command("explain", system, "--denied", "hello")
        #expect(none.status == 1 && none.errors.contains("it holds no denial"))
        let unknown = try Command(
            "explain", system, "--denied", "denied event { send } from x to sensor by X")
        #expect(unknown.status == 1 && unknown.errors.contains("`x`, which the system has not"))
        #expect(try Command("explain", system, "sensor").status == 64)
        #expect(try Command("explain", system, "a", "b", "--denied", "x").status == 64)
    }

    @Test("with --json flows, explain and diff are documents of their format") func json() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let leak = try leaking(folder)
        let runs = [
            (["flows", Self.system, "--from", "control"], "casemate-flows-1", Int32(0)),
            (["explain", Self.system, "red_app", "black_app"], "casemate-explain-1", 0),
            (["explain", Self.system, "audit", "black_app"], "casemate-explain-1", 1),
            (["diff", Self.system, leak], "casemate-diff-1", 1),
            (["diff", Self.system, Self.system], "casemate-diff-1", 0),
            (["check", Self.system], "casemate-check-1", 0),
        ]
        for (arguments, format, status) in runs {
            let run = try Command(arguments: arguments + ["--json"], programsIn: nil)
            #expect(run.status == status && run.errors.isEmpty, "\(arguments)")
            let document =
                try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
            #expect(document?["format"] as? String == format)
        }
    }

    @Test("graph draws every system, with a band for each sensitivity that is used") func drawings()
        throws
    {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        for system in ["factory", "guard", "minimal", "tenants", "workstation"] {
            let text = try Command("graph", "policy/systems/\(system)").output
            #expect(text.contains("subgraph cluster_") && text.contains("rankdir=BT"))
            guard FileManager.default.isExecutableFile(atPath: "/usr/bin/dot") else { continue }
            let drawn = try Command(
                "graph", "policy/systems/\(system)", "--output", folder.path("\(system).svg"))
            #expect(drawn.status == 0 && drawn.errors.isEmpty, "\(drawn.errors)")
        }
    }

    @Test("--strict refuses what a statement could bound") func strict() throws {
        let run = try Command("check", "--strict", Self.system)
        #expect(run.status == 1 && run.errors.contains("POL-RES-001"))
        #expect(try Command("check", "--strict", "policy/systems/factory").status == 0)
    }
}
