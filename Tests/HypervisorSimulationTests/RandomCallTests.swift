import CompilerTestSupport
import HypervisorCore
import PolicyChecks
import PolicySemantics
import TestSupport
import Testing

@Suite struct RandomCallTests {
    /// One random hypercall with arguments that are often almost right.
    private func randomCall(
        _ simulation: inout Simulation, from domain: UInt16, domains: Int,
        _ generator: inout SeededGenerator
    ) -> Int64 {
        if Int.random(in: 0..<4, using: &generator) == 0 {
            let remote = UInt16.random(in: 1...UInt16(domains), using: &generator)
            let port = UInt32.random(in: 2..<8, using: &generator)
            return Bool.random(using: &generator)
                ? simulation.allocate(domain, remote: remote).result
                : simulation.bind(domain, remote: remote, port: port).result
        }
        let calls: [UInt64] = [12, 15, 17, 18, 20, 21, 24, 29, 32, 32, 32, 32, 32, 33, 34]
        let number = calls.randomElement(using: &generator) ?? 32
        // Shutdown and blocking calls are left out: the caller would stop calling.
        let operation = UInt64.random(in: 0..<16, using: &generator)
        guard number != 29 || operation == 0 else { return 0 }
        var argument: [UInt32] = []
        for _ in 0..<6 {
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: argument.append(UInt32.random(in: 0..<4, using: &generator))
            case 1: argument.append(UInt32.random(in: 0...UInt32(domains + 1), using: &generator))
            case 2:
                let remote = UInt32.random(in: 0...UInt32(domains + 1), using: &generator)
                argument.append(0x7ff0 | remote << 16)
            case 3: argument.append(UInt32.random(in: 0..<70, using: &generator))
            default: argument.append(UInt32.random(in: 0...UInt32.max, using: &generator))
            }
        }
        return simulation.call(number, operation, from: domain, argument)
    }

    @Test("after any sequence of calls, channels are joined only where the policy joins them")
    func invariants() throws {
        let seed = SeededGenerator.announced(20_261_122).seed
        var generator = SeededGenerator(seed: seed)
        var joinedPorts = 0
        for round in UInt64(0)..<8 {
            let system = try TestSystem.generated(compartments: 5, seed: seed &+ round)
            var simulation = try Simulation(system)
            for step in 0..<TestLevel.repetitions(4_000) {
                let domain = UInt16.random(in: 1...5, using: &generator)
                _ = randomCall(&simulation, from: domain, domains: 5, &generator)
                guard step % 50 == 0 else { continue }
                let broken = simulation.brokenPort()
                #expect(broken == nil, "seed=\(seed) round \(round) step \(step)")
                let stranger = strangePort(simulation, system)
                #expect(stranger == nil, "seed=\(seed) round \(round) step \(step)")
                joinedPorts += countJoined(simulation)
            }
        }
        // Sequences that never join anything would show nothing.
        #expect(joinedPorts > 10, "seed=\(seed)")
    }

    private func countJoined(_ simulation: borrowing Simulation) -> Int {
        var count = 0
        for domain in UInt16(1)...5 {
            for port in 2..<UInt32(Domain.portCount) {
                if case .interdomain = simulation.binding(domain, port: port) { count += 1 }
            }
        }
        return count
    }

    /// A port that is joined to, or waits for, a domain that no channel joins.
    private func strangePort(
        _ simulation: borrowing Simulation, _ system: TestSystem
    ) -> UInt32? {
        for domain in UInt16(1)...5 {
            for port in 2..<UInt32(Domain.portCount) {
                let remote: UInt16
                switch simulation.binding(domain, port: port) {
                case .interdomain(let id, _), .unbound(let id): remote = id.number
                default: continue
                }
                let isJoined = system.proved.policy.channels.contains {
                    let ends = [UInt16($0.from + 1), UInt16($0.to + 1)]
                    return ends == [domain, remote] || ends == [remote, domain]
                }
                if !isJoined { return port }
            }
        }
        return nil
    }

    @Test("what a domain without channels does is seen by no other domain")
    func noninterference() throws {
        let seed = SeededGenerator.announced(4_711).seed
        let system = try TestSystem(
            """
            system split version 1
            target casemate
            levels low < high
            compartment a at low {
                kernel debian
                memory 64 MiB
                vcpus 1
            }
            compartment b at low {
                kernel debian
                memory 64 MiB
                vcpus 1
            }
            compartment secret at high {
                kernel debian
                memory 64 MiB
                vcpus 1
            }
            channel talk: a -> b signal
            """)
        func run(secretCalls: Int) throws -> ([Int64], [[UInt8]]) {
            var simulation = try Simulation(system)
            var low = SeededGenerator(seed: seed)
            var high = SeededGenerator(seed: seed &+ 1)
            var results: [Int64] = []
            for step in 0..<TestLevel.repetitions(2_000) {
                for _ in 0..<secretCalls {
                    _ = randomCall(&simulation, from: 3, domains: 3, &high)
                }
                let domain = UInt16(1 + step % 2)
                results.append(randomCall(&simulation, from: domain, domains: 3, &low))
            }
            return (results, [simulation.view(of: 1), simulation.view(of: 2)])
        }
        let quiet = try run(secretCalls: 0)
        let busy = try run(secretCalls: 3)
        #expect(quiet.0 == busy.0, "seed=\(seed)")
        #expect(quiet.1 == busy.1, "seed=\(seed)")
    }
}
