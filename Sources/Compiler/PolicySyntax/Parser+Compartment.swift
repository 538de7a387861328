extension Parser {
    /// The words that begin a field of a compartment.
    static let fieldWords = ["kernel", "initrd", "command", "memory", "vcpus"]

    private struct Header {
        let name: Located<String>
        let label: LabelSyntax
        let brace: SourceSpan
    }

    /// Parses a compartment; after an error in its first line the block is read all the same, for
    /// the errors in it.
    mutating func parseCompartment() throws(Failure) -> CompartmentSyntax {
        advance()
        let header: Header
        do {
            header = try parseHeader()
        } catch {
            if let brace = findBlockAfterError() { _ = try parseBlock(openedAt: brace) }
            throw Failure()
        }
        let block = try parseBlock(openedAt: header.brace)
        return CompartmentSyntax(
            name: header.name, label: header.label, openingComment: block.openingComment,
            fields: block.fields, closingComments: block.closingComments)
    }

    private mutating func parseHeader() throws(Failure) -> Header {
        let name = try expectName("the compartment's name")
        try expectWord("at")
        let label = try parseLabel()
        let brace = token.span
        try expect(.leftBrace)
        return Header(name: name, label: label, brace: brace)
    }

    private mutating func parseLabel() throws(Failure) -> LabelSyntax {
        let low = try parseLevel("a level")
        guard token.kind == .range else { return LabelSyntax(low: low, high: nil) }
        advance()
        return LabelSyntax(low: low, high: try parseLevel("a level"))
    }

    /// Steps over the rest of a broken first line, to the block that belongs to it.
    ///
    /// A block follows when its brace stands on the line or on the next, or when the next line is
    /// a field. Nil when there is none: the reader is then at the end of a line.
    private mutating func findBlockAfterError() -> SourceSpan? {
        while token.kind != .leftBrace, token.kind != .lineEnd, token.kind != .fileEnd {
            advance()
        }
        let opening = token
        if opening.kind == .lineEnd { _ = readLayout(isFirst: true) }
        switch token.kind {
        case .leftBrace:
            advance()
            return opening.span
        case .name(let word) where Parser.fieldWords.contains(word):
            return opening.span
        default:
            if opening.kind == .lineEnd { stepBack() }
            return nil
        }
    }

    private struct Block {
        var openingComment: String?
        var fields: [FieldSyntax] = []
        var closingComments: [Comment] = []
    }

    /// Parses what follows an opening brace, up to and including the closing one.
    ///
    /// - Throws: `Failure` when the block is not closed; the reader is then before a line's start.
    private mutating func parseBlock(openedAt brace: SourceSpan) throws(Failure) -> Block {
        var block = Block()
        if case .comment(let text) = token.kind {
            block.openingComment = text
            advance()
        }
        if token.kind == .lineEnd { advance() }
        while !diagnostics.isFull {
            let (comments, followsBlankLine) = readLayout(isFirst: block.fields.isEmpty)
            if token.kind == .rightBrace {
                advance()
                block.closingComments = comments
                return block
            }
            if isAtBlockEnd { break }
            let start = token.span
            guard let kind = parseField() else { continue }
            let end = previousSpan
            let layout = Layout(
                comments: comments, followsBlankLine: followsBlankLine,
                lineComment: endStatement(inBlock: true))
            block.fields.append(
                FieldSyntax(kind: Located(kind, at: start.through(end)), layout: layout))
        }
        diagnostics.append(
            Diagnostic(
                .unclosedBlock, at: brace, "the block is not closed",
                help: "write `}` on a line of its own after the last field"))
        stepBack()
        throw Failure()
    }

    /// Whether the block ends here without a brace: no field begins with a statement's word.
    private var isAtBlockEnd: Bool {
        if case .name(let word) = token.kind { return Parser.statementWords.contains(word) }
        return token.kind == .fileEnd
    }

    /// Parses one field; nil after an error, with the reader at the next line or closing brace.
    private mutating func parseField() -> FieldSyntax.Kind? {
        do {
            return try parseFieldBody()
        } catch {
            recover(inBlock: true)
            return nil
        }
    }

    private mutating func parseFieldBody() throws(Failure) -> FieldSyntax.Kind {
        guard case .name(let word) = token.kind else {
            throw fail(.unknownField, "a field cannot begin with \(token.description)")
        }
        guard Parser.fieldWords.contains(word) else {
            throw fail(
                .unknownField, "`\(word)` is not a field of a compartment",
                help: Suggestion.help(for: word, among: Parser.fieldWords)
                    ?? "fields are \(Parser.listed(Parser.fieldWords))")
        }
        advance()
        switch word {
        case "kernel":
            if case .string = token.kind { return .kernelFile(try expectString("a file name")) }
            return .kernel(name: try expectName("a kernel, such as `debian` or a file name"))
        case "initrd": return .initrd(try expectString("a file name"))
        case "command":
            try expectWord("line")
            return .commandLine(try expectString("a command line"))
        case "memory": return try parseMemory()
        default: return .vcpus(try expectNumber("a number of virtual processors"))
        }
    }

    private mutating func parseMemory() throws(Failure) -> FieldSyntax.Kind {
        let amount = try expectNumber("an amount of memory")
        let unitSpan = token.span
        let units = MemoryUnit.allCases.map(\.rawValue)
        guard case .name(let name) = token.kind else {
            throw fail(
                .unexpectedToken, "expected a unit, found \(token.description)",
                help: "units are \(Parser.listed(units))")
        }
        guard let unit = MemoryUnit(rawValue: name) else {
            throw fail(
                .unknownUnit, "`\(name)` is not a unit of memory",
                help: "units are \(Parser.listed(units))")
        }
        advance()
        return .memory(amount: amount, unit: Located(unit, at: unitSpan))
    }
}
