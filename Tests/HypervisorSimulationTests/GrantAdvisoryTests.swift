import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import TestSupport
import Testing

/// What went wrong in Xen's grant tables, by the number of the advisory. Each scenario complains
/// when, and only when, the step whose absence was the defect is left out.
@Suite struct GrantAdvisoryTests {
    /// A scenario returns what it found wrong; nil: nothing.
    private typealias Scenario = (inout Simulation) -> String?

    /// Domains 1 and 2 of one level, who may do everything with each other's grants.
    private func world(_ fault: FaultPoint?) throws -> Simulation {
        let all = [
            GrantPermission.mapRead, GrantPermission.mapWrite, GrantPermission.unmap,
            GrantPermission.copy,
        ]
        let simulation = try Simulation(
            GrantWorld.system(),
            rights: [
                Simulation.Right(source: 0, target: 1, permissions: all),
                Simulation.Right(source: 1, target: 0, permissions: all),
            ])
        simulation.memory.fault = fault
        for reference in UInt32(0)..<8 {
            simulation.grant(1, reference, to: 2, frame: 2 + reference)
        }
        return simulation
    }

    private func expect(
        _ faults: [FaultPoint], _ scenario: Scenario,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        var sound = try world(nil)
        let complaint = scenario(&sound)
        #expect(complaint == nil, sourceLocation: location)
        for fault in faults {
            var broken = try world(fault)
            let noticed = scenario(&broken)
            #expect(noticed != nil, "\(fault)", sourceLocation: location)
        }
    }

    /// The defect is one that the random worlds notice, within this many operations.
    private func expectModel(
        _ faults: FaultPoint..., location: SourceLocation = #_sourceLocation
    ) throws {
        for fault in faults {
            var world = try GrantWorld(seed: 3, fault: fault)
            let complaint = world.run(steps: 60_000, checkingEvery: 1)
            #expect(complaint != nil, "\(fault)", sourceLocation: location)
        }
    }

    /// Puts structures of a batch one behind the other into frame 1 of a domain.
    private func batch(
        _ simulation: inout Simulation, _ operation: UInt64, from domain: UInt16,
        _ requests: [[UInt32]]
    ) -> Int64 {
        simulation.call(
            20, operation, from: domain, requests.flatMap { $0 }, third: UInt64(requests.count))
    }

    @Test("XSA-18, XSA-134: numbers out of range are refused, whatever they would wrap to")
    func xsa18() throws { try expectModel(.checkReference) }

    @Test("XSA-382: a handle past the table names nothing")
    func xsa382() throws { try expectModel(.checkHandle) }

    @Test("XSA-24, XSA-344, XSA-380: a long batch is interrupted, goes on, and ends")
    func xsa24() throws {
        try expect([.boundBatch, .advanceBatch]) { simulation in
            let requests = (0..<100).map { _ in Simulation.unmapRequest(999, at: 40) }
            let result = batch(&simulation, 1, from: 2, requests)
            if result != 0 { return "the call did not end" }
            return simulation.parts == 2 ? nil : "it was done in \(simulation.parts) parts"
        }
    }

    @Test(
        "XSA-26, XSA-255, XSA-268, XSA-379, XSA-384, XSA-387, XSA-486: there is no version 2")
    func xsa26() throws {
        try expect([.refuseVersion2]) { simulation in
            let result = simulation.call(20, 8, from: 2, [2], third: 1)
            return result == -38 ? nil : "version 2 was taken"
        }
    }

    @Test("XSA-101: the list of a table's frames holds guest frames, or all ones")
    func xsa101() throws {
        try expect([.listGuestFrames]) { simulation in
            _ = simulation.call(12, 7, from: 2, [0x7ff0, 1, 1, 0, 30, 0])
            let result = simulation.call(
                20, 2, from: 2, [0x7ff0, 4, 0, 0, 0x1800, 0, 0, 0], third: 1)
            let page = FakeMachine.firstFrame(DomainID(number: 2)) + 1
            let list = (0..<4).map { simulation.memory.number(page, 0x800 + $0 * 8, 8) }
            return result == 0 && list == [.max, 30, .max, .max] ? nil : "\(list)"
        }
    }

    @Test("XSA-218, XSA-236: a grant ends with its last mapping, and not before")
    func xsa218() throws { try expectModel(.countEachMapping) }

