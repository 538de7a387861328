import Foundation
import PolicyAnalysis
import PolicyDatabaseModel
import TestSupport
import Testing

@Test(
    "what a traced decision comes to is what libsepol decides",
    arguments: Corpus.all.filter { $0.version >= 30 })
func traces(corpus: Corpus) throws {
    let folder = try TemporaryFolder()
    defer { folder.remove() }
    try corpus.ours(try corpus.write(to: folder), to: folder.path("policy"))
    let seed = SeededGenerator.announced(4).seed
    let run = try ToolRun(
        Built.path("policy-judge"),
        ["--list", "--decisions", "3000", "--seed", "\(seed)", folder.path("policy")])
    try #require(run.status == 0, "\(run.errors)")
    let bytes = try RepositoryFiles.bytes(of: folder.url("policy"))
    let policy = try IndexedPolicy(try PolicyFile(validating: bytes))
    var (asked, granted) = (0, 0)
    for line in run.output.split(separator: "\n").dropFirst(2) {
        let words = line.split(separator: " ").map(String.init)
        try #require(words.count >= 3)
        let number = try policy.objectClass(words[2])
        let all = policy.classes[number].permissions.compactMap(\.self)
        let trace = try policy.trace(
            try policy.label(words[0]), try policy.label(words[1]), number, all)
        // Whole labels leave nothing open.
        #expect(trace.parts.allSatisfy { $0.isGranted != nil }, "\(line)")
        let found = Set(trace.parts.filter { $0.isGranted == true }.map(\.permission))
        let difference = found.symmetricDifference(words.dropFirst(3))
        #expect(difference.isEmpty, "\(line): \(difference)")
        asked += 1
        granted += found.isEmpty ? 0 : 1
    }
    #expect(asked > 2_000 && granted > 200, "\(asked), \(granted)")
}
