/// Splits a source into tokens.
///
/// Total: any bytes give a list of tokens that ends with `fileEnd`. What cannot be read is
/// diagnosed once for each run of bytes, and stands in the list as `invalid`.
struct Lexer {
    private let source: SourceFile
    private var position = SourcePosition.start
    private var tokens: [Token] = []
    private var diagnostics: DiagnosticList

    private init(_ source: SourceFile, _ diagnostics: DiagnosticList) {
        self.source = source
        self.diagnostics = diagnostics
    }

    /// Returns the tokens of a source, and adds what is wrong to `diagnostics`.
    ///
    /// Reading stops at the byte where the list of diagnostics is full.
    /// - Complexity: linear in the size of the source.
    static func tokens(of source: SourceFile, into diagnostics: inout DiagnosticList) -> [Token] {
        var lexer = Lexer(source, diagnostics)
        while !lexer.isAtEnd, !lexer.diagnostics.isFull { lexer.readToken() }
        lexer.emit(.fileEnd, from: lexer.position)
        diagnostics = lexer.diagnostics
        return lexer.tokens
    }

    private var isAtEnd: Bool { position.offset >= source.bytes.count }

    /// The byte `distance` after the current one; nil beyond the end.
    private func peek(_ distance: Int = 0) -> UInt8? {
        let offset = position.offset + distance
        return offset < source.bytes.count ? source.bytes[offset] : nil
    }

    private func starts(with text: StaticString) -> Bool {
        source.bytes[position.offset...].starts(with: text.description.utf8)
    }

    /// Steps over one scalar, or one byte that begins none, within a line.
    private mutating func advance(bytes: Int = 1) {
        position = SourcePosition(
            offset: position.offset + bytes, line: position.line, column: position.column + 1)
    }

    private mutating func emit(_ kind: Token.Kind, from start: SourcePosition) {
        tokens.append(Token(kind: kind, span: span(from: start)))
    }

    private func span(from start: SourcePosition) -> SourceSpan {
        SourceSpan(file: source.name, start: start, end: position)
    }

    private mutating func report(
        _ code: DiagnosticCode, from start: SourcePosition, _ message: String, help: String? = nil
    ) {
        diagnostics.append(Diagnostic(code, at: span(from: start), message, help: help))
    }

    private func text(from start: SourcePosition) -> String {
        String(decoding: source.bytes[start.offset..<position.offset], as: UTF8.self)
    }
}

extension Lexer {
    private mutating func readToken() {
        let start = position
        switch source.bytes[start.offset] {
        case UInt8(ascii: " "), UInt8(ascii: "\t"): advance()
        case UInt8(ascii: "\n"): readLineEnd(bytes: 1)
        case UInt8(ascii: "\r") where peek(1) == UInt8(ascii: "\n"): readLineEnd(bytes: 2)
        case UInt8(ascii: "\""): readString()
        case UInt8(ascii: "0")...UInt8(ascii: "9"): readNumber()
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
            readName()
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "/"): readComment()
        default: readMark()
        }
    }

    private mutating func readLineEnd(bytes: Int) {
        let start = position
        advance(bytes: bytes)
        emit(.lineEnd, from: start)
        position = SourcePosition(offset: position.offset, line: position.line + 1, column: 1)
    }

    private mutating func readMark() {
        let marks: [(StaticString, Token.Kind)] = [
            ("<->", .doubleArrow), ("->", .arrow), ("..", .range), ("<", .less),
            ("{", .leftBrace), ("}", .rightBrace), (":", .colon), (",", .comma),
            ("(", .leftParenthesis), (")", .rightParenthesis), (".", .dot),
        ]
        guard let (text, kind) = marks.first(where: { starts(with: $0.0) }) else {
            return readStrange()
        }
        let start = position
        for _ in 0..<text.utf8CodeUnitCount { advance() }
        emit(kind, from: start)
    }

    private mutating func readName() {
        let start = position
        while let byte = peek(), Lexer.continuesName(byte) { advance() }
        guard position.offset - start.offset <= SyntaxLimits.nameBytes else {
            report(
                .longName, from: start,
                "a name of \(position.offset - start.offset) characters is too long",
                help: "use at most \(SyntaxLimits.nameBytes)")
            return emit(.invalid, from: start)
        }
        emit(.name(text(from: start)), from: start)
    }

    private static func continuesName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            return true
        default: return false
        }
    }

    private mutating func readNumber() {
        let start = position
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            advance()
        }
        let digits = position.offset - start.offset
        guard digits == 1 || source.bytes[start.offset] != UInt8(ascii: "0") else {
            report(
                .badNumber, from: start, "a number has a leading zero",
                help: "numbers are decimal; write it without the zero")
            return emit(.invalid, from: start)
        }
        guard digits <= 20, let value = UInt64(text(from: start)) else {
            report(.badNumber, from: start, "a number does not fit in 64 bits")
            return emit(.invalid, from: start)
        }
        emit(.number(value), from: start)
    }

    private mutating func readComment() {
        let start = position
        var end = start.offset + 2
        var isGood = true
        advance()
        advance()
        while !isAtLineEnd {
            let isBlank = peek() == UInt8(ascii: " ") || peek() == UInt8(ascii: "\t")
            isGood = readTextScalar(allowingTab: true, code: .strangeCharacter) && isGood
            if !isBlank { end = position.offset }
        }
        guard isGood else { return emit(.invalid, from: start) }
        let text = source.bytes[(start.offset + 2)..<end]
        emit(.comment(String(decoding: text, as: UTF8.self)), from: start)
    }

    private var isAtLineEnd: Bool {
        guard let byte = peek() else { return true }
        return byte == UInt8(ascii: "\n")
            || byte == UInt8(ascii: "\r") && peek(1) == UInt8(ascii: "\n")
    }
}

