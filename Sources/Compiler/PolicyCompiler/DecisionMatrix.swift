import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import SecurityLattice
import SecurityModel

/// Every decision of a policy, beside the specification's.
struct DecisionMatrix {
    private let expected: ExpectedPolicy
    private let numbers: [String: UInt32]
    private let labels: [SecurityContext]

    init(_ expected: ExpectedPolicy, names: [UInt32: String], labels: [SecurityContext]) {
        self.expected = expected
        self.labels = labels
        numbers = Dictionary(
            names.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Compares what the hypervisor's reader decides for every pair of labels and every class.
    ///
    /// A system with more labels than `TranslationCheck.mostLabels` is not compared: there each
    /// rule, attribute, constraint and transition was found to be the declared one.
    func check(_ policy: [UInt8]) throws(TranslationError) {
        let entities = entities
        guard entities.count <= TranslationCheck.mostLabels else { return }
        let failure: String?
        do throws(PolicyDatabaseError) {
            failure = compare(entities, try PolicyDatabase(validating: policy.span))
        } catch {
            throw .unreadable("\(error.reason)")
        }
        if let failure { throw .decision(failure) }
    }

    /// Who acts and is acted on: also the ends of channels that nobody declared, while they fit.
    private var entities: [SecurityModel.Entity] {
        let system = expected.system
        let parties: [Int?] = [nil] + system.compartments.indices.map { $0 }
        let declared = expected.entities.keys.sorted().compactMap { expected.entities[$0] }
        var all: [SecurityModel.Entity] = [.hypervisor, .policy]
        all += declared.filter { $0 != .hypervisor && $0 != .policy }
        guard parties.count * parties.count + all.count <= TranslationCheck.mostLabels else {
            return all
        }
        let known = Set(all)
        return all
            + parties.flatMap { owner in
                parties.map { SecurityModel.Entity.end(owner: owner, peer: $0) }
            }.filter { !known.contains($0) }
    }

    /// Returns the first decision that differs.
    private func compare(
        _ entities: [SecurityModel.Entity], _ database: borrowing PolicyDatabase
    ) -> String? {
        var contexts: [PreparedContext] = []
        for entity in entities {
            guard let context = context(of: entity, database),
                let prepared = database.prepare(context)
            else { return "the label of `\(expected.name(entity))` is not valid" }
            contexts.append(prepared)
        }
        let model = SecurityModel(expected.system)
        let stride = PolicyDatabase.rowStride
        var row = Array(repeating: UInt32(0), count: entities.count * stride)
        for (index, source) in entities.enumerated() {
            var span = row.mutableSpan
            guard
                database.computeRow(source: contexts[index], targets: contexts.span, into: &span)
            else { return "the row of `\(expected.name(source))`" }
            for (column, target) in entities.enumerated() {
                var wanted = Array(repeating: UInt32(0), count: stride)
                for permission in model.permissions(of: source, on: target) {
                    guard let place = PermissionNames.places[permission] else { continue }
                    wanted[Int(place.objectClass)] |= place.mask
                }
                guard row[column * stride..<(column + 1) * stride].elementsEqual(wanted) else {
                    return "`\(source)` on `\(target)`"
                }
            }
        }
        return nil
    }

    private func context(
        of entity: SecurityModel.Entity, _ database: borrowing PolicyDatabase
    ) -> SecurityContext? {
        switch entity {
        case .hypervisor: return database.context(of: .xen)
        case .policy: return database.context(of: .security)
        case .compartment(let index): return labels[index]
        case .end(let owner, let peer):
            guard let source = owner.map({ labels[$0] }) ?? database.context(of: .xen),
                let target = peer.map({ labels[$0] }) ?? database.context(of: .xen)
            else { return nil }
            return database.computeTransition(source: source, target: target, class: .event)
        case .directory, .subtree, .device:
            guard let type = numbers[expected.name(entity)] else { return nil }
            return SecurityContext(
                user: 1, role: objectRole, type: type,
                range: SecurityRange(expected.level(of: entity)))
        }
    }
}
