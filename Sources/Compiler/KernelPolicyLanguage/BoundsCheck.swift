import PolicyDatabaseModel

extension PolicyBuilder {
    /// Reports each type that is granted what its bound is not, roles and users likewise.
    ///
    /// What a type may do to a bounded type, its bound may do to that one's bound.
    /// - Source: libsepol 3.4, `hierarchy.c`, `bounds_check_type` and the functions beside it.
    /// - Complexity: for each bounded type, the rules.
    mutating func checkBounds(_ tables: RuleTables) {
        var bounds: [UInt16: UInt16] = [:]
        for (parent, child, _) in source.bounds {
            guard let one = source.types.numbering[child],
                let other = source.types.numbering[parent]
            else { continue }
            bounds[UInt16(truncatingIfNeeded: one)] = UInt16(truncatingIfNeeded: other)
        }
        for (_, child, offset) in source.bounds {
            guard let number = source.types.numbering[child] else { continue }
            let one = UInt16(truncatingIfNeeded: number)
            guard let other = bounds[one] else { continue }
            attempt { (builder) throws(SourceFailure) in
                try builder.checkBound(one, other, bounds, tables, offset)
            }
        }
        checkRoleAndUserBounds()
    }

    /// What a target and a class are.
    private struct Object: Hashable {
        let type: UInt16
        let objectClass: UInt16
    }

    private func granted(_ type: UInt16, _ table: AccessTable) -> [Object: UInt32] {
        var found: [Object: UInt32] = [:]
        for place in table.keys.indices where table.keys[place].kind == .allowed {
            let key = table.keys[place]
            guard typeSets.members[Int(key.source) - 1].contains(UInt32(type)) else { continue }
            for target in typeSets.members[Int(key.target) - 1].numbers {
                found[Object(type: target, objectClass: key.objectClass), default: 0] |=
                    table.values[place]
            }
        }
        return found
    }

    private func checkBound(
        _ child: UInt16, _ parent: UInt16, _ bounds: [UInt16: UInt16], _ tables: RuleTables,
        _ offset: Int
    ) throws(SourceFailure) {
        let always = granted(parent, tables.always)
        let branches = tables.branches.flatMap { [$0.whenTrue, $0.whenFalse] }
        for (index, table) in ([tables.always] + branches).enumerated() {
            let asked = granted(child, table)
            guard !asked.isEmpty else { continue }
            let own = index == 0 ? [:] : granted(parent, table)
            let sorted = asked.sorted {
                ($0.key.type, $0.key.objectClass) < ($1.key.type, $1.key.objectClass)
            }
            for (object, permissions) in sorted {
                let bound = Object(
                    type: bounds[object.type] ?? object.type, objectClass: object.objectClass)
                let missing = permissions & ~(always[bound] ?? 0) & ~(own[bound] ?? 0)
                guard missing != 0 else { continue }
                let className = text(source.classNumbers.names[Int(object.objectClass) - 1])
                throw SourceFailure(
                    .boundsExceeded,
                    "`\(typeName(child))` may `\(names(missing, object.objectClass))` on "
                        + "`\(typeName(object.type)):\(className)`, and its bound "
                        + "`\(typeName(parent))` may not", at: offset)
            }
        }
    }

    private mutating func checkRoleAndUserBounds() {
        for (parent, child, offset) in source.roleBounds {
            guard let one = source.roles[child], let other = source.roles[parent] else { continue }
            let types = file.roles.symbols[Int(one) - 1].types.numbers
            let bound = file.roles.symbols[Int(other) - 1].types
            guard let type = types.first(where: { !bound.contains($0) }) else { continue }
            failures.append(
                SourceFailure(
                    .boundsExceeded,
                    "the role `\(text(child))` has the type "
                        + "`\(typeName(UInt16(truncatingIfNeeded: type + 1)))`, and its bound "
                        + "`\(text(parent))` has not", at: offset))
        }
        for (parent, child, offset) in source.userBounds {
            let names = (text(child), text(parent))
            guard let one = file.users.symbols.first(where: { $0.name == names.0 }),
                let other = file.users.symbols.first(where: { $0.name == names.1 }),
                !one.roles.numbers.allSatisfy({ other.roles.contains($0) })
            else { continue }
            failures.append(
                SourceFailure(
                    .boundsExceeded,
                    "the user `\(names.0)` has a role that its bound `\(names.1)` has not",
                    at: offset))
        }
    }
}
