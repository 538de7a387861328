import BootArena
import CompilerTestSupport
import HypervisorCore
import PolicyDatabase
import TestSupport
import Testing

/// The nine classes into which advisories about event channels, grants, the store and the policy
/// layer fall, each on the hypervisor as a whole: a scenario complains when, and only when, one of
/// the class's steps is left out. Scenarios for single advisories are beside this.
///
/// Domains 1 and 2 may do everything with each other's grants, and 1 may signal to 2; domain 3 of
/// the same level may do nothing.
@Suite struct AdvisoryClassTests {
    /// A scenario returns what it found wrong; nil: nothing.
    private typealias Scenario = (inout Simulation) -> String?

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
        for reference in UInt32(0)..<12 {
            simulation.grant(1, reference, to: 2, frame: 2 + reference)
        }
        return simulation
    }

    private func expect(
        _ faults: FaultPoint..., scenario: Scenario,
        location: SourceLocation = #_sourceLocation
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

    /// A channel from domain 1 to domain 2.
    private func join(_ simulation: inout Simulation) -> (near: UInt32, far: UInt32) {
        let far = simulation.allocate(2, remote: 1).port
        return (simulation.bind(1, remote: 2, port: far).port, far)
    }

    private func bindings(_ simulation: borrowing Simulation, _ domain: UInt16) -> [String] {
        (1..<UInt32(Domain.portCount)).map { "\(simulation.binding(domain, port: $0))" }
    }

    /// Puts structures of a batch one behind the other into frame 1 of a domain.
    private func batch(
        _ simulation: inout Simulation, _ operation: UInt64, from domain: UInt16,
        _ requests: [[UInt32]]
    ) -> Int64 {
        simulation.call(
            20, operation, from: domain, requests.flatMap { $0 }, third: UInt64(requests.count))
    }

    @Test(
        "class 1, order of checks: who may not is told nothing of what is there, and takes nothing")
    func order() throws {
        try expect(.authorizeFirst, .publishAfterDecision) { simulation in
            let waiting = simulation.allocate(2, remote: 1).port
            simulation.grant(1, 20, to: 3, frame: 4)
            let before = bindings(simulation, 3)
            // What is there, what is not, and a domain that is not.
            var statuses: [GrantStatus?] = []
            for (grantor, reference) in [(UInt16(1), UInt32(20)), (1, 21), (1, 9_999), (31, 20)] {
                let granted = Simulation.CopyEnd.granted(by: grantor, reference)
                statuses.append(
                    simulation.copy(3, from: granted, to: .own(frame: 3), offset: 0, count: 8))
                statuses.append(simulation.map(3, of: grantor, reference, at: 40).status)
            }
            if statuses.contains(where: { $0 != .permissionDenied }) { return "\(statuses)" }
            for (remote, port) in [(UInt16(2), waiting), (2, 60), (2, 9_999), (31, waiting)] {
                let bound = simulation.bind(3, remote: remote, port: port).result
                if bound != -1 { return "bind answered \(bound)" }
                let reserved = simulation.allocate(3, remote: remote).result
                if reserved != -1 { return "the reservation answered \(reserved)" }
            }
            return bindings(simulation, 3) == before ? nil : "a port was taken"
        }
    }

    @Test("class 2, lifetime: who comes after another of the same number finds nothing of it")
    func lifetime() throws {
        try expect(
            .scrubMemory, .retireBoth, .forgetPending, .flushAfterSever, .flushAfterUnmap
        ) { simulation in
            let ports = join(&simulation)
            simulation.grant(2, 0, to: 1, frame: 5)
            _ = simulation.map(2, of: 1, 0, at: 40)
            _ = simulation.map(1, of: 2, 0, at: 41)
            for domain in UInt16(1)...2 { _ = simulation.access(domain, 42 - UInt64(domain)) }
            _ = simulation.access(2, 40, processor: 1)
            _ = simulation.access(1, 41, processor: 1)
            simulation.memory.setNumber(FakeMachine.firstFrame(DomainID(number: 2)) + 5, 0, 8, 7)
            // A port that is closed while it is pending.
            _ = simulation.send(1, port: ports.near)
            _ = simulation.call(32, 3, from: 2, [ports.far])
            let again = simulation.allocate(2, remote: 1).port
            if again != ports.far { return "another port" }
            if simulation.isPending(2, port: again) { return "a new port is pending" }
            simulation.crash(2)
            if !simulation.renew(2) { return "its memory is in use" }
            let own = simulation.view(of: 2)[0..<16 * 4096]
            if own.contains(where: { $0 != 0 }) { return "something is in its memory" }
            if simulation.access(2, 40, processor: 1) != nil { return "it reaches another's" }
            if simulation.core.grants.sight(1, 0) != nil { return "a handle is there" }
            let blank = simulation.core.domains[0].blank.number
            let reached = simulation.access(1, 41, processor: 1)
            if reached != blank { return "its memory is reached" }
            if simulation.entry(1, 0) != 1 | 2 << 16 { return "its marks stay" }
            let left = (2..<UInt32(Domain.portCount)).filter {
                simulation.binding(2, port: $0) != .free
            }
            return left.isEmpty ? nil : "its ports \(left) are there"
        }
    }

    @Test("class 3, counters: what is taken in one way is given back in the same, in any order")
    func counters() throws {
        try expect(
            .countEachMapping, .releaseWhatWasTaken, .releaseAfterCopy, .takeHandle
        ) { simulation in
            let (plain, reading, writing) = (UInt32(1 | 2 << 16), UInt32(8), UInt32(16))
            let reads = (0..<2).map { simulation.map(2, of: 1, 0, at: 40 + $0, readOnly: true) }
            let write = simulation.map(2, of: 1, 0, at: 42)
            if Set([reads[0].handle, reads[1].handle, write.handle]).count != 3 {
                return "a handle was given out twice"
            }
            if simulation.entry(1, 0) != plain | reading | writing { return "marks" }
            _ = simulation.copy(
                2, from: .granted(by: 1, 0), to: .own(frame: 3), offset: 0, count: 8)
            _ = simulation.copy(
                2, from: .own(frame: 3), to: .granted(by: 1, 0), offset: 0, count: 8)
            if simulation.entry(1, 0) != plain | reading | writing { return "marks after a copy" }
            _ = simulation.unmap(2, write.handle, at: 42)
            if simulation.entry(1, 0) != plain | reading { return "marks after the writer" }
            _ = simulation.unmap(2, reads[0].handle, at: 40)
            if simulation.entry(1, 0) != plain | reading { return "marks after a reader" }
            _ = simulation.unmap(2, reads[1].handle, at: 41)
            if simulation.entry(1, 0) != plain { return "marks after the last" }
            _ = simulation.copy(
                2, from: .granted(by: 1, 1), to: .own(frame: 3), offset: 0, count: 8)
            if simulation.entry(1, 1) != plain { return "marks after a copy alone" }
            return simulation.core.grants.brokenInvariant()
        }
    }

    @Test("class 4, unbounded work: no call and no end of a domain is longer than its bound")
    func bounds() throws {
        try expect(.boundBatch, .advanceBatch, .boundEnd) { simulation in
            let requests = (0..<100).map { _ in Simulation.unmapRequest(999, at: 40) }
            let result = batch(&simulation, 1, from: 2, requests)
            if result != 0 || simulation.parts != 2 { return "\(simulation.parts) parts" }
            for _ in 0..<60 { _ = join(&simulation) }
            simulation.memory.clearedBits = 0
            simulation.crash(2)
            let count = simulation.memory.clearedBits
            return count <= 2 * Domain.portCount ? nil : "\(count) bits were cleared"
        }
    }

    @Test("class 5, shared words: what another can change is tried a few times, and read once")
    func sharedWords() throws {
        try expect(.boundRetries, .keepFrame) { simulation in
            simulation.memory.hostileFrame = FakeMachine.firstFrame(DomainID(number: 1)) + 20
            let refused = simulation.map(2, of: 1, 0, at: 40).status
            if refused != .generalError { return "the map was done" }
            if simulation.memory.hostileTries != 16 { return "it was tried too often" }
            simulation.memory.hostileFrame = nil
            _ = simulation.map(2, of: 1, 0, at: 40)
            // The owner writes another frame into an entry that is in use.
            simulation.grant(1, 0, to: 2, frame: 9, flags: 1 | 8 | 16)
            _ = simulation.map(2, of: 1, 0, at: 41)
            let frames = [simulation.access(2, 40), simulation.access(2, 41)]
            return frames[0] == frames[1] ? nil : "one entry stands for two frames"
        }
    }

    @Test("class 6, error paths: what fails leaves nothing half done, and can be done again")
    func errorPaths() throws {
        try expect(
            .undoFailedMap, .controlBlockLast, .keepStateWhenFull, .finishFailedBatch
        ) { simulation in
            // An entry that names no memory of its owner's.
            simulation.grant(1, 20, to: 2, frame: 9_999)
            _ = simulation.map(2, of: 1, 20, at: 40)
            if simulation.entry(1, 20) != 1 | 2 << 16 { return "a refused map leaves marks" }
            // A batch whose second structure cannot be read.
            let mapped = simulation.map(2, of: 1, 0, at: 40)
            let frame = FakeMachine.firstFrame(DomainID(number: 2)) + 15
            for (index, word) in Simulation.unmapRequest(mapped.handle, at: 40).enumerated() {
                simulation.memory.setNumber(frame, 4072 + index * 4, 4, UInt64(word))
            }
            let cut = simulation.call(20, 1, from: 2, second: 0xffe8, third: 2)
            if cut != -14 { return "the batch answered \(cut)" }
            if let broken = simulation.core.grants.brokenInvariant() { return broken }
            if simulation.entry(1, 0) != 1 | 2 << 16 { return "half a batch leaves marks" }
            // No port is left.
            while simulation.allocate(2, remote: 1).result == 0 {}
            let before = bindings(simulation, 2)
            let full = simulation.call(32, 1, from: 2, [0, 0, 0])
            if full != -28 || bindings(simulation, 2) != before { return "a port is gone" }
            // The answer of a call cannot be written.
            simulation.memory.copiesBeforeFailure = 1
            let failed = simulation.call(32, 11, from: 2, [10, 0, 64, 0, 0, 0])
            simulation.memory.copiesBeforeFailure = nil
            let made = simulation.call(32, 11, from: 2, [10, 0, 64, 0, 0, 0])
            return failed == -14 && made == 0 ? nil : "a control block of a call that failed"
        }
    }

    @Test(
        "class 7, held for others: who gives nothing back, or takes nothing, holds what is its own")
    func held() throws {
        try expect(.checkQuota, .chargeSender) { simulation in
            let maps = (0..<12).map { simulation.map(2, of: 1, UInt32($0), at: 32 + $0).status }
            if maps.count(where: { $0 == .okay }) != 8 { return "more pages than it may hold" }
            // What is typed for one that does not read fills its ring and nothing else.
            var typed = 0
            while simulation.core.consoleInput(
                65, to: DomainID(number: 3), machine: &simulation.machine), typed < 5_000
            { typed += 1 }
            if typed != 1_024 { return "\(typed) bytes were taken" }
            let ports = join(&simulation)
            let page = FakeMachine.firstFrame(DomainID(number: 2)) + 16
            var sent = 0
            while simulation.core.domains[0].cpus[0].isRunnable, sent < 1_000 {
                _ = simulation.send(1, port: ports.near)
                simulation.memory.setNumber(page, 2048, 8, 0)
                sent += 1
            }
            return sent == 65 ? nil : "\(sent) events without a wait"
        }
    }

    @Test("class 8, limits: what lies past a table's end is refused, and taken for nothing else")
    func limits() throws {
        try expect(.checkReference, .checkHandle, .checkCopyRange, .checkPort) { simulation in
            let last = simulation.map(2, of: 1, 2_047, at: 40).status
            let past = simulation.map(2, of: 1, 2_048, at: 40).status
            if last != .generalError || past != .badReference { return "reference" }
            let mapped = simulation.map(2, of: 1, 0, at: 40)
            let wrapped = mapped.handle + UInt32(Simulation.handleCount)
            let unmapped = simulation.unmap(2, wrapped, at: 40)
            if unmapped != .badHandle { return "handle" }
            let granted = Simulation.CopyEnd.granted(by: 1, 1)
            let within = simulation.copy(
                2, from: granted, to: .own(frame: 3), offset: 4_000, count: 96)
            let beyond = simulation.copy(
                2, from: granted, to: .own(frame: 3), offset: 4_000, count: 97)
            if within != .okay || beyond != .badCopyArgument { return "range of a copy" }
            let near = join(&simulation).near
            for wild in [near + 64, near + 4_096, near | 1 << 31, .max] {
                let sent = simulation.send(1, port: wild)
                if sent != -22 { return "port \(wild)" }
            }
            let processors = [UInt32(3), 4, .max].map { simulation.call(32, 7, from: 1, [$0, 0]) }
            return processors == [0, -22, -22] ? nil : "processor"
        }
    }

    @Test("class 9, races: no moment between two steps shows what is not so")
    func races() throws {
        try expect(
            .flushBeforeRelease, .pendingBeforeMask, .refuseReset, .closeHandleOnce
        ) { simulation in
            let ports = join(&simulation)
            let two = DomainID(number: 2)
            let page = FakeMachine.firstFrame(two) + 16
            // An event between the mask and its end.
            simulation.memory.setNumber(page, 2560, 8, 1 << UInt64(ports.far))
            _ = simulation.send(1, port: ports.near)
            _ = simulation.call(32, 9, from: 2, [ports.far])
            if !simulation.isTold(two, cpu: 0) { return "an event was lost" }
            // A frame is given back when no processor reaches it, and once.
            let mapped = simulation.map(2, of: 1, 0, at: 40)
            let again = simulation.map(2, of: 1, 0, at: 41)
            _ = simulation.access(2, 40, processor: 1)
            let request = Simulation.unmapRequest(mapped.handle, at: 40)
            let result = batch(&simulation, 1, from: 2, [request, request])
            let second = simulation.answer(11, of: 2) & 0xffff
            if result != 0 || second != 0xfffc { return "a handle was closed twice" }
            if let broken = simulation.core.grants.brokenInvariant() { return broken }
            _ = simulation.access(2, 41, processor: 1)
            simulation.memory.watchesReleases = true
            _ = simulation.unmap(2, again.handle, at: 41)
            simulation.memory.watchesReleases = false
            let early = simulation.memory.earlyReleases
            _ = simulation.call(32, 10, from: 2, [0x7ff0])
            if simulation.brokenPort() != nil { return "a reset of one side" }
            return early == 0 ? nil : "a frame could be reached"
        }
    }
}
