import Foundation
import TestSupport
import Testing

/// The tutorial's commands, typed in its order in a copy of what it needs.
@Suite("docs/tutorial.md") struct TutorialTests {
    /// A command of a block, with the lines that follow its prompt, and what the page shows of it.
    private struct Step {
        var command: String
        var shown: [String] = []
    }

    /// The steps of all blocks of the language `console`.
    private func steps(_ page: String) -> [Step] {
        var steps: [Step] = []
        var isInside = false
        for line in page.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isInside = line == "```console"
            } else if isInside, line.hasPrefix("$ ") {
                steps.append(Step(command: String(line.dropFirst(2))))
            } else if isInside, line.hasPrefix(">"), let last = steps.indices.last {
                steps[last].command += "\n" + line.dropFirst(2)
            } else if isInside, let last = steps.indices.last {
                steps[last].shown.append(String(line))
            }
        }
        return steps
    }

    @Test("each command answers what stands behind it") func replays() throws {
        let page = try String(
            contentsOf: RepositoryFiles.root.appending(path: "docs/tutorial.md"), encoding: .utf8)
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try FileManager.default.copyItem(
            at: RepositoryFiles.root.appending(path: "policy"), to: folder.url("policy"))
        let steps = steps(page)
        #expect(steps.count >= 10)
        let products = Command.program.deletingLastPathComponent().path(percentEncoded: false)
        for step in steps {
            let run = try ToolRun(
                "/bin/sh", ["-c", "cd '\(folder.path())'\nexec 2>&1\n\(step.command)\n"],
                programsIn: products)
            let shown = step.shown.map { $0 + "\n" }.joined()
            #expect(run.output == shown, "\(step.command)")
        }
    }
}
