import PolicySyntax
import Testing

@Suite("diagnostics") struct DiagnosticTests {
    private func rendered(_ text: String, shownName: String? = nil) -> String {
        let source = SourceFile(name: "t", text: text)
        let renderer = DiagnosticRenderer(source: source, shownName: shownName)
        return Parser.parse(source).diagnostics.map(renderer.text).joined()
    }

    @Test("a diagnostic shows place, code, line and mark, then help") func form() {
        #expect(
            rendered("target casemate\nchanel x: a -> b signal\n", shownName: "dir/t.casemate")
                == """
                dir/t.casemate:2:1: error[POL-SYN-007]: `chanel` is not a statement
                   2 | chanel x: a -> b signal
                     | ^^^^^^
                  help: did you mean `channel`?

                """)
    }

    @Test("a mark stands at the end of a line, also of the last one") func endOfLine() {
        #expect(rendered("target").hasSuffix("   1 | target\n     |       ^\n"))
        #expect(rendered("target\r\n").hasSuffix("   1 | target\n     |       ^\n"))
    }

    @Test("a long line is shown around the mark") func longLine() {
        let text =
            "// " + String(repeating: "x", count: 300) + "\u{1}"
            + String(repeating: "y", count: 300)
        let lines = rendered(text).split(separator: "\n")
        #expect(lines.count == 3)
        #expect(lines[1].unicodeScalars.count < 140)
        #expect(lines[1].hasSuffix("…") && lines[1].contains("| …x"))
        let mark = lines[2].unicodeScalars.count - 1
        #expect(Array(lines[1].unicodeScalars)[mark] == "\u{FFFD}")
    }

    @Test("what would move a terminal's cursor is never shown") func harmless() {
        let text = "\u{1B}[2Jfoo \u{9B}31m \u{202E}x \u{200B}\r oops\t?\n"
        let shown = rendered(text, shownName: "a\u{1B}b")
        #expect(!shown.isEmpty)
        #expect(
            shown.unicodeScalars.allSatisfy {
                $0 == "\n" || !($0.value < 0x20 || (0x7F...0x9F).contains($0.value))
            })
        #expect(!shown.unicodeScalars.contains("\u{202E}"))
    }

    @Test("messages keep the house's form: one line, no capital, no final period")
    func messages() throws {
        for source in try SampleSources.all() {
            for diagnostic in Parser.parse(source).diagnostics {
                #expect(!diagnostic.message.contains("\n"))
                #expect(!diagnostic.message.hasSuffix("."))
                #expect(diagnostic.message.first?.isUppercase == false || diagnostic.isCodePoint)
                #expect(diagnostic.help?.hasSuffix(".") != true)
            }
        }
    }

    @Test("what an author probably meant is found, and nothing far from it") func suggestions() {
        let words = ["channel", "compartment", "low", "high"]
        #expect(Suggestion.nearest(to: "chanel", among: words) == "channel")
        #expect(Suggestion.nearest(to: "hihg", among: words) == "high")
        #expect(Suggestion.nearest(to: "lo", among: words) == "low")
        #expect(Suggestion.nearest(to: "x", among: words) == nil)
        #expect(Suggestion.nearest(to: "conduit", among: words) == nil)
        #expect(Suggestion.nearest(to: "", among: words) == nil)
        #expect(Suggestion.nearest(to: "low", among: []) == nil)
    }

    @Test("a JSON document escapes what RFC 8259 and a terminal want escaped") func json() {
        let value = JSONValue.object([
            (
                "a\"b",
                .array([.null, .bool(true), .number(.max), .string("\n\t\\\u{1}\u{202E}é😀")])
            ),
            ("empty", .object([])),
        ])
        #expect(
            value.text == """
                {
                  "a\\"b": [
                    null,
                    true,
                    18446744073709551615,
                    "\\n\\t\\\\\\u0001\\u202eé😀"
                  ],
                  "empty": {}
                }

                """)
    }
}

extension Diagnostic {
    /// Whether the message begins with a character's number, such as `U+202E`.
    fileprivate var isCodePoint: Bool { message.hasPrefix("U+") }
}
