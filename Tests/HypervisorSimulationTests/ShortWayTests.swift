import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyCompiler
import TestSupport
import Testing

/// A processor of the machine goes on with its guest the short way only when nobody has anything to
/// look at; what there is to look at is found here by comparing before with after.
@Suite struct ShortWayTests {
    private static var caller: VirtualCPUID {
        VirtualCPUID(domain: DomainID(number: 1), number: 0)
    }

    /// What whoever schedules looks at.
    private struct View: Equatable {
        var runnable: [UInt8] = []
        var told: [Bool] = []
        var deadline: UInt64?
        var lives: [Domain.Life] = []

        init(_ simulation: borrowing Simulation) {
            let sets = simulation.core.runnableProcessors()
            deadline = simulation.core.nextDeadline()
            for index in simulation.core.domains.indices {
                runnable.append(sets[index])
                lives.append(simulation.core.domains[index].life)
                let id = simulation.core.domains[index].id
                for cpu in 0..<4 { told.append(simulation.isTold(id, cpu: cpu)) }
            }
        }
    }

    /// Looks at everything, as the long way does; returns the number of changes that it has seen.
    private func look(_ simulation: inout Simulation) -> UInt64 {
        simulation.core.expireTimers(&simulation.machine)
        while simulation.core.takeWoken() != nil {}
        return simulation.core.deadlineChanges
    }

    private func mayGoOn(_ simulation: inout Simulation, since changes: UInt64) -> Bool {
        simulation.core.mayGoOn(ShortWayTests.caller, since: changes, simulation.machine)
    }

    /// Domain 1 sees the events that it was told of.
    private func takeEvents(_ simulation: borrowing Simulation) {
        simulation.memory.setByte(FakeMachine.firstFrame(DomainID(number: 1)) + 16, 0, 0)
    }

    /// Joins domain 1 to domain 2; returns the caller's port and the other's.
    private func join(_ simulation: inout Simulation) -> (near: UInt32, far: UInt32) {
        let far = simulation.allocate(2, remote: 1)
        let near = simulation.bind(1, remote: 2, port: far.port)
        #expect(far.result == 0 && near.result == 0)
        return (near.port, far.port)
    }

    @Test("a call that changes nothing goes the short way, and one that anybody must see does not")
    func each() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let ports = join(&simulation)
        takeEvents(simulation)
        var seen = look(&simulation)
        func step(_ number: UInt64, _ operation: UInt64, _ argument: [UInt32] = []) -> Bool {
            seen = look(&simulation)
            _ = simulation.call(number, operation, from: 1, argument)
            return mayGoOn(&simulation, since: seen)
        }
        let version = step(17, 0)
        #expect(version)
        let refused = step(32, 4, [63])
        #expect(refused)
        // set_timer_op, then send, which wakes the other; sent again, it changes nothing.
        let timer = step(15, 5_000)
        #expect(!timer)
        let send = step(32, 4, [ports.near])
        #expect(!send)
        let again = step(32, 4, [ports.near])
        #expect(again)
        let block = step(29, 1)
        #expect(!block)
        // Woken, it may run, but not go on unseen.
        simulation.core.interrupt(ShortWayTests.caller)
        let woken = mayGoOn(&simulation, since: simulation.core.deadlineChanges)
        #expect(!woken)
        let looked = look(&simulation)
        let after = mayGoOn(&simulation, since: looked)
        #expect(after)
        let shutdown = step(29, 2, [0])
        #expect(!shutdown)
    }

    @Test("while a policy is being replaced nobody goes the short way")
    func reload() throws {
        for fault in [FaultPoint?.none, .tellOfReload] {
            let system = try ReloadSystem([])
            var simulation = try Simulation(system.compiled)
            simulation.memory.fault = fault
            let archive = system.archive(
                system.manifest(version: 2, replacing: system.compiled.compiled.manifest))
            simulation.store(archive, of: 1)
            let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 1
            for (index, word) in Simulation.loadRequest(size: archive.count).enumerated() {
                simulation.memory.setNumber(frame, index * 4, 4, UInt64(word))
            }
            let seen = look(&simulation)
            let before = mayGoOn(&simulation, since: seen)
            let part = simulation.part(27, 0x1000, from: 1)
            let between = mayGoOn(&simulation, since: seen)
            #expect(before && part == nil)
            #expect(between == (fault != nil))
        }
    }

    /// Calls at random; returns how often the caller went the short way, and how often it did
    /// although there was something to look at.
    private func random(_ fault: FaultPoint?, seed: UInt64) throws -> (short: Int, blind: Int) {
        var simulation = try Simulation(TestSystem.minimal())
        let ports = join(&simulation)
        simulation.memory.fault = fault
        var generator = SeededGenerator(seed: seed)
        var (short, blind) = (0, 0)
        let page = FakeMachine.firstFrame(DomainID(number: 2)) + 16
        for _ in 0..<TestLevel.repetitions(2_000) {
            simulation.memory.now += UInt64.random(in: 0..<20_000, using: &generator)
            // The other takes what was sent, now and then.
            if Bool.random(using: &generator) { simulation.memory.setNumber(page, 2048, 8, 0) }
            takeEvents(simulation)
            let seen = look(&simulation)
            guard simulation.core.isRunnable(ShortWayTests.caller) else {
                simulation.core.interrupt(ShortWayTests.caller)
                continue
            }
            let before = View(simulation)
            let isSent = simulation.isPending(2, port: ports.far)
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: _ = simulation.send(1, port: ports.near)
            case 1: _ = simulation.call(15, simulation.memory.now + 5_000, from: 1)
            case 2: _ = simulation.call(29, 1, from: 1)
            case 3: _ = simulation.call(29, 3, from: 1, [0x1040, 0, 0, 0, 9_000, 0])
            case 4: _ = simulation.call(15, 0, from: 1)
            default: _ = simulation.call(17, 0, from: 1)
            }
            let isNews =
                View(simulation) != before || isSent != simulation.isPending(2, port: ports.far)
            guard mayGoOn(&simulation, since: seen) else { continue }
            short += 1
            if isNews { blind += 1 }
        }
        return (short, blind)
    }

    @Test("nobody goes the short way past anything that there is to look at")
    func nothingIsPassed() throws {
        let seed = SeededGenerator.announced(20_261_123).seed
        let sound = try random(nil, seed: seed)
        #expect(sound.short > 100, "seed=\(seed)")
        #expect(sound.blind == 0, "seed=\(seed)")
        for fault in [FaultPoint.tellOfWakes, .tellOfDeadlines, .tellOfWaits] {
            let broken = try random(fault, seed: seed)
            #expect(broken.blind > 0, "\(fault), seed=\(seed)")
        }
    }
}
