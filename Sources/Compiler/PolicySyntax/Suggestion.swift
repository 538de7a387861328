/// Finds what the author probably meant.
package enum Suggestion {
    /// Returns the candidate that is nearest to `word`, if one is near enough to be meant.
    ///
    /// At most two letters may differ, and at most half of the word. The first of several
    /// equally near candidates is taken.
    /// - Complexity: names are bounded by `SyntaxLimits.nameBytes`; 1,000 candidates are looked at.
    package static func nearest(to word: String, among candidates: [String]) -> String? {
        var best: (candidate: String, distance: Int)?
        for candidate in candidates.prefix(1000) {
            let distance = distance(Array(word.utf8), Array(candidate.utf8))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= 2, best.distance * 2 <= word.utf8.count else { return nil }
        return best.candidate
    }

    /// Returns the help line that offers the nearest candidate; nil when none is near.
    package static func help(for word: String, among candidates: [String]) -> String? {
        nearest(to: word, among: candidates).map { "did you mean `\($0)`?" }
    }

    /// The number of letters to insert, delete, replace, or exchange with their neighbour.
    ///
    /// - Source: optimal string alignment distance (Damerau, Levenshtein).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var rows = [Array(0...right.count)]
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                var least = min(row[j], rows[i][j + 1]) + 1
                least = min(least, rows[i][j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[left.count][right.count]
    }
}
