import Foundation
import PolicySyntax
import TestSupport
import Testing

@Suite("printing and parsing") struct RoundTripTests {
    private func parse(_ text: String) -> ParseResult {
        Parser.parse(SourceFile(name: "t", text: text))
    }

    @Test("parsing what was printed gives the tree again, for random trees")
    func randomTrees() {
        var generator = TreeGenerator(random: .announced(1))
        for _ in 0..<5_000 {
            let tree = generator.tree()
            let text = Printer.text(of: tree)
            let result = parse(text)
            #expect(result.diagnostics.isEmpty)
            guard result.tree == tree else {
                Issue.record("another tree comes back from:\n\(text)")
                return
            }
        }
    }

    @Test("the harness notices a tree that does not come back") func canary() {
        var generator = TreeGenerator(random: .announced(1))
        let trees = (0..<100).map { _ in generator.tree() }
        let differing = zip(trees, trees.dropFirst()).filter { $0 != $1 }
        #expect(differing.count > 50)
    }

    @Test("formatting a source keeps its tree, and formatting again keeps its text")
    func samples() throws {
        let samples = try SampleSources.wellFormed()
        #expect(samples.count > 10)
        for (source, tree) in samples {
            let text = Printer.text(of: tree)
            let again = parse(text)
            #expect(again.diagnostics.isEmpty)
            #expect(again.tree == tree, "\(source.name)")
            #expect(Printer.text(of: again.tree) == text, "\(source.name)")
        }
    }

    @Test("formatting keeps every comment") func comments() throws {
        for (source, tree) in try SampleSources.wellFormed() {
            let written = String(decoding: source.bytes, as: UTF8.self)
                .split(separator: "\n").filter { line in
                    guard let mark = line.firstRange(of: "//") else { return false }
                    return line[..<mark.lowerBound].count { $0 == "\"" }.isMultiple(of: 2)
                }.count
            #expect(tree.comments.count == written, "\(source.name)")
        }
    }

    @Test("a canonical source is left as it is") func fixpoint() throws {
        let path = "policy/systems/minimal/system.casemate"
        let bytes = try RepositoryFiles.bytes(of: RepositoryFiles.root.appending(path: path))
        let result = Parser.parse(SourceFile(name: "system.casemate", bytes: bytes))
        #expect(Array(Printer.text(of: result.tree).utf8) == bytes)
    }

    @Test("blanks at the end of a comment are no part of it") func commentEnd() {
        #expect(parse("// x \t \n").tree.closingComments.map(\.text) == [" x"])
        #expect(parse("//\t\r\n").tree.closingComments.map(\.text) == [""])
    }

    @Test("an empty source is an empty tree") func empty() {
        #expect(parse("").tree == SyntaxTree(statements: [], closingComments: []))
        #expect(Printer.text(of: parse("\n \t\n").tree).isEmpty)
    }
}
