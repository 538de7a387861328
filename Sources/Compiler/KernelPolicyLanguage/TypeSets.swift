/// Numbers of types, one bit each; number *n* is bit *n* - 1.
///
/// A set of one number, that is never changed, has no words.
struct TypeBits: Equatable {
    private var words: [UInt64]
    /// The number of a set of one; 0 for other sets.
    private let only: UInt32

    init(count: Int) {
        words = Array(repeating: 0, count: (count + 63) / 64)
        only = 0
    }

    init(only number: UInt32) {
        words = []
        only = number
    }

    mutating func insert(_ number: UInt32) {
        words[Int(number - 1) >> 6] |= 1 << UInt64((number - 1) & 63)
    }

    mutating func remove(_ number: UInt32) {
        words[Int(number - 1) >> 6] &= ~(1 << UInt64((number - 1) & 63))
    }

    func contains(_ number: UInt32) -> Bool {
        guard only == 0 else { return number == only }
        return words[Int(number - 1) >> 6] >> UInt64((number - 1) & 63) & 1 != 0
    }

    mutating func formUnion(_ other: TypeBits) {
        guard other.only == 0 else { return insert(other.only) }
        for place in words.indices { words[place] |= other.words[place] }
    }

    mutating func subtract(_ other: TypeBits) {
        for place in words.indices { words[place] &= ~other.words[place] }
    }

    func intersects(_ other: TypeBits) -> Bool {
        guard only == 0 else { return other.contains(only) }
        for place in words.indices where words[place] & other.words[place] != 0 { return true }
        return false
    }

    /// The numbers, in rising order.
    var numbers: [UInt16] {
        guard only == 0 else { return [UInt16(truncatingIfNeeded: only)] }
        var found: [UInt16] = []
        for place in words.indices {
            var rest = words[place]
            while rest != 0 {
                found.append(UInt16(truncatingIfNeeded: place * 64 + rest.trailingZeroBitCount + 1))
                rest &= rest - 1
            }
        }
        return found
    }
}

/// What a rule about accesses is about: each source with each target.
struct TypePairs {
    /// Types and attributes; types alone when a target depends on its source.
    let sources: [UInt16]
    let targets: [UInt16]
    /// Whether each source is a target of its own.
    var includesSelf = false
    /// Whether no source is a target of its own.
    var excludesSelf = false

    /// Does something for each pair.
    func each(_ body: (_ source: UInt16, _ target: UInt16) -> Void) {
        for one in sources {
            if includesSelf { body(one, one) }
            for other in targets where !excludesSelf || other != one { body(one, other) }
        }
    }
}

/// What sets of types stand for.
struct TypeSets {
    /// One set, looked up.
    struct Resolved {
        /// Types and attributes as they are to stand in rules: attributes by their own number where
        /// the set excludes nothing.
        var kept: [UInt16]
        /// The types alone; made when it is first asked for.
        var expanded: [UInt16]?
        /// Whether `self` is among the names.
        var hasSelf: Bool
    }

    private let types: TypeDeclarations
    /// For each number the types that it stands for: itself, or an attribute's.
    let members: [TypeBits]
    /// Every type, without attributes.
    private let all: TypeBits
    private var resolved: [Resolved?]

    /// For each number the types that it stands for by the memberships outside `optional` blocks.
    private let outerMembers: [TypeBits]
    /// For each number the types that blocks add to it.
    private let added: [[(type: UInt32, block: UInt32)]]

    /// The number of types and attributes.
    var count: Int { members.count }

    /// Looks up the memberships of enabled blocks.
    init(_ source: SourcePolicy, isEnabled: [Bool]) {
        types = source.types
        let count = types.isAttribute.count
        var members: [TypeBits] = []
        var all = TypeBits(count: count)
        for isAttribute in types.isAttribute {
            let number = UInt32(members.count) + 1
            members.append(isAttribute ? TypeBits(count: count) : TypeBits(only: number))
            if !isAttribute { all.insert(number) }
        }
        var outerMembers = members
        var added: [[(type: UInt32, block: UInt32)]] = Array(repeating: [], count: count)
        for membership in types.memberships where isEnabled[Int(membership.block)] {
            guard let type = types.numbering[membership.type],
                let attribute = types.numbering[membership.attribute],
                types.isAttribute[Int(attribute) - 1]
            else { continue }
            members[Int(attribute) - 1].insert(type)
            if membership.block == 0 {
                outerMembers[Int(attribute) - 1].insert(type)
            } else {
                added[Int(attribute) - 1].append((type, membership.block))
            }
        }
        self.outerMembers = outerMembers
        self.added = added
        self.members = members
        self.all = all
        resolved = Array(repeating: nil, count: source.sets.count)
    }

