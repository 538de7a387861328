/// One word, number or sign of a source.
struct PolicyToken {
    /// What it is.
    enum Kind: Equatable {
        /// A word; `name` says which.
        case name
        /// Digits, or `0x` and hexadecimal digits.
        case number
        /// Text between quotation marks; the range leaves these out.
        case text
        /// A sign, by its ASCII code; `==` and `!=` and the like as their words' names.
        case sign(UInt8)
        /// The end of the source.
        case end
    }

    let kind: Kind
    /// The name of a word; no name for anything else.
    let name: Name
    /// The bytes of the token in the source.
    let range: Range<Int>
}

/// Splits a source into tokens.
///
/// - Invariant (total): every byte sequence is split; what is not of the language is a sign that no
///   statement has.
/// - Source: SELinux Notebook, "Kernel Policy Language"; checkpolicy 3.4's identifiers hold `.` and
///   `-`, so that `c0.c3` is one word and levels of a range are parted by ` - `.
struct PolicyLexer {
    /// The source.
    private(set) var text: [UInt8]
    /// Every word of it.
    var names = Keyword.names()
    /// Where the next token is looked for.
    private(set) var position = 0
    /// Where its lines begin, as far as they were passed.
    private(set) var lines = LineIndex()

    private let operators: Operators
    /// What each byte can be in a word or number. Held here, since it is asked for every byte.
    private let classes = PolicyLexer.byteClasses()

    private struct Operators {
        let and, or, xor, eq, neq, not: Name
    }

    init(_ text: consuming [UInt8]) {
        self.text = text
        operators = Operators(
            and: names.name("and"), or: names.name("or"), xor: names.name("xor"),
            eq: names.name("eq"), neq: names.name("neq"), not: names.name("not"))
    }

    /// Behind all names: no table has an entry for it.
    private static let none = Name(index: .max)

    /// Returns the next token.
    mutating func next() -> PolicyToken {
        skipBlanks()
        let start = position
        guard start < text.count else {
            return PolicyToken(kind: .end, name: PolicyLexer.none, range: start..<start)
        }
        let byte = text[start]
        if classes[Int(byte)] & PolicyLexer.letter != 0 { return word(start) }
        if classes[Int(byte)] & PolicyLexer.digit != 0 { return number(start) }
        if byte == UInt8(ascii: "\"") { return quoted(start) }
        if let word = operatorWord(byte, start) { return word }
        position += 1
        return PolicyToken(kind: .sign(byte), name: PolicyLexer.none, range: start..<position)
    }

    /// Forgets the source, once everything was read; its words stay.
    mutating func releaseText() { text = [] }

    /// Goes back to a place that was passed.
    mutating func rewind(to offset: Int) { position = min(offset, position) }

    /// Returns everything up to the next blank or semicolon: a path, an address, a device.
    mutating func nextRaw() -> Range<Int> {
        skipBlanks()
        let start = position
        while position < text.count, text[position] > 32, text[position] != UInt8(ascii: ";") {
            position += 1
        }
        return start..<position
    }

