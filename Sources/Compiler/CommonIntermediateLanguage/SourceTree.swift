import KernelPolicyLanguage

/// The parentheses of all files, in one row of words.
///
/// - Layout: an atom is a word: its name times four, plus one between quotation marks. A list is a
///   word, the place behind the list times four plus two; then a word, where its parenthesis stands
///   in the text, counting on through the files; then what is in it.
struct SourceTree {
    private(set) var words: [UInt32] = []
    var names = Word.names()
    /// The files, and where each begins in the count of bytes.
    private(set) var files: [(name: String, begin: Int, lines: LineIndex)] = []
    /// Where the lists of the files' outermost level stand.
    private(set) var roots: [Int] = []
    /// Requirements that comments have: the list that each stands in, nil for none, where its
    /// comment begins in the count of bytes, and its text.
    private(set) var requirements: [(list: Int?, offset: Int, text: String)] = []

    /// How deep parentheses may be nested.
    static let mostNesting = 256
    /// The most words: places have 30 bits.
    static let mostWords = 1 << 29

    /// The place of the words that stand between quotation marks or alone: not a list.
    @inline(__always)
    func isList(_ place: Int) -> Bool { words[place] & 3 == 2 }

    /// The place behind what stands at a place.
    @inline(__always)
    func end(_ place: Int) -> Int { isList(place) ? Int(words[place] >> 2) : place + 1 }

    /// The place of the first thing in a list; its end when it is empty.
    @inline(__always)
    func first(_ list: Int) -> Int { list + 2 }

    /// The name of an atom; nil for a list.
    @inline(__always)
    func atom(_ place: Int) -> Name? {
        let word = words[place]
        return word & 3 == 2 ? nil : Name(index: word >> 2)
    }

    /// The name of an atom without quotation marks.
    @inline(__always)
    func bare(_ place: Int) -> Name? {
        let word = words[place]
        return word & 3 == 0 ? Name(index: word >> 2) : nil
    }

    /// The word of the language at a place.
    func word(_ place: Int) -> Word? {
        guard let name = bare(place), name.place < Word.list.count else { return nil }
        return Word.list[name.place]
    }

    /// The word that a list begins with; nil for an empty list, and for another beginning.
    func head(_ list: Int) -> Word? { first(list) < end(list) ? word(first(list)) : nil }

    /// The name behind a list's first word; nil when there is none.
    func declared(_ list: Int) -> Name? {
        let place = first(list) + 1
        return place < end(list) && !isList(first(list)) ? bare(place) : nil
    }

    /// Where a list stands in the text.
    func offset(_ list: Int) -> Int { Int(words[list + 1]) }

    /// The things in a list, in order.
    func items(_ list: Int) -> [Int] {
        var found: [Int] = []
        var place = first(list)
        let last = end(list)
        while place < last {
            found.append(place)
            place = end(place)
        }
        return found
    }

    func text(_ name: Name) -> String { names.text(name) }

    /// Returns the user's file, line and column of a place in the count of bytes.
    func place(of offset: Int) -> (file: String, line: Int, column: Int) {
        guard let file = files.last(where: { $0.begin <= offset }) else { return ("", 1, 1) }
        return file.lines.place(of: offset - file.begin, in: file.name)
    }
}

extension SourceTree {
    /// Reads a file.
    ///
    /// - Throws: `.syntax` for what is no tree; `.limit` for parentheses that are nested too
    ///   deeply, and for files that are too large together.
    mutating func read(_ text: consuming [UInt8], name: String) throws(SourceFailure) {
        let begin = files.last.map { $0.begin + $0.lines.byteCount + 1 } ?? 0
        guard begin + text.count < UInt32.max / 2 else {
            throw SourceFailure(.limit, "the files are larger than 2 GiB together", at: 0)
        }
        var reader = TreeReader(text, begin: begin)
        do throws(SourceFailure) {
            try reader.read(&words, &names, &roots)
        } catch {
            files.append((name, begin, reader.lines))
            throw error
        }
        reader.lines.endLine(before: reader.text.count)
        requirements += reader.requirements
        files.append((name, begin, reader.lines))
    }
}

/// Reads one file into a row of words.
private struct TreeReader {
    let text: [UInt8]
    let begin: Int
    /// What each byte can be. Held here, since it is asked for every byte.
    private let classes = TreeReader.byteClasses
    var lines = LineIndex()
    var requirements: [(list: Int?, offset: Int, text: String)] = []
    private var position = 0
    /// The line marks that are open: the line that the mark's own end has, and how they count.
    private var marks: [Mark] = []
    private var line = 1

    private struct Mark {
        /// The line that the next line has.
        var next: Int
        let file: Range<Int>
        /// Whether every line has the same number.
        let isFixed: Bool
    }

    init(_ text: consuming [UInt8], begin: Int) {
        self.text = text
        self.begin = begin
    }

