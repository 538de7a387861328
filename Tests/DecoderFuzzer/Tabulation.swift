import PolicyDatabase
import PolicyDatabaseModel

/// What the reference monitor asks a policy for, against what the policy says by itself.
enum Tabulation {
    /// Whether one pass over the rules gives the row of a source, and all else can be asked.
    static func agrees(
        _ policy: borrowing PolicyDatabase, _ labels: [PreparedContext], _ source: PreparedContext,
        _ row: [UInt32]
    ) -> Bool {
        var types = [PreparedType](repeating: .none, count: policy.typeCount + 1)
        var span = types.mutableSpan
        policy.readTypes(into: &span)
        var vectors = [UInt32](repeating: 0, count: row.count)
        var rules = policy.allowRules
        while let rule = rules.next() {
            guard policy.belongs(source, to: rule.source) else { continue }
            for (index, label) in labels.enumerated()
            where policy.belongs(label, to: rule.target) {
                let place = index * PolicyDatabase.rowStride + Int(rule.objectClass)
                vectors[place] |= rule.permissions
            }
        }
        for (index, label) in labels.enumerated() {
            guard policy.prepare(label.context, types.span) != nil,
                symbols(of: label, policy)
            else { return false }
            for number in 1...ObjectClass.count {
                guard let objectClass = ObjectClass(number: number) else { continue }
                let place = index * PolicyDatabase.rowStride + number
                let limited = policy.limit(
                    AccessVector(bits: vectors[place]), objectClass, from: source, to: label)
                if limited.bits != row[place] { return false }
            }
        }
        return true
    }

    /// Whether the symbols of a label rise, and the label belongs to each, its type among them.
    private static func symbols(
        of label: PreparedContext, _ policy: borrowing PolicyDatabase
    ) -> Bool {
        var last: UInt32 = 0
        var hasType = false
        while let symbol = policy.symbol(after: last, of: label) {
            guard symbol > last, policy.belongs(label, to: UInt16(truncatingIfNeeded: symbol))
            else { return false }
            hasType = hasType || symbol == label.context.type
            last = symbol
        }
        return hasType
    }

    /// Whether every transition can be read, and is about types that exist.
    static func transitions(_ policy: borrowing PolicyDatabase) -> Bool {
        let types = 1...UInt32(clamping: max(1, policy.typeCount))
        for number in 1...ObjectClass.count {
            guard let objectClass = ObjectClass(number: number) else { continue }
            for index in 0..<policy.accessRuleCount {
                guard let rule = policy.typeTransition(at: index, objectClass) else { continue }
                guard types.contains(rule.source), types.contains(rule.target),
                    types.contains(rule.result)
                else { return false }
            }
            var ranges = policy.rangeTransitions(objectClass)
            while let rule = ranges.next() {
                guard types.contains(rule.source), types.contains(rule.target) else {
                    return false
                }
            }
        }
        return true
    }

    /// Whether every device that has a label has one that is valid.
    static func devices(_ policy: borrowing PolicyDatabase) -> Bool {
        for number in UInt32(0)...40 {
            let address = UInt64(number)
            let contexts = [
                policy.context(ofInterrupt: number), policy.context(ofFunction: number << 3),
                policy.context(ofPorts: address, address + 1),
                policy.context(ofFrames: address, address),
            ]
            for case let context? in contexts where !policy.isValid(context) { return false }
        }
        return true
    }
}
