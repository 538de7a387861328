import PolicyDatabaseModel

/// Access rules by what they are about; two rules never share a key.
struct AccessTable {
    /// What a rule is about: source, target, class and kind, 16 bits each from the highest.
    struct Key: Hashable {
        let bits: UInt64

        init(_ source: UInt16, _ target: UInt16, _ objectClass: UInt16, _ kind: Kind) {
            bits =
                UInt64(source) << 48 | UInt64(target) << 32 | UInt64(objectClass) << 16
                | UInt64(kind.rawValue)
        }

        fileprivate init(bits: UInt64) { self.bits = bits }

        var source: UInt16 { UInt16(truncatingIfNeeded: bits >> 48) }
        var target: UInt16 { UInt16(truncatingIfNeeded: bits >> 32) }
        var objectClass: UInt16 { UInt16(truncatingIfNeeded: bits >> 16) }
        var kind: Kind? { Kind(rawValue: UInt16(truncatingIfNeeded: bits)) }
    }

    typealias Kind = PolicyFile.AccessRuleKind

    private(set) var keys: [Key] = []
    private(set) var values: [UInt32] = []
    /// Places by hash, with linear probing: one more than the place, 0 for none.
    private var slots: [UInt32] = Array(repeating: 0, count: 1 << 10)

    var count: Int { keys.count }

    subscript(key: Key) -> UInt32? {
        let slot = slot(of: key)
        return slots[slot] > 0 ? values[Int(slots[slot]) - 1] : nil
    }

    /// Adds permissions, or takes away from what is recorded when denied.
    mutating func grant(_ key: Key, _ permissions: UInt32) {
        let place = place(of: key, orAdd: key.kind == .auditDenied ? .max : 0)
        if key.kind == .auditDenied {
            values[place] &= permissions
        } else {
            values[place] |= permissions
        }
    }

    /// Takes permissions away from the rule at a place.
    mutating func revoke(_ permissions: UInt32, at place: Int) { values[place] &= ~permissions }

    /// Leaves out rules that allow nothing any more.
    mutating func removeEmpty() {
        let (oldKeys, oldValues) = (keys, values)
        self = AccessTable()
        for place in oldKeys.indices
        where oldKeys[place].kind != .allowed || oldValues[place] != 0 {
            _ = self.place(of: oldKeys[place], orAdd: oldValues[place])
        }
    }

    /// Gives a key a type; returns the one it has, which stays if it has one.
    mutating func setType(_ key: Key, _ type: UInt16) -> UInt16 {
        let place = place(of: key, orAdd: UInt32(type))
        return UInt16(truncatingIfNeeded: values[place])
    }

    private mutating func place(of key: Key, orAdd value: UInt32) -> Int {
        let slot = slot(of: key)
        if slots[slot] > 0 { return Int(slots[slot]) - 1 }
        keys.append(key)
        values.append(value)
        slots[slot] = UInt32(keys.count)
        if keys.count * 2 > slots.count { grow() }
        return keys.count - 1
    }

    private func slot(of key: Key) -> Int {
        var hash = key.bits &* 0x9e37_79b9_7f4a_7c15
        hash ^= hash >> 32
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] > 0, keys[Int(slots[slot]) - 1] != key {
            slot = (slot + 1) & (slots.count - 1)
        }
        return slot
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for place in keys.indices { slots[slot(of: keys[place])] = UInt32(place) + 1 }
    }

    /// The rules as records.
    ///
    /// - Parameter isEnabled: whether they stand in a conditional and hold.
    func records(isEnabled: Bool = false) -> [PolicyFile.AccessRule] {
        keys.indices.compactMap { place in
            guard let kind = keys[place].kind else { return nil }
            var rule = PolicyFile.AccessRule()
            rule.source = keys[place].source
            rule.target = keys[place].target
            rule.objectClass = keys[place].objectClass
            rule.kind = kind
            rule.isEnabled = isEnabled
            rule.data = values[place]
            return rule
        }
    }
}
