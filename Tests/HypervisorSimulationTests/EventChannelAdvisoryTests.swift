import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import TestSupport
import Testing

/// What went wrong in Xen's event channels, by the number of the advisory. Domain 1 may signal to
/// domain 2, and nothing else is allowed.
@Suite struct EventChannelAdvisoryTests {
    private func ports(_ simulation: borrowing Simulation, _ domain: UInt16) -> [String] {
        (1..<UInt32(Domain.portCount)).map { "\(simulation.binding(domain, port: $0))" }
    }

    @Test("XSA-47: what the policy refuses leaves no port behind")
    func xsa47() throws {
        for fault in [FaultPoint?.none, .publishAfterDecision] {
            var simulation = try Simulation(GrantWorld.system())
            simulation.memory.fault = fault
            let before = ports(simulation, 4)
            let result = simulation.allocate(4, remote: 3).result
            #expect(result == -1)
            let isUnchanged = ports(simulation, 4) == before
            #expect(isUnchanged == (fault == nil))
        }
    }

    @Test("XSA-107, XSA-221, XSA-358, XSA-359: in every state every operation finds what it needs")
    func xsa107() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let far = simulation.allocate(2, remote: 1).port
        let near = simulation.bind(1, remote: 2, port: far).port
        // Before there are queues; with queues and no words; with words; on a processor without a
        // control block: an event is neither lost nor does it stop anything.
        var results = [simulation.send(1, port: near)]
        results.append(simulation.call(32, 11, from: 2, [10, 0, 64, 0, 0, 0]))
        results.append(simulation.send(1, port: near))
        results.append(simulation.call(32, 9, from: 2, [far]))
        results.append(simulation.call(32, 12, from: 2, [11, 0]))
        results.append(simulation.call(32, 8, from: 2, [far, 3]))
        let words = FakeMachine.firstFrame(DomainID(number: 2)) + 11
        simulation.memory.setNumber(words, Int(far) * 4, 4, 0)
        results.append(simulation.send(1, port: near))
        #expect(results.allSatisfy { $0 == 0 })
        let word = simulation.memory.number(words, Int(far) * 4, 4)
        #expect(word == 1 << 31)
        let told = simulation.isTold(DomainID(number: 2), cpu: 3)
        #expect(!told)
    }

    /// The steps of queues that something depends on.
    static let queueSteps: [FaultPoint?] = [
        nil, .requireQueues, .requireControlBlock, .requireEventWord, .controlBlockLast,
    ]

    @Test(
        "XSA-107, XSA-221, XSA-358, XSA-359: what is not there yet is not used",
        arguments: queueSteps)
    func incomplete(_ fault: FaultPoint?) throws {
        var simulation = try Simulation(TestSystem.minimal())
        simulation.memory.fault = fault
        let far = simulation.allocate(2, remote: 1).port
        let near = simulation.bind(1, remote: 2, port: far).port
        // Words before queues.
        let early = simulation.call(32, 12, from: 2, [11, 0])
        var isSound = early == -95
        // A control block whose call fails when it answers is none.
        simulation.memory.copiesBeforeFailure = 1
        let failed = simulation.call(32, 11, from: 2, [10, 0, 64, 0, 0, 0])
        simulation.memory.copiesBeforeFailure = nil
        let made = simulation.call(32, 11, from: 2, [10, 0, 64, 0, 0, 0])
        isSound = isSound && failed == -14 && made == 0
        // An event without a word, and then one on a processor without a control block: nothing of
        // what the hypervisor shares with the domain changes.
        let page = FakeMachine.firstFrame(DomainID(number: 2)) + 16
        let before = (0..<512).map { simulation.memory.number(page, $0 * 8, 8) }
        _ = simulation.send(1, port: near)
        let moved = simulation.call(32, 8, from: 2, [far, 3])
        let grown = early == 0 ? 0 : simulation.call(32, 12, from: 2, [11, 0])
        simulation.memory.setNumber(
            FakeMachine.firstFrame(DomainID(number: 2)) + 11, Int(far) * 4, 4, 0)
        _ = simulation.send(1, port: near)
        let after = (0..<512).map { simulation.memory.number(page, $0 * 8, 8) }
        isSound = isSound && moved == 0 && grown == 0 && before == after
        #expect(isSound == (fault == nil))
    }

    @Test("XSA-338: a port that is valid stays so until it is closed")
    func xsa338() throws {
        for fault in [FaultPoint?.none, .keepPortsValid] {
            var simulation = try Simulation(TestSystem.minimal())
            simulation.memory.fault = fault
            let far = simulation.allocate(2, remote: 1).port
            let near = simulation.bind(1, remote: 2, port: far).port
            _ = QueueGuest(2).start(&simulation)
            _ = simulation.call(32, 5, from: 2, [0x7ff0, far, 0, 0, 0, 0])
            let kind = simulation.answer(2, of: 2)
            let sent = simulation.send(1, port: near)
            #expect(sent == 0)
            #expect((kind == 2) == (fault == nil))
        }
    }

    @Test("XSA-340: pending is set before the mask is looked at, and the selector after both")
    func xsa340() throws {
        // The order of the stores is written where they are (`ORDER:`). Here: an event that comes
        // between the guest's unmask and its look at the pending bit is told exactly once.
        for fault in [FaultPoint?.none, .pendingBeforeMask] {
            var simulation = try Simulation(TestSystem.minimal())
            simulation.memory.fault = fault
            let far = simulation.allocate(2, remote: 1).port
            let near = simulation.bind(1, remote: 2, port: far).port
            let page = FakeMachine.firstFrame(DomainID(number: 2)) + 16
            simulation.memory.setNumber(page, 2560, 8, 1 << UInt64(far))
            _ = simulation.send(1, port: near)
            let masked = simulation.isTold(DomainID(number: 2), cpu: 0)
            let unmasked = simulation.call(32, 9, from: 2, [far])
            let told = simulation.isTold(DomainID(number: 2), cpu: 0)
            #expect(unmasked == 0 && !masked)
            #expect(told == (fault == nil))
        }
    }

    @Test("XSA-342: each port of 32-bit code lies within its words, and no other is taken for it")
    func xsa342() throws {
        for fault in [FaultPoint?.none, .checkPort] {
            var simulation = try Simulation(TestSystem.minimal())
            let page = FakeMachine.firstFrame(DomainID(number: 2)) + 16
            for _ in 0..<60 {
                let reserved = simulation.call(
                    32, 6, from: 2, [0x7ff0 | 1 << 16, 0], isNarrow: true)
                let far = simulation.answer(1, of: 2)
                // 32 words of 32 bits.
                #expect(reserved == 0 && far < 1024)
                let near = simulation.bind(1, remote: 2, port: far).port
                let sent = simulation.call(32, 4, from: 1, [near], isNarrow: true)
                #expect(sent == 0)
                let word = simulation.memory.number(page, 2048 + Int(far / 32) * 4, 4)
                #expect(word >> UInt64(far % 32) & 1 == 1)
                simulation.memory.fault = fault
                for wild in [near + 1024, near + 4096, near | 1 << 31] {
                    let result = simulation.call(32, 4, from: 1, [wild], isNarrow: true)
                    #expect((result == -22) == (fault == nil))
                }
                simulation.memory.fault = nil
                _ = simulation.call(32, 3, from: 1, [near])
            }
        }
    }

    @Test("XSA-343, XSA-505: there is no reset that could race with anything")
    func xsa343() throws {
        #expect(HypercallOperation.decode(call: 32, subOperation: 10) == nil)
        for fault in [FaultPoint?.none, .refuseReset] {
            var simulation = try Simulation(TestSystem.minimal())
            simulation.memory.fault = fault
            let far = simulation.allocate(2, remote: 1).port
            _ = simulation.bind(1, remote: 2, port: far)
            let result = simulation.call(32, 10, from: 2, [0x7ff0])
            let broken = simulation.brokenPort()
            #expect((result == -38 && broken == nil) == (fault == nil))
        }
    }

    @Test("XSA-344: the end of a domain looks at each of its ports once")
    func xsa344() throws {
        for fault in [FaultPoint?.none, .boundEnd] {
            var simulation = try Simulation(TestSystem.minimal())
            simulation.memory.fault = fault
            var near: [UInt32] = []
            for _ in 0..<60 {
                let far = simulation.allocate(2, remote: 1).port
                near.append(simulation.bind(1, remote: 2, port: far).port)
            }
            simulation.memory.clearedBits = 0
            simulation.crash(2)
            #expect((simulation.memory.clearedBits <= 2 * Domain.portCount) == (fault == nil))
            for port in near {
                let binding = simulation.binding(1, port: port)
                #expect(binding == .unbound(remote: DomainID(number: 2)))
            }
            let ended = (1..<UInt32(Domain.portCount)).allSatisfy {
                simulation.binding(2, port: $0) == .free
            }
            #expect(ended)
        }
    }

    @Test("XSA-496: a refusal for want of a port takes nothing away")
    func xsa496() throws {
        for fault in [FaultPoint?.none, .keepStateWhenFull] {
            var simulation = try Simulation(TestSystem.minimal())
            for _ in 0..<62 { _ = simulation.allocate(2, remote: 1) }
            simulation.memory.fault = fault
            let before = ports(simulation, 2)
            let result = simulation.call(32, 1, from: 2, [0, 0, 0])
            let isUnchanged = ports(simulation, 2) == before && result == -28
            #expect(isUnchanged == (fault == nil))
        }
    }
}
