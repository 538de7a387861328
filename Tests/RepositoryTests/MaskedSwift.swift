/// Swift source with every character of comments and string literals replaced by a blank, so that
/// what remains can be searched for words and braces. Line breaks stay where they are.
struct MaskedSwift {
    private(set) var lines: [String] = []
    private var source: [Character]
    private var index = 0
    private var masked: [Character] = []

    /// Masks `text`. An unfinished literal or comment is masked to the end.
    init(_ text: String) {
        source = Array(text)
        masked.reserveCapacity(source.count)
        while index < source.count { maskNext() }
        lines = String(masked).split(separator: "\n", omittingEmptySubsequences: false)
            .map(String.init)
    }

    private func looksAt(_ word: String) -> Bool {
        source[index...].starts(with: word)
    }

    private mutating func keep() {
        masked.append(source[index])
        index += 1
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<count where index < source.count {
            masked.append(source[index] == "\n" ? "\n" : " ")
            index += 1
        }
    }

    private mutating func maskNext() {
        if looksAt("//") {
            while index < source.count, source[index] != "\n" { blank() }
        } else if looksAt("/*") {
            maskBlockComment()
        } else if let pounds = poundsOfLiteral() {
            maskLiteral(pounds: pounds)
        } else {
            keep()
        }
    }

    private mutating func maskBlockComment() {
        var depth = 0
        repeat {
            if looksAt("/*") {
                depth += 1
                blank(2)
            } else if looksAt("*/") {
                depth -= 1
                blank(2)
            } else {
                blank()
            }
        } while depth > 0 && index < source.count
    }

    /// How many `#` open the string literal that starts here; nil when none starts.
    private func poundsOfLiteral() -> Int? {
        var end = index
        while end < source.count, source[end] == "#" { end += 1 }
        guard end < source.count, source[end] == "\"" else { return nil }
        return end - index
    }

    private mutating func maskLiteral(pounds: Int) {
        blank(pounds)
        let quotes = looksAt("\"\"\"") ? "\"\"\"" : "\""
        let end = quotes + String(repeating: "#", count: pounds)
        let escape = "\\" + String(repeating: "#", count: pounds)
        blank(quotes.count)
        while index < source.count, !looksAt(end) {
            if looksAt(escape + "(") {
                blank(escape.count + 1)
                maskInterpolation()
            } else if looksAt(escape) {
                blank(escape.count + 1)
            } else {
                blank()
            }
        }
        blank(end.count)
    }

    /// An interpolation is kept out too: it may hold literals of its own.
    private mutating func maskInterpolation() {
        var depth = 1
        while depth > 0, index < source.count {
            if let pounds = poundsOfLiteral() {
                maskLiteral(pounds: pounds)
                continue
            }
            if source[index] == "(" { depth += 1 }
            if source[index] == ")" { depth -= 1 }
            blank()
        }
    }
}
