/// A regular expression over names, found anywhere in a name unless it is anchored.
///
/// For: `search` with `-rs` and its like. What it has: characters, `.`, `[...]`, `\d \w \s` and
/// their opposites, `^ $ \b`, groups, `|`, `* + ? {n} {n,} {n,m}`, and `?` behind these, which
/// changes nothing. Not for: captures, back references and looking around, which are refused.
///
/// - Invariant (bounded): a pattern has at most 10,000 steps, and matching takes at most the
///   name's length times the steps, whatever the pattern.
package struct NamePattern: Sendable {
    /// A step of the automaton.
    private enum Step: Sendable {
        case bytes(Set256)
        case split(Int, Int)
        case start, end, edge
        case done
    }

    /// Which of the 256 bytes.
    struct Set256: Sendable {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

        mutating func insert(_ byte: UInt8) {
            let bit = UInt64(1) << UInt64(byte & 63)
            switch byte >> 6 {
            case 0: words.0 |= bit
            case 1: words.1 |= bit
            case 2: words.2 |= bit
            default: words.3 |= bit
            }
        }

        mutating func invert() { words = (~words.0, ~words.1, ~words.2, ~words.3) }

        mutating func formUnion(_ other: Set256) {
            words.0 |= other.words.0
            words.1 |= other.words.1
            words.2 |= other.words.2
            words.3 |= other.words.3
        }

        func contains(_ byte: UInt8) -> Bool {
            let word =
                switch byte >> 6 {
                case 0: words.0
                case 1: words.1
                case 2: words.2
                default: words.3
                }
            return word >> UInt64(byte & 63) & 1 == 1
        }
    }

    /// A part of the expression.
    indirect enum Node: Sendable {
        case empty, start, end, edge
        case bytes(Set256)
        case sequence([Node])
        case choice([Node])
        case repeated(Node, Int, Int?)
    }

    private var steps: [Step] = []
    private static let mostSteps = 10_000

    /// Compiles a pattern.
    ///
    /// - Throws: `.badQuestion` when it is no pattern, or larger than 10,000 steps.
    package init(_ pattern: String) throws(PolicyAnalysisError) {
        var parser = PatternParser(pattern)
        try add(try parser.parse())
        steps.append(.done)
    }

    private mutating func add(_ node: Node) throws(PolicyAnalysisError) {
        guard steps.count < Self.mostSteps else {
            throw PolicyAnalysisError(.badQuestion, "the regular expression is too large")
        }
        switch node {
        case .empty: break
        case .start: steps.append(.start)
        case .end: steps.append(.end)
        case .edge: steps.append(.edge)
        case .bytes(let set): steps.append(.bytes(set))
        case .sequence(let nodes): for node in nodes { try add(node) }
        case .choice(let nodes): try addChoice(nodes)
        case .repeated(let node, let least, let most): try addRepeated(node, least, most)
        }
    }

    private mutating func addChoice(_ nodes: [Node]) throws(PolicyAnalysisError) {
        var ends: [Int] = []
        for (index, node) in nodes.enumerated() {
            guard index < nodes.count - 1 else {
                try add(node)
                break
            }
            let split = steps.count
            steps.append(.split(split + 1, 0))
            try add(node)
            ends.append(steps.count)
            steps.append(.split(0, 0))
            steps[split] = .split(split + 1, steps.count)
        }
        for end in ends { steps[end] = .split(steps.count, steps.count) }
    }

    private mutating func addRepeated(
        _ node: Node, _ least: Int, _ most: Int?
    ) throws(PolicyAnalysisError) {
        for _ in 0..<least {
            let before = steps.count
            try add(node)
            // Nothing as often as one likes is nothing.
            if steps.count == before { break }
        }
        guard let most else {
            let split = steps.count
            steps.append(.split(0, 0))
            try add(node)
            steps.append(.split(split, split))
            steps[split] = .split(split + 1, steps.count)
            return
        }
        for _ in least..<max(least, most) {
            let split = steps.count
            steps.append(.split(0, 0))
            try add(node)
            steps[split] = .split(split + 1, steps.count)
            if steps.count == split + 1 { break }
        }
    }

    /// Returns whether the pattern is somewhere in a name.
    package func matches(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        var current: [Int] = []
        var marks = Array(repeating: -1, count: steps.count)
        for position in 0...bytes.count {
            // A match may begin anywhere.
            if follow(0, position, bytes, &marks, &current) { return true }
            guard position < bytes.count else { return false }
            var next: [Int] = []
            for step in current {
                if case .bytes(let set) = steps[step], set.contains(bytes[position]),
                    follow(step + 1, position + 1, bytes, &marks, &next)
                {
                    return true
                }
            }
            current = next
        }
        return false
    }

    /// Adds the steps that are reached without a byte; returns whether the end is among them.
    private func follow(
        _ step: Int, _ position: Int, _ bytes: [UInt8], _ marks: inout [Int],
        _ reached: inout [Int]
    ) -> Bool {
        var waiting = [step]
        while let step = waiting.popLast() {
            guard marks[step] != position else { continue }
            marks[step] = position
            switch steps[step] {
            case .done: return true
            case .bytes: reached.append(step)
            case .split(let first, let second): waiting += [second, first]
            case .start: if position == 0 { waiting.append(step + 1) }
            case .end: if position == bytes.count { waiting.append(step + 1) }
            case .edge:
                let before = position > 0 && PatternParser.isWord(bytes[position - 1])
                let after = position < bytes.count && PatternParser.isWord(bytes[position])
                if before != after { waiting.append(step + 1) }
            }
        }
        return false
    }
}

