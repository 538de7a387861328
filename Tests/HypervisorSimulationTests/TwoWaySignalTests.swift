import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import Testing

/// Domains 1 and 2 signal each other by `talk`; domain 3 hears domain 1 by `log`.
@Suite struct TwoWaySignalTests {
    private func system() throws -> TestSystem {
        let compartments = ["left", "right", "log_reader"].map {
            "compartment \($0) at open {\nkernel debian\nmemory 64 MiB\nvcpus 1\n}\n"
        }
        return try TestSystem(
            "system pair version 1\ntarget casemate\nlevels open\n" + compartments.joined()
                + "channel talk: left <-> right signal\n"
                + "channel log: left -> log_reader signal\n")
    }

    @Test("a signal of two ways arrives at either end") func bothWays() throws {
        var simulation = try Simulation(system())
        let far = simulation.allocate(2, remote: 1)
        let near = simulation.bind(1, remote: 2, port: far.port)
        #expect(far.result == 0 && near.result == 0)
        let there = simulation.send(1, port: near.port)
        var isPending = simulation.isPending(2, port: far.port)
        #expect(there == 0 && isPending)
        let back = simulation.send(2, port: far.port)
        isPending = simulation.isPending(1, port: near.port)
        #expect(back == 0 && isPending)
        #expect(simulation.memory.denials.isEmpty)
    }

    @Test("beside it a signal of one way still leads one way") func oneWay() throws {
        var simulation = try Simulation(system())
        let far = simulation.allocate(3, remote: 1)
        let near = simulation.bind(1, remote: 3, port: far.port)
        #expect(far.result == 0 && near.result == 0)
        let (there, back) = (
            simulation.send(1, port: near.port), simulation.send(3, port: far.port)
        )
        #expect(there == 0)
        #expect(back == -1)
        let denial = try #require(simulation.memory.denials.last)
        #expect(denial.permission == EventPermission.send)
        let stranger = simulation.allocate(3, remote: 2).result
        #expect(stranger == -1)
    }
}
