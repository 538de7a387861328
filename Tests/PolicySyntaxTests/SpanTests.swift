import PolicySyntax
import Testing

@Suite("spans") struct SpanTests {
    /// Line and column of an offset, counted the slow way.
    private func place(of offset: Int, in bytes: [UInt8]) -> (line: UInt32, column: UInt32) {
        let before = bytes[..<offset]
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let column = String(decoding: before[start...], as: UTF8.self).unicodeScalars.count + 1
        return (UInt32(line), UInt32(column))
    }

    private func isTrue(_ position: SourcePosition, in bytes: [UInt8]) -> Bool {
        guard (0...bytes.count).contains(position.offset) else { return false }
        let place = place(of: position.offset, in: bytes)
        return place.line == position.line && place.column == position.column
    }

    @Test("every span of a tree covers the words that it stands for") func everySpan() throws {
        for (source, tree) in try SampleSources.wellFormed() {
            #expect(!tree.pieces.isEmpty || source.name.hasPrefix("nam-009"))
            for piece in tree.pieces {
                let span = piece.span
                #expect(isTrue(span.start, in: source.bytes) && isTrue(span.end, in: source.bytes))
                #expect(span.file == source.name)
                let covered = source.bytes[span.start.offset..<span.end.offset]
                let words = String(decoding: covered, as: UTF8.self)
                if let expected = piece.words { #expect(words == expected) }
                #expect(words.first?.isWhitespace == false && words.last?.isWhitespace == false)
            }
        }
    }

    @Test("a column counts Unicode scalars, and a tab is one") func columns() {
        let source = SourceFile(
            name: "t", text: "// äöü\n\ttarget x // é\ninitrd \"日本\" oops")
        let result = Parser.parse(source)
        #expect(result.tree.statements.first?.kind.span.column == 2)
        #expect(result.diagnostics.first?.span.line == 3)
        let string = Parser.parse(
            SourceFile(name: "t", text: "channel \"日本\" x"))
        #expect(string.diagnostics.first?.span.start.column == 9)
        #expect(string.diagnostics.first?.span.end.column == 13)
        #expect(string.diagnostics.first?.span.end.offset == 16)
    }

    @Test("the spans of diagnostics lie within the file") func diagnostics() throws {
        for source in try SampleSources.all() {
            for diagnostic in Parser.parse(source).diagnostics {
                let span = diagnostic.span
                #expect(span.start.offset <= span.end.offset)
                #expect(span.end.offset <= source.bytes.count)
                #expect(span.line >= 1 && span.column >= 1)
            }
        }
    }
}
