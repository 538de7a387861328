import Foundation
import PolicyDatabaseModel
import TestSupport
import Testing

/// The large policies that the environment names: `CASEMATE_LARGE_POLICIES`, paths with colons
/// between. `docs/performance.md` says how to make some.
private let largePolicies =
    (ProcessInfo.processInfo.environment["CASEMATE_LARGE_POLICIES"] ?? "")
    .split(separator: ":").map(String.init)

@Test(
    "a large policy that the environment names is written as it was read", arguments: largePolicies)
func largePolicy(path: String) throws {
    let bytes = try RepositoryFiles.bytes(of: URL(filePath: path))
    let clock = ContinuousClock()
    var reading: [Duration] = []
    var writing: [Duration] = []
    for _ in 0..<9 {
        var file: PolicyFile?
        reading.append(try clock.measure { file = try PolicyFile(validating: bytes) })
        var written: [UInt8] = []
        writing.append(try clock.measure { written = try file?.encoded() ?? [] })
        #expect(written == bytes)
    }
    let medians = [reading, writing].map { $0.sorted()[4] }
    print("\(path): \(bytes.count) bytes, read in \(medians[0]), written in \(medians[1])")
}
