import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyCompiler
import PolicyDatabase
import TestSupport
import Testing

/// Every copy from and to a guest's memory can fail: another of its processors takes the page away
/// just then. For each hypercall the first fails, then the second, and so on until none does. A
/// call that fails changes nothing; made again it does what it would have done.
@Suite struct FallibleStepTests {
    /// One call, with what has to be there before it.
    struct Call: CustomTestStringConvertible, Sendable {
        let name: String
        let number: UInt64
        let operation: UInt64
        let argument: [UInt32]
        var domain: UInt16 = 2
        var second: UInt64 = 0x1000
        var third: UInt64 = 0x1000
        /// Whether a part of it may have been done when it fails: what it says of itself.
        var isInParts = false
        var testDescription: String { name }
    }

    /// Domain 2 and 3 have a channel, a mapping and more to come (see `prepared`).
    static let calls: [Call] = [
        Call(name: "alloc_unbound", number: 32, operation: 6, argument: [0x7ff0 | 3 << 16, 0]),
        Call(name: "bind_interdomain", number: 32, operation: 0, argument: [3, 3, 0]),
        Call(name: "bind_virq", number: 32, operation: 1, argument: [0, 0, 0]),
        Call(name: "bind_ipi", number: 32, operation: 7, argument: [1, 0]),
        Call(name: "bind_vcpu", number: 32, operation: 8, argument: [2, 1]),
        Call(name: "close", number: 32, operation: 3, argument: [2]),
        Call(name: "send", number: 32, operation: 4, argument: [2]),
        Call(name: "status", number: 32, operation: 5, argument: [0x7ff0, 2, 0, 0, 0, 0]),
        Call(name: "unmask", number: 32, operation: 9, argument: [2]),
        Call(name: "init_control", number: 32, operation: 11, argument: [5, 0, 0, 0, 0, 0]),
        Call(
            name: "map_grant_ref", number: 20, operation: 0,
            argument: Simulation.mapRequest(of: 3, 9, at: 41, flags: 2), third: 1),
        Call(
            name: "unmap_grant_ref", number: 20, operation: 1,
            argument: Simulation.unmapRequest(0, at: 40), third: 1, isInParts: true),
        Call(name: "query_size", number: 20, operation: 6, argument: [0x7ff0, 0, 0, 0], third: 1),
        Call(
            name: "setup_table", number: 20, operation: 2, argument: [0x7ff0, 1, 0, 0, 0x1800, 0],
            third: 1),
        Call(name: "set_version", number: 20, operation: 8, argument: [1], third: 1),
        Call(name: "add_to_physmap", number: 12, operation: 7, argument: [0x7ff0, 0, 0, 0, 50, 0]),
        Call(name: "set_param", number: 34, operation: 0, argument: [0x7ff0, 0, 0xf3, 0x2000000]),
        Call(name: "get_param", number: 34, operation: 1, argument: [0x7ff0, 17, 0, 0]),
        Call(
            name: "register_vcpu_info", number: 24, operation: 10, argument: [6, 0, 64, 0],
            second: 1),
        Call(
            name: "set_singleshot", number: 24, operation: 8, argument: [9_000, 0, 0, 0],
            second: 0),
        Call(name: "poll", number: 29, operation: 3, argument: [0x1800, 0, 1, 0, 0, 0]),
        Call(name: "shutdown", number: 29, operation: 2, argument: [0]),
        Call(name: "features", number: 17, operation: 6, argument: [0, 0]),
        Call(name: "FLASK_LOAD", number: 27, operation: 0x1000, argument: [], domain: 1),
    ]

    /// A system in which each of the calls does something.
    private func prepared() throws -> Simulation {
        let links = [
            ReloadSystem.Link(from: 2, to: 3, isTwoWay: true),
            ReloadSystem.Link(from: 2, to: 3, pages: 8, isTwoWay: true),
        ]
        let (first, second) = try (ReloadSystem(links), ReloadSystem([]))
        var simulation = try Simulation(first.compiled)
        let joined = simulation.allocate(3, remote: 2).port
        _ = simulation.bind(2, remote: 3, port: joined)
        _ = simulation.allocate(3, remote: 2)
        simulation.grant(3, 8, to: 2, frame: 5)
        simulation.grant(3, 9, to: 2, frame: 6)
        _ = simulation.map(2, of: 3, 8, at: 40)
        let archive = second.archive(
            second.manifest(version: 2, replacing: first.compiled.compiled.manifest))
        simulation.store(archive, of: 1)
        simulation.memory.window = archive
        return simulation
    }

    /// What the hypervisor keeps, as text, and what other domains see.
    private func state(_ simulation: borrowing Simulation, but domain: UInt16) -> [String] {
        var lines: [String] = []
        for index in simulation.core.domains.indices {
            let id = UInt16(index + 1)
            for port in UInt32(1)..<10 {
                let channel = simulation.core.domains[index].channels[Int(port)]
                lines.append("\(id).\(port) \(channel.binding) \(channel.cpu)")
                lines.append("pending \(simulation.isPending(id, port: port))")
            }
            for handle in 0..<UInt32(Simulation.handleCount) {
                guard let sight = simulation.core.grants.sight(index, handle) else { continue }
                lines.append("\(sight)")
            }
            for reference in UInt32(8)..<10 { lines.append("\(simulation.entry(id, reference))") }
            let cpu = simulation.core.domains[index].cpus[0]
            lines.append("\(cpu.isBlocked) \(String(describing: cpu.timerDeadline))")
            lines.append("\(simulation.core.domains[index].life)")
            lines.append("\(simulation.core.domains[index].cpus[1].infoIsRegistered)")
            lines.append("\(simulation.core.domains[index].callbackVector)")
            if id != domain { lines.append("\(simulation.view(of: id).hashValue)") }
        }
        lines.append("\(simulation.core.policySequence) \(simulation.memory.measured.count)")
        return lines
    }

    @Test("a call whose every step fails in turn changes nothing", arguments: calls)
    func everyStep(_ call: Call) throws {
        var failures = 0
        for step in 0..<2_000 {
            var simulation = try prepared()
            let size = simulation.memory.window.count
            let argument =
                call.number == 27 ? Simulation.loadRequest(size: size) : call.argument
            let before = state(simulation, but: call.domain)
            simulation.memory.copiesBeforeFailure = step
            let result = simulation.call(
                call.number, call.operation, from: call.domain, argument, second: call.second,
                third: call.third)
            let isReached = (simulation.memory.copiesBeforeFailure ?? 0) < 0
            simulation.memory.copiesBeforeFailure = nil
            guard isReached else {
                #expect(result >= 0, "\(call.name) fails by itself: \(result)")
                break
            }
            failures += 1
            #expect(result == -14, "step \(step): \(result)")
            let list = simulation.core.brokenList()
            #expect(list == nil)
            guard !call.isInParts else { continue }
            // In force, whatever becomes of its caller.
            if simulation.core.policySequence != 1 { continue }
            let after = state(simulation, but: call.domain)
            #expect(before == after, "step \(step)")
            let again = simulation.call(
                call.number, call.operation, from: call.domain, argument, second: call.second,
                third: call.third)
            #expect(again >= 0, "step \(step), again: \(again)")
        }
        #expect(failures > 0)
    }
}
