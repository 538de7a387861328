import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import Testing

/// The calls by which a service asks about others.
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

    @Test("control reads the event log page by page, also what came later; nobody else does")
    func eventLog() throws {
        let compartments = ["service control", "compartment other"].map {
            "\($0) at low {\nkernel debian\nmemory 64 MiB\nvcpus 1\n}\n"
        }
        var simulation = try Simulation(
            TestSystem(
                "system logs version 1\ntarget casemate\nlevels low\n\(compartments.joined())",
                enforced: .max))
        simulation.memory.eventLog = (0..<200).map { UInt8($0) }
        let request: [UInt32] = [0x4353_4d04, 1, 0]
        var read: [UInt8] = []
        for expected: UInt32 in [96, 96, 8, 0] {
            let result = simulation.call(
                27, 0x1000, from: 1, [request[0], 1, UInt32(read.count)])
            let (total, count) = (simulation.answer(4, of: 1), simulation.answer(5, of: 1))
            #expect(result == 0 && total == 200 && count == expected)
            for index in 0..<Int(count) {
                let word = simulation.answer(6 + index / 4, of: 1)
                read.append(UInt8(truncatingIfNeeded: word >> UInt32(8 * (index % 4))))
            }
        }
        #expect(read == simulation.memory.eventLog)
        simulation.memory.eventLog.append(7)
        let later = simulation.call(27, 0x1000, from: 1, [request[0], 1, 200])
        let last = simulation.answer(6, of: 1)
        #expect(later == 0 && last == 7)
        let other = simulation.call(27, 0x1000, from: 2, request)
        let permission = simulation.memory.denials.last?.permission
        #expect(other == denied && permission == XenPermission.physinfo)
        let version = simulation.call(27, 0x1000, from: 1, [request[0], 2, 0])
        #expect(version == invalid)
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

    /// Domain 1 is the store, 2 the console, 3 uses both, 4 neither.
    private static func served() throws -> TestSystem {
        let fields = "    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
        let parts = [
            "service store at low {\n\(fields)}", "service console at low {\n\(fields)}",
            "compartment user at low {\n\(fields)    uses store, console\n}",
            "compartment other at low {\n\(fields)}",
        ]
        return try TestSystem(
            "system served version 1\ntarget casemate\n\nlevels low\n\n"
                + parts.joined(separator: "\n\n"))
    }

    @Test("the store is told what its users may do, in the numbers of the policy")
    func permittedQuery() throws {
        var simulation = try Simulation(ServiceCallTests.served())
        // SID 4 is the user's: n + 2 for compartment n.
        let own = simulation.call(27, 0x1000, from: 1, [6, 1, 4, 4, 14, 0, 0, 0, 0, 0])
        #expect(own == 0)
        let allowed = simulation.answer(6, of: 1)
        #expect(allowed == 0x7f)
        _ = simulation.call(27, 0x1000, from: 1, [6, 1, 5, 4, 14, 0, 0, 0, 0, 0])
        let others = simulation.answer(6, of: 1)
        #expect(others == 0)
        for query: [UInt32] in [
            [6, 1, 0, 4, 14, 0], [6, 1, 4, 99_999, 14, 0], [6, 1, 4, 4, 0, 0],
            [6, 1, 4, 4, 16, 0], [6, 2, 4, 4, 14, 0],
        ] {
            let result = simulation.call(27, 0x1000, from: 1, query + [0, 0, 0, 0])
            #expect(result == invalid)
        }
        // What the store has refused is recorded as its user's, and nothing that is permitted.
        #expect(simulation.memory.denials.isEmpty)
        for query: [UInt32] in [
            [6, 1, 4, 4, 14, 0x7f], [6, 1, 1, 4, 14, 2], [6, 1, 5, 4, 14, 6],
        ] {
            _ = simulation.call(27, 0x1000, from: 1, query + [0, 0, 0, 0])
        }
        #expect(simulation.memory.denials.count == 1)
        let denial = try #require(simulation.memory.denials.last)
        #expect(denial.source == DomainID(number: 4) && denial.object == 3)
        #expect(denial.permission == XenstorePermission.write)
        let load = simulation.call(27, 0x1000, from: 1, [1, 1, 4, 4, 14, 0, 0, 0, 0, 0])
        #expect(load == denied)
        let other = simulation.call(27, 0x1000, from: 1, [5, 1, 4, 4, 14, 0, 0, 0, 0, 0])
        #expect(other == unknown)
        // The console decides nothing.
        let console = simulation.call(27, 0x1000, from: 2, [6, 1, 4, 4, 14, 0, 0, 0, 0, 0])
        #expect(console == denied)
    }

    @Test("a service is told of the lives of its users, and of nobody else's")
    func permittedInfo() throws {
        var simulation = try Simulation(ServiceCallTests.served())
        for service: UInt16 in [1, 2] {
            let result = simulation.call(36, 0x1000, from: service, [5, 0x15, 3])
            #expect(result == 0)
            let flags = simulation.answer(5, of: service)
            #expect(flags == 0x22)
            let generation = simulation.answer(23, of: service)
            #expect(generation == 1)
            for subject: UInt32 in [1, 2, 4, 5] {
                let refused = simulation.call(36, 0x1000, from: service, [5, 0x15, subject])
                #expect(refused == denied)
            }
            let bound = simulation.call(32, 1, from: service, [3, 0, 0])
            #expect(bound == 0)
        }
        // An end is announced to both.
        let ports = [simulation.answer(2, of: 1), simulation.answer(2, of: 2)]
        simulation.core.announceLives(&simulation.machine)
        let first = simulation.isPending(1, port: ports[0])
        let second = simulation.isPending(2, port: ports[1])
        #expect(first && second)
    }

    @Test("only the service `tpm` orders commands of the TPM, and only for those that use it")
    func tpmOrders() throws {
        let fields = "    kernel debian\n    memory 64 MiB\n    vcpus 1\n"
        let parts = [
            "service store at low {\n\(fields)}",
            "service tpm at low {\n\(fields)    uses store\n    commands get_random\n}",
            "compartment user at low {\n\(fields)    uses store, tpm\n}",
            "compartment other at low {\n\(fields)    uses store\n}",
        ]
        var simulation = try Simulation(
            TestSystem(
                "system sealed version 1\ntarget casemate\n\nlevels low\n\n"
                    + parts.joined(separator: "\n\n")))
        func orderFor(_ user: UInt32, _ size: UInt32 = 12, version: UInt32 = 1) -> [UInt32] {
            [0x4353_4D03, version, 1, user, 0x2000, 0, size, 0]
        }
        let result = simulation.call(27, 0x1000, from: 2, orderFor(3))
        #expect(result == 0)
        let order = simulation.core.takeTPMOrder()
        let given = try #require(order)
        #expect(given.action == 1 && given.user == DomainID(number: 3))
        #expect(given.buffer.value == 0x2000 && given.size == 12)
        let taken = simulation.core.takeTPMOrder()
        #expect(taken?.user == nil)
        #expect(simulation.memory.denials.isEmpty)
        // For one that does not use the TPM, itself, the store, and nobody: refused alike.
        for user: UInt32 in [4, 2, 1, 0, 77, 0x7FF0] {
            let refused = simulation.call(27, 0x1000, from: 2, orderFor(user))
            #expect(refused == denied, "\(user)")
            #expect(simulation.memory.denials.last?.permission == DomainPermission.getdomaininfo)
        }
        // From anybody else: the user itself among them.
        for caller: UInt16 in [1, 3, 4] {
            let refused = simulation.call(27, 0x1000, from: caller, orderFor(3))
            #expect(refused == denied)
            #expect(simulation.memory.denials.last?.permission == XenPermission.firmware)
            #expect(simulation.memory.denials.last?.source == DomainID(number: caller))
        }
        for wrong in [orderFor(3, 4097), orderFor(3, version: 2)] {
            let refused = simulation.call(27, 0x1000, from: 2, wrong)
            #expect(refused == invalid)
        }
        let none = simulation.core.takeTPMOrder()
        #expect(none?.user == nil)
    }

    @Test("what is typed comes to the console in its order, once, and rings it")
    func typed() throws {
        var simulation = try Simulation(ServiceCallTests.served())
        simulation.core.consoleService = DomainID(number: 2)
        _ = simulation.call(32, 1, from: 2, [2, 0, 0])
        let port = simulation.answer(2, of: 2)
        for byte in UInt8(0)...255 {
            let isTaken = simulation.core.offerTyped(byte, &simulation.machine)
            #expect(isTaken)
        }
        let isTaken = simulation.core.offerTyped(1, &simulation.machine)
        #expect(!isTaken)
        let isPending = simulation.isPending(2, port: port)
        #expect(isPending)
        let first = simulation.call(18, 1, from: 2, second: 64)
        #expect(first == 64)
        let word = simulation.answer(1, of: 2)
        #expect(word == 0x0706_0504)
        var taken = first
        for _ in 0..<10 { taken += simulation.call(18, 1, from: 2, second: 1000) }
        #expect(taken == 256)
        let user = simulation.call(18, 1, from: 3, second: 64)
        #expect(user == denied)
    }
}
