import KernelPolicyLanguage

/// The label of files, for `file_contexts`: not part of the policy.
struct FileLabel {
    let path: String
    let kind: Word
    let context: ContextText?
}

extension FileLabel {
    /// Kinds of files in the order in which one path has them, and how `file_contexts` marks them.
    private static let kinds: [(word: Word, mark: String)] = [
        (.file, "--\t"), (.dir, "-d\t"), (.char, "-c\t"), (.block, "-b\t"), (.socket, "-s\t"),
        (.pipe, "-p\t"), (.symlink, "-l\t"),
    ]

    /// How a kind is marked; any kind has no mark.
    var mark: String { FileLabel.kinds.first { $0.word == kind }?.mark ?? "" }

    /// What is less special stands first: the last line that fits a file is the one that counts.
    ///
    /// Patterns stand before plain paths, then what begins with fewer plain bytes, then what is
    /// shorter, then what is for any kind.
    /// - Source: the order that secilc 3.4 writes, and libselinux's `label_file(5)` expects.
    struct Order: Comparable {
        let isPlain: Bool
        let stem: Int
        let length: Int
        let kind: Int
        let path: [UInt8]

        init(_ label: FileLabel) {
            var (stem, length, hasPattern, isEscaped) = (0, 0, false, false)
            for byte in label.path.utf8 {
                if !isEscaped, byte == UInt8(ascii: "\\") {
                    isEscaped = true
                    continue
                }
                if !isEscaped, Order.patternBytes.contains(byte) { hasPattern = true }
                if !hasPattern { stem += 1 }
                length += 1
                isEscaped = false
            }
            // A path that ends in one counts it.
            if isEscaped {
                if !hasPattern { stem += 1 }
                length += 1
            }
            isPlain = !hasPattern
            (self.stem, self.length) = (stem, length)
            kind = FileLabel.kinds.firstIndex { $0.word == label.kind }.map { $0 + 1 } ?? 0
            path = Array(label.path.utf8)
        }

        private static let patternBytes = Array(".^$?*+|[({".utf8)

        static func < (one: Order, other: Order) -> Bool {
            if one.isPlain != other.isPlain { return !one.isPlain }
            let numbers = (one.stem, one.length, one.kind)
            let others = (other.stem, other.length, other.kind)
            guard numbers == others else { return numbers < others }
            return one.path.lexicographicallyPrecedes(other.path)
        }
    }
}

extension Lowering {
    /// The labels of files, one a line, in the order of `FileLabel.Order`.
    var fileContexts: String {
        let names = policy.levels.categories.names.map { text($0) }
        let numbers = Dictionary(
            uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        let sorted = fileLabels.map { (order: FileLabel.Order($0), label: $0) }
            .sorted { $0.order < $1.order }
        var lines = ""
        for (_, label) in sorted {
            lines += "\(label.path)\t\(label.mark)"
            guard let context = label.context else {
                lines += "<<none>>\n"
                continue
            }
            lines += "\(text(context.user)):\(text(context.role)):\(text(context.type))"
            if let range = context.range {
                let low = describe(range.low, names, numbers)
                let high = range.high.map { describe($0, names, numbers) } ?? low
                lines += low == high ? ":\(low)" : ":\(low)-\(high)"
            }
            lines += "\n"
        }
        return lines
    }

    /// Three neighbouring categories and more are written as one word, two as two.
    private func describe(
        _ level: LevelText, _ names: [String], _ numbers: [String: Int]
    ) -> String {
        var words: [String] = []
        for category in level.categories.map({ text($0) }) {
            if numbers[category] == nil, let (first, last) = ends(of: category, numbers),
                last == first + 1
            {
                words += [names[first], names[last]]
            } else {
                words.append(category)
            }
        }
        let name = text(level.sensitivity)
        return words.isEmpty ? name : "\(name):\(words.joined(separator: ","))"
    }

    /// Returns the places of the two categories that a word as `c0.c3` names.
    private func ends(of word: String, _ numbers: [String: Int]) -> (first: Int, last: Int)? {
        for place in word.indices where word[place] == "." {
            if let first = numbers[String(word[..<place])],
                let last = numbers[String(word[word.index(after: place)...])]
            {
                return (first, last)
            }
        }
        return nil
    }
}
