import KernelPolicyLanguage

/// The orders that several statements give together.
struct Orders {
    var identifiers: [(names: [Name], list: Int)] = []
    var classes: [(names: [Name], list: Int)] = []
    var unordered: [Name] = []
    var categories: [(names: [Name], list: Int)] = []
    var sensitivities: [(names: [Name], list: Int)] = []

    /// Merges lists that say parts of one order, each by what it has in common with those before.
    ///
    /// - Returns: the order, or the place of a list that does not go with the others.
    /// - Source: "CIL reference guide", `classorder`; secilc 3.4's order of merging.
    static func merge(_ lists: [(names: [Name], list: Int)]) -> Result {
        var order: [Name] = []
        var waiting = lists
        while !waiting.isEmpty {
            var left: [(names: [Name], list: Int)] = []
            for list in waiting {
                if let merged = merge(order, list.names) {
                    order = merged
                } else {
                    left.append(list)
                }
            }
            guard left.count < waiting.count else { return .conflict(left[0].list) }
            waiting = left
        }
        return .order(order)
    }

    enum Result {
        case order([Name])
        case conflict(Int)
    }

    private static func merge(_ old: [Name], _ new: [Name]) -> [Name]? {
        guard !new.isEmpty else { return old }
        guard !old.isEmpty else { return new }
        guard let start = new.firstIndex(where: { old.contains($0) }),
            let match = old.firstIndex(of: new[start]), start == 0 || match == 0
        else { return nil }
        var merged = Array(old[..<match]) + new[..<start]
        var (left, right) = (match, start)
        while left < old.count, right < new.count {
            if old[left] == new[right] {
                merged.append(old[left])
                left += 1
                right += 1
            } else if let later = new[(right + 1)...].firstIndex(of: old[left]) {
                merged += new[right..<later]
                merged.append(old[left])
                left += 1
                right = later + 1
            } else if let later = old[(left + 1)...].firstIndex(of: new[right]) {
                merged += old[left...later]
                left = later + 1
                right += 1
            } else {
                return nil
            }
        }
        merged += old[left...] + new[right...]
        return Set(merged).count == merged.count ? merged : nil
    }
}

extension Lowering {
    mutating func order(_ word: Word, _ list: Int, _ container: Int) throws(SourceFailure) {
        let items = try items(list, 2...2)
        var names = try names(items[1], "names in an order", list)
        guard !names.isEmpty else { throw failure(.syntax, "the order is empty", list) }
        let isUnordered =
            word == .classorder && names[0].index == Word.unordered.nameIndex
        if isUnordered { names.removeFirst() }
        let space: Namespace =
            switch word {
            case .sidorder: .identifiers
            case .classorder: .classes
            case .categoryorder: .categories
            default: .sensitivities
            }
        var found: [Name] = []
        for name in names {
            let symbol = try find(name, space, "such thing as", container, list)
            let whole: Name
            switch symbol.kind {
            case .objectClass: whole = classes[symbol.index].name
            case .identifier, .category, .sensitivity: whole = symbol.name
            default: throw failure(.wrongKind, "`\(text(name))` has no place in an order", list)
            }
            guard !found.contains(whole) else {
                throw failure(.declaredTwice, "`\(text(name))` stands twice in the order", list)
            }
            found.append(whole)
        }
        switch word {
        case .sidorder: orders.identifiers.append((found, list))
        case .classorder where isUnordered: orders.unordered += found
        case .classorder: orders.classes.append((found, list))
        case .categoryorder: orders.categories.append((found, list))
        default: orders.sensitivities.append((found, list))
        }
    }

    /// Gives numbers by the orders.
    mutating func finishOrders() throws(SourceFailure) {
        for name in try merged(orders.identifiers, identifiers, "initial identifier", "sidorder") {
            policy.initialIdentifiers.declare(name)
        }
        var order = try merged(orders.classes, [], "class", "classorder")
        for name in orders.unordered where !order.contains(name) { order.append(name) }
        for declared in classes where !order.contains(declared.name) {
            throw failure(
                .missing, "the class `\(text(declared.name))` stands in no `classorder`",
                declared.list)
        }
        let byName = Dictionary(classes.map { ($0.name, $0) }) { first, _ in first }
        for common in commons {
            policy.commons.append(
                PermissionHolder(
                    name: common.name, own: common.permissions, isComplete: true, offset: 0))
        }
        for name in order {
            guard let found = byName[name] else { continue }
            policy.classNumbers.declare(name)
            policy.classes.append(
                PermissionHolder(
                    name: name, common: found.common, own: found.own, isComplete: true,
                    offset: tree.offset(found.list)))
        }
        for name in try merged(orders.categories, categories, "category", "categoryorder") {
            policy.levels.categories.declare(name)
        }
        let levels = try merged(
            orders.sensitivities, sensitivities, "sensitivity", "sensitivityorder")
        for name in levels { policy.levels.order.declare(name) }
        policy.levels.sensitivities = levels
    }

    private func merged(
        _ lists: [(names: [Name], list: Int)], _ declared: [Declared], _ what: String,
        _ word: String
    ) throws(SourceFailure) -> [Name] {
        switch Orders.merge(lists) {
        case .conflict(let list):
            throw failure(.conflict, "this order does not go with the others", list)
        case .order(let order):
            let known = Set(order)
            if let missing = declared.first(where: { !known.contains($0.name) }) {
                throw failure(
                    .missing, "the \(what) `\(text(missing.name))` stands in no `\(word)`",
                    missing.list)
            }
            return order
        }
    }
}
