/// What parsing a source gives: as much of the tree as could be read, and what is wrong.
public struct ParseResult: Sendable {
    /// The statements that could be read; all of them when `diagnostics` is empty.
    public let tree: SyntaxTree
    /// What is wrong, in the order of the source. Every rule of form is an error.
    public let diagnostics: [Diagnostic]
}

/// Reads a source into a tree.
///
/// Total: any bytes give a result. After an error reading goes on with the next line, so that one
/// run reports several. There is no recursion: the grammar has one level of blocks.
/// - Source: the grammar in docs/language.md.
public struct Parser {
    /// Thrown after the error was reported; caught where reading goes on.
    struct Failure: Error {}

    /// The words that begin a statement.
    static let statementWords = [
        "system", "target", "import", "levels", "categories", "integrity", "compartment",
        "service", "device", "store", "channel", "exempt", "conflict", "assert",
    ]

    let tokens: [Token]
    var index = 0
    var diagnostics: DiagnosticList
    /// Comments found inside the current statement; they move above it.
    private var innerComments: [Comment] = []

    private init(tokens: [Token], diagnostics: DiagnosticList) {
        self.tokens = tokens
        self.diagnostics = diagnostics
    }

    /// Parses a source.
    ///
    /// - Complexity: linear in the size of the source.
    public static func parse(_ source: SourceFile) -> ParseResult {
        guard source.bytes.count <= SourceFile.largestSizeInBytes else {
            let start = SourceSpan(file: source.name, start: .start, end: .start)
            let message = "the file has \(source.bytes.count) bytes"
            let help = "a source has at most \(SourceFile.largestSizeInBytes) bytes"
            return ParseResult(
                tree: SyntaxTree(statements: [], closingComments: []),
                diagnostics: [Diagnostic(.largeFile, at: start, message, help: help)])
        }
        var list = DiagnosticList()
        let tokens = Lexer.tokens(of: source, into: &list)
        var parser = Parser(tokens: tokens, diagnostics: list)
        let tree = parser.parseFile()
        return ParseResult(tree: tree, diagnostics: parser.diagnostics.inSourceOrder)
    }

    private mutating func parseFile() -> SyntaxTree {
        var statements: [Statement] = []
        while !diagnostics.isFull {
            let (comments, followsBlankLine) = readLayout(isFirst: statements.isEmpty)
            if token.kind == .fileEnd {
                return SyntaxTree(statements: statements, closingComments: comments)
            }
            innerComments = []
            let start = token.span
            guard let kind = parseStatement() else { continue }
            let end = previousSpan
            let lineComment = endStatement(inBlock: false)
            let layout = Layout(
                comments: comments + innerComments, followsBlankLine: followsBlankLine,
                lineComment: lineComment)
            statements.append(
                Statement(kind: Located(kind, at: start.through(end)), layout: layout))
        }
        return SyntaxTree(statements: statements, closingComments: [])
    }

    /// Parses one statement; nil after an error, with the reader at the start of a line.
    private mutating func parseStatement() -> Statement.Kind? {
        do {
            return try parseStatementBody()
        } catch {
            recover(inBlock: false)
            return nil
        }
    }

    private mutating func parseStatementBody() throws(Failure) -> Statement.Kind {
        guard case .name(let word) = token.kind else {
            if token.kind == .rightBrace {
                throw fail(.strayBrace, "`}` closes nothing")
            }
            throw fail(.unknownStatement, "a statement cannot begin with \(token.description)")
        }
        switch word {
        case "system": return try parseSystem()
        case "target": return try parseTarget()
        case "import":
            advance()
            return .importModule(try expectString("a file name"))
        case "levels": return .levels(try parseList("a level's name", separator: .less))
        case "categories":
            return .categories(try parseList("a category's name", separator: .comma))
        case "integrity":
            return .integrity(try parseList("an integrity's name", separator: .less))
        case "compartment", "service":
            return .compartment(try parseCompartment(isService: word == "service"))
        case "device": return .device(try parseResource(.device))
        case "store": return .store(try parseResource(.store))
        case "channel": return .channel(try parseChannel())
        case "exempt": return .exempt(try parseExemption())
        case "conflict": return try parseConflict()
        case "assert": return .assertion(try parseAssertion())
        default: throw unknownStatement(word)
        }
    }

    private mutating func unknownStatement(_ word: String) -> Failure {
        let help =
            Block.allCases.contains { $0.fieldWords.contains(word) }
            ? "`\(word)` stands inside the braces of another statement"
            : Suggestion.help(for: word, among: Parser.statementWords)
                ?? "statements are \(Parser.listed(Parser.statementWords))"
        return fail(.unknownStatement, "`\(word)` is not a statement", help: help)
    }

    static func listed(_ words: [String]) -> String {
        words.map { "`\($0)`" }.joined(separator: ", ")
    }
}

// MARK: - Statements

extension Parser {
    private mutating func parseSystem() throws(Failure) -> Statement.Kind {
        advance()
        let name = try expectName("the system's name")
        try expectWord("version")
        return .system(name: name, version: try expectNumber("the system's version"))
    }

