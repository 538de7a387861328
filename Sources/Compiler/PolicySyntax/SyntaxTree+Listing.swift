extension SyntaxTree {
    /// The tree as lines: `LINE:COLUMN-LINE:COLUMN`, where a statement or field stands, and what it
    /// says in canonical form; fields are indented. Comments are left out.
    ///
    /// - Source: docs/commands.md, the stage `parse`.
    public var listing: String {
        statements.map { statement in
            let kind = statement.kind.value
            let header = "\(SyntaxTree.place(statement.kind.span)) \(Printer.header(of: kind))\n"
            return header
                + kind.fields.map { field in
                    "  \(SyntaxTree.place(field.kind.span)) \(Printer.text(of: field.kind.value))\n"
                }.joined()
        }.joined()
    }

    private static func place(_ span: SourceSpan) -> String {
        "\(span.start.line):\(span.start.column)-\(span.end.line):\(span.end.column)"
    }
}

extension Statement.Kind {
    /// The lines of the statement's block; empty for a statement without one.
    fileprivate var fields: [FieldSyntax] {
        switch self {
        case .compartment(let compartment): return compartment.fields
        case .store(let block), .device(let block): return block.body.fields
        default: return []
        }
    }
}

extension Printer {
    /// Returns a statement without comments and without its block.
    fileprivate static func header(of kind: Statement.Kind) -> String {
        let bare: Statement.Kind
        switch kind {
        case .compartment(let compartment):
            bare = .compartment(
                CompartmentSyntax(
                    isService: compartment.isService, name: compartment.name,
                    label: compartment.label, integrity: compartment.integrity,
                    openingComment: nil, fields: [], closingComments: []))
        case .store(let block): bare = .store(block.withoutBody)
        case .device(let block): bare = .device(block.withoutBody)
        default: bare = kind
        }
        let span = SourceSpan(file: "", start: .start, end: .start)
        let statement = Statement(kind: Located(bare, at: span), layout: Layout(lineComment: nil))
        let text = Printer.text(of: SyntaxTree(statements: [statement], closingComments: []))
        let line = text.prefix { $0 != "\n" }
        return line.hasSuffix(" {") ? String(line.dropLast(2)) : String(line)
    }
}

extension BlockSyntax {
    /// The statement with nothing between its braces.
    fileprivate var withoutBody: BlockSyntax {
        BlockSyntax(
            name: name, path: path,
            body: BodySyntax(openingComment: nil, fields: [], closingComments: []))
    }
}
