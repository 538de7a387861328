import CompilerTestSupport
import HypervisorCore
import TestSupport
import Testing

/// Queued event channels: domain 1 rings, domain 2 has queues.
@Suite struct EventQueueTests {
    /// Two domains with `count` channels from the first to the second, which has queues.
    private struct World: ~Copyable {
        var simulation: Simulation
        var guest = QueueGuest(2)
        var near: [UInt32] = []
        var far: [UInt32] = []

        init(ports count: Int, fault: FaultPoint? = nil) throws {
            simulation = try Simulation(TestSystem.minimal())
            simulation.memory.fault = fault
            let started = guest.start(&simulation)
            #expect(started == [0, 0])
            for _ in 0..<count {
                let port = simulation.allocate(2, remote: 1).port
                far.append(port)
                near.append(simulation.bind(1, remote: 2, port: port).port)
                _ = guest.unmask(&simulation, port)
            }
        }

        mutating func ring(_ index: Int) -> Int64 {
            simulation.send(1, port: near[index])
        }
    }

    @Test("events of one priority are handled in the order in which they came")
    func order() throws {
        var world = try World(ports: 5)
        for index in [3, 1, 4, 0] { _ = world.ring(index) }
        let isTold = world.simulation.isTold(DomainID(number: 2), cpu: 0)
        #expect(isTold)
        world.guest.handle(world.simulation)
        let expected = [3, 1, 4, 0].map { world.far[$0] }
        #expect(world.guest.handled == expected)
    }

    @Test("a higher priority is handled first")
    func priority() throws {
        var world = try World(ports: 3)
        let set = world.simulation.call(32, 13, from: 2, [world.far[2], 0])
        #expect(set == 0)
        for index in [0, 1, 2] { _ = world.ring(index) }
        world.guest.handle(world.simulation)
        let expected = [2, 0, 1].map { world.far[$0] }
        #expect(world.guest.handled == expected)
    }

    @Test("a masked event waits, tells nobody, and comes with the mask's end")
    func masked() throws {
        for fault in [FaultPoint?.none, .respectMask] {
            var world = try World(ports: 1, fault: fault)
            world.guest.mask(world.simulation, world.far[0])
            _ = world.ring(0)
            let isTold = world.simulation.isTold(DomainID(number: 2), cpu: 0)
            #expect(isTold == (fault != nil))
            guard fault == nil else { continue }
            world.guest.handle(world.simulation)
            #expect(world.guest.handled.isEmpty)
            let unmasked = world.guest.unmask(&world.simulation, world.far[0])
            #expect(unmasked == 0)
            world.guest.handle(world.simulation)
            #expect(world.guest.handled == world.far)
        }
    }

