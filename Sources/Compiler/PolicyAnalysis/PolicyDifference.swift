import PolicyDatabaseModel
package import PolicySyntax

/// How two policies differ in what they mean, and in what may flow.
package struct PolicyDifference: Sendable {
    /// What only one of the two has, of one part.
    package struct Part: Equatable, Sendable {
        /// The part's name.
        package let name: String
        /// What only the first has, sorted.
        package let removed: [String]
        /// What only the second has, sorted.
        package let added: [String]
    }

    /// The parts that differ.
    package private(set) var parts: [Part] = []

    /// Whether nothing differs.
    package var isEmpty: Bool { parts.isEmpty }

    /// Compares two policies: symbols, constraints, labels, and access rules by pairs of types.
    package init(_ old: IndexedPolicy, _ new: IndexedPolicy) {
        for (before, after) in zip(PolicyMeaning(old).parts, PolicyMeaning(new).parts) {
            add(
                before.name, before.lines.subtracting(after.lines).sorted(),
                after.lines.subtracting(before.lines).sorted())
        }
        let rules = RuleDifference(old, new)
        add("access rules", rules.only(0), rules.only(1))
    }

    private mutating func add(_ name: String, _ removed: [String], _ added: [String]) {
        if !removed.isEmpty || !added.isEmpty {
            parts.append(Part(name: name, removed: removed, added: added))
        }
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
            text += "\(part.name): \(part.removed.count) removed, \(part.added.count) added\n"
            for (sign, lines) in [("-", part.removed), ("+", part.added)] {
                for line in lines.prefix(most) {
                    let first = line.split(separator: "\n").joined(separator: " ")
                    text += "  \(sign) \(first.filter { $0 != "\t" })\n"
                }
                if lines.count > most { text += "  \(sign) ... \(lines.count - most) more\n" }
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
                            ("removedCount", .number(UInt64(part.removed.count))),
                            ("addedCount", .number(UInt64(part.added.count))),
                            ("removed", .array(part.removed.prefix(most).map { .string($0) })),
                            ("added", .array(part.added.prefix(most).map { .string($0) })),
                        ])
                    })
            ),
        ])
    }
}
