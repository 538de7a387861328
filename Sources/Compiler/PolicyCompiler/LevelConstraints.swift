import PolicyDatabase
import PolicyDatabaseModel

/// What levels and roles forbid, whatever the types allow: the second wall.
///
/// Source and target are compared by their high levels, as `mayFlow` does: a compartment may pass
/// on all that it can know. An end of a channel or console has one level, that of its far side.
///
/// An exception is a pair: this subject, that object. No subject is exempt as such.
struct LevelConstraints: Equatable, Sendable {
    /// A permission's exceptions: the subject's type, and the objects' types.
    struct Exceptions: Equatable, Sendable {
        private var targets: [UInt32: Set<UInt32>] = [:]

        /// Adds one subject and one object.
        mutating func insert(_ subject: UInt32, _ object: UInt32) {
            targets[subject, default: []].insert(object)
        }

        /// The subjects, rising, each with its objects, rising.
        var sorted: [(subject: UInt32, objects: [UInt32])] {
            targets.sorted { $0.key < $1.key }.map { ($0.key, $0.value.sorted()) }
        }
    }

    /// Signals that an exemption lets through.
    var sends = Exceptions()
    /// Maps for reading, and for writing, that exemptions let through.
    var reads = Exceptions()
    var writes = Exceptions()
    /// Copies that an exemption lets through.
    var copies = Exceptions()
    /// Nodes of the store that exemptions let be read, and be written.
    var nodeReads = Exceptions()
    var nodeWrites = Exceptions()
    /// Lives that the store and the console of several levels know of: of who uses them.
    var lives = Exceptions()
    /// The types of ends of channels, and of consoles.
    var channelEnds: [UInt32] = []
    var consoleEnds: [UInt32] = []
    /// The types of nodes of the store, rising.
    var nodes: [UInt32] = []
    /// The type of the policy itself.
    var policy: UInt32 = 0
    /// The types of subjects that no constraint holds for: of stock Xen's first domain.
    var trusted: [UInt32] = []

    private typealias Expression = PolicyDatabaseModel.ConstraintExpression

    /// Which way a permission lets information go.
    private enum Direction {
        /// From source to target: the target must dominate.
        case toTarget
        /// From target to source: the source must dominate.
        case toSource
        /// Both ways: the levels must be equal.
        case both

        var expression: Expression {
            let comparison: PolicyDatabaseModel.Comparison =
                switch self {
                case .toTarget: .dominatedBy
                case .toSource: .dominates
                case .both: .equal
                }
            return .levels(.highSourceHighTarget, comparison)
        }
    }

    /// Returns the constraints of a class: who may act at all, then the levels.
    func of(_ objectClass: ObjectClass) -> [PolicyDatabaseModel.Constraint] {
        let constraints = roles(of: objectClass) + levels(of: objectClass)
        guard !trusted.isEmpty else { return constraints }
        return constraints.map {
            PolicyDatabaseModel.Constraint(
                permissions: $0.permissions,
                expression: .or(
                    $0.expression, .names(.sourceType, trusted.sorted(), .equal)))
        }
    }

    // MARK: Roles

    /// What plays no part does nothing, and nothing is done to it.
    ///
    /// The end of an event channel that nobody declared has the role `object_r` and, by the
    /// format's default, the type of the far compartment. These constraints take that type's rules
    /// from it, on either side, so no rule has to name each pair that no channel joins.
    private func roles(of objectClass: ObjectClass) -> [PolicyDatabaseModel.Constraint] {
        let actor = Expression.names(.sourceRole, [objectRole], .notEqual)
        let whole = Expression.names(.targetRole, [objectRole], .notEqual)
        let all = LevelConstraints.all(objectClass)
        switch objectClass {
        case .event:
            let ends = Expression.names(.targetType, (channelEnds + consoleEnds).sorted(), .equal)
            // Where there is no channel, no rule permits to bind either.
            let far =
                channelEnds.isEmpty
                ? Expression.names(.sourceRole, [objectRole], .equal)
                : .names(.sourceType, channelEnds, .equal)
            return [
                constraint([EventPermission.bind], .and(far, whole)),
                constraint(all.filter { $0 != EventPermission.bind }, .and(actor, ends)),
            ]
        case .xen, .xen2, .version, .domain, .domain2, .hvm, .mmu, .shadow, .grant, .argo,
            .hypercall:
            return [constraint(all, .and(actor, whole))]
        case .xenstore:
            let node = Expression.names(.targetType, nodes, .equal)
            return [constraint(all, .and(actor, .or(whole, node)))]
        case .security:
            let itself = Expression.names(.targetType, [policy], .equal)
            return [constraint(all, .and(actor, .or(whole, itself)))]
        default:
            // Of a device: each has a type of its own, and the role `object_r`.
            return [constraint(all, actor)]
        }
    }

