import PolicySyntax
import TestSupport

/// Makes random trees that a parser could have made: every statement, every layout.
struct TreeGenerator {
    var random: SeededGenerator

    private static let nowhere = SourceSpan(file: "", start: .start, end: .start)
    private static let names = [
        "a", "b", "low", "high", "system", "compartment", "memory", "signal", "never", "at",
        "X_1", "z0123456789",
    ]
    private static let texts = [
        "", " ", "x", "console=hvc0", "a\"b", "\\", "\\\\\"", "über // no comment", "{}", "日本",
    ]
    private static let comments = ["", " a comment", "/", " tab\there", " \"", " é", " { } -> <"]

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &random)]
    }

    private mutating func chance(_ percent: Int) -> Bool {
        Int.random(in: 0..<100, using: &random) < percent
    }

    private func at<Value>(_ value: Value) -> Located<Value> {
        Located(value, at: TreeGenerator.nowhere)
    }

    private mutating func name() -> Located<String> { at(pick(TreeGenerator.names)) }
    private mutating func text() -> Located<String> { at(pick(TreeGenerator.texts)) }

    private mutating func names() -> [Located<String>] {
        (0...Int.random(in: 0..<3, using: &random)).map { _ in name() }
    }

    private mutating func number() -> Located<UInt64> {
        at(pick([0, 1, 2, 64, 4096, .max]))
    }

    private mutating func comments(isFirst: Bool) -> [Comment] {
        guard chance(30) else { return [] }
        return (0...Int.random(in: 0..<2, using: &random)).map { index in
            Comment(
                text: pick(TreeGenerator.comments),
                followsBlankLine: !(isFirst && index == 0) && chance(40))
        }
    }

    private mutating func layout(isFirst: Bool) -> Layout {
        let comments = comments(isFirst: isFirst)
        return Layout(
            comments: comments,
            followsBlankLine: !(isFirst && comments.isEmpty) && chance(30),
            lineComment: chance(20) ? pick(TreeGenerator.comments) : nil)
    }

    private mutating func level() -> LevelSyntax {
        LevelSyntax(name: name(), categories: chance(40) ? names() : [])
    }

    private mutating func field(isFirst: Bool) -> FieldSyntax {
        let kind: FieldSyntax.Kind
        switch Int.random(in: 0..<6, using: &random) {
        case 0: kind = .kernel(name: name())
        case 1: kind = .kernelFile(text())
        case 2: kind = .initrd(text())
        case 3: kind = .commandLine(text())
        case 4: kind = .memory(amount: number(), unit: at(pick(MemoryUnit.allCases)))
        default: kind = .vcpus(number())
        }
        return FieldSyntax(kind: at(kind), layout: layout(isFirst: isFirst))
    }

    private mutating func compartment() -> CompartmentSyntax {
        let count = Int.random(in: 0..<5, using: &random)
        let fields = (0..<count).map { field(isFirst: $0 == 0) }
        return CompartmentSyntax(
            name: name(), label: LabelSyntax(low: level(), high: chance(30) ? level() : nil),
            openingComment: chance(20) ? pick(TreeGenerator.comments) : nil, fields: fields,
            closingComments: comments(isFirst: fields.isEmpty))
    }

    private mutating func statement(isFirst: Bool) -> Statement {
        let kind: Statement.Kind
        switch Int.random(in: 0..<7, using: &random) {
        case 0: kind = .system(name: name(), version: number())
        case 1: kind = .target(name())
        case 2: kind = .levels(names())
        case 3: kind = .categories(names())
        case 4: kind = .compartment(compartment())
        case 5:
            kind = .channel(ChannelSyntax(name: name(), from: name(), to: name(), kind: name()))
        default: kind = .assertNever(from: level(), to: level())
        }
        return Statement(kind: at(kind), layout: layout(isFirst: isFirst))
    }

    /// Returns the next tree.
    mutating func tree() -> SyntaxTree {
        let count = Int.random(in: 0..<6, using: &random)
        let statements = (0..<count).map { statement(isFirst: $0 == 0) }
        return SyntaxTree(
            statements: statements, closingComments: comments(isFirst: statements.isEmpty))
    }
}
