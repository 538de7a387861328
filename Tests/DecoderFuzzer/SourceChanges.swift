import TestSupport

/// Changes of sources: words and lines exchanged, left out, doubled, and taken from other sources.
enum SourceChanges {
    private static let words = [
        "system", "version", "target", "casemate", "xen", "\"4.17\"", "levels", "categories",
        "compartment", "at", "kernel", "debian", "initrd", "command", "line", "memory", "KiB",
        "MiB", "GiB", "vcpus", "channel", "signal", "assert", "never", "import", "integrity",
        "service", "store", "console", "control", "tpm", "audit", "device", "exempt", "conflict",
        "each", "(", ")", ".", "except", "via", "or", "and", "every", "path", "passes", "only",
        "through", "nobody", "may", "load", "policy", "relabel", "uses", "schedule", "fixed",
        "slot", "ms", "fair", "weight", "cap", "percent", "start", "auto", "after", "manual",
        "restart", "times", "none", "owner", "readers", "writers", "quota", "commands",
        "nodes", "rate", "per",
        "second", "pci", "irq", "io", "ports", "without", "iommu", "ring", "pages", "block", "net",
        "reason", "0", "1", "64", "007", "4096", "99999999999999999999", "\"x\"", "\"\"", "\"",
        "\\", "{", "}", ":", ",", "<", "->", "<->", "..", "-", "// c", "/", "\n", "\r\n", "\r",
        "\t", "é", "\u{202E}", "\u{feff}", "\u{0}", ";", "\"0000:03:00.0\"", "\"0x60-0x64\"",
        "\"/a/b\"", "\"modules/levels.casemate\"", "\"../up\"",
    ]

    static func change(
        _ bytes: inout [UInt8], _ others: [[UInt8]], _ random: inout SeededGenerator
    ) {
        func number(_ bound: Int) -> Int { Int.random(in: 0..<max(1, bound), using: &random) }
        let other = others[number(others.count)]
        switch number(10) {
        case 0 where !bytes.isEmpty: bytes[number(bytes.count)] = UInt8(number(256))
        case 1 where !bytes.isEmpty: bytes.remove(at: number(bytes.count))
        case 2:
            let word = " " + words[number(words.count)] + " "
            bytes.insert(contentsOf: Array(word.utf8), at: number(bytes.count + 1))
        case 3, 4:
            let places = wordRanges(bytes)
            guard !places.isEmpty else { return }
            let new = words[number(words.count)]
            bytes.replaceSubrange(places[number(places.count)], with: Array(new.utf8))
        case 5, 6:
            let (places, sources) = (wordRanges(bytes), wordRanges(other))
            guard !places.isEmpty, !sources.isEmpty else { return }
            bytes.replaceSubrange(
                places[number(places.count)], with: other[sources[number(sources.count)]])
        case 7:
            var lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
            lines.remove(at: number(lines.count))
            bytes = Array(lines.joined(separator: [10]))
        case 8:
            var lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
            lines.swapAt(number(lines.count), number(lines.count))
            bytes = Array(lines.joined(separator: [10]))
        default:
            var lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
            let more = other.split(separator: 10, omittingEmptySubsequences: false)
            let start = number(more.count)
            let end = min(more.count, start + 1 + number(8))
            lines.insert(contentsOf: more[start..<end], at: number(lines.count + 1))
            bytes = Array(lines.joined(separator: [10]))
        }
    }

    /// Where the words stand: what is between blanks and parentheses.
    private static func wordRanges(_ bytes: [UInt8]) -> [Range<Int>] {
        bytes.split { $0 == 32 || $0 == 10 || $0 == 40 || $0 == 41 }.map {
            $0.startIndex..<$0.endIndex
        }
    }
}