    mutating func read(
        _ words: inout [UInt32], _ names: inout NameTable, _ roots: inout [Int]
    ) throws(SourceFailure) {
        var open: [Int] = []
        while position < text.count {
            let byte = text[position]
            let kind = classes[Int(byte)]
            if kind == TreeReader.symbol {
                let start = position
                var hash = NameTable.emptyHash
                while position < text.count,
                    classes[Int(text[position])] == TreeReader.symbol
                {
                    hash = NameTable.hash(hash, adding: text[position])
                    position += 1
                }
                guard !open.isEmpty else { throw outside(start) }
                words.append(names.name(of: text, start..<position, hash: hash).index << 2)
            } else if kind == TreeReader.blank {
                position += 1
                if byte == 10 { endLine() }
            } else if byte == UInt8(ascii: "(") {
                guard open.count < SourceTree.mostNesting else {
                    throw failure(.limit, "parentheses are nested too deeply", position)
                }
                if open.isEmpty { roots.append(words.count) }
                open.append(words.count)
                words.append(2)
                words.append(UInt32(truncatingIfNeeded: begin + position))
                position += 1
            } else if byte == UInt8(ascii: ")") {
                guard let start = open.popLast() else {
                    throw failure(.syntax, "this `)` closes nothing", position)
                }
                words[start] = UInt32(truncatingIfNeeded: words.count) << 2 | 2
                position += 1
            } else {
                try other(byte, in: open.last, &words, &names)
            }
        }
        if let start = open.last {
            throw SourceFailure(
                .syntax, "this `(` is not closed", at: Int(words[start + 1]))
        }
        guard words.count < SourceTree.mostWords else {
            throw failure(.limit, "the files are too large together", position)
        }
    }

    private mutating func other(
        _ byte: UInt8, in list: Int?, _ words: inout [UInt32], _ names: inout NameTable
    ) throws(SourceFailure) {
        let start = position
        if byte == UInt8(ascii: ";") {
            while position < text.count, text[position] != 10 { position += 1 }
            readRequirements(start..<position, in: list)
            return mark(start..<position)
        }
        guard byte == UInt8(ascii: "\"") else {
            throw failure(.syntax, "this byte, \(byte), is not of the language", start)
        }
        var end = start + 1
        var hash = NameTable.emptyHash
        while end < text.count, text[end] != byte, text[end] != 10, text[end] != 0 {
            hash = NameTable.hash(hash, adding: text[end])
            end += 1
        }
        guard end < text.count, text[end] == byte else {
            throw failure(.syntax, "this quotation mark is not closed in its line", start)
        }
        guard list != nil else { throw outside(start) }
        position = end + 1
        words.append(names.name(of: text, start + 1..<end, hash: hash).index << 2 | 1)
    }

    private func failure(
        _ reason: KernelPolicyError.Reason, _ message: String, _ place: Int
    ) -> SourceFailure {
        SourceFailure(reason, message, at: begin + place)
    }

    private func outside(_ place: Int) -> SourceFailure {
        failure(.syntax, "only what stands in parentheses is a statement", place)
    }

    // MARK: Lines

    private mutating func endLine() {
        lines.endLine(before: position)
        line += 1
        guard let mark = marks.last, mark.isFixed else { return }
        // Every line of what was expanded comes from one line.
        lines.mark(mark.next + 1, file: [], at: position)
    }

    /// Takes a comment, which may be a line mark: `;;* lms 12 file`, `;;* lmx 12 file`, `;;* lme`.
    private mutating func mark(_ comment: Range<Int>) {
        let isAtLineStart = comment.lowerBound == 0 || text[comment.lowerBound - 1] == 10
        guard isAtLineStart, text[comment].starts(with: ";;*".utf8) else { return }
        let words = text[comment].dropFirst(3).split { $0 == 32 || $0 == 9 || $0 == 13 }
        guard let kind = words.first else { return }
        if kind.elementsEqual("lme".utf8) {
            guard marks.popLast() != nil else { return }
            let outer = marks.last
            lines.mark(
                outer?.next ?? line + 1, file: outer.map { text[$0.file] } ?? [],
                at: comment.lowerBound)
            if outer == nil { lines.forgetFile(at: comment.lowerBound, next: line + 1) }
            return
        }
        guard words.count >= 2, marks.count < SourceTree.mostNesting,
            let number = Int(String(decoding: words[1], as: UTF8.self)), number >= 0,
            number < 1 << 30
        else { return }
        let file = words.count > 2 ? words[2] : []
        let isFixed = kind.elementsEqual("lmx".utf8)
        marks.append(Mark(next: number, file: file.startIndex..<file.endIndex, isFixed: isFixed))
        lines.mark(number, file: file, at: comment.lowerBound)
    }

    /// Takes what a comment has between two marks `;IFL;`.
    private mutating func readRequirements(_ comment: Range<Int>, in list: Int?) {
        let mark = ";IFL;"
        guard text[comment].starts(with: mark.utf8) else { return }
        var rest = String(decoding: text[comment], as: UTF8.self)[...]
        while let begin = rest.firstRange(of: mark) {
            rest = rest[begin.upperBound...]
            guard let end = rest.firstRange(of: mark) else { return }
            requirements.append(
                (list, self.begin + comment.lowerBound, String(rest[..<end.lowerBound])))
            rest = rest[end.upperBound...]
        }
    }

    // MARK: Bytes

    private static let blank: UInt8 = 1
    private static let symbol: UInt8 = 2

    private static let byteClasses: [UInt8] = (0...255).map { (byte: UInt8) in
        if [9, 10, 13, 32].contains(byte) { return blank }
        if (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) {
            return symbol
        }
        return "[].@=/*-_$%+!|&^:~`#{}'<>?,".utf8.contains(byte) ? symbol : 0
    }
}