    private mutating func parseTarget() throws(Failure) -> Statement.Kind {
        advance()
        let name = try expectName("the target's name")
        guard case .string = token.kind else { return .target(name, version: nil) }
        return .target(name, version: try expectString("the target's version"))
    }

    mutating func parseList(
        _ what: String, separator: Token.Kind
    ) throws(Failure) -> [Located<String>] {
        advance()
        return try parseNames(what, separator: separator)
    }

    mutating func parseNames(
        _ what: String, separator: Token.Kind
    ) throws(Failure) -> [Located<String>] {
        var names = [try expectName(what)]
        while token.kind == separator {
            advance()
            skipLineEnds()
            names.append(try expectName(what))
        }
        return names
    }

    mutating func parseLevel(_ what: String) throws(Failure) -> LevelSyntax {
        let name = try expectName(what)
        guard token.kind == .colon else { return LevelSyntax(name: name, categories: []) }
        advance()
        var categories = [try expectName("a category's name")]
        while token.kind == .comma {
            advance()
            skipLineEnds()
            categories.append(try expectName("a category's name"))
        }
        return LevelSyntax(name: name, categories: categories)
    }
}

// MARK: - Tokens

extension Parser {
    var token: Token { tokens[index] }

    var previousSpan: SourceSpan { tokens[max(0, index - 1)].span }

    /// Steps to the next token; stays at the end of the file.
    mutating func advance() {
        if index < tokens.count - 1 { index += 1 }
    }

    /// Steps to the token before: the line end that `recover` is to find.
    mutating func stepBack() { index = max(0, index - 1) }

    /// Reports an error at the current token, unless the lexer reported it already.
    mutating func fail(
        _ code: DiagnosticCode, _ message: String, help: String? = nil
    ) -> Failure {
        if token.kind != .invalid {
            diagnostics.append(Diagnostic(code, at: token.span, message, help: help))
        }
        return Failure()
    }

    mutating func expect(_ kind: Token.Kind) throws(Failure) {
        guard token.kind == kind else {
            let wanted = Token(kind: kind, span: token.span).description
            throw fail(.unexpectedToken, "expected \(wanted), found \(token.description)")
        }
        advance()
    }

    mutating func expectWord(_ word: String) throws(Failure) {
        guard token.kind == .name(word) else {
            throw fail(.unexpectedToken, "expected `\(word)`, found \(token.description)")
        }
        advance()
    }

    mutating func expectName(_ what: String) throws(Failure) -> Located<String> {
        guard case .name(let name) = token.kind else {
            throw fail(.unexpectedToken, "expected \(what), found \(token.description)")
        }
        defer { advance() }
        return Located(name, at: token.span)
    }

    mutating func expectNumber(_ what: String) throws(Failure) -> Located<UInt64> {
        guard case .number(let number) = token.kind else {
            throw fail(.unexpectedToken, "expected \(what), found \(token.description)")
        }
        defer { advance() }
        return Located(number, at: token.span)
    }

    mutating func expectString(_ what: String) throws(Failure) -> Located<String> {
        guard case .string(let text) = token.kind else {
            let help: String?
            if case .name = token.kind { help = "write it in double quotes" } else { help = nil }
            throw fail(
                .unexpectedToken, "expected \(what), found \(token.description)", help: help)
        }
        defer { advance() }
        return Located(text, at: token.span)
    }

    /// Reads comments and blank lines before a statement, a field, or an end.
    mutating func readLayout(isFirst: Bool) -> (comments: [Comment], followsBlankLine: Bool) {
        var comments: [Comment] = []
        var blank = false
        while true {
            let counts = !(isFirst && comments.isEmpty)
            switch token.kind {
            case .lineEnd: blank = true
            case .comment(let text):
                comments.append(Comment(text: text, followsBlankLine: blank && counts))
                blank = false
                advance()
                if token.kind != .lineEnd { continue }
            default: return (comments, blank && counts)
            }
            advance()
        }
    }

    /// Steps over line ends after a separator; comments between move above the statement.
    mutating func skipLineEnds() {
        while true {
            switch token.kind {
            case .lineEnd: break
            case .comment(let text):
                innerComments.append(Comment(text: text, followsBlankLine: false))
            default: return
            }
            advance()
        }
    }

    /// Reads the end of a statement's line and returns the comment that stands there.
    ///
    /// In a block a closing brace may end a field too; it is left for the block.
    mutating func endStatement(inBlock: Bool) -> String? {
        var comment: String?
        if case .comment(let text) = token.kind {
            comment = text
            advance()
        }
        switch token.kind {
        case .lineEnd: advance()
        case .fileEnd: break
        case .rightBrace where inBlock: break
        default:
            _ = fail(
                .textAfterStatement, "expected the end of the line, found \(token.description)",
                help: "one statement stands on one line")
            recover(inBlock: inBlock)
        }
        return comment
    }

    /// Steps to the start of the next line, or in a block to a closing brace.
    mutating func recover(inBlock: Bool) {
        while true {
            switch token.kind {
            case .fileEnd: return
            case .rightBrace where inBlock: return
            case .lineEnd:
                advance()
                return
            default: advance()
            }
        }
    }
}
