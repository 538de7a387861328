import CompilerTestSupport
import HypervisorCore
import PolicyChecks
import PolicyDatabase
import PolicySemantics
import Testing

/// Domain 1 is `sensor`, 2 is `collector`; `readings` goes from 1 to 2.
@Suite struct EventChannelTests {
    private let denied: Int64 = -1
    private let invalid: Int64 = -22

    @Test("an event that the policy allows arrives")
    func allowed() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1)
        #expect(far.result == 0)
        let near = simulation.bind(1, remote: 2, port: far.port)
        #expect(near.result == 0)
        var isPending = simulation.isPending(2, port: far.port)
        #expect(!isPending)
        let sent = simulation.send(1, port: near.port)
        #expect(sent == 0)
        isPending = simulation.isPending(2, port: far.port)
        #expect(isPending)
        #expect(simulation.memory.denials.isEmpty)
    }

    @Test("an event against the direction is refused, recorded, and rings nobody")
    func reverse() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1)
        _ = simulation.bind(1, remote: 2, port: far.port)
        let before = simulation.view(of: 1)
        let sent = simulation.send(2, port: far.port)
        #expect(sent == denied)
        let after = simulation.view(of: 1)
        #expect(before == after)
        let denial = try #require(simulation.memory.denials.last)
        #expect(denial.source == DomainID(number: 2))
        #expect(denial.target == DomainID(number: 1))
        #expect(denial.permission == EventPermission.send)
    }

    @Test("the receiver cannot send before the sender has bound, either")
    func reverseUnbound() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1)
        let sent = simulation.send(2, port: far.port)
        #expect(sent == denied)
    }

    @Test("a domain that does not exist answers as one that is forbidden")
    func absent() throws {
        let system = try TestSystem.generated(compartments: 6, seed: 1)
        var simulation = try Simulation(system)
        var answers: Set<Int64> = []
        for remote in UInt16(1)...12 where !isJoined(system, 1, remote) {
            answers.insert(simulation.allocate(1, remote: remote).result)
            answers.insert(simulation.bind(1, remote: remote, port: 1).result)
            answers.insert(simulation.bind(1, remote: remote, port: 999).result)
        }
        #expect(answers == [denied])
    }

    private func isJoined(_ system: TestSystem, _ from: UInt16, _ to: UInt16) -> Bool {
        system.proved.policy.channels.contains {
            let ends = [UInt16($0.from + 1), UInt16($0.to + 1)]
            return ends == [from, to] || ends == [to, from]
        }
    }

    @Test("a port that does not wait for the caller cannot be bound")
    func notWaiting() throws {
        var simulation = try Simulation(TestSystem.minimal())
        for port in [UInt32(0), 1, 2, 63, 64, .max] {
            let result = simulation.bind(1, remote: 2, port: port).result
            #expect(result == invalid)
        }
        let far = simulation.allocate(2, remote: 1)
        let first = simulation.bind(1, remote: 2, port: far.port).result
        let second = simulation.bind(1, remote: 2, port: far.port).result
        #expect(first == 0)
        #expect(second == invalid)
    }

    @Test("62 ports can be reserved beside the console's, and not one more")
    func exhaustion() throws {
        var simulation = try Simulation(TestSystem.minimal())
        for count in 0..<62 {
            let result = simulation.allocate(2, remote: 1).result
            #expect(result == 0, "port \(count)")
        }
        let over = simulation.allocate(2, remote: 1).result
        #expect(over == -28)
        let closed = simulation.call(32, 3, from: 2, [10])
        #expect(closed == 0)
        let again = simulation.allocate(2, remote: 1)
        #expect(again.result == 0)
        #expect(again.port == 10)
    }

    @Test("a closed end waits for its peer again, and what was pending is gone")
    func close() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1)
        let near = simulation.bind(1, remote: 2, port: far.port)
        let closed = simulation.call(32, 3, from: 1, [near.port])
        #expect(closed == 0)
        let near2 = simulation.binding(1, port: near.port)
        #expect(near2 == .free)
        let far2 = simulation.binding(2, port: far.port)
        #expect(far2 == .unbound(remote: DomainID(number: 1)))
        let isPending = simulation.isPending(1, port: near.port)
        #expect(!isPending)
    }

    @Test("the console's port cannot be closed")
    func closeConsole() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let closed = simulation.call(32, 3, from: 1, [1])
        #expect(closed == invalid)
    }

    @Test("arguments outside the caller's memory are refused and change nothing")
    func badAddress() throws {
        var simulation = try Simulation(TestSystem.minimal())
        for address in [UInt64(0xfffe), 0x10000, 0x7fff_ffff_ffff, .max - 3, .max] {
            for operation in UInt64(0)..<16 {
                let result = simulation.core.hypercall(
                    HypercallRequest(call: 32, arguments: [operation, address, 0, 0]),
                    from: VirtualCPUID(domain: DomainID(number: 1), number: 0),
                    machine: &simulation.machine)
                let isRefused = result == .finished(-14) || result == .finished(-38)
                #expect(isRefused, "operation \(operation)")
            }
        }
        let free = (2..<UInt32(Domain.portCount)).allSatisfy {
            simulation.binding(1, port: $0) == .free
        }
        #expect(free)
    }

    @Test("unknown operations answer ENOSYS and leave no record")
    func unknown() throws {
        var simulation = try Simulation(TestSystem.minimal())
        for number in UInt64(0)..<64 {
            for operation in UInt64(0)..<32
            where HypercallOperation.decode(call: number, subOperation: operation) == nil {
                let result = simulation.call(number, operation, from: 1)
                #expect(result == -38)
            }
        }
        #expect(simulation.memory.denials.isEmpty)
    }
}
