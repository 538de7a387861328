/// A requirement on flows in the notation of IFCIL.
///
/// A path is a row of nodes and arrows. A node is a type, an attribute, or `*` for any; between two
/// arrows it may be left out. `>` is one step, `+>` one or more; `[read,write]>` and `+[read]>`
/// are steps by these permissions only. `path` must be there; `~path` must not; in `path : path`
/// everything that goes as the first says must go as the second says too.
///
/// - Source: L. Ceragioli, L. Galletta, P. Degano, D. Basin, "IFCIL: An Information Flow
///   Configuration Language for SELinux", 2022, section 4.
package struct FlowAssertion: Equatable, Sendable {
    /// What a requirement asks for.
    package enum Demand: Equatable, Sendable {
        /// A way of this kind is there.
        case must(FlowKind)
        /// None is.
        case mustNot(FlowKind)
        /// Every way of the first kind is of the second.
        case every(FlowKind, FlowKind)
    }

    /// Its name, as in `(S1)`.
    package let name: String
    /// What it asks for.
    package let demand: Demand
    /// Its text, without its name.
    package let text: String
    /// The line of its begin, from 1.
    package let line: Int
    /// The macro of a CIL source that it stands in: its names may be parameters, for which a
    /// compiled policy has nothing. nil: in none.
    package var macro: String?
    /// Where it is meant of, as `FILE:LINE`, of a macro that is called; nil: where it stands.
    package var instance: String?
    /// Why there is nothing to check: it holds. nil: there is.
    package var unusedReason: String?
}

/// A kind of ways: nodes, and what is between them.
package struct FlowKind: Equatable, Sendable {
    /// What is between two nodes.
    package struct Arrow: Equatable, Sendable {
        /// Whether it is one or more steps, not one.
        package let isLong: Bool
        /// The permissions by which each step goes; nil for any.
        package let permissions: Set<String>?
    }

    /// The nodes' names, one more than arrows; nil for any.
    package let nodes: [String?]
    /// The arrows; at least one.
    package let arrows: [Arrow]
}

extension FlowAssertion {
    /// The most arrows of a path.
    static let mostArrows = 16

    /// Finds the requirements of a text: between `;IFL;` and `;IFL;`, as comments of a CIL source
    /// have them; or when there is no such mark, one on each line that is not empty and no comment.
    ///
    /// - Throws: `.badQuestion` with the line when one has not the form of the notation.
    package static func all(in text: String) throws(PolicyAnalysisError) -> [FlowAssertion] {
        let mark = ";IFL;"
        var found: [FlowAssertion] = []
        guard text.contains(mark) else {
            for (index, line) in text.split(
                separator: "\n", omittingEmptySubsequences: false
            ).enumerated() {
                let words = line.drop { $0 == " " || $0 == "\t" }
                guard let first = words.first, first != "#", first != ";" else { continue }
                found.append(try one(String(words), line: index + 1))
            }
            return found
        }
        var line = 1
        var lists = OpenLists()
        for (index, part) in text.components(separatedBy: mark).enumerated() {
            if index % 2 == 1 {
                var assertion = try one(part, line: line)
                assertion.macro = lists.macro
                found.append(assertion)
            } else {
                lists.read(part)
            }
            line += part.utf8.count { $0 == 10 }
        }
        return found
    }

    /// Reads the text of one requirement, which begins in a line, from 1.
    ///
    /// - Throws: `.badQuestion` with the line when it has not the form of the notation.
    package static func one(
        _ text: String, line: Int
    ) throws(PolicyAnalysisError) -> FlowAssertion {
        var reader = AssertionReader(text, line: line)
        return try reader.read()
    }
}

extension String {
    /// The parts between a separator.
    fileprivate func components(separatedBy separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}

extension FlowAssertion {
    /// Reads the text of one requirement.
    fileprivate static func one(
        _ text: Substring, line: Int
    ) throws(PolicyAnalysisError) -> FlowAssertion {
        try one(String(text), line: line)
    }
}

/// The lists of a CIL source that are open where a part of it ends: the first two words of each.
private struct OpenLists {
    private var open: [[String]] = []

    /// The name of the innermost macro.
    var macro: String? { open.last { $0.first == "macro" }.map { $0.count > 1 ? $0[1] : "" } }

    /// Reads on, up to the next requirement.
    mutating func read(_ part: Substring) {
        var word: [UInt8] = []
        var (isComment, isQuoted) = (false, false)
        for byte in part.utf8 {
            if isComment || isQuoted {
                if byte == 10 { isComment = false }
                if byte == UInt8(ascii: "\"") || byte == 10 { isQuoted = false }
                continue
            }
            switch byte {
            case UInt8(ascii: ";"): isComment = true
            case UInt8(ascii: "\""): isQuoted = true
            case UInt8(ascii: "("), UInt8(ascii: ")"), 0...32: break
            default:
                word.append(byte)
                continue
            }
            end(&word)
            if byte == UInt8(ascii: "(") { open.append([]) }
            if byte == UInt8(ascii: ")") { _ = open.popLast() }
        }
        end(&word)
    }

