import CompilerTestSupport
import HypervisorCore
import PolicyCompiler
import PolicyDatabase
import SystemManifest
import TestSupport
import Testing

/// Interrupt lines and I/O memory of devices: whose they are, and what becomes of them.
@Suite struct DeviceLineTests {
    private static let timer = """
        device timer {
            owner owner
            irq 20
            io memory "0xfed00000-0xfed00fff"
            without iommu
        }
        """

    private func simulation() throws -> Simulation {
        try Simulation(try ReloadRightsTests.system(DeviceLineTests.timer))
    }

    /// `EVTCHNOP_bind_pirq`.
    private func bind(
        _ simulation: inout Simulation, _ domain: UInt16, line: UInt32 = 20
    ) -> (result: Int64, port: UInt32) {
        let result = simulation.call(32, 2, from: domain, [line, 0, 0])
        return (result, simulation.answer(2, of: domain))
    }

    @Test("a line rings its owner's port, once for each time that the owner is done")
    func rings() throws {
        var simulation = try simulation()
        let (result, port) = bind(&simulation, 2)
        #expect(result == 0)
        #expect(simulation.memory.openedLines == [20])
        simulation.core.ring(1 << 20, &simulation.machine)
        let rang = simulation.isPending(2, port: port)
        #expect(rang)
        // Nothing opens it but its owner's word.
        #expect(simulation.memory.openedLines == [20])
        let done = simulation.call(33, 12, from: 2, [20])
        #expect(done == 0)
        #expect(simulation.memory.openedLines == [20, 20])
        let status = simulation.call(32, 5, from: 2, [0x7ff0, port, 0, 0, 0, 0])
        let answers = [2, 4].map { simulation.answer($0, of: 2) }
        #expect(status == 0 && answers == [3, 20])
        let moved = simulation.call(32, 8, from: 2, [port, 3])
        #expect(moved == 0)
        let again = bind(&simulation, 2).result
        #expect(again == -17)
    }

    @Test("another line's ring, and one that nobody has bound, reach nobody")
    func silent() throws {
        var simulation = try simulation()
        simulation.core.ring(.max, &simulation.machine)
        let (_, port) = bind(&simulation, 2)
        simulation.core.ring(~(1 << 20), &simulation.machine)
        let isPending = simulation.isPending(2, port: port)
        #expect(!isPending)
        let closed = simulation.call(32, 3, from: 2, [port])
        simulation.core.ring(1 << 20, &simulation.machine)
        let after = simulation.isPending(2, port: port)
        #expect(closed == 0 && !after)
        // Who has no port for it opens nothing.
        let done = simulation.call(33, 12, from: 2, [20])
        #expect(done == 0)
        #expect(simulation.memory.openedLines == [20])
    }

    @Test("a line that is another's is refused as one that is nobody's, and as one there is not")
    func others() throws {
        var simulation = try simulation()
        for line: UInt32 in [20, 276, 21, 24, 255, 532, .max] {
            let requests: [(operation: UInt64, call: UInt64, argument: [UInt32])] = [
                (2, 32, [line, 0, 0]), (5, 33, [line, 0]), (12, 33, [line]),
                (13, 33, [0x7ff0, 1, line, line]),
            ]
            for request in requests {
                simulation.memory.denials = []
                let result = simulation.call(
                    request.call, request.operation, from: 3, request.argument)
                #expect(result == -1)
                let permissions = simulation.memory.denials.map(\.permission)
                #expect(permissions == [ResourcePermission.use])
            }
        }
        #expect(simulation.memory.openedLines.isEmpty)
    }

