import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import Testing

/// The calls by which a service asks about others. In the systems of these tests nobody is a
/// service, so each of them is refused.
@Suite struct ServiceCallTests {
    private let denied: Int64 = -1
    private let invalid: Int64 = -22
    private let unknown: Int64 = -38

    @Test("who may not compute decisions is told none, and each attempt is recorded")
    func accessQuery() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let query: [UInt32] = [6, 1, 2, 3, 14, 0, 0, 0, 0, 0]
        let result = simulation.call(27, 0x1000, from: 1, query)
        #expect(result == denied)
        let allowed = simulation.answer(6, of: 1)
        #expect(allowed == 0)
        let denial = try #require(simulation.memory.denials.last)
        #expect(denial.permission == SecurityPermission.computeAv)
        #expect(denial.target == .hypervisor)
    }

    @Test("a domain that does not exist answers as one that may not be asked about")
    func domainInfo() throws {
        var simulation = try Simulation(TestSystem.minimal())
        for subject: UInt32 in [1, 2, 3, 77, 0x7ff0] {
            let result = simulation.call(36, 0x1000, from: 1, [5, 0x15, subject])
            #expect(result == denied)
        }
        #expect(simulation.memory.denials.count == 5)
        let other = simulation.call(36, 0x1000, from: 1, [1, 0x15, 1])
        #expect(other == unknown)
        let version = simulation.call(36, 0x1000, from: 1, [5, 0x14, 1])
        #expect(version == unknown)
    }

    @Test("global interrupts are for services; what does not exist is malformed")
    func virtualInterrupts() throws {
        var simulation = try Simulation(TestSystem.minimal())
        for number: UInt32 in [2, 3] {
            let result = simulation.call(32, 1, from: 1, [number, 0, 0])
            #expect(result == denied)
            let other = simulation.call(32, 1, from: 1, [number, 1, 0])
            #expect(other == invalid)
        }
        let absent = simulation.call(32, 1, from: 1, [4, 0, 0])
        #expect(absent == invalid)
        let timer = simulation.call(32, 1, from: 1, [0, 0, 0])
        #expect(timer == 0)
    }

    @Test("what is typed is not for who may not read the console")
    func consoleRead() throws {
        var simulation = try Simulation(TestSystem.minimal())
        let isTaken = simulation.core.offerTyped(0x61, &simulation.machine)
        #expect(!isTaken)
        let result = simulation.call(18, 1, from: 1, second: 64)
        #expect(result == denied)
        #expect(simulation.memory.denials.last?.permission == XenPermission.readconsole)
    }
}