    /// Steps behind the next semicolon or closing brace, to go on after an error.
    mutating func skipStatement() {
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "#") || byte == 10 { skipBlanks() } else { position += 1 }
            if byte == UInt8(ascii: ";") || byte == UInt8(ascii: "}") { return }
        }
    }

    // MARK: Tokens

    private mutating func word(_ start: Int) -> PolicyToken {
        var hash = NameTable.emptyHash
        var end = start
        while end < text.count, classes[Int(text[end])] & PolicyLexer.inWord != 0 {
            hash = NameTable.hash(hash, adding: text[end])
            end += 1
        }
        position = end
        return PolicyToken(
            kind: .name, name: names.name(of: text, start..<end, hash: hash), range: start..<end)
    }

    private mutating func number(_ start: Int) -> PolicyToken {
        var end = start
        let isHexadecimal =
            text[start] == UInt8(ascii: "0") && start + 1 < text.count
            && text[start + 1] | 0x20 == UInt8(ascii: "x")
        let wanted = isHexadecimal ? PolicyLexer.hexadecimal : PolicyLexer.digit
        if isHexadecimal { end += 2 }
        while end < text.count, classes[Int(text[end])] & wanted != 0 { end += 1 }
        position = end
        return PolicyToken(kind: .number, name: PolicyLexer.none, range: start..<end)
    }

    private mutating func quoted(_ start: Int) -> PolicyToken {
        var end = start + 1
        while end < text.count, text[end] != UInt8(ascii: "\""), text[end] != 10 { end += 1 }
        guard end < text.count, text[end] != 10 else {
            position = start + 1
            return PolicyToken(
                kind: .sign(text[start]), name: PolicyLexer.none, range: start..<position)
        }
        position = end + 1
        return PolicyToken(kind: .text, name: PolicyLexer.none, range: start + 1..<end)
    }

    /// The operators that are written with signs, as the words that mean the same.
    private mutating func operatorWord(_ byte: UInt8, _ start: Int) -> PolicyToken? {
        let follower = start + 1 < text.count ? text[start + 1] : 0
        let found: (name: Name, length: Int)? =
            switch (byte, follower) {
            case (UInt8(ascii: "&"), UInt8(ascii: "&")): (operators.and, 2)
            case (UInt8(ascii: "|"), UInt8(ascii: "|")): (operators.or, 2)
            case (UInt8(ascii: "="), UInt8(ascii: "=")): (operators.eq, 2)
            case (UInt8(ascii: "!"), UInt8(ascii: "=")): (operators.neq, 2)
            case (UInt8(ascii: "!"), _): (operators.not, 1)
            case (UInt8(ascii: "^"), _): (operators.xor, 1)
            default: nil
            }
        guard let found else { return nil }
        position = start + found.length
        return PolicyToken(kind: .name, name: found.name, range: start..<position)
    }

    // MARK: Blanks, comments, line markers

    private mutating func skipBlanks() {
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "#") {
                let start = position
                while position < text.count, text[position] != 10 { position += 1 }
                addMarker(start..<position)
            } else if byte <= 32 {
                position += 1
                if byte == 10 { lines.endLine(before: position) }
            } else {
                return
            }
        }
    }

    private mutating func addMarker(_ comment: Range<Int>) {
        guard text[comment].starts(with: "#line ".utf8) else { return }
        var place = comment.lowerBound + 6
        var line = 0
        while place < comment.upperBound, classes[Int(text[place])] & 2 != 0 {
            line = min(line * 10 + Int(text[place] - 48), 1 << 30)
            place += 1
        }
        let rest = text[place..<comment.upperBound]
        var file = place..<place
        if let open = rest.firstIndex(of: UInt8(ascii: "\"")),
            let close = rest[(open + 1)...].firstIndex(of: UInt8(ascii: "\""))
        {
            file = open + 1..<close
        }
        lines.mark(line, file: text[file], at: comment.lowerBound)
    }

    // MARK: Bytes

    private static let letter: UInt8 = 1
    private static let digit: UInt8 = 2
    private static let inWord: UInt8 = 4
    private static let hexadecimal: UInt8 = 8

    private static func byteClasses() -> [UInt8] {
        (0...255).map { (byte: UInt8) in byteClass(byte) }
    }

    private static func byteClass(_ byte: UInt8) -> UInt8 {
        let isDigit = (48...57).contains(byte)
        let isLetter = (65...90).contains(byte) || (97...122).contains(byte)
        let isHexadecimal = isDigit || (65...70).contains(byte) || (97...102).contains(byte)
        let isOther = [UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains(byte)
        return (isLetter ? letter : 0) | (isDigit ? digit : 0)
            | (isLetter || isDigit || isOther ? inWord : 0) | (isHexadecimal ? hexadecimal : 0)
    }
}