    @Test("what Linux asks: a line's number is its own name, and it says when it is done")
    func queries() throws {
        var simulation = try simulation()
        let mapped = simulation.call(33, 13, from: 2, [0x7ff0, 1, 20, .max])
        let name = simulation.answer(3, of: 2)
        #expect(mapped == 0 && name == 20)
        for wrong in [[UInt32(3), 1, 20, 0], [0x7ff0, 0, 20, 0]] {
            let result = simulation.call(33, 13, from: 2, wrong)
            #expect(result == -22)
        }
        // The other name, which Linux has not given to an event channel of its own.
        let other = simulation.call(33, 13, from: 2, [0x7ff0, 1, 276, .max])
        let otherName = simulation.answer(3, of: 2)
        let bound = bind(&simulation, 2, line: 276).result
        #expect(other == 0 && otherName == 276 && bound == 0)
        #expect(simulation.memory.openedLines == [20])
        let asked = simulation.call(33, 5, from: 2, [20, 0])
        let flags = simulation.answer(1, of: 2)
        #expect(asked == 0 && flags == 1)
        // `XENFEAT_hvm_pirqs` is for who has a line, and nobody else.
        let features = try [UInt16(2), 3].map { domain in
            let result = simulation.call(17, 6, from: domain, [0, 0])
            try #require(result == 0)
            return simulation.answer(1, of: domain) >> 10 & 1
        }
        #expect(features == [1, 0])
    }

    @Test("line and memory go when the policy does not give them, on every processor")
    func revoked() throws {
        let system = try ReloadRightsTests.system(DeviceLineTests.timer)
        let without = try ReloadRightsTests.system().compiled.policy
        for fault in [FaultPoint?.none, .revokePorts, .flushAfterSever] {
            var simulation = try Simulation(system)
            let (_, port) = bind(&simulation, 2)
            simulation.core.ring(1 << 20, &simulation.machine)
            simulation.memory.fault = fault
            let taking = ReloadRightsTests.successor(
                system, policy: without, version: 2, replacing: system.compiled.manifest)
            let taken = simulation.load(taking.archive, from: 1)
            #expect(taken == 0)
            let reaches = simulation.memory.reaches(.frame(0xfed00), 2)
            #expect(reaches == (fault != nil))
            guard fault == nil else { continue }
            let list = simulation.revoked(from: 1)
            #expect(list == [[8, 2, 0, 20], [7, 2, 0, 0xfed0_0000]])
            let binding = simulation.binding(2, port: port)
            #expect(binding == .revoked(remote: .hypervisor))
            let isPending = simulation.isPending(2, port: port)
            #expect(!isPending)
            let done = simulation.call(33, 12, from: 2, [20])
            let bound = bind(&simulation, 2).result
            #expect(done == -1 && bound == -1)
            #expect(simulation.memory.openedLines == [20])
            let giving = ReloadRightsTests.successor(
                system, version: 3, replacing: taking.manifest)
            let given = simulation.load(giving.archive, from: 1)
            let again = simulation.memory.reaches(.frame(0xfed00), 2)
            let rebound = bind(&simulation, 2).result
            #expect(given == 0 && again && rebound == 0)
        }
    }

    @Test("what the hypervisor uses itself is nobody's: ports, memory and lines")
    func reserved() {
        func isReserved(_ kind: DeviceRangeKind, _ first: UInt64, _ last: UInt64) -> Bool {
            kind.isReserved(first, last)
        }
        #expect(!isReserved(.ports, 0x2f8, 0x2ff))
        #expect(isReserved(.ports, 0x2f8, 0x3f8))
        #expect(isReserved(.ports, 0xcf8, 0xcff))
        #expect(!isReserved(.interrupt, 3, 3))
        #expect(!isReserved(.interrupt, 16, 23))
        for line: UInt64 in [0, 2, 4, 8, 9, 24, 255] { #expect(isReserved(.interrupt, line, line)) }
        #expect(!isReserved(.memory, 0xfed0_0000, 0xfed0_0fff))
        #expect(!isReserved(.memory, 0xfe00_0000, 0xfebf_ffff))
        for (first, last): (UInt64, UInt64) in [
            (0xfed0_0000, 0xfed0_03ff), (0xfed0_0400, 0xfed0_13ff), (0xfdff_f000, 0xfe00_0fff),
            (0xfec0_0000, 0xfec0_0fff), (0xfed3_f000, 0xfed4_0fff), (0xfee0_0000, 0xfee0_0fff),
            (0xfeff_f000, 0xfeff_ffff), (0xff00_0000, 0xff00_0fff), (0, 0xfff),
            (0x1_fed0_0000, 0x1_fed0_0fff), (0xfed0_0000, 0x1_fed0_0fff),
        ] {
            #expect(isReserved(.memory, first, last))
        }
    }
}