    // MARK: Levels

    private func levels(of objectClass: ObjectClass) -> [PolicyDatabaseModel.Constraint] {
        let all = LevelConstraints.all(objectClass)
        switch objectClass {
        case .event:
            // The sender's clearance may come to the end's level, and that to the peer's.
            return [
                constraint([EventPermission.send], .toTarget, sends),
                constraint([EventPermission.bind], .toTarget),
            ]
        case .grant:
            return [
                constraint([GrantPermission.copy], .toTarget, copies),
                constraint([GrantPermission.mapRead], .toSource, reads),
                // Who may write to a page can read it: the hardware knows no write-only mapping.
                constraint([GrantPermission.mapWrite], .both, writes),
                constraint(
                    [GrantPermission.transfer, GrantPermission.setup, GrantPermission.query],
                    .both),
            ]
        case .mmu:
            let observing = [MMUPermission.mapRead, MMUPermission.pageinfo, MMUPermission.stat]
            return [
                constraint(observing, .toSource),
                constraint(all.filter { !observing.contains($0) }, .both),
            ]
        case .argo:
            return [
                constraint([ArgoPermission.send], .toTarget),
                constraint([ArgoPermission.registerSingleSource], .toSource),
                constraint([ArgoPermission.registerAnySource, ArgoPermission.enable], .both),
            ]
        case .xenstore:
            let reading = [
                XenstorePermission.read, XenstorePermission.list, XenstorePermission.watch,
            ]
            let moving = [XenstorePermission.relabelfrom, XenstorePermission.relabelto]
            return [
                constraint(reading, .toSource, nodeReads),
                constraint(moving, .both),
                constraint(
                    all.filter { !(reading + moving).contains($0) }, .toTarget, nodeWrites),
            ]
        case .domain:
            // To know whether somebody lives is to hear from him, as his service does anyway.
            let knowing = [DomainPermission.getdomaininfo]
            return [
                constraint(knowing, .both, lives),
                constraint(all.filter { !knowing.contains($0) }, .both),
            ]
        case .domain2, .hvm, .shadow, .resource:
            // Control over a compartment or a device, which is also knowledge of it.
            return [constraint(all, .both)]
        default:
            // Requests of the hypervisor, which has all levels, and of a compartment to itself.
            return []
        }
    }

    // MARK: Parts

    private func constraint(
        _ permissions: [Permission], _ direction: Direction,
        _ exceptions: Exceptions = Exceptions()
    ) -> PolicyDatabaseModel.Constraint {
        var expression = direction.expression
        for (subject, objects) in exceptions.sorted {
            expression = .or(
                expression,
                .and(
                    .names(.sourceType, [subject], .equal),
                    .names(.targetType, objects, .equal)))
        }
        return constraint(permissions, expression)
    }

    private func constraint(
        _ permissions: [Permission], _ expression: Expression
    ) -> PolicyDatabaseModel.Constraint {
        PolicyDatabaseModel.Constraint(
            permissions: permissions.reduce(0) { $0 | $1.mask }, expression: expression)
    }

    private static func all(_ objectClass: ObjectClass) -> [Permission] {
        (0..<objectClass.permissionCount).compactMap { Permission(objectClass, at: $0) }
    }
}
