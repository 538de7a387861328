import Foundation
import PolicyChecks
import PolicySyntax
import TestSupport
import Testing

/// Method: words of whole systems change places, so that most statements still parse and many names
/// still resolve; whatever comes of it, checking returns and its answers can be shown.
@Suite("systems with words exchanged") struct SystemMutationTests {
    @Test("checking returns, and a proof is given for exactly the systems without an error")
    func mutations() throws {
        var random = SeededGenerator.announced(10)
        let texts = try ["guard", "factory", "workstation"].map { system in
            let path = "policy/systems/\(system)/system.casemate"
            let bytes = try RepositoryFiles.bytes(of: RepositoryFiles.root.appending(path: path))
            return String(decoding: bytes, as: UTF8.self)
        }
        var stages = [0, 0, 0]
        for round in 0..<1_500 {
            var words = texts[round % texts.count].replacing("\n", with: " \n ")
                .split(separator: " ").map(String.init)
            for _ in 0..<Int.random(in: 1...2, using: &random) {
                let place = Int.random(in: 0..<words.count, using: &random)
                guard words[place] != "\n" else { continue }
                words[place] = words[Int.random(in: 0..<words.count, using: &random)]
            }
            let source = SourceFile(name: "s", text: words.joined(separator: " "))
            let result = CheckResult.check(source, strict: round.isMultiple(of: 2))
            let renderer = DiagnosticRenderer(source: source)
            #expect(result.json(renderer).hasSuffix("}\n"))
            #expect(result.report.map { $0.text(renderer).hasSuffix("\n") } != false)
            #expect((result.proved != nil) == !result.diagnostics.refuse)
            _ = result.targetDiagnostics
            if let policy = result.policy {
                #expect(FlowDifference(from: policy, to: policy).lines.isEmpty)
                #expect(FlowDrawing(of: policy).text.hasSuffix("}\n"))
            }
            stages[result.proved != nil ? 2 : result.policy != nil ? 1 : 0] += 1
        }
        #expect(stages.allSatisfy { $0 > 20 }, "\(stages)")
    }
}
