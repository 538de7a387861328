import PolicyDatabaseModel
package import PolicySyntax

/// How two policies differ in what they mean, and in what may flow.
package struct PolicyDifference: Sendable {
    /// What only one of the two has, of one part.
    package struct Part: Equatable, Sendable {
        /// The part's name.
        package let name: String
        /// What only the first has, sorted; the first of many.
        package let removed: [String]
        /// What only the second has, likewise.
        package let added: [String]
        /// How many things only the first has.
        package let removedCount: Int
        /// How many things only the second has.
        package let addedCount: Int
    }

    /// The parts that differ.
    package private(set) var parts: [Part] = []

    /// Whether nothing differs.
    package var isEmpty: Bool { parts.isEmpty }

    /// Compares two policies: symbols, constraints, labels, and access rules by pairs of types.
    ///
    /// - Parameter most: how many access rules of a kind are written; all are counted.
    package init(_ old: IndexedPolicy, _ new: IndexedPolicy, most: Int = 1_000) {
        let sets = NameSets()
        for (before, after) in zip(PolicyMeaning(old, sets).parts, PolicyMeaning(new, sets).parts) {
            add(
                before.name, before.lines.subtracting(after.lines).sorted(),
                after.lines.subtracting(before.lines).sorted())
        }
        let rules = RuleDifference(old, new)
        let (removed, added) = (rules.only(0, most: most), rules.only(1, most: most))
        add("access rules", removed.lines, added.lines, removed.count, added.count)
    }

    private mutating func add(
        _ name: String, _ removed: [String], _ added: [String], _ removedCount: Int? = nil,
        _ addedCount: Int? = nil
    ) {
        let part = Part(
            name: name, removed: removed, added: added,
            removedCount: removedCount ?? removed.count, addedCount: addedCount ?? added.count)
        if part.removedCount + part.addedCount > 0 { parts.append(part) }
    }

    /// Compares flows too: the direct ones, and those by any way, between types that both have.
    ///
    /// - Throws: `.policyTooLarge`.
    package mutating func addFlows(
        _ old: IndexedPolicy, _ new: IndexedPolicy, most: Int
    ) throws(PolicyAnalysisError) {
        let graphs = (try FlowGraph(old, FlowOptions()), try FlowGraph(new, FlowOptions()))
        let common = old.plainTypes.compactMap { index in
            new.typeIndexes[old.typeNames[index]].flatMap { other in
                new.isAttribute[other] ? nil : (index, other)
            }
        }
        var others = Array(repeating: -1, count: new.typeCount)
        for (index, other) in common { others[other] = index }
        var shared = TypeSet(size: graphs.0.rowWords * 64)
        for (index, _) in common { shared.insert(index) }
        let closures = (FlowClosure(graphs.0), FlowClosure(graphs.1))
        func compare(_ name: String, _ rows: (Int, Int) -> (TypeSet, TypeSet)) {
            var (removed, added): ([String], [String]) = ([], [])
            for (index, other) in common {
                var (before, row) = rows(index, other)
                before.formIntersection(shared)
                var after = TypeSet(size: graphs.0.rowWords * 64)
                row.forEach { if $0 < others.count, others[$0] >= 0 { after.insert(others[$0]) } }
                guard before != after else { continue }
                func list(_ one: TypeSet, without two: TypeSet, to lines: inout [String]) {
                    var one = one
                    one.subtract(two)
                    one.forEach {
                        if lines.count < most {
                            lines.append("\(old.typeNames[index]) -> \(old.typeNames[$0])")
                        }
                    }
                }
                list(before, without: after, to: &removed)
                list(after, without: before, to: &added)
            }
            add(name, removed.sorted(), added.sorted())
        }
        compare("direct flows") { (graphs.0.successors(of: $0), graphs.1.successors(of: $1)) }
        compare("flows") { index, other in
            var (before, after) = (
                closures.0.reached(from: index), closures.1.reached(from: other)
            )
            before.remove(index)
            after.remove(other)
            return (before, after)
        }
    }

    /// The differences, `-` only in the first, `+` only in the second; of each part at most so
    /// many lines of a kind.
    package func text(most: Int) -> String {
        var text = ""
        for part in parts {
            text += "\(part.name): \(part.removedCount) removed, \(part.addedCount) added\n"
            for (sign, lines, count) in [
                ("-", part.removed, part.removedCount), ("+", part.added, part.addedCount),
            ] {
                for line in lines.prefix(most) {
                    let first = line.split(separator: "\n").joined(separator: " ")
                    text += "  \(sign) \(first.filter { $0 != "\t" })\n"
                }
                let rest = count - min(most, lines.count)
                if rest > 0 { text += "  \(sign) ... \(rest) more\n" }
            }
        }
        return text.isEmpty ? "the policies mean the same\n" : text
    }

    /// The differences as a document.
    package func json(most: Int) -> JSONValue {
        .object([
            ("equal", .bool(isEmpty)),
            (
                "parts",
                .array(
                    parts.map { part in
                        .object([
                            ("name", .string(part.name)),
                            ("removedCount", .number(UInt64(part.removedCount))),
                            ("addedCount", .number(UInt64(part.addedCount))),
                            ("removed", .array(part.removed.prefix(most).map { .string($0) })),
                            ("added", .array(part.added.prefix(most).map { .string($0) })),
                        ])
                    })
            ),
        ])
    }
}
