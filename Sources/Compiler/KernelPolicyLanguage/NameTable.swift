/// A word of the source, as a small number: equal words have equal numbers.
package struct Name: Hashable, Sendable {
    /// The number, from 0, without gaps, in the order in which the words were first seen.
    package let index: UInt32

    package init(index: UInt32) { self.index = index }

    /// The place in tables that have one entry for each name.
    package var place: Int { Int(index) }
}

/// Every word of a source, once.
///
/// For: comparing words by number while a policy of many megabytes is read. The bytes of a word are
/// kept once, however often it stands in the source.
package struct NameTable {
    package init() {}

    private var bytes: [UInt8] = []
    /// For each name where its bytes begin; one more entry says where the last ends.
    private var starts: [UInt32] = [0]
    /// Names by hash, with linear probing: one more than the index, 0 for none. Always less than
    /// half full.
    private var slots: [UInt32] = Array(repeating: 0, count: 1 << 12)

    /// The number of names.
    package var count: Int { starts.count - 1 }

    /// The hash of no bytes; a word's hash adds one byte after the other.
    package static let emptyHash: UInt64 = 0xcbf2_9ce4_8422_2325

    /// Returns the hash of a word that goes on with a byte (FNV-1a).
    package static func hash(_ hash: UInt64, adding byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }

    /// Returns the name of a word, a new one when it was not seen before.
    ///
    /// - Parameters:
    ///   - text: the source.
    ///   - range: where the word stands in it.
    ///   - hash: the hash of its bytes, in order.
    package mutating func name(of text: [UInt8], _ range: Range<Int>, hash: UInt64) -> Name {
        var slot = place(of: hash)
        while slots[slot] != 0 {
            let index = Int(slots[slot] - 1)
            if isEqual(index, text, range) { return Name(index: UInt32(index)) }
            slot = (slot + 1) & (slots.count - 1)
        }
        let index = count
        bytes.append(contentsOf: text[range])
        starts.append(UInt32(truncatingIfNeeded: bytes.count))
        slots[slot] = UInt32(index) + 1
        if (index + 1) * 2 > slots.count { grow() }
        return Name(index: UInt32(index))
    }

    /// Returns the name of a word.
    package mutating func name(_ word: String) -> Name {
        let text = Array(word.utf8)
        return name(of: text, text.indices, hash: NameTable.hash(of: text[...]))
    }

    /// Returns the word of a name.
    package func text(_ name: Name) -> String { String(decoding: bytes(of: name), as: UTF8.self) }

    /// Returns the bytes of a name's word.
    package func bytes(of name: Name) -> ArraySlice<UInt8> {
        bytes[Int(starts[name.place])..<Int(starts[name.place + 1])]
    }

    private func isEqual(_ index: Int, _ text: [UInt8], _ range: Range<Int>) -> Bool {
        let start = Int(starts[index])
        guard Int(starts[index + 1]) - start == range.count else { return false }
        for offset in 0..<range.count where bytes[start + offset] != text[range.lowerBound + offset]
        {
            return false
        }
        return true
    }

    private func place(of hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash ^ hash >> 29) & (slots.count - 1)
    }

    private static func hash(of bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reduce(emptyHash) { hash($0, adding: $1) }
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for index in 0..<count {
            let range = Int(starts[index])..<Int(starts[index + 1])
            var slot = place(of: NameTable.hash(of: bytes[range]))
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(index) + 1
        }
    }
}
