import Foundation
import Testing

@Test("the generated class map is what its inputs say")
func classMapIsFresh() throws {
    // Method: generate again and compare; `policy/flask/generate` has this test write instead.
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let generated = try ClassMapGenerator(root: root).text
    let output = root.appending(path: ClassMapGenerator.output)
    if ProcessInfo.processInfo.environment["CASEMATE_UPDATE_GENERATED"] != nil {
        try Data(generated.utf8).write(to: output)
    }
    #expect(try String(contentsOf: output, encoding: .utf8) == generated)
}