    private mutating func end(_ word: inout [UInt8]) {
        if !word.isEmpty, let last = open.indices.last, open[last].count < 2 {
            open[last].append(String(decoding: word, as: UTF8.self))
        }
        word = []
    }
}

/// Reads one requirement.
private struct AssertionReader {
    private enum Word: Equatable {
        case name(String)
        case arrow(FlowKind.Arrow)
        case not, colon
    }

    private let bytes: [UInt8]
    private let line: Int
    private var position = 0

    init(_ text: String, line: Int) {
        bytes = Array(text.utf8)
        self.line = line
    }

    private func failure(_ what: String) -> PolicyAnalysisError {
        PolicyAnalysisError(.badQuestion, "the requirement in line \(line) \(what)")
    }

    private mutating func skipBlanks() {
        while position < bytes.count, bytes[position] <= 32 { position += 1 }
    }

    mutating func read() throws(PolicyAnalysisError) -> FlowAssertion {
        skipBlanks()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "("),
            let end = bytes[position...].firstIndex(of: UInt8(ascii: ")"))
        else { throw failure("does not begin with its name in brackets") }
        let name = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
        position = end + 1
        let text = String(decoding: bytes[position...], as: UTF8.self)
            .split { $0 == " " || $0 == "\n" || $0 == "\t" || $0 == "\r" }.joined(separator: " ")
        var words: [Word] = []
        while let word = try next() { words.append(word) }
        let demand: FlowAssertion.Demand
        if words.first == .not {
            demand = .mustNot(try kind(words.dropFirst()))
        } else if let colon = words.firstIndex(of: .colon) {
            demand = .every(try kind(words[..<colon]), try kind(words[(colon + 1)...]))
        } else {
            demand = .must(try kind(words[...]))
        }
        return FlowAssertion(name: name, demand: demand, text: text, line: line)
    }

    private mutating func next() throws(PolicyAnalysisError) -> Word? {
        skipBlanks()
        guard position < bytes.count else { return nil }
        switch bytes[position] {
        case UInt8(ascii: "~"):
            position += 1
            return .not
        case UInt8(ascii: ":"):
            position += 1
            return .colon
        case UInt8(ascii: "+"), UInt8(ascii: ">"), UInt8(ascii: "["): return try arrow()
        default: return try name()
        }
    }

    private mutating func name() throws(PolicyAnalysisError) -> Word {
        let start = position
        while position < bytes.count, Self.isName(bytes[position]) { position += 1 }
        guard position > start else { throw failure("has a character that means nothing") }
        return .name(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private static func isName(_ byte: UInt8) -> Bool {
        PatternParser.isWord(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "*") || byte == UInt8(ascii: "@")
    }

    private mutating func arrow() throws(PolicyAnalysisError) -> Word {
        let isLong = bytes[position] == UInt8(ascii: "+")
        if isLong { position += 1 }
        skipBlanks()
        var permissions: Set<String>?
        if position < bytes.count, bytes[position] == UInt8(ascii: "[") {
            guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "]")) else {
                throw failure("has a `[` without its `]`")
            }
            let list = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
            permissions = Set(list.split { $0 == "," || $0 == " " }.map(String.init))
            position = end + 1
            skipBlanks()
        }
        guard position < bytes.count, bytes[position] == UInt8(ascii: ">") else {
            throw failure("has an arrow without its head")
        }
        position += 1
        return .arrow(FlowKind.Arrow(isLong: isLong, permissions: permissions))
    }

    private func kind(_ words: ArraySlice<Word>) throws(PolicyAnalysisError) -> FlowKind {
        var nodes: [String?] = []
        var arrows: [FlowKind.Arrow] = []
        for word in words {
            switch word {
            case .name(let name):
                guard nodes.count == arrows.count else {
                    throw failure("has two nodes without an arrow between")
                }
                // A leading dot says that a name of CIL is global.
                let plain = name.hasPrefix(".") ? String(name.dropFirst()) : name
                nodes.append(plain == "*" ? nil : plain)
            case .arrow(let arrow):
                if nodes.count == arrows.count { nodes.append(nil) }
                arrows.append(arrow)
            case .not, .colon: throw failure("has a `~` or `:` within a path")
            }
        }
        if nodes.count == arrows.count { nodes.append(nil) }
        guard !arrows.isEmpty else { throw failure("has no arrow") }
        guard arrows.count <= FlowAssertion.mostArrows else {
            throw failure("has more than \(FlowAssertion.mostArrows) arrows")
        }
        return FlowKind(nodes: nodes, arrows: arrows)
    }
}

extension FlowAssertion {
    /// The names of its nodes.
    package var names: [String] {
        switch demand {
        case .must(let kind), .mustNot(let kind): kind.nodes.compactMap(\.self)
        case .every(let kind, let other): (kind.nodes + other.nodes).compactMap(\.self)
        }
    }
}
