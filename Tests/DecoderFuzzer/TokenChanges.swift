import TestSupport

/// Changes of sources in the languages that others have: words, statements and their order.
///
/// A word is a run of letters, digits and what stands in names, or text between quotation marks; a
/// statement is a line, as the seeds have it.
enum TokenChanges {
    /// Returns changes by the words of a language.
    static func changing(
        _ words: [String]
    ) -> (inout [UInt8], [[UInt8]], inout SeededGenerator) -> Void {
        { change(&$0, $1, words, &$2) }
    }

    private static func change(
        _ bytes: inout [UInt8], _ others: [[UInt8]], _ words: [String],
        _ random: inout SeededGenerator
    ) {
        func number(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &random) }
        let kind = number(16)
        guard kind < 9 else {
            return changeLines(&bytes, others[number(others.count)], kind, &random)
        }
        let places = tokens(of: bytes)
        guard !bytes.isEmpty, !places.isEmpty else {
            bytes += Array(words[number(words.count)].utf8)
            return
        }
        let place = places[number(places.count)]
        switch kind {
        case 0: bytes[number(bytes.count)] = UInt8(number(256))
        case 1: bytes.remove(at: number(bytes.count))
        case 2: bytes.removeSubrange(place)
        case 3:
            bytes.insert(
                contentsOf: Array((" " + words[number(words.count)] + " ").utf8),
                at: place.lowerBound)
        case 4: bytes.replaceSubrange(place, with: Array(words[number(words.count)].utf8))
        case 5:
            let sign = Array("(){};:,~*-.\"!&^=#\n".utf8)
            bytes.insert(sign[number(sign.count)], at: place.lowerBound)
        default:
            // A word that stands elsewhere in the same source is often one that may stand here.
            let other = Array(bytes[places[number(places.count)]])
            bytes.replaceSubrange(place, with: other)
        }
    }

    private static func changeLines(
        _ bytes: inout [UInt8], _ other: [UInt8], _ kind: Int, _ random: inout SeededGenerator
    ) {
        func number(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &random) }
        var lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
        let more = other.split(separator: 10, omittingEmptySubsequences: false)
        switch kind {
        case 9: lines.remove(at: number(lines.count))
        case 10: lines.swapAt(number(lines.count), number(lines.count))
        case 11: lines.insert(lines[number(lines.count)], at: number(lines.count + 1))
        case 12: lines.append(more[more.count - 1])
        default:
            // A few of another's: its last ones are what that source is about.
            let start = kind == 13 ? max(0, more.count - 1 - number(3)) : number(more.count)
            let end = min(more.count, start + 1 + number(3))
            lines.insert(contentsOf: more[start..<end], at: number(lines.count + 1))
        }
        bytes = Array(lines.joined(separator: [10]))
    }

    private static func tokens(of bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var start: Int?
        for (index, byte) in bytes.enumerated() {
            if isInToken(byte) {
                start = start ?? index
            } else if let begin = start {
                found.append(begin..<index)
                start = nil
            }
        }
        if let start { found.append(start..<bytes.count) }
        return found
    }

    private static func isInToken(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
            || "_.-\"/".utf8.contains(byte)
    }
}
