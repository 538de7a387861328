import PolicyDatabaseModel

/// Texts of sets of names that two policies' constraints have: equal texts for equal sets.
///
/// A large set is written as its first names, how many more there are, and a number that no other
/// set has; constraints may name a thousand types, and often the same.
final class NameSets {
    /// How many names are written.
    private static let most = 8

    private struct Key: Hashable {
        let place: UInt32
        let words: [UInt64]
    }

    /// The texts of one policy's sets.
    private var texts: [Key: String] = [:]
    /// The numbers of the large sets of both.
    private var numbers: [[String]: Int] = [:]

    /// Begins with another policy, whose numbers of types mean something else.
    func begin() { texts = [:] }

    /// Returns the text of a term's names.
    ///
    /// - Parameter names: the names, sorted; asked once for each set of a policy.
    func text(of term: PolicyFile.ConstraintTerm, _ names: () -> [String]) -> String {
        let words = term.names.words.flatMap { [UInt64($0.first), $0.bits] }
        let key = Key(place: term.attribute & 7, words: words)
        if let known = texts[key] { return known }
        let names = names()
        var text = IndexedPolicy.setText(names)
        if names.count > Self.most {
            let number = numbers[names] ?? numbers.count + 1
            numbers[names] = number
            let first = names.prefix(Self.most).joined(separator: " ")
            text = "{ \(first) and \(names.count - Self.most) more: set \(number) }"
        }
        texts[key] = text
        return text
    }
}
