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
        let blocks: [BodySyntax] = statements.compactMap {
            switch $0.kind.value {
            case .compartment(let compartment):
                return BodySyntax(
                    openingComment: compartment.openingComment, fields: compartment.fields,
                    closingComments: compartment.closingComments)
            case .store(let block), .device(let block): return block.body
            default: return nil
            }
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
        case .target(let name, let version):
            return [whole, name.word] + (version.map { [$0.quoted] } ?? [])
        case .importModule(let file): return [whole, file.quoted]
        case .levels(let names), .categories(let names), .integrity(let names):
            return [whole] + names.map(\.word)
        case .compartment(let compartment): return [whole] + compartment.pieces
        case .channel(let channel):
            return [whole, channel.name.word] + channel.from.pieces + channel.to.pieces
                + [channel.kind.word] + [channel.pages, channel.rate].compactMap { $0?.word }
        case .store(let block), .device(let block):
            return [whole, block.name.word] + (block.path.map { [$0.quoted] } ?? [])
                + block.body.fields.flatMap(\.pieces)
        case .exempt(let exempt):
            return [whole, exempt.subject.word, exempt.reason.quoted] + exempt.from.pieces
                + exempt.to.pieces
        case .conflict(let name, let members): return [whole, name.word] + members.map(\.word)
        case .assertion(let assertion): return [whole] + assertion.pieces
        }
    }
}

extension EndSyntax {
    fileprivate var pieces: [Piece] {
        switch self {
        case .name(let name): return [name.word]
        case .each(let set):
            return [Piece(span: set.span, words: nil)]
                + ((set.names ?? []) + set.except).map(\.word) + (set.level?.pieces ?? [])
        }
    }
}

extension LinkSyntax {
    fileprivate var pieces: [Piece] {
        name.pieces + (service.map { [$0.word] } ?? []) + [Piece(span: span, words: nil)]
    }
}

extension AssertionSyntax {
    fileprivate var pieces: [Piece] {
        switch self {
        case .never(let from, let to, let names), .everyPath(let from, let to, let names):
            return from.pieces + to.pieces + names.map(\.word)
        case .control(let from, let to, let through):
            return from.pieces + to.pieces + through.flatMap(\.pieces)
        case .power(let names, let power):
            return (names ?? []).map(\.word) + [
                Piece(span: power.span, words: power.value.rawValue)
            ]
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
            + (label.high?.pieces ?? []) + (integrity.map { [$0.word] } ?? [])
            + fields.flatMap(\.pieces)
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
        case .vcpus(let count), .restart(let count), .quotaNodes(let count), .rate(let count),
            .irq(let count):
            return [whole, count.word]
        case .scheduleFixed(let slot, let unit):
            return [whole, slot.word, Piece(span: unit.span, words: unit.value.rawValue)]
        case .scheduleFair(let weight, let cap):
            return [whole, weight.word] + (cap.map { [$0.word] } ?? [])
        case .start(_, let names), .uses(let names), .commands(let names):
            return [whole] + names.map(\.word)
        case .consoleNone, .withoutIOMMU: return [whole]
        case .may(let power): return [whole, Piece(span: power.span, words: power.value.rawValue)]
        case .storeQuota(let quota): return [whole] + quota.pieces
        case .owner(let name): return [whole, name.word]
        case .readers(let ends), .writers(let ends): return [whole] + ends.flatMap(\.pieces)
        case .quotaBytes(let amount, let unit):
            return [whole, amount.word, Piece(span: unit.span, words: unit.value.rawValue)]
        case .pci(let text), .ioMemory(let text), .ioPorts(let text): return [whole, text.quoted]
        }
    }
}

extension StoreQuotaSyntax {
    fileprivate var pieces: [Piece] {
        switch self {
        case .count(let number, _), .rate(let number): return [number.word]
        case .memory(let amount, let unit), .nodeSize(let amount, let unit):
            return [amount.word, Piece(span: unit.span, words: unit.value.rawValue)]
        }
    }
}
