import Foundation
import PolicyChecks
import PolicySemantics
import PolicySyntax
import TestSupport
import Testing

/// Method: every source of the corpus stands beside the answer that it must get, byte for byte.
/// `CASEMATE_UPDATE_GOLDEN=1` writes the answers anew; read the difference as carefully as code.
@Suite("the conformance corpus") struct ConformanceTests {
    private func check(_ file: URL) throws -> (result: CheckResult, answer: String) {
        let source = SourceFile(
            name: file.lastPathComponent, bytes: try RepositoryFiles.bytes(of: file))
        let result = CheckResult.check(source)
        let renderer = DiagnosticRenderer(source: source)
        let answer = result.diagnostics.map(renderer.text).joined()
        return (result, (result.report?.text(renderer) ?? "") + answer)
    }

    private func expectGolden(_ file: URL, _ answer: String) throws {
        let golden = file.deletingPathExtension().appendingPathExtension("expected")
        let expected = try RepositoryFiles.golden(golden, becoming: answer)
        #expect(answer == expected, "\(file.lastPathComponent)")
    }

    @Test("every system to accept is proved, and answered as expected") func accept() throws {
        let files = try RepositoryFiles.files(
            in: "policy/conformance/accept", suffix: ".casemate")
        #expect(files.count >= 9)
        for file in files {
            let (result, answer) = try check(file)
            #expect(result.proved != nil, "\(file.lastPathComponent)")
            try expectGolden(file, answer)
        }
    }

    @Test("every source to reject is refused with the code in its name, and answered as expected")
    func reject() throws {
        let files = try RepositoryFiles.files(
            in: "policy/conformance/reject", suffix: ".casemate")
        #expect(files.count >= 40)
        for file in files {
            let (result, answer) = try check(file)
            let name = file.lastPathComponent
            #expect(result.proved == nil && result.diagnostics.refuse, "\(name)")
            let code = "POL-" + name.prefix(7).uppercased()
            #expect(result.diagnostics.contains { $0.code.id == code }, "\(name)")
            try expectGolden(file, answer)
        }
    }

    @Test("every rule has a source that breaks it") func everyRule() throws {
        let files = try RepositoryFiles.files(
            in: "policy/conformance", suffix: ""
        )
        .flatMap {
            try RepositoryFiles.files(
                in: "policy/conformance/\($0.lastPathComponent)", suffix: ".casemate")
        }
        var broken: Set<DiagnosticCode> = []
        for file in files { broken.formUnion(try check(file).result.diagnostics.map(\.code)) }
        // These need a source of a thousand lines, or none: they are broken in RecoveryTests,
        // LimitTests and PolicyCheckTests.
        let elsewhere: Set = [
            "POL-SYN-013", "POL-SYN-014", "POL-LIM-001", "POL-LIM-002", "POL-LIM-003",
            "POL-LIM-004", "POL-LIM-005", "POL-MLS-004",
        ]
        let missing = DiagnosticCode.all.filter { !broken.contains($0) }.map(\.id)
        #expect(Set(missing) == elsewhere)
    }

    @Test("the manual lists every rule in the program's words") func manual() throws {
        let page = RepositoryFiles.root.appending(path: "docs/language.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for code in DiagnosticCode.all {
            #expect(text.contains("| `\(code.id)` | \(code.rule) |"), "\(code.id)")
        }
    }

    @Test("every system is proved, in canonical form, and answered as expected") func systems()
        throws
    {
        let folders = try RepositoryFiles.files(in: "policy/systems", suffix: "")
        #expect(!folders.isEmpty)
        for folder in folders {
            let file = folder.appending(path: "system.casemate")
            let (result, answer) = try check(file)
            #expect(result.proved != nil, "\(folder.lastPathComponent)")
            #expect(result.diagnostics.isEmpty, "\(answer)")
            #expect(Array(Printer.text(of: result.tree).utf8) == result.source.bytes)
        }
    }

    @Test("the minimal system permits one flow, and both of its assertions hold") func minimal()
        throws
    {
        let file = RepositoryFiles.root.appending(path: "policy/systems/minimal/system.casemate")
        let result = try check(file).result
        let report = try #require(result.report)
        #expect(report.flows.map(\.channels) == [[0]])
        #expect(report.verdicts == [.holds, .holds])
        let proved = try #require(result.proved)
        #expect(proved.flows.reach.map(\.bits) == [0b11, 0b10])
    }

    @Test("the JSON document says what the text says, and is JSON") func json() throws {
        let folders = ["accept", "reject"]
        for folder in folders {
            let files = try RepositoryFiles.files(
                in: "policy/conformance/\(folder)", suffix: ".casemate")
            for file in files {
                let result = try check(file).result
                let text = result.json(DiagnosticRenderer(source: result.source))
                let parsed = try JSONSerialization.jsonObject(with: Data(text.utf8))
                let document = try #require(parsed as? [String: Any])
                #expect(document["proved"] as? Bool == (folder == "accept"))
                #expect(document["format"] as? String == "casemate-check-1")
                let diagnostics = document["diagnostics"] as? [[String: Any]]
                #expect(
                    diagnostics?.compactMap { $0["code"] as? String }
                        == result.diagnostics.map(\.code.id))
                #expect((document["flows"] as? [Any])?.count == result.report?.flows.count)
            }
        }
    }
}
