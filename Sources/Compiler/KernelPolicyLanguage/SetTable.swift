/// A set as the source writes it, by its number in a `SetTable`.
package struct SetID: Hashable, Sendable {
    package let index: UInt32
}

/// Sets of names, as rules write them: `{ a b -c }`, `~a`, `*`. Each distinct one is kept once.
///
/// A policy of a million rules has some ten thousand sets; what a set stands for is worked out once
/// for each.
package struct SetTable {
    package init() {}

    /// How a set is to be taken.
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        /// `~`: everything but what is named.
        package static let complement = Flags(rawValue: 1)
        /// `*`: everything, but what is excluded.
        package static let all = Flags(rawValue: 2)
        /// `self` stands among the names.
        package static let withSelf = Flags(rawValue: 4)
        /// A `-` stands before a name.
        package static let excludes = Flags(rawValue: 8)
        /// Of CIL's rules: for each source, every type but the source.
        package static let allButSource = Flags(rawValue: 16)
        /// Of CIL's rules: for each source, the rule's other sources.
        package static let otherSources = Flags(rawValue: 32)
    }

    /// For each set: its flags, then its items; see `items`.
    private var pool: [UInt32] = []
    private var starts: [UInt32] = [0]
    /// Where in the source each set was first seen, in bytes.
    private var offsets: [UInt32] = []
    /// Sets of one name and no flags, by name; one more than the index.
    private var singles: [UInt32] = []
    private var slots: [UInt32] = Array(repeating: 0, count: 1 << 12)

    /// The number of sets.
    package var count: Int { offsets.count }

    /// Returns how a set is to be taken.
    package func flags(_ set: SetID) -> Flags { Flags(rawValue: pool[Int(starts[Int(set.index)])]) }

    /// Returns where in the source a set was first seen.
    package func offset(_ set: SetID) -> Int { Int(offsets[Int(set.index)]) }

    /// Returns the names of a set, in the source's order.
    package func items(_ set: SetID) -> [(name: Name, isExcluded: Bool)] {
        let start = Int(starts[Int(set.index)]) + 1
        return pool[start..<Int(starts[Int(set.index) + 1])].map {
            (Name(index: $0 >> 1), $0 & 1 == 1)
        }
    }

    /// Returns the one name of a set; nil unless it is one name and nothing else.
    package func single(_ set: SetID) -> Name? {
        let start = Int(starts[Int(set.index)])
        guard starts[Int(set.index) + 1] == UInt32(start + 2), pool[start] == 0 else { return nil }
        return Name(index: pool[start + 1] >> 1)
    }

    /// Returns the set of one name.
    package mutating func set(of name: Name, at offset: Int) -> SetID {
        while singles.count <= name.place { singles.append(0) }
        if singles[name.place] == 0 {
            let set = set(flags: [], items: [name.index << 1], at: offset)
            singles[name.place] = set.index + 1
        }
        return SetID(index: singles[name.place] - 1)
    }

    /// Returns a set.
    ///
    /// - Parameter items: for each name its number times two, one more when it is excluded.
    package mutating func set(flags: Flags, items: [UInt32], at offset: Int) -> SetID {
        var slot = place(hash(flags, items))
        while slots[slot] != 0 {
            let index = slots[slot] - 1
            if isEqual(index, flags, items) { return SetID(index: index) }
            slot = (slot + 1) & (slots.count - 1)
        }
        let index = UInt32(count)
        pool.append(flags.rawValue)
        pool.append(contentsOf: items)
        starts.append(UInt32(truncatingIfNeeded: pool.count))
        offsets.append(UInt32(truncatingIfNeeded: offset))
        slots[slot] = index + 1
        if count * 2 > slots.count { grow() }
        return SetID(index: index)
    }

    private func isEqual(_ index: UInt32, _ flags: Flags, _ items: [UInt32]) -> Bool {
        let start = Int(starts[Int(index)])
        guard Int(starts[Int(index) + 1]) - start == items.count + 1, pool[start] == flags.rawValue
        else { return false }
        for place in items.indices where pool[start + 1 + place] != items[place] { return false }
        return true
    }

    private func hash(_ flags: Flags, _ items: [UInt32]) -> UInt64 {
        var hash = UInt64(flags.rawValue) &+ 0x9e37_79b9_7f4a_7c15
        for item in items { hash = (hash ^ UInt64(item)) &* 0xff51_afd7_ed55_8ccd }
        return hash ^ hash >> 32
    }

    private func place(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash ^ hash >> 17) & (slots.count - 1)
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for index in 0..<count {
            let start = Int(starts[index])
            let flags = Flags(rawValue: pool[start])
            let items = Array(pool[(start + 1)..<Int(starts[index + 1])])
            var slot = place(hash(flags, items))
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(index) + 1
        }
    }
}
