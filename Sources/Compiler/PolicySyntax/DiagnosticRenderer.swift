/// Shows diagnostics to a person: the place, the rule, the line itself and a mark under it.
///
/// - Trust: source lines may hold anything; what would move a terminal's cursor or change the
///   direction of text is replaced, so that a source cannot forge the compiler's words.
public struct DiagnosticRenderer: Sendable {
    /// The most characters of a source line that are shown.
    private static let shownCharacters = 120

    private let source: SourceFile
    private let shownName: String
    private let modules: [SourceFile]

    /// Creates a renderer for the diagnostics of one source, and of the modules that it imports.
    ///
    /// - Parameter shownName: the file's name for the reader, such as the path that was asked for.
    public init(source: SourceFile, shownName: String? = nil, modules: [SourceFile] = []) {
        self.source = source
        self.shownName = DiagnosticRenderer.harmless(shownName ?? source.name)
        self.modules = modules
    }

    /// The file's name for the reader: a module's stands in the folder of the source.
    private func shownName(of span: SourceSpan) -> String {
        guard span.file != source.name else { return shownName }
        let folder = shownName.lastIndex(of: "/").map { shownName[...$0] } ?? ""
        return folder + DiagnosticRenderer.harmless(span.file)
    }

    /// Returns a diagnostic as lines of plain text; the last one ends with a line feed.
    public func text(_ diagnostic: Diagnostic) -> String { text(diagnostic, isColored: false) }

    /// Returns a diagnostic as lines of text; the last one ends with a line feed.
    ///
    /// - Parameter isColored: whether words are marked for a terminal with colours. What is marked
    ///   is the compiler's own; text of the source has no control characters left.
    public func text(_ diagnostic: Diagnostic, isColored: Bool) -> String {
        let place = self.place(diagnostic.span)
        let color: TerminalColor = diagnostic.severity == .error ? .red : .yellow
        let word = color.marking(
            "\(diagnostic.severity.rawValue)[\(diagnostic.code.id)]", isColored)
        var text = "\(place): \(word): \(diagnostic.message)\n"
        text += excerpt(diagnostic.span, color, isColored)
        for note in diagnostic.notes {
            let word = TerminalColor.cyan.marking("note", isColored)
            text += "  \(word): \(self.place(note.span)): \(note.message)\n"
            text += excerpt(note.span, .cyan, isColored)
        }
        if let help = diagnostic.help {
            text += "  \(TerminalColor.green.marking("help", isColored)): \(help)\n"
        }
        return text
    }

    /// Returns a diagnostic as a JSON object; docs/language.md lists its members.
    package func json(_ diagnostic: Diagnostic) -> JSONValue {
        .object([
            ("code", .string(diagnostic.code.id)),
            ("severity", .string(diagnostic.severity.rawValue)),
            ("message", .string(diagnostic.message)),
            ("help", diagnostic.help.map(JSONValue.string) ?? .null),
            ("place", json(diagnostic.span)),
            (
                "notes",
                .array(
                    diagnostic.notes.map {
                        .object([("message", .string($0.message)), ("place", json($0.span))])
                    })
            ),
        ])
    }

    /// Returns a span as a JSON object; docs/language.md lists its members.
    package func json(_ span: SourceSpan) -> JSONValue {
        .object([
            ("file", .string(shownName(of: span))),
            ("line", .number(UInt64(span.start.line))),
            ("column", .number(UInt64(span.start.column))),
            ("offset", .number(UInt64(span.start.offset))),
            ("endLine", .number(UInt64(span.end.line))),
            ("endColumn", .number(UInt64(span.end.column))),
            ("endOffset", .number(UInt64(span.end.offset))),
        ])
    }

    /// Returns the span's start as `file:line:column`, with the name that the reader knows.
    public func place(_ span: SourceSpan) -> String {
        "\(shownName(of: span)):\(span.line):\(span.column)"
    }

    /// Returns the line of a span and a mark under it; empty for a file that has no such line.
    private func excerpt(
        _ span: SourceSpan, _ color: TerminalColor, _ isColored: Bool
    ) -> String {
        let file = modules.first { $0.name == span.file } ?? source
        guard file.name == span.file else { return "" }
        let shown = DiagnosticRenderer.shownScalars(file.line(span.line))
        let first = Int(span.column) - 1
        guard first <= shown.count, !shown.isEmpty else { return "" }
        let pastEnd = span.end.line == span.line ? Int(span.end.column) - 1 : shown.count
        let window = self.window(around: first, count: shown.count)
        let marked = max(1, min(pastEnd, window.upperBound) - first)
        let number = String(span.line)
        let gutter = String(repeating: " ", count: max(0, 4 - number.count)) + number
        let lead = window.lowerBound > 0 ? "…" : ""
        let tail = window.upperBound < shown.count ? "…" : ""
        var line = ""
        line.unicodeScalars.append(contentsOf: shown[window])
        let blanks = first - window.lowerBound + lead.unicodeScalars.count
        let mark = color.marking(String(repeating: "^", count: marked), isColored)
        return "\(gutter) | \(lead)\(line)\(tail)\n"
            + String(repeating: " ", count: gutter.count) + " | "
            + String(repeating: " ", count: blanks) + mark + "\n"
    }

    /// The part of a long line to show: enough before the mark to recognise the place.
    private func window(around first: Int, count: Int) -> Range<Int> {
        let size = DiagnosticRenderer.shownCharacters
        guard count > size else { return 0..<count }
        let start = max(0, min(first - size / 3, count - size))
        return start..<(start + size)
    }

    /// One scalar for each column of a line, harmful ones replaced.
    private static func shownScalars(_ line: ArraySlice<UInt8>) -> [Unicode.Scalar] {
        var scalars: [Unicode.Scalar] = []
        var rest = line
        while !rest.isEmpty {
            switch decodeScalar(rest) {
            case .invalid:
                scalars.append("\u{FFFD}")
                rest = rest.dropFirst()
            case .scalar(let scalar, let length):
                scalars.append(harmless(scalar))
                rest = rest.dropFirst(length)
            }
        }
        return scalars
    }

    private static func harmless(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        if scalar == "\t" { return " " }
        return scalar.isControl || scalar.hidesText ? "\u{FFFD}" : scalar
    }

    /// Returns a text, such as a path, with what would move a terminal's cursor replaced.
    package static func harmless(_ text: String) -> String {
        var result = ""
        result.unicodeScalars.append(contentsOf: text.unicodeScalars.map(harmless))
        return result
    }
}