    @Test("XSA-224: what is given back is what was taken")
    func xsa224() throws { try expectModel(.releaseWhatWasTaken) }

    @Test("XSA-226, XSA-411: transitive and part-page grants are refused")
    func xsa226() throws { try expectModel(.refuseOtherKinds) }

    @Test("XSA-227, XSA-234: nobody gets more access than was granted")
    func xsa227() throws { try expectModel(.mapReadOnly, .checkReadOnlyGrant) }

    @Test("XSA-228, XSA-73: a handle is given out once, and closed once")
    func xsa228() throws {
        try expectModel(.takeHandle)
        try expect([.closeHandleOnce]) { simulation in
            let first = simulation.map(2, of: 1, 0, at: 40)
            _ = simulation.map(2, of: 1, 0, at: 41)
            let request = Simulation.unmapRequest(first.handle, at: 40)
            // The machine stops at an unmap of nothing, so the page is there once more.
            let result = batch(&simulation, 1, from: 2, [request, request])
            if result != 0 { return "the call failed" }
            if let broken = simulation.core.grants.brokenInvariant() { return broken }
            let status = simulation.answer(11, of: 2) & 0xffff
            return status == 0xfffc ? nil : "the second unmap answered \(status)"
        }
    }

    @Test("XSA-230, XSA-284: a copy gives back what it took")
    func xsa230() throws { try expectModel(.releaseAfterCopy) }

    @Test("XSA-232, XSA-235: an error takes nothing with it")
    func xsa232() throws { try expectModel(.undoFailedMap) }

    @Test("XSA-295: a word that its owner changes for ever is tried sixteen times")
    func xsa295() throws {
        try expect([.boundRetries]) { simulation in
            let table = FakeMachine.firstFrame(DomainID(number: 1)) + 20
            simulation.memory.hostileFrame = table
            let status = simulation.map(2, of: 1, 0, at: 40).status
            if status != .generalError { return "the map was done" }
            let tries = simulation.memory.hostileTries
            return tries == 16 ? nil : "it was tried \(tries) times"
        }
    }

    @Test("XSA-316, XSA-318: a batch that fails in the middle finishes what it began")
    func xsa316() throws {
        try expect([.finishFailedBatch]) { simulation in
            let mapped = simulation.map(2, of: 1, 0, at: 40)
            _ = simulation.access(2, 40, processor: 1)
            // The first structure ends where the caller's memory does.
            let frame = FakeMachine.firstFrame(DomainID(number: 2)) + 15
            for (index, word) in Simulation.unmapRequest(mapped.handle, at: 40).enumerated() {
                simulation.memory.setNumber(frame, 4072 + index * 4, 4, UInt64(word))
            }
            let result = simulation.call(20, 1, from: 2, second: 0xffe8, third: 2)
            if result != -14 { return "the batch answered \(result)" }
            if simulation.memory.translations.isStale { return "a processor knows the page" }
            if let broken = simulation.core.grants.brokenInvariant() { return broken }
            return simulation.entry(1, 0) == 1 | 2 << 16 ? nil : "the marks stay"
        }
    }

    @Test("XSA-394: a frame is given back when nobody can reach it, and not before")
    func xsa394() throws {
        try expect([.flushBeforeRelease]) { simulation in
            let mapped = simulation.map(2, of: 1, 0, at: 40)
            _ = simulation.access(2, 40, processor: 1)
            simulation.memory.watchesReleases = true
            let status = simulation.unmap(2, mapped.handle, at: 40)
            if status != .okay { return "the unmap failed" }
            return simulation.memory.earlyReleases == 0 ? nil : "the frame could be reached"
        }
    }

    @Test("XSA-500: while a grant is in use its frame is the one that was looked up first")
    func xsa500() throws { try expectModel(.keepFrame) }

    @Test("a page of the hypervisor does not take the place of a granted frame")
    func keepForeignFrame() throws {
        try expect([.keepForeignFrame]) { simulation in
            _ = simulation.map(2, of: 1, 0, at: 40)
            let result = simulation.call(12, 7, from: 2, [0x7ff0, 0, 0, 0, 40, 0])
            return result == -22 ? nil : "the mapping is gone, its handle is not"
        }
    }
}
