import BootArena
import CompilerTestSupport
import HypervisorCore
import Testing

/// Domain 1 signals to domain 2, which takes each event at once.
@Suite struct EventBudgetTests {
    /// Sends until the sender is held, or `limit` events were sent.
    ///
    /// - Returns: how many events the receiver was told of.
    private func storm(
        _ simulation: inout Simulation, _ near: UInt32, _ far: UInt32, limit: Int
    ) -> Int {
        var told = 0
        let page = FakeMachine.firstFrame(DomainID(number: 2)) + 16
        for _ in 0..<limit {
            guard simulation.core.domains[0].cpus[0].isRunnable else { return told }
            guard simulation.send(1, port: near) == 0 else { return told }
            if simulation.isPending(2, port: far) { told += 1 }
            simulation.memory.setNumber(page, 2048, 8, 0)
        }
        return told
    }

    @Test("a storm is charged to its sender: it waits, and the receiver's share is what it was")
    func storm() throws {
        for fault in [FaultPoint?.none, .chargeSender] {
            var simulation = try Simulation(TestSystem.minimal())
            simulation.memory.fault = fault
            let far = simulation.allocate(2, remote: 1).port
            let near = simulation.bind(1, remote: 2, port: far).port
            let first = storm(&simulation, near, far, limit: 10_000)
            #expect(first == (fault == nil ? 65 : 10_000))
            guard fault == nil else { continue }
            // Nothing that comes for it ends the wait before its time.
            simulation.core.interrupt(VirtualCPUID(domain: DomainID(number: 1), number: 0))
            let held = simulation.core.domains[0].cpus[0].isRunnable
            #expect(!held)
            let deadline = simulation.core.nextDeadline()
            #expect(deadline == 1_000 + 100_000)
            // A second of it: one event in each interval, and what the budget held.
            var told = first
            while simulation.memory.now < 1_000_000_000 {
                let next = simulation.core.nextDeadline()
                simulation.memory.now = try #require(next)
                simulation.core.expireTimers(&simulation.machine)
                told += storm(&simulation, near, far, limit: 10_000)
            }
            #expect(told <= 10_000 + 66)
            #expect(told > 9_900)
        }
    }

    @Test("the receiver of a storm is never held, nor are others of the sender's processors")
    func bystanders() throws {
        var simulation = try Simulation(TestSystem.minimal())
        _ = simulation.core.bringUp(VirtualCPUID(domain: DomainID(number: 1), number: 1))
        let far = simulation.allocate(2, remote: 1).port
        let near = simulation.bind(1, remote: 2, port: far).port
        _ = storm(&simulation, near, far, limit: 1_000)
        let runnable = [
            simulation.core.domains[0].cpus[0].isRunnable,
            simulation.core.domains[0].cpus[1].isRunnable,
            simulation.core.domains[1].cpus[0].isRunnable,
        ]
        #expect(runnable == [false, true, true])
    }

    @Test("an event that is pending already costs nothing")
    func pendingAlready() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1).port
        let near = simulation.bind(1, remote: 2, port: far).port
        for _ in 0..<1_000 {
            let result = simulation.send(1, port: near)
            #expect(result == 0)
        }
        let isRunnable = simulation.core.domains[0].cpus[0].isRunnable
        #expect(isRunnable)
    }

    @Test("a masked send wakes nobody: not who sleeps, nor who polls for another port")
    func masked() throws {
        for fault in [FaultPoint?.none, .respectMask] {
            var simulation = try Simulation(TestSystem.minimal())
            let far = simulation.allocate(2, remote: 1).port
            let other = simulation.allocate(2, remote: 1).port
            let near = simulation.bind(1, remote: 2, port: far).port
            simulation.memory.fault = fault
            let page = FakeMachine.firstFrame(DomainID(number: 2)) + 16
            simulation.memory.setNumber(page, 2560, 8, 1 << UInt64(far))
            let frame = FakeMachine.firstFrame(DomainID(number: 2)) + 1
            simulation.memory.setNumber(frame, 64, 4, UInt64(other))
            let polled = simulation.call(29, 3, from: 2, [0x1040, 0, 1, 0, 0, 0])
            #expect(polled == 0)
            _ = simulation.send(1, port: near)
            let isAsleep = simulation.core.domains[1].cpus[0].isBlocked
            #expect(isAsleep == (fault == nil))
        }
    }
}
