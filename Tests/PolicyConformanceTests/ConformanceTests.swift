import Foundation
import PolicyChecks
import PolicySemantics
import PolicySyntax
import SystemManifest
import TestSupport
import Testing

/// Method: every source of the corpus stands beside the answer that it must get, byte for byte.
/// `CASEMATE_UPDATE_GOLDEN=1` writes the answers anew; read the difference as carefully as code.
@Suite("the conformance corpus") struct ConformanceTests {
    private func check(
        _ file: URL, strict: Bool = false
    ) throws -> (result: CheckResult, answer: String) {
        let source = SourceFile(
            name: file.lastPathComponent, bytes: try RepositoryFiles.bytes(of: file))
        let folder = file.deletingLastPathComponent()
        let result = CheckResult.check(source, strict: strict) { name in
            (try? RepositoryFiles.bytes(of: folder.appending(path: name)))
                .map { SourceFile(name: name, bytes: $0) }
        }
        let renderer = DiagnosticRenderer(source: source, modules: result.modules)
        let answer = result.diagnostics.map(renderer.text).joined()
        return (result, (result.report?.text(renderer) ?? "") + answer)
    }

    /// The code that a file's name begins with, which its first line also says.
    private func code(of file: URL) -> String {
        "POL-" + file.lastPathComponent.prefix(7).uppercased()
    }

    private func sources(in folder: String) throws -> [URL] {
        try RepositoryFiles.files(in: "policy/conformance/\(folder)", suffix: ".casemate")
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
        #expect(files.count >= 90)
        for file in files {
            let (result, answer) = try check(file)
            let name = file.lastPathComponent
            #expect(result.proved == nil && result.diagnostics.refuse, "\(name)")
            #expect(result.diagnostics.contains { $0.code.id == code(of: file) }, "\(name)")
            try expectGolden(file, answer)
        }
    }

    /// What a hypervisor enforces that has nothing but one-way signals.
    private let leastFeatures = ManifestFeature.certificate

    @Test("the first line of every source to reject says its code and where it stands")
    func firstLines() throws {
        for file in try sources(in: "reject") {
            let (result, _) = try check(file)
            let name = file.lastPathComponent
            let bytes = result.source.bytes.prefix { $0 != 10 }
            let line = String(decoding: bytes, as: UTF8.self)
            let places = result.diagnostics.filter { $0.code.id == code(of: file) }.map {
                let (start, end) = ($0.span.start, $0.span.end)
                let isShort = start.line == end.line
                let inFile = $0.span.file == name ? "" : " of \($0.span.file)"
                return "// \($0.code.id) at \(start.line):\(start.column)-"
                    + (isShort ? "\(end.column)" : "\(end.line):\(end.column)") + inFile
            }
            let isSaid = places.contains { line.replacing("\u{feff}", with: "").hasPrefix($0) }
            #expect(isSaid, "\(name): \(line), \(places)")
        }
    }

    @Test("every source of `target` is proved, and refused for the least hypervisor as expected")
    func target() throws {
        for file in try sources(in: "target") {
            let (result, _) = try check(file)
            let renderer = DiagnosticRenderer(source: result.source, modules: result.modules)
            #expect(result.proved != nil, "\(file.lastPathComponent)")
            let found = result.targetDiagnostics(enforced: leastFeatures)
            #expect(found.contains { $0.code.id == code(of: file) })
            try expectGolden(file, found.map(renderer.text).joined())
            let isXen = result.policy?.target == .xen
            let all = result.targetDiagnostics(enforced: ManifestFeature.known)
            #expect(all.isEmpty != isXen, "\(file.lastPathComponent)")
        }
    }

    @Test("for the least hypervisor the minimal system can be built, and the relay; others cannot")
    func buildable() throws {
        for folder in try RepositoryFiles.files(in: "policy/systems", suffix: "") {
            let (result, _) = try check(folder.appending(path: "system.casemate"))
            let isPlain = ["minimal", "relay"].contains(folder.lastPathComponent)
            let found = result.targetDiagnostics(enforced: leastFeatures)
            #expect(found.isEmpty == isPlain, "\(folder.lastPathComponent)")
            #expect(!isPlain || result.targetDiagnostics.isEmpty)
        }
    }

    @Test("every source of `strict` is proved, and refused under --strict as expected")
    func strict() throws {
        for file in try sources(in: "strict") {
            #expect(try check(file).result.proved != nil)
            let (result, answer) = try check(file, strict: true)
            #expect(result.proved == nil, "\(file.lastPathComponent)")
            #expect(result.diagnostics.contains { $0.code.id == code(of: file) })
            try expectGolden(file, answer)
        }
    }

    @Test("every rule has a source that breaks it") func everyRule() throws {
        var broken: Set<DiagnosticCode> = []
        for folder in ["accept", "reject", "target", "strict"] {
            for file in try sources(in: folder) {
                let result = try check(file, strict: folder == "strict").result
                broken.formUnion(result.diagnostics.map(\.code))
                if folder == "target" {
                    let found = result.targetDiagnostics(enforced: leastFeatures)
                    broken.formUnion(found.map(\.code))
                }
            }
        }
        // These need a source of a thousand lines, or none: they are broken in RecoveryTests,
        // LimitTests and PolicyCheckTests; the two of targets in XenTargetTests.
        let elsewhere: Set = [
            "POL-SYN-013", "POL-SYN-014", "POL-LIM-001", "POL-LIM-002", "POL-LIM-004",
            "POL-LIM-005", "POL-MLS-004", "POL-TGT-001", "POL-TGT-016",
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
            let golden = folder.appending(path: "check.expected")
            #expect(answer == (try RepositoryFiles.golden(golden, becoming: answer)))
        }
    }

    @Test("the minimal system permits one flow, and both of its assertions hold") func minimal()
        throws
    {
        let file = RepositoryFiles.root.appending(path: "policy/systems/minimal/system.casemate")
        let result = try check(file).result
        let report = try #require(result.report)
        #expect(report.flows.map(\.links) == [[0]])
        #expect(report.verdicts == [.holds, .holds])
        let proved = try #require(result.proved)
        #expect(proved.flows.reach == [CompartmentSet(bits: 0b11), CompartmentSet(bits: 0b10)])
    }

    @Test("the JSON document says what the text says, and is JSON") func json() throws {
        let folders = ["accept", "reject"]
        for folder in folders {
            let files = try RepositoryFiles.files(
                in: "policy/conformance/\(folder)", suffix: ".casemate")
            for file in files {
                let result = try check(file).result
                let renderer = DiagnosticRenderer(source: result.source, modules: result.modules)
                let text = result.json(renderer)
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
