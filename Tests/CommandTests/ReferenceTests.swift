import Foundation
import TestSupport
import Testing

/// docs/commands.md holds every command's help, word for word; this suite compares, and with
/// `Tests/run --update-golden` writes it anew.
@Suite("the reference of commands", .serialized) struct ReferenceTests {
    private static let page = RepositoryFiles.root.appending(path: "docs/commands.md")

    /// A command in the tree that the argument parser shows.
    private struct Node: Decodable {
        let commandName: String
        let subcommands: [Node]?

        /// The words of the command and of all below it; `help` is the parser's own.
        func paths(below words: [String] = []) -> [[String]] {
            let path = words + [commandName]
            let below = (subcommands ?? []).filter { $0.commandName != "help" }
            return [path] + below.flatMap { $0.paths(below: path) }
        }
    }

    private struct Tree: Decodable {
        let command: Node
    }

    private func commands() throws -> [[String]] {
        let dump = try Command("--experimental-dump-help")
        return try JSONDecoder().decode(Tree.self, from: Data(dump.output.utf8)).command.paths()
    }

    private func help(_ path: [String]) throws -> String {
        let run = try Command(arguments: ["help"] + path.dropFirst(), programsIn: nil)
        #expect(run.status == 0 && run.errors.isEmpty)
        return run.output
    }

    @Test("the page has a section for each command, in order, with the help that it gives")
    func sections() throws {
        var text = try String(contentsOf: Self.page, encoding: .utf8)
        let commands = try commands()
        #expect(commands.count > 15)
        let headings = text.matches(of: /(?m)^## (casemate[a-z -]*)$/).map { String($0.output.1) }
        #expect(headings == commands.map { $0.joined(separator: " ") })
        for path in commands {
            let heading = "\n## \(path.joined(separator: " "))\n\n```text\n"
            let start = try #require(text.firstRange(of: heading)?.upperBound, "\(path)")
            let end = try #require(text[start...].firstRange(of: "```\n")?.lowerBound)
            let wanted = try help(path)
            if RepositoryFiles.updatesGolden {
                text.replaceSubrange(start..<end, with: wanted)
            } else {
                #expect(text[start..<end] == wanted, "\(path)")
            }
        }
        if RepositoryFiles.updatesGolden {
            try text.write(to: Self.page, atomically: true, encoding: .utf8)
        }
    }

    @Test("every help fits 80 columns, and that of what can fail lists its exit statuses")
    func form() throws {
        for path in try commands() {
            let text = try help(path)
            // The parser writes each usage on one line, and breaks no word, such as a long default.
            let prose = text.split(separator: "\n").filter { !$0.hasPrefix("USAGE:") }
            let long = prose.filter { $0.count > 80 && $0.split(separator: " ").count > 1 }
            #expect(long.isEmpty, "\(path)")
            let isGroup = text.contains("SUBCOMMANDS:") && path.count > 1
            #expect(text.contains("EXIT STATUS") || isGroup, "\(path)")
            #expect(text.contains("EXAMPLE") || isGroup, "\(path)")
        }
    }

    @Test("every command line of the help is one that the program takes") func examples() throws {
        // Only the parser is asked: a wrong command line is told apart by its status.
        for path in try commands() {
            let lines = try help(path).split(separator: "\n").map { $0.drop { $0 == " " } }
            for line in lines where line.hasPrefix("casemate ") && !line.contains("--sign") {
                let line = line.prefix { $0 != "<" && $0 != ">" }
                let words = line.split(separator: " ").dropFirst().map(String.init)
                let isDry = ["check", "flows", "explain", "diff", "graph"].contains(words.first)
                guard isDry, !words.contains("--output") else { continue }
                #expect(try Command(arguments: words, programsIn: nil).status != 64, "\(line)")
            }
        }
    }

    @Test("the version is one line, and completion is a script of the shell that was named")
    func versionAndCompletion() throws {
        let version = try Command("--version")
        #expect(version.status == 0 && version.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
        let shells = [("bash", "complete"), ("zsh", "#compdef casemate"), ("fish", "complete")]
        for (shell, word) in shells {
            let run = try Command("--generate-completion-script", shell)
            #expect(run.status == 0 && run.output.contains(word))
            for command in ["verify-build", "explain"] { #expect(run.output.contains(command)) }
        }
        let script = try Command("--generate-completion-script", "bash").output
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let file = try folder.write(script, to: "casemate.bash")
        #expect(try ToolRun("/bin/bash", ["-n", file]).status == 0)
    }
}
