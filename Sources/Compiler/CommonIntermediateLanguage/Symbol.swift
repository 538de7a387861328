import KernelPolicyLanguage

/// In which names a name is looked up: the same word may name a type and a role.
enum Namespace: UInt64 {
    case blocks = 1
    case users, roles, types, commons, classes, classPermissions, booleans, tunables
    case sensitivities, categories, identifiers, contexts, levels, ranges, capabilities, addresses
    case operations, strings
}

/// What a name stands for.
struct Symbol: Equatable {
    enum Kind: UInt8 {
        /// A container, by its index.
        case block, macro, optional
        /// By the whole name, as the policy has it.
        case type, typeAttribute, role, roleAttribute, user, userAttribute, boolean, sensitivity
        case category, identifier, capability
        /// By the index among aliases.
        case typeAlias, sensitivityAlias, categoryAlias
        /// By the index among classes, commons, class maps.
        case objectClass, common, classMap
        /// By the index among what is worked out where it is used.
        case classPermission, context, level, range, categorySet, address, operations
        /// By the state, 0 or 1.
        case tunable
        /// A word that stands for itself.
        case string
        /// What a macro declares; only that it does counts.
        case declaredInMacro
    }

    let kind: Kind
    let value: UInt32

    init(_ kind: Kind, _ value: UInt32) {
        self.kind = kind
        self.value = value
    }

    /// The whole name.
    var name: Name { Name(index: value) }
    var index: Int { Int(value) }
}

/// Symbols by the container that they are declared in, their namespace and name.
struct SymbolTable {
    private var keys: [UInt64] = Array(repeating: 0, count: 1 << 12)
    private var values: [Symbol] = Array(repeating: Symbol(.string, 0), count: 1 << 12)
    private var count = 0

    private func key(_ container: Int, _ space: Namespace, _ name: Name) -> UInt64 {
        UInt64(truncatingIfNeeded: container + 1) << 37 | space.rawValue << 32 | UInt64(name.index)
    }

    private func slot(_ key: UInt64) -> Int {
        var hash = key &* 0x9e37_79b9_7f4a_7c15
        hash ^= hash >> 31
        var slot = Int(truncatingIfNeeded: hash) & (keys.count - 1)
        while keys[slot] != 0, keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
        return slot
    }

    /// Returns what a name of a container stands for.
    func find(_ container: Int, _ space: Namespace, _ name: Name) -> Symbol? {
        let key = key(container, space, name)
        let slot = slot(key)
        return keys[slot] == key ? values[slot] : nil
    }

    /// Gives a name a meaning; returns the one that it has already, which stays.
    @discardableResult
    mutating func declare(
        _ container: Int, _ space: Namespace, _ name: Name, _ symbol: Symbol
    ) -> Symbol? {
        let key = key(container, space, name)
        let place = slot(key)
        if keys[place] == key { return values[place] }
        keys[place] = key
        values[place] = symbol
        count += 1
        if count * 2 > keys.count { grow() }
        return nil
    }

    private mutating func grow() {
        let (oldKeys, oldValues) = (keys, values)
        keys = Array(repeating: 0, count: oldKeys.count * 2)
        values = Array(repeating: Symbol(.string, 0), count: oldKeys.count * 2)
        for place in oldKeys.indices where oldKeys[place] != 0 {
            let slot = slot(oldKeys[place])
            keys[slot] = oldKeys[place]
            values[slot] = oldValues[place]
        }
    }
}