    /// Returns what a set stands for.
    ///
    /// - Throws: `.undeclared` for a name that is no type and no attribute.
    mutating func resolve(
        _ set: SetID, _ source: SourcePolicy
    ) throws(SourceFailure) -> Resolved {
        if let known = resolved[Int(set.index)] { return known }
        let flags = source.sets.flags(set)
        var found: Resolved
        if flags.isSubset(of: .withSelf) {
            var numbers: [UInt16] = []
            for item in source.sets.items(set) {
                numbers.append(
                    UInt16(truncatingIfNeeded: try number(item.name, set, source)))
            }
            found = Resolved(kept: unique(numbers), expanded: nil, hasSelf: flags == .withSelf)
        } else {
            let numbers = try bits(of: set, source).numbers
            found = Resolved(
                kept: numbers, expanded: numbers, hasSelf: flags.contains(.withSelf))
        }
        resolved[Int(set.index)] = found
        return found
    }

    /// Returns the types that a set stands for, in rising order.
    ///
    /// - Throws: as `resolve`.
    mutating func expand(_ set: SetID, _ source: SourcePolicy) throws(SourceFailure) -> [UInt16] {
        let known = try resolve(set, source)
        if let expanded = known.expanded { return expanded }
        let expanded = try bits(of: set, source).numbers
        resolved[Int(set.index)]?.expanded = expanded
        return expanded
    }

    /// Returns what a rule about accesses is about: its sources, and their targets.
    ///
    /// - Throws: as `resolve`.
    mutating func pairs(
        _ sources: SetID, _ targets: SetID, _ source: SourcePolicy
    ) throws(SourceFailure) -> TypePairs {
        let flags = source.sets.flags(targets)
        let found = try resolve(targets, source)
        if flags.contains(.otherSources) {
            let types = try expand(sources, source)
            return TypePairs(sources: types, targets: types, excludesSelf: true)
        }
        let excludesSelf = flags.contains(.allButSource)
        return TypePairs(
            sources: found.hasSelf || excludesSelf
                ? try expand(sources, source) : try resolve(sources, source).kept,
            targets: found.kept, includesSelf: found.hasSelf, excludesSelf: excludesSelf)
    }

    /// Returns the types that a set stands for, as bits.
    ///
    /// - Parameter block: nil: the types of attributes in the whole policy; else those that
    ///   checkpolicy gives a role in this block: what stands in no `optional`, and what blocks up
    ///   to this one add.
    /// - Throws: as `resolve`.
    func bits(
        of set: SetID, _ source: SourcePolicy, forRoleIn block: UInt32? = nil
    ) throws(SourceFailure) -> TypeBits {
        let flags = source.sets.flags(set)
        let isEvery = flags.contains(.all) || flags.contains(.allButSource)
        var included = isEvery ? all : TypeBits(count: count)
        var excluded = TypeBits(count: count)
        for item in source.sets.items(set) {
            let number = try number(item.name, set, source)
            let types = block.map { members(of: number, upTo: $0) } ?? members[Int(number) - 1]
            if item.isExcluded { excluded.formUnion(types) } else { included.formUnion(types) }
        }
        included.subtract(excluded)
        guard flags.contains(.complement) else { return included }
        var others = all
        others.subtract(included)
        return others
    }

    private func members(of number: UInt32, upTo block: UInt32) -> TypeBits {
        var types = outerMembers[Int(number) - 1]
        for (type, other) in added[Int(number) - 1] where other <= block { types.insert(type) }
        return types
    }

    private func number(
        _ name: Name, _ set: SetID, _ source: SourcePolicy
    ) throws(SourceFailure) -> UInt32 {
        guard let number = types.numbering[name] else {
            throw SourceFailure(
                .undeclared, "no type or attribute `\(source.names.text(name))` is declared",
                at: source.sets.offset(set))
        }
        return number
    }

    private func unique(_ numbers: [UInt16]) -> [UInt16] {
        numbers.count < 2 ? numbers : Array(Set(numbers)).sorted()
    }
}