extension Lexer {
    private mutating func readString() {
        let start = position
        advance()
        var value: [UInt8] = []
        var isGood = true
        while !isAtLineEnd, let byte = peek() {
            if byte == UInt8(ascii: "\"") {
                advance()
                let text = String(decoding: value, as: UTF8.self)
                return emit(isGood ? .string(text) : .invalid, from: start)
            }
            let before = position
            if byte == UInt8(ascii: "\\") {
                isGood = readEscape() && isGood
            } else {
                isGood = readTextScalar(allowingTab: false, code: .badStringContent) && isGood
            }
            let isEscape = byte == UInt8(ascii: "\\") && position.offset - before.offset == 2
            value += source.bytes[(before.offset + (isEscape ? 1 : 0))..<position.offset]
        }
        report(
            .unfinishedString, from: start, "a string does not end on its line",
            help: "close it with `\"`; write `\\\"` for a quote inside")
        emit(.invalid, from: start)
    }

    /// Steps over `\"` or `\\`; diagnoses any other use of `\` and steps over the `\` alone.
    private mutating func readEscape() -> Bool {
        let start = position
        advance()
        if peek() == UInt8(ascii: "\"") || peek() == UInt8(ascii: "\\") {
            advance()
            return true
        }
        report(
            .badStringContent, from: start, "`\\` stands before neither `\"` nor `\\`",
            help: "write `\\\\` for a backslash")
        return false
    }

    /// Steps over one scalar of a string or comment; returns whether it may stand there.
    private mutating func readTextScalar(allowingTab: Bool, code: DiagnosticCode) -> Bool {
        let start = position
        switch decodeScalar(source.bytes[start.offset...]) {
        case .invalid:
            skipInvalidBytes()
            report(.notUTF8, from: start, "the text is not UTF-8")
            return false
        case .scalar(let scalar, let length):
            advance(bytes: length)
            if scalar.hidesText {
                reportHidden(scalar, from: start)
                return false
            }
            if scalar.isControl && !(allowingTab && scalar == "\t") {
                report(code, from: start, "the control character \(scalar.codePoint) stands here")
                return false
            }
            return true
        }
    }

    private mutating func skipInvalidBytes() {
        while !isAtEnd, decodeScalar(source.bytes[position.offset...]) == .invalid { advance() }
    }

    private mutating func reportHidden(
        _ scalar: Unicode.Scalar, from start: SourcePosition
    ) {
        report(
            .hiddenText, from: start,
            "\(scalar.codePoint) hides or reorders the text around it",
            help: scalar == "\u{FEFF}"
                ? "save the file without a byte-order mark"
                : "remove it: what a reader sees must be what the compiler reads")
    }

    /// Diagnoses a run of what the grammar does not know.
    private mutating func readStrange() {
        let start = position
        switch decodeScalar(source.bytes[start.offset...]) {
        case .invalid:
            skipInvalidBytes()
            report(.notUTF8, from: start, "the text is not UTF-8")
        case .scalar(let scalar, let length):
            advance(bytes: length)
            if scalar.hidesText {
                reportHidden(scalar, from: start)
            } else {
                while peek() == source.bytes[start.offset], length == 1 { advance() }
                let shown =
                    scalar.isControl || !scalar.isASCII
                    ? "the character \(scalar.codePoint)" : "`\(scalar)`"
                report(
                    .strangeCharacter, from: start, "\(shown) has no meaning here",
                    help: Lexer.help(for: scalar))
            }
        }
        emit(.invalid, from: start)
    }

    private static func help(for scalar: Unicode.Scalar) -> String? {
        switch scalar {
        case "#", "/": return "a comment begins with `//`"
        case "-": return "a flow is written `->`; a name has letters, digits and `_`"
        case ".": return "a range is written `low..high`"
        case ">": return "levels rise from left to right: `low < high`"
        case "'": return "a string stands in double quotes"
        case ";": return "a statement ends with its line"
        case "\r": return "end lines with a line feed"
        default: return nil
        }
    }
}
