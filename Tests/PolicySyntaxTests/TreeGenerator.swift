import PolicySyntax
import TestSupport

/// Makes random trees that a parser could have made: every statement, every layout.
struct TreeGenerator {
    var random: SeededGenerator

    private static let nowhere = SourceSpan(file: "", start: .start, end: .start)
    private static let names = [
        "a", "b", "low", "high", "system", "compartment", "memory", "signal", "never", "at",
        "X_1", "z0123456789", "each", "store", "service", "via", "may", "relabel", "control",
        "integrity", "pages", "rate", "or", "nodes",
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
        switch Int.random(in: 0..<14, using: &random) {
        case 0: kind = .kernel(name: name())
        case 1: kind = .kernelFile(text())
        case 2: kind = .initrd(text())
        case 3: kind = .commandLine(text())
        case 4: kind = .memory(amount: number(), unit: at(pick(MemoryUnit.allCases)))
        case 5: kind = .vcpus(number())
        case 6: kind = .scheduleFixed(slot: number(), unit: at(pick(TimeUnit.allCases)))
        case 7: kind = .scheduleFair(weight: number(), cap: chance(50) ? number() : nil)
        case 8: kind = .start(isAutomatic: true, after: chance(50) ? names() : [])
        case 9: kind = chance(50) ? .start(isAutomatic: false, after: []) : .consoleNone
        case 10: kind = .restart(number())
        case 11: kind = chance(50) ? .uses(names()) : .commands(names())
        case 12: kind = .storeQuota(storeQuota())
        default: kind = .may(at(pick(Power.allCases)))
        }
        return FieldSyntax(kind: at(kind), layout: layout(isFirst: isFirst))
    }

    private mutating func storeQuota() -> StoreQuotaSyntax {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: .count(number(), pick(StoreQuotaSyntax.Count.allCases))
        case 1: .memory(amount: number(), unit: at(pick(MemoryUnit.allCases)))
        case 2: .nodeSize(amount: number(), unit: at(pick(MemoryUnit.allCases)))
        default: .rate(number())
        }
    }

    private mutating func storeField(isFirst: Bool) -> FieldSyntax {
        let kind: FieldSyntax.Kind
        switch Int.random(in: 0..<6, using: &random) {
        case 0: kind = .owner(name())
        case 1: kind = .readers(ends())
        case 2: kind = .writers(ends())
        case 3: kind = .quotaNodes(number())
        case 4: kind = .quotaBytes(amount: number(), unit: at(pick(MemoryUnit.allCases)))
        default: kind = .rate(number())
        }
        return FieldSyntax(kind: at(kind), layout: layout(isFirst: isFirst))
    }

    private mutating func deviceField(isFirst: Bool) -> FieldSyntax {
        let kind: FieldSyntax.Kind
        switch Int.random(in: 0..<6, using: &random) {
        case 0: kind = .owner(name())
        case 1: kind = .pci(text())
        case 2: kind = .irq(number())
        case 3: kind = .ioMemory(text())
        case 4: kind = .ioPorts(text())
        default: kind = .withoutIOMMU
        }
        return FieldSyntax(kind: at(kind), layout: layout(isFirst: isFirst))
    }

    private mutating func end() -> EndSyntax {
        guard chance(40) else { return .name(name()) }
        let place = TreeGenerator.nowhere
        let names = names()
        // A list of one that is the word `compartment` would be the other form.
        if chance(50), names.count > 1 || names[0].value != "compartment" {
            return .each(SetSyntax(names: names, level: nil, except: [], span: place))
        }
        return .each(
            SetSyntax(
                names: nil, level: chance(50) ? level() : nil,
                except: chance(50) ? self.names() : [], span: place))
    }

    private mutating func ends() -> [EndSyntax] {
        (0...Int.random(in: 0..<3, using: &random)).map { _ in end() }
    }

    private mutating func link() -> LinkSyntax {
        LinkSyntax(name: end(), service: chance(50) ? name() : nil)
    }

    private mutating func block(_ kind: Statement.Kind) -> BodySyntax {
        let count = Int.random(in: 0..<5, using: &random)
        var fields: [FieldSyntax] = []
        for index in 0..<count {
            if case .store = kind {
                fields.append(storeField(isFirst: index == 0))
            } else {
                fields.append(deviceField(isFirst: index == 0))
            }
        }
        return BodySyntax(
            openingComment: chance(20) ? pick(TreeGenerator.comments) : nil, fields: fields,
            closingComments: comments(isFirst: fields.isEmpty))
    }

    private mutating func store() -> Statement.Kind {
        let empty = BodySyntax(openingComment: nil, fields: [], closingComments: [])
        let head = BlockSyntax(name: name(), path: text(), body: empty)
        return .store(BlockSyntax(name: head.name, path: head.path, body: block(.store(head))))
    }

    private mutating func device() -> Statement.Kind {
        let empty = BodySyntax(openingComment: nil, fields: [], closingComments: [])
        let head = BlockSyntax(name: name(), path: nil, body: empty)
        return .device(BlockSyntax(name: head.name, path: nil, body: block(.device(head))))
    }

    private mutating func assertion() -> AssertionSyntax {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return .never(from: level(), to: level(), via: chance(50) ? names() : [])
        case 1: return .everyPath(from: level(), to: level(), passes: names())
        case 2:
            let links = (0...Int.random(in: 0..<2, using: &random)).map { _ in link() }
            return .control(from: level(), to: level(), through: links)
        default:
            return .power(names: chance(50) ? names() : nil, power: at(pick(Power.allCases)))
        }
    }

    private mutating func channel() -> ChannelSyntax {
        ChannelSyntax(
            name: name(), from: end(), isTwoWay: chance(40), to: end(), kind: name(),
            pages: chance(40) ? number() : nil, rate: chance(30) ? number() : nil)
    }

    private mutating func compartment() -> CompartmentSyntax {
        let count = Int.random(in: 0..<5, using: &random)
        let fields = (0..<count).map { field(isFirst: $0 == 0) }
        return CompartmentSyntax(
            isService: chance(20), name: name(),
            label: LabelSyntax(low: level(), high: chance(30) ? level() : nil),
            integrity: chance(30) ? name() : nil,
            openingComment: chance(20) ? pick(TreeGenerator.comments) : nil, fields: fields,
            closingComments: comments(isFirst: fields.isEmpty))
    }

    private mutating func statement(isFirst: Bool) -> Statement {
        let kind: Statement.Kind
        switch Int.random(in: 0..<13, using: &random) {
        case 0: kind = .system(name: name(), version: number())
        case 1: kind = .target(name(), version: chance(40) ? text() : nil)
        case 2: kind = .levels(names())
        case 3: kind = .categories(names())
        case 4: kind = .compartment(compartment())
        case 5: kind = .channel(channel())
        case 6: kind = .importModule(text())
        case 7: kind = .integrity(names())
        case 8: kind = store()
        case 9: kind = device()
        case 10:
            kind = .exempt(ExemptSyntax(subject: name(), from: link(), to: link(), reason: text()))
        case 11: kind = .conflict(name: name(), members: names())
        default: kind = .assertion(assertion())
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