/// Reads a pattern.
struct PatternParser {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    private static let mostDepth = 64
    private static let mostRepetitions = 1_000

    init(_ pattern: String) { bytes = Array(pattern.utf8) }

    static func isWord(_ byte: UInt8) -> Bool {
        byte >= 0x30 && byte <= 0x39 || byte >= 0x41 && byte <= 0x5a || byte == 0x5f
            || byte >= 0x61 && byte <= 0x7a
    }

    private func failure(_ what: String) -> PolicyAnalysisError {
        PolicyAnalysisError(.badQuestion, "the regular expression \(what)")
    }

    mutating func parse() throws(PolicyAnalysisError) -> NamePattern.Node {
        let node = try choice()
        guard position == bytes.count else { throw failure("has a `)` without its `(`") }
        return node
    }

    private mutating func choice() throws(PolicyAnalysisError) -> NamePattern.Node {
        var nodes = [try sequence()]
        while position < bytes.count, bytes[position] == UInt8(ascii: "|") {
            position += 1
            nodes.append(try sequence())
        }
        return nodes.count == 1 ? nodes[0] : .choice(nodes)
    }

    private mutating func sequence() throws(PolicyAnalysisError) -> NamePattern.Node {
        var nodes: [NamePattern.Node] = []
        while position < bytes.count, bytes[position] != UInt8(ascii: "|"),
            bytes[position] != UInt8(ascii: ")")
        {
            nodes.append(try repetition())
        }
        return .sequence(nodes)
    }

    private mutating func repetition() throws(PolicyAnalysisError) -> NamePattern.Node {
        let node = try atom()
        guard position < bytes.count else { return node }
        var result = node
        switch bytes[position] {
        case UInt8(ascii: "*"): result = .repeated(node, 0, nil)
        case UInt8(ascii: "+"): result = .repeated(node, 1, nil)
        case UInt8(ascii: "?"): result = .repeated(node, 0, 1)
        case UInt8(ascii: "{"):
            guard let (least, most) = try counts() else { return node }
            result = .repeated(node, least, most)
        default: return node
        }
        position += 1
        // A lazy repetition finds the same names.
        if position < bytes.count, bytes[position] == UInt8(ascii: "?") { position += 1 }
        return result
    }

