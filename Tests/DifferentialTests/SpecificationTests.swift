import CompilerTestSupport
import PolicyChecks
import PolicyDatabase
import PolicyDatabaseModel
import ReferenceMonitor
import SecurityModel
import Testing

/// The monitor against the specification, which knows nothing of types and rules.
@Suite("the specification as a judge")
struct SpecificationTests {
    @Test("a specification of another system is found to differ")
    func canary() throws {
        // The harness must be able to fail: the same compartments with the channel turned round.
        let text = try TestSystem.minimal().text
        let turned = try TestSystem(
            text.replacing("sensor at unclassified", with: "sensor at secret")
                .replacing("collector at secret", with: "collector at unclassified")
                .replacing("sensor -> collector signal", with: "collector -> sensor signal")
                .replacing("assert never collector -> sensor", with: ""))
        let model = SecurityModel(turned.proved.policy)
        let allowed = try TestSystem.minimal().withMonitor { _, _, monitor in
            monitor.decide(
                source: monitor.label(ofCompartment: 0),
                target: monitor.eventLabel(
                    source: monitor.label(ofCompartment: 0),
                    target: monitor.label(ofCompartment: 1)),
                permission: EventPermission.send)
        }
        #expect(allowed == .allowed)
        #expect(
            !model.permits(.compartment(0), "event send", on: .end(owner: 0, peer: 1)))
    }

    @Test("the monitor permits exactly what the specification permits")
    func equivalence() throws {
        // Method: exhaustive over the hypervisor, the compartments and both ends of every pair, and
        // over every permission of every class.
        var asked = 0
        var permitted = 0
        for system in try Systems.all() {
            let model = SecurityModel(system.proved.policy)
            try system.withMonitor { _, _, monitor in
                let entities = entities(monitor.compartmentCount)
                let labels = entities.map { label($0, monitor) }
                for source in entities.indices {
                    for target in entities.indices {
                        for permission in allPermissions {
                            let name = [permission.objectClass.policyName, permission.policyName]
                                .map { String($0) }.joined(separator: " ")
                            let wanted = model.permits(
                                entities[source], name, on: entities[target])
                            let found = monitor.decide(
                                source: labels[source], target: labels[target],
                                permission: permission)
                            asked += 1
                            permitted += wanted ? 1 : 0
                            if (found == .allowed) != wanted {
                                Issue.record(
                                    "\(entities[source]) \(name) \(entities[target]): \(found)")
                            }
                        }
                    }
                }
            }
        }
        print("requests compared: \(asked), permitted: \(permitted)")
        #expect(permitted > 100)
    }

    private var allPermissions: [Permission] {
        (1...ObjectClass.count).compactMap { ObjectClass(number: $0) }.flatMap { objectClass in
            (0..<objectClass.permissionCount).compactMap { Permission(objectClass, at: $0) }
        }
    }

    private func entities(_ count: Int) -> [SecurityModel.Entity] {
        let parties: [Int?] = [nil] + Array(0..<count)
        let ends = parties.flatMap { owner in
            parties.map { SecurityModel.Entity.end(owner: owner, peer: $0) }
        }
        return [.hypervisor] + (0..<count).map { .compartment($0) } + ends
    }

    private func label(
        _ entity: SecurityModel.Entity, _ monitor: borrowing ReferenceMonitor
    ) -> SecurityID {
        switch entity {
        case .hypervisor: .hypervisor
        case .compartment(let index): monitor.label(ofCompartment: index)
        // The monitor labels what hypercalls name; `WholeLanguageTests` asks about the others.
        case .policy, .directory, .subtree, .device: .hypervisor
        case .end(let owner, let peer):
            monitor.eventLabel(source: label(owner, monitor), target: label(peer, monitor))
        }
    }

    private func label(_ party: Int?, _ monitor: borrowing ReferenceMonitor) -> SecurityID {
        party.map { monitor.label(ofCompartment: $0) } ?? .hypervisor
    }
}
