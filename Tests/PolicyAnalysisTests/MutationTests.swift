import Foundation
import PolicyAnalysis
import PolicyDatabaseModel
import TestSupport
import Testing

@Suite struct MutationTests {
    /// Everything that can be asked of a policy without a name.
    private static func ask(_ policy: IndexedPolicy, beside other: IndexedPolicy) throws {
        _ = PolicySummary(policy).text
        for component in PolicyComponent.allCases { _ = policy.statements(component) }
        let found = try policy.search(RuleSearch())
        _ = found.text(in: policy)
        _ = found.json(in: policy)
        var options = FlowOptions()
        options.levels = .derived
        if let graph = try? FlowGraph(policy, options) {
            _ = FlowClosure(graph).pairCount
            let all = graph.nodes(of: TypeSet(all: policy.typeCount))
            for path in graph.shortestPaths(from: all, to: all, most: 4) {
                for (from, to) in zip(path, path.dropFirst()) {
                    _ = graph.rules(from: from, to: to)
                }
            }
        }
        let transitions = DomainTransitions(policy)
        for type in policy.plainTypes.prefix(4) {
            _ = transitions.steps(from: type)
            for (index, entry) in policy.classes.enumerated().prefix(3) {
                let label = PartialLabel(type: type)
                let names = entry.permissions.compactMap(\.self)
                _ = policy.text(try policy.trace(label, label, index, names))
            }
        }
        _ = PolicyText.policyConf(of: policy)
        _ = PolicyText.cil(of: policy)
        _ = PolicyDifference(other, policy).text(most: 10)
        _ = try? Migration(policy, named: "x").text
    }

    @Test("no mutant of a policy stops the analysis", arguments: ["linux", "xen"])
    func mutants(name: String) throws {
        let bytes = try RepositoryFiles.bytes(of: URL(filePath: try Corpus.path(name)))
        let original = try IndexedPolicy(PolicyFile(validating: bytes))
        try Self.ask(original, beside: original)
        var random = SeededGenerator.announced(8)
        var answered = 0
        for _ in 0..<TestLevel.repetitions(10_000) {
            var mutant = bytes
            for _ in 0...Int.random(in: 0..<3, using: &random) {
                let place = Int.random(in: 16..<mutant.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: mutant[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: mutant[place] = UInt8.random(in: 0...255, using: &random)
                default: mutant[place] = UInt8.random(in: 0..<12, using: &random)
                }
            }
            guard let file = try? PolicyFile(validating: mutant),
                let policy = try? IndexedPolicy(file)
            else { continue }
            answered += 1
            try Self.ask(policy, beside: original)
        }
        // Most mutants change a name, a bit or a number that is there.
        #expect(answered > TestLevel.repetitions(500))
    }

    @Test("patterns, requirements, denials and maps are read or refused")
    func texts() throws {
        var random = SeededGenerator.announced(9)
        let parts = [
            "a", "b_t", "(", ")", "[", "]", "*", "+", "?", "{2,3}", "{", "}", "|", "^", "$", "\\",
            "\\w", "-", ".", ";IFL;", "(S1)", "+>", ">", "[read]", "~", ":", " ", "\n", "class",
            "avc:", "denied", "{ read }", "scontext=", "tcontext=a:b:c:s0", "tclass=file", "10",
        ]
        for _ in 0..<TestLevel.repetitions(20_000) {
            var text = ""
            for _ in 0..<Int.random(in: 1..<20, using: &random) {
                text += parts[Int.random(in: 0..<parts.count, using: &random)]
            }
            if let pattern = try? NamePattern(text) { _ = pattern.matches("aab_t b_taa") }
            _ = try? FlowAssertion.all(in: text)
            _ = DenialLine(text)
            _ = try? PermissionMap(parsing: text)
        }
        // A pattern that backtracking would not end.
        let slow = try NamePattern("(a*)*(a*)*(a*)*b")
        #expect(!slow.matches(String(repeating: "a", count: 10_000)))
        #expect(throws: PolicyAnalysisError.self) { try NamePattern("((a{1000}){1000}){1000}") }
    }
}
