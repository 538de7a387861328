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

    @Test("XSA-332, XSA-391: a storm is charged to its sender, and the receiver is told no oftener")
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

    @Test("a channel's rate is its pair's budget, in the channel's direction and no other")
    func declaredRate() throws {
        let fields = "    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
        let system = try TestSystem(
            """
            system rates version 1
            target casemate

            levels low

            compartment a at low {
            \(fields)}

            compartment b at low {
            \(fields)}

            channel slow: a -> b signal rate 100 per second
            channel back: b -> a signal
            """)
        var simulation = try Simulation(system)
        let reserved = simulation.allocate(1, remote: 2)
        let bound = simulation.bind(2, remote: 1, port: reserved.port)
        #expect(reserved.result == 0 && bound.result == 0)
        for (sender, receiver, rate) in [(UInt16(1), UInt16(2), UInt64(100)), (2, 1, 10_000)] {
            let port = sender == 1 ? reserved.port : bound.port
            let far = sender == 1 ? bound.port : reserved.port
            let page = FakeMachine.firstFrame(DomainID(number: receiver)) + 16
            var told = 0
            let end = simulation.memory.now + 2_000_000_000
            while simulation.memory.now < end {
                simulation.memory.now += 1_000_000
                simulation.core.expireTimers(&simulation.machine)
                guard
                    simulation.core.isRunnable(
                        VirtualCPUID(domain: DomainID(number: sender), number: 0))
                else { continue }
                for _ in 0..<100 {
                    let sent = simulation.send(sender, port: port)
                    #expect(sent == 0)
                    told += simulation.isPending(receiver, port: far) ? 1 : 0
                    simulation.memory.setNumber(page, 2048, 8, 0)
                    let id = VirtualCPUID(domain: DomainID(number: sender), number: 0)
                    if !simulation.core.isRunnable(id) { break }
                }
            }
            let most = Int(rate) * 2 + Int(EventBudgets.burst) + 1
            #expect(told <= most && told >= most * 9 / 10, "\(sender): \(told) of \(most)")
        }
    }
}
