import Foundation
import PolicySyntax
import TestSupport

/// Sources that tests share: all of the conformance corpus and the systems.
enum SampleSources {
    static func all() throws -> [SourceFile] {
        var files: [URL] = []
        for folder in ["policy/conformance/accept", "policy/conformance/reject"] {
            files += try RepositoryFiles.files(in: folder, suffix: ".casemate")
        }
        files += try RepositoryFiles.files(in: "policy/systems", suffix: "").map {
            $0.appending(path: "system.casemate")
        }
        return try files.map {
            SourceFile(name: $0.lastPathComponent, bytes: try RepositoryFiles.bytes(of: $0))
        }
    }

    /// The sources without an error of form, and their trees.
    static func wellFormed() throws -> [(source: SourceFile, tree: SyntaxTree)] {
        try all().compactMap { source in
            let result = Parser.parse(source)
            return result.diagnostics.isEmpty ? (source, result.tree) : nil
        }
    }

    static let minimal = """
        system s version 1
        target casemate
        levels low < high
        categories c, d
        compartment a at low {
            kernel debian
            memory 64 MiB
            vcpus 1
        }
        compartment b at low:c..high:c,d {
            kernel debian
            memory 64 MiB
            vcpus 1
        }
        channel x: a -> b signal
        assert never high:c -> a

        """
}
