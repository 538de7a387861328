/// Finds what the author probably meant.
package enum Suggestion {
    /// Returns the candidate that is nearest to `word`, if one is near enough to be meant.
    ///
    /// At most two letters may differ, and fewer than half of the word. The first of several
    /// equally near candidates is taken.
    /// - Complexity: names are bounded by `SyntaxLimits.nameBytes`; 1,000 candidates are looked at.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        var best: (candidate: String, distance: Int)?
        for candidate in candidates.prefix(1000) {
            let distance = distance(Array(word.utf8), Array(candidate.utf8))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= 2, best.distance * 2 < word.utf8.count else { return nil }
        return best.candidate
    }

    /// Returns the help line that offers the nearest candidate; nil when none is near.
    package static func help(for word: String, among candidates: [String]) -> String? {
        nearest(to: word, among: candidates).map { "did you mean `\($0)`?" }
    }

    /// The number of letters to insert, delete or replace (Levenshtein).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let replaced = diagonal + (a == b ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[right.count]
    }
}
