internal import GuestSystem

/// What the guard lets pass: text of a known form that its author marked for release, and that has
/// none of some words. Everything else is kept back, and why is said.
///
/// The rules stand in the store, below `/guard/filter`, where one compartment may write them. Where
/// one is missing nothing passes.
struct ContentFilter {
    /// The first line that a document must have.
    let marking: [UInt8]
    /// Words that it must not have, in small letters.
    let forbidden: [[UInt8]]
    /// The most bytes that it may have.
    let largest: UInt32

    /// Takes rules as texts; nil when one of them says nothing.
    ///
    /// - Parameter forbidden: with a comma between two.
    init?(marking: [UInt8], forbidden: [UInt8], largest: [UInt8]) {
        guard !marking.isEmpty, let number = Text.number(largest) else { return nil }
        self.marking = marking
        self.forbidden = forbidden.split(separator: 0x2c).map { Text.lowercased(Array($0)) }
        self.largest = number
        guard !self.forbidden.isEmpty else { return nil }
    }

    /// Reads the rules; nil when one is missing or says nothing.
    static func current() -> ContentFilter? {
        do throws(SystemError) {
            return ContentFilter(
                marking: try SystemCalls.readNode("/guard/filter/marking"),
                forbidden: try SystemCalls.readNode("/guard/filter/forbidden"),
                largest: try SystemCalls.readNode("/guard/filter/largest"))
        } catch { return nil }
    }

    /// Why a document is kept back; nil when it may pass.
    func objection(to document: Document) -> String? {
        guard ContentFilter.isPlain(name: document.name) else { return "its name is not plain" }
        guard document.text.count <= Int(largest) else {
            return "it is longer than \(largest) bytes"
        }
        // Only what a person sees when it is printed: nothing hides in what is left out.
        for byte in document.text where byte != 0x0a && (byte < 0x20 || byte > 0x7e) {
            return "it is not plain text"
        }
        let lines = document.text.split(separator: 0x0a, omittingEmptySubsequences: false)
        for line in lines where line.last == 0x20 { return "a line ends in blanks" }
        guard let first = lines.first, first.elementsEqual(marking) else {
            return "it is not marked for release"
        }
        let text = Text.lowercased(document.text.map { $0 == 0x0a ? 0x20 : $0 })
        for word in forbidden where Text.contains(text, word) {
            return "it says `\(Text.printable(word))`"
        }
        return nil
    }

    /// Small letters, digits, points and hyphens, 1 to 32 of them.
    static func isPlain(name: [UInt8]) -> Bool {
        guard (1...32).contains(name.count) else { return false }
        return name.allSatisfy { byte in
            (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2e
                || byte == 0x2d
        }
    }
}
