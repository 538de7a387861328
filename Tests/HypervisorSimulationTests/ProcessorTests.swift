import BootArena
import CompilerTestSupport
import HypervisorCore
import Testing

/// Domains of the simulation have four virtual processors.
@Suite struct ProcessorTests {
    private let first = DomainID(number: 1)

    private func processor(_ number: Int) -> VirtualCPUID {
        VirtualCPUID(domain: first, number: number)
    }

    @Test("only the first processor is up, and the others come up once")
    func bringUp() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let up = (0..<4).map { simulation.core.domains[0].cpus[$0].isUp }
        #expect(up == [true, false, false, false])
        let results = [0, 2, 2, 4, -1].map { simulation.core.bringUp(processor($0)) }
        #expect(results == [false, true, false, false, false])
        let answers = (0..<5).map { simulation.call(24, 3, from: 1, second: UInt64($0)) }
        #expect(answers == [1, 0, 1, 0, -22])
    }

    @Test("an event tells the processor that its port is bound to, and no other")
    func boundTo() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1)
        let near = simulation.bind(1, remote: 2, port: far.port)
        let bound = simulation.call(32, 8, from: 2, [far.port, 3])
        #expect(bound == 0)
        _ = simulation.send(1, port: near.port)
        let told = (0..<4).map { simulation.isTold(DomainID(number: 2), cpu: $0) }
        #expect(told == [false, false, false, true])
    }

    @Test("ports cannot be bound to a processor that does not exist")
    func noSuchProcessor() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1)
        let last = simulation.call(32, 8, from: 2, [far.port, 3])
        let over = simulation.call(32, 8, from: 2, [far.port, 4])
        #expect(last == 0)
        #expect(over == -22)
        let timer = simulation.call(32, 1, from: 2, [0, 4, 0])
        let interprocessor = simulation.call(32, 7, from: 2, [4, 0])
        #expect(timer == -22)
        #expect(interprocessor == -22)
    }

    @Test("each processor has one timer, which rings it alone")
    func timers() throws {
        var simulation = try Simulation(TestSystem.minimal())
        var ports: [UInt32] = []
        for cpu in UInt32(0)..<4 {
            let result = simulation.call(32, 1, from: 1, [0, cpu, 0])
            #expect(result == 0)
            ports.append(simulation.answer(2, of: 1))
        }
        let twice = simulation.call(32, 1, from: 1, [0, 2, 0])
        #expect(twice == -17)
        // set_singleshot_timer at 5,000 ns, by processor 2 for itself.
        let set = simulation.call(24, 8, from: 1, [5_000, 0, 0, 0], cpu: 2, second: 2)
        #expect(set == 0)
        simulation.core.expireTimers(&simulation.machine)
        let early = simulation.isPending(1, port: ports[2])
        simulation.memory.now = 5_000
        simulation.core.expireTimers(&simulation.machine)
        let told = (0..<4).map { simulation.isTold(first, cpu: $0) }
        #expect(!early)
        #expect(told == [false, false, true, false])
    }

    @Test("a processor cannot set the timer of another")
    func foreignTimer() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let result = simulation.call(24, 8, from: 1, [5_000, 0, 0, 0], cpu: 1, second: 2)
        #expect(result == -22)
        let deadline = simulation.core.nextDeadline()
        #expect(deadline == nil)
    }

    @Test("with its last processor a domain is powered off")
    func takeDown() throws {
        var simulation = try Simulation(TestSystem.minimal())
        _ = simulation.core.bringUp(processor(1))
        simulation.core.takeDown(processor(0))
        let between = simulation.core.domains[0].life
        simulation.core.takeDown(processor(1))
        let after = simulation.core.domains[0].life
        #expect(between == .running)
        #expect(after == .shutDown(reason: 0))
    }

    @Test("a record of a processor moves once, to aligned memory of its own domain")
    func registerInfo() throws {
        var simulation = try Simulation(TestSystem.minimal())
        func register(_ frame: UInt32, _ offset: UInt32) -> Int64 {
            simulation.call(24, 10, from: 1, [frame, 0, offset, 0], second: 1)
        }
        let refused = [register(2, 4), register(2, 4040), register(99, 0), register(2, 4096)]
        #expect(refused == [-22, -22, -22, -22])
        let taken = register(2, 4032)
        let again = register(2, 64)
        #expect(taken == 0)
        #expect(again == -22)
    }
}
