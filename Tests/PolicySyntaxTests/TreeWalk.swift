import PolicySyntax

/// A piece of a tree: where it says it stands, and the words that must stand there, if they are
/// known.
struct Piece {
    let span: SourceSpan
    let words: String?
}

extension SyntaxTree {
    /// Every span of the tree.
    var pieces: [Piece] { statements.flatMap(\.pieces) }

    /// Every comment of the tree.
    var comments: [String] {
        let layouts = statements.map(\.layout)
        let blocks: [CompartmentSyntax] = statements.compactMap {
            if case .compartment(let compartment) = $0.kind.value { return compartment }
            return nil
        }
        let inner = blocks.flatMap { block in
            (block.fields.map(\.layout)).flatMap(\.allComments)
                + block.closingComments.map(\.text)
                + (block.openingComment.map { [$0] } ?? [])
        }
        return layouts.flatMap(\.allComments) + inner + closingComments.map(\.text)
    }
}

extension Layout {
    fileprivate var allComments: [String] {
        comments.map(\.text) + (lineComment.map { [$0] } ?? [])
    }
}

extension Located where Value == String {
    fileprivate var word: Piece { Piece(span: span, words: value) }
    fileprivate var quoted: Piece { Piece(span: span, words: nil) }
}

extension Located where Value == UInt64 {
    fileprivate var word: Piece { Piece(span: span, words: String(value)) }
}

extension Statement {
    fileprivate var pieces: [Piece] {
        let whole = Piece(span: kind.span, words: nil)
        switch kind.value {
        case .system(let name, let version): return [whole, name.word, version.word]
        case .target(let name): return [whole, name.word]
        case .levels(let names), .categories(let names): return [whole] + names.map(\.word)
        case .compartment(let compartment): return [whole] + compartment.pieces
        case .channel(let channel):
            return [
                whole, channel.name.word, channel.from.word, channel.to.word, channel.kind.word,
            ]
        case .assertNever(let from, let to): return [whole] + from.pieces + to.pieces
        }
    }
}

extension LevelSyntax {
    fileprivate var pieces: [Piece] {
        [Piece(span: span, words: nil), name.word] + categories.map(\.word)
    }
}

extension CompartmentSyntax {
    fileprivate var pieces: [Piece] {
        [name.word, Piece(span: label.span, words: nil)] + label.low.pieces
            + (label.high?.pieces ?? []) + fields.flatMap(\.pieces)
    }
}

extension FieldSyntax {
    fileprivate var pieces: [Piece] {
        let whole = Piece(span: kind.span, words: nil)
        switch kind.value {
        case .kernel(let name): return [whole, name.word]
        case .kernelFile(let name), .initrd(let name): return [whole, name.quoted]
        case .commandLine(let text): return [whole, text.quoted]
        case .memory(let amount, let unit):
            return [whole, amount.word, Piece(span: unit.span, words: unit.value.rawValue)]
        case .vcpus(let count): return [whole, count.word]
        }
    }
}
