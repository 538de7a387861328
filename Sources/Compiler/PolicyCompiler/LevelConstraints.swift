import PolicyDatabase
import PolicyDatabaseModel

/// What levels forbid, whatever the types allow: the second wall.
///
/// Source and target are compared by their high levels, as `mayFlow` does: a compartment may pass
/// on all that it can know. An end of a channel or console has one level, that of its far side.
enum LevelConstraints {
    /// Which way a permission lets information go.
    private enum Direction {
        /// From source to target: the target must dominate.
        case toTarget
        /// From target to source: the source must dominate.
        case toSource
        /// Both ways: the levels must be equal.
        case both
    }

    /// Returns the constraints of a class.
    static func of(_ objectClass: ObjectClass) -> [PolicyDatabaseModel.Constraint] {
        switch objectClass {
        case .event:
            return constraints([
                // The sender's clearance may come to the end's level, and that to the peer's.
                (.toTarget, [EventPermission.send, EventPermission.bind])
            ])
        case .grant:
            return constraints([
                (.toTarget, [GrantPermission.copy]),
                (.toSource, [GrantPermission.mapRead]),
                // Who may write to a page can read it: the hardware knows no write-only mapping.
                (.both, [GrantPermission.mapWrite, GrantPermission.transfer]),
                (.both, [GrantPermission.setup, GrantPermission.query]),
            ])
        case .mmu:
            let observing = [MMUPermission.mapRead, MMUPermission.pageinfo, MMUPermission.stat]
            return constraints([
                (.toSource, observing), (.both, others(objectClass, than: observing)),
            ])
        case .argo:
            return constraints([
                (.toTarget, [ArgoPermission.send]),
                (.toSource, [ArgoPermission.registerSingleSource]),
                (.both, [ArgoPermission.registerAnySource, ArgoPermission.enable]),
            ])
        case .xenstore:
            let reading = [
                XenstorePermission.read, XenstorePermission.list, XenstorePermission.watch,
            ]
            return constraints([
                (.toSource, reading), (.both, others(objectClass, than: reading)),
            ])
        case .domain, .domain2, .hvm, .shadow:
            // Control over a compartment, which is also knowledge of it.
            return constraints([(.both, others(objectClass, than: []))])
        default:
            // Requests of the hypervisor, which has all levels, and of a compartment to itself.
            return []
        }
    }

    private static func constraints(
        _ rules: [(Direction, [Permission])]
    ) -> [PolicyDatabaseModel.Constraint] {
        rules.map { direction, permissions in
            PolicyDatabaseModel.Constraint(
                permissions: permissions.reduce(0) { $0 | $1.mask },
                expression: .levels(.highSourceHighTarget, comparison(direction)))
        }
    }

    private static func comparison(
        _ direction: Direction
    ) -> PolicyDatabaseModel.Comparison {
        switch direction {
        case .toTarget: .dominatedBy
        case .toSource: .dominates
        case .both: .equal
        }
    }

    private static func others(
        _ objectClass: ObjectClass, than listed: [Permission]
    ) -> [Permission] {
        (0..<objectClass.permissionCount)
            .compactMap { Permission(objectClass, at: $0) }
            .filter { !listed.contains($0) }
    }
}
