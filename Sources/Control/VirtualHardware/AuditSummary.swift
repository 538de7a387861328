/// The hypervisor's audit records on a terminal, each different sentence once, with how often.
public struct AuditSummary: Equatable, Sendable {
    /// One sentence.
    public struct Entry: Equatable, Sendable {
        /// Which record it was the first time, from 1.
        public let number: UInt64
        /// The sentence, without its number: of a denial with rule and source line.
        public let sentence: String
        /// How often it came.
        public var count: Int
    }

    /// The sentences, in the order of their first time.
    public private(set) var entries: [Entry] = []
    /// How many denials the hypervisor only counted, by what it says of them.
    public private(set) var uncounted: UInt64 = 0
    private var places: [String: Int] = [:]

    /// The most different sentences that are kept; more are only counted.
    private static let limit = 10_000

    /// Starts without records.
    public init() {}

    /// Takes a line of the terminal.
    ///
    /// - Returns: the place of its sentence among `entries`; nil when it is no record, or
    ///   only counted.
    @discardableResult
    public mutating func take(_ line: ConsoleLine) -> Int? {
        guard line.isHypervisor, line.text.hasPrefix("audit") else { return nil }
        let words = line.text.split(separator: " ", maxSplits: 2).map(String.init)
        // `audit: N more denials of NAME`: beyond a compartment's share in a second.
        if words.count == 3, words[0] == "audit:", let count = UInt64(words[1]) {
            uncounted += count
            return nil
        }
        guard words.count == 3, words[0] == "audit", words[1].hasSuffix(":"),
            let number = UInt64(words[1].dropLast())
        else { return nil }
        if let place = places[words[2]] {
            entries[place].count += 1
            return place
        }
        guard entries.count < AuditSummary.limit else {
            uncounted += 1
            return nil
        }
        places[words[2]] = entries.count
        entries.append(Entry(number: number, sentence: words[2], count: 1))
        return entries.count - 1
    }
}