    @Test("what was pending before there were queues, or words, is not lost")
    func early() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1).port
        let near = simulation.bind(1, remote: 2, port: far).port
        _ = simulation.send(1, port: near)
        var guest = QueueGuest(2)
        let started = guest.start(&simulation)
        #expect(started == [0, 0])
        let word = guest.word(simulation, far)
        #expect(word >> 31 == 1)
        _ = guest.unmask(&simulation, far)
        guest.handle(simulation)
        #expect(guest.handled == [far])
    }

    @Test("each wrong argument is refused, and nothing changes")
    func refusals() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let early = [
            simulation.call(32, 12, from: 2, [11, 0]), simulation.call(32, 13, from: 2, [1, 0]),
        ]
        #expect(early == [-95, -95])
        let controls = [
            simulation.call(32, 11, from: 2, [10, 0, 0, 4, 0, 0]),
            simulation.call(32, 11, from: 2, [10, 0, 4, 0, 0, 0]),
            simulation.call(32, 11, from: 2, [10, 0, 4032, 0, 0, 0]),
            simulation.call(32, 11, from: 2, [99, 0, 0, 0, 0, 0]),
        ]
        #expect(controls == [-2, -22, -22, -22])
        let first = simulation.call(32, 11, from: 2, [10, 0, 4024, 0, 0, 0])
        let bits = simulation.answer(4, of: 2)
        let second = simulation.call(32, 11, from: 2, [10, 0, 64, 0, 0, 0])
        #expect([first, second] == [0, -22])
        #expect(bits == 17)
        let arrays = [
            simulation.call(32, 12, from: 2, [99, 0]), simulation.call(32, 12, from: 2, [11, 0]),
            simulation.call(32, 12, from: 2, [12, 0]),
        ]
        #expect(arrays == [-22, 0, -28])
        let priorities = [
            simulation.call(32, 13, from: 2, [1, 15]), simulation.call(32, 13, from: 2, [1, 16]),
            simulation.call(32, 13, from: 2, [9, 0]), simulation.call(32, 13, from: 2, [.max, 0]),
        ]
        #expect(priorities == [0, -22, -22, -22])
    }

    @Test("whatever the guest does meanwhile, no event is lost and none comes twice")
    func random() throws {
        let seed = SeededGenerator.announced(5).seed
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<TestLevel.repetitions(20) {
            var world = try World(ports: 12)
            var rung: [UInt32: Int] = [:]
            var masked: Set<UInt32> = []
            for _ in 0..<2_000 {
                let index = Int.random(in: 0..<12, using: &generator)
                let port = world.far[index]
                switch Int.random(in: 0..<8, using: &generator) {
                case 0:
                    world.guest.mask(world.simulation, port)
                    masked.insert(port)
                case 1:
                    _ = world.guest.unmask(&world.simulation, port)
                    masked.remove(port)
                case 2:
                    let priority = UInt32.random(in: 0..<16, using: &generator)
                    _ = world.simulation.call(32, 13, from: 2, [port, priority])
                case 3:
                    let limit = Int.random(in: 0..<4, using: &generator)
                    world.guest.handle(world.simulation, limit: limit)
                case 4: world.guest.handle(world.simulation)
                default:
                    let isPending = world.guest.word(world.simulation, port) >> 31 == 1
                    _ = world.ring(index)
                    if !isPending { rung[port, default: 0] += 1 }
                }
            }
            for port in masked { _ = world.guest.unmask(&world.simulation, port) }
            world.guest.handle(world.simulation)
            let counts = Dictionary(grouping: world.guest.handled) { $0 }.mapValues(\.count)
            #expect(counts == rung, "seed=\(seed)")
        }
    }

    @Test("hostile words and heads disturb nobody but their owner")
    func hostile() throws {
        let seed = SeededGenerator.announced(6).seed
        var generator = SeededGenerator(seed: seed)
        var world = try World(ports: 12)
        let before = world.simulation.view(of: 1)
        for _ in 0..<TestLevel.repetitions(5_000) {
            let port = world.far[Int.random(in: 0..<12, using: &generator)]
            let noise = UInt32.random(in: 0...UInt32.max, using: &generator)
            world.guest.setWord(world.simulation, port, noise)
            let control = FakeMachine.firstFrame(DomainID(number: 2)) + QueueGuest.controlFrame
            let offset = 64 + 4 * Int.random(in: 0..<18, using: &generator)
            world.simulation.memory.setNumber(control, offset, 4, UInt64(noise))
            let result = world.ring(Int.random(in: 0..<12, using: &generator))
            #expect(result == 0, "seed=\(seed)")
        }
        let after = world.simulation.view(of: 1)
        // Beside the arguments of its calls, in its second frame, the sender's memory is unchanged.
        #expect(before[8192...] == after[8192...])
    }

    @Test("a closed port is not pending for its next owner")
    func close() throws {
        for fault in [FaultPoint?.none, .forgetPending] {
            var world = try World(ports: 2, fault: fault)
            world.guest.mask(world.simulation, world.far[0])
            _ = world.ring(0)
            let closed = world.simulation.call(32, 3, from: 2, [world.far[0]])
            #expect(closed == 0)
            let word = world.guest.word(world.simulation, world.far[0])
            #expect(word >> 31 == (fault == nil ? 0 : 1))
        }
    }
}