    /// `{n}`, `{n,}`, `{,m}` or `{n,m}`; stays on the last brace. Nil when it is a mere brace.
    private mutating func counts() throws(PolicyAnalysisError) -> (Int, Int?)? {
        guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "}")) else { return nil }
        let text = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= 2, !text.isEmpty, text != ",",
            let least = parts[0].isEmpty ? 0 : Int(parts[0])
        else { return nil }
        var most: Int? = least
        if parts.count == 2 {
            if parts[1].isEmpty {
                most = nil
            } else if let number = Int(parts[1]) {
                most = number
            } else {
                return nil
            }
        }
        guard least >= 0, least <= Self.mostRepetitions, most ?? least >= least,
            most ?? 0 <= Self.mostRepetitions
        else { throw failure("repeats too often") }
        position = end
        return (least, most)
    }

    private mutating func atom() throws(PolicyAnalysisError) -> NamePattern.Node {
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "^"): return .start
        case UInt8(ascii: "$"): return .end
        case UInt8(ascii: "."): return .bytes(Self.any)
        case UInt8(ascii: "("): return try group()
        case UInt8(ascii: "["): return .bytes(try bracket())
        case UInt8(ascii: "\\"): return try escape()
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
            throw failure("repeats nothing")
        default: return .bytes(Self.single(byte))
        }
    }

    private mutating func group() throws(PolicyAnalysisError) -> NamePattern.Node {
        depth += 1
        guard depth <= Self.mostDepth else { throw failure("is nested too deeply") }
        if position < bytes.count, bytes[position] == UInt8(ascii: "?") {
            guard position + 1 < bytes.count, bytes[position + 1] == UInt8(ascii: ":") else {
                throw failure("has a group of an unknown kind")
            }
            position += 2
        }
        let node = try choice()
        guard position < bytes.count else { throw failure("has a `(` without its `)`") }
        position += 1
        depth -= 1
        return node
    }

    private mutating func escape() throws(PolicyAnalysisError) -> NamePattern.Node {
        guard position < bytes.count else { throw failure("ends in a backslash") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "b"): return .edge
        case UInt8(ascii: "A"): return .start
        case UInt8(ascii: "Z"): return .end
        default: return .bytes(try escaped(byte))
        }
    }

    private func escaped(_ byte: UInt8) throws(PolicyAnalysisError) -> NamePattern.Set256 {
        var set = NamePattern.Set256()
        switch byte | 0x20 {
        case UInt8(ascii: "d"): for digit in UInt8(0x30)...0x39 { set.insert(digit) }
        case UInt8(ascii: "w"):
            for other in UInt8(0)...255 where Self.isWord(other) { set.insert(other) }
        case UInt8(ascii: "s"): for blank in [UInt8(9), 10, 11, 12, 13, 32] { set.insert(blank) }
        default:
            guard !Self.isWord(byte) || byte == 0x5f else {
                throw failure("has an escape that is not known")
            }
            set.insert(byte)
            return set
        }
        if byte & 0x20 == 0 { set.invert() }
        return set
    }

    private mutating func bracket() throws(PolicyAnalysisError) -> NamePattern.Set256 {
        var set = NamePattern.Set256()
        var isInverted = false
        if position < bytes.count, bytes[position] == UInt8(ascii: "^") {
            isInverted = true
            position += 1
        }
        var isFirst = true
        while position < bytes.count, bytes[position] != UInt8(ascii: "]") || isFirst {
            isFirst = false
            let low = bytes[position]
            position += 1
            if low == UInt8(ascii: "\\"), position < bytes.count {
                set.formUnion(try escaped(bytes[position]))
                position += 1
                continue
            }
            guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "-"),
                bytes[position + 1] != UInt8(ascii: "]")
            else {
                set.insert(low)
                continue
            }
            let high = bytes[position + 1]
            guard low <= high else { throw failure("has a range that ends before its begin") }
            for byte in low...high { set.insert(byte) }
            position += 2
        }
        guard position < bytes.count else { throw failure("has a `[` without its `]`") }
        position += 1
        if isInverted { set.invert() }
        return set
    }

    private static let any: NamePattern.Set256 = {
        var set = NamePattern.Set256()
        set.insert(10)
        set.invert()
        return set
    }()

    private static func single(_ byte: UInt8) -> NamePattern.Set256 {
        var set = NamePattern.Set256()
        set.insert(byte)
        return set
    }
}
