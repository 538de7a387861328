/// One word of a source.
struct Token: Equatable {
    /// What a token is; names, numbers and strings carry their value.
    enum Kind: Equatable {
        case name(String)
        case number(UInt64)
        /// The text between the quotes, escapes replaced.
        case string(String)
        /// The text after `//`, without blanks at its end.
        case comment(String)
        case leftBrace, rightBrace, colon, comma, less, arrow, doubleArrow, range
        case leftParenthesis, rightParenthesis, dot
        /// Something that was diagnosed already; it matches nothing.
        case invalid
        case lineEnd, fileEnd
    }

    let kind: Kind
    let span: SourceSpan

    /// The token as a diagnostic names it.
    var description: String {
        switch kind {
        case .name(let name): return "`\(name)`"
        case .number(let value): return "`\(value)`"
        case .string: return "a string"
        case .comment: return "a comment"
        case .leftBrace: return "`{`"
        case .rightBrace: return "`}`"
        case .colon: return "`:`"
        case .comma: return "`,`"
        case .less: return "`<`"
        case .arrow: return "`->`"
        case .doubleArrow: return "`<->`"
        case .range: return "`..`"
        case .leftParenthesis: return "`(`"
        case .rightParenthesis: return "`)`"
        case .dot: return "`.`"
        case .invalid: return "something unreadable"
        case .lineEnd: return "the end of the line"
        case .fileEnd: return "the end of the file"
        }
    }
}
