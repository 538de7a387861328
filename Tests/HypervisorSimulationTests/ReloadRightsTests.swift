import BootArena
import CompilerTestSupport
import Digests
import HypervisorCore
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import ReferenceMonitor
import TestSupport
import Testing

/// What a reload does to what is no channel and no mapping: I/O ports, virtual interrupts, lives,
/// rates and services.
@Suite struct ReloadRightsTests {
    /// Domains 1 to 3: `loader`, `owner` and `other`.
    static func system(
        owner: String = "", _ statements: String = ""
    ) throws -> TestSystem {
        let compartments = [("loader", "may load policy"), ("owner", owner), ("other", "")].map {
            "compartment \($0) at low {\nkernel debian\nmemory 64 MiB\nvcpus 1\n\($1)\n}\n"
        }
        return try TestSystem(
            "system rights version 1\ntarget casemate\nlevels low\n\(compartments.joined())"
                + "\(statements)\nassert only loader may load policy\n",
            enforced: .max)
    }

    private static let line = """
        device line {
            owner owner
            io ports "0x2f8-0x2ff"
            without iommu
        }
        """

    /// The manifest of a system as a version that replaces another, and what loads it with a policy
    /// that need not be its own.
    static func successor(
        _ system: TestSystem, policy: [UInt8]? = nil, version: UInt8, replacing old: [UInt8]
    ) -> (manifest: [UInt8], archive: [UInt8]) {
        let policy = policy ?? system.compiled.policy
        var manifest = system.compiled.manifest
        manifest.replaceSubrange(48..<56, with: [version, 0, 0, 0, 0, 0, 0, 0])
        manifest.replaceSubrange(56..<104, with: SHA384.hash(policy.span).array)
        manifest.replaceSubrange(104..<152, with: SHA384.hash(old.span).array)
        return (manifest, NewcArchive.archive([("policy", policy), ("manifest", manifest)]))
    }

    // MARK: Devices

    @Test("I/O ports go when the policy does not give them, on every processor, and come back")
    func ports() throws {
        let system = try ReloadRightsTests.system(ReloadRightsTests.line)
        let without = try ReloadRightsTests.system().compiled.policy
        for fault in [FaultPoint?.none, .revokePorts, .flushAfterSever] {
            var simulation = try Simulation(system)
            simulation.memory.fault = fault
            let before = simulation.memory.reaches(0x2f8, 2)
            #expect(before)
            let taking = ReloadRightsTests.successor(
                system, policy: without, version: 2, replacing: system.compiled.manifest)
            let taken = simulation.load(taking.archive, from: 1)
            #expect(taken == 0)
            let after = (UInt16(0x2f8)...0x2ff).map { simulation.memory.reaches($0, 2) }
            #expect(after == Array(repeating: fault != nil, count: 8))
            guard fault == nil else { continue }
            let list = simulation.revoked(from: 1)
            #expect(list == [[6, 2, 0, 0x2f8]])
            let giving = ReloadRightsTests.successor(
                system, version: 3, replacing: taking.manifest)
            let given = simulation.load(giving.archive, from: 1)
            let again = simulation.memory.reaches(0x2ff, 2)
            let nothing = simulation.revoked(from: 1)
            #expect(given == 0 && again && nothing == [])
        }
    }

    @Test("a device that is another one, or another's, is another system")
    func otherDevice() throws {
        let system = try ReloadRightsTests.system(ReloadRightsTests.line)
        for statement in [
            ReloadRightsTests.line.replacing("owner owner", with: "owner other"),
            ReloadRightsTests.line.replacing("0x2f8-0x2ff", with: "0x2f8-0x2fe"), "",
        ] {
            var simulation = try Simulation(system)
            let next = ReloadRightsTests.successor(
                try ReloadRightsTests.system(statement), version: 2,
                replacing: system.compiled.manifest)
            let result = simulation.load(next.archive, from: 1)
            let reason = simulation.answer(5, of: 1)
            #expect(result == -22 && reason == 6)
            let reaches = simulation.memory.reaches(0x2f8, 2)
            #expect(reaches)
        }
    }

    // MARK: Interrupts

    @Test("a virtual interrupt whose permission is gone rings no more, its own timer goes on")
    func interrupts() throws {
        let system = try ReloadRightsTests.system()
        let lowered = LoweredPolicy(system.proved.policy)
        var database = lowered.database
        let xen = try #require(database.initialContexts[InitialSID.xen.rawValue])
        database.allow(
            lowered.labels[1].type, xen.type,
            [XenPermission.readconsole, XenPermission.clearconsole, HypercallPermission.virq])
        let wide = try database.encoded()
        for fault in [FaultPoint?.none, .revokeInterrupt] {
            var simulation = try Simulation(system, policy: wide)
            simulation.memory.fault = fault
            var ports: [UInt32] = []
            for number in [UInt32(2), 3, 8, 0] {
                let result = simulation.call(32, 1, from: 2, [number, 0, 0])
                #expect(result == 0)
                ports.append(simulation.answer(2, of: 2))
            }
            simulation.core.announceLives(&simulation.machine)
            let rang = simulation.isPending(2, port: ports[1])
            #expect(rang)
            let next = ReloadRightsTests.successor(
                system, version: 2, replacing: system.compiled.manifest)
            let result = simulation.load(next.archive, from: 1)
            #expect(result == 0)
            let bindings = ports.map { simulation.binding(2, port: $0) }
            let gone = EventChannel.Binding.revoked(remote: .hypervisor)
            #expect((bindings[0..<3] == [gone, gone, gone]) == (fault == nil))
            #expect(bindings[3] == .virtualInterrupt(number: 0))
            let pending = simulation.isPending(2, port: ports[1])
            #expect(pending == (fault != nil))
            guard fault == nil else { continue }
            let list = simulation.revoked(from: 1)
            #expect(list == ports[0..<3].map { [5, 2, 0, $0] })
        }
    }

    // MARK: Lives

    @Test("a life goes on: how often it was started again, its number, and what it becomes")
    func lives() throws {
        let system = try ReloadRightsTests.system(owner: "restart 2 times")
        var simulation = try Simulation(system) { _ in }
        let two = DomainID(number: 2)
        simulation.core.crash(two)
        _ = simulation.core.takeStopped()
        simulation.core.retire(two, &simulation.machine)
        let isBegun = simulation.core.beginAnew(two, .restart, &simulation.machine)
        #expect(isBegun)
        let next = ReloadRightsTests.successor(
            system, version: 2, replacing: system.compiled.manifest)
        let result = simulation.load(next.archive, from: 1)
        #expect(result == 0)
        while !simulation.core.clearSome(two, &simulation.machine) {}
        simulation.core.launch(two, &simulation.machine)
        #expect(simulation.core.domains[1].generation == 2)
        #expect(simulation.core.restartsLeft(two) == 1)
        let label = simulation.core.domains[1].label
        #expect(label == simulation.core.monitor.label(ofCompartment: 1))
        // More than before was not to be had by a new policy.
        let more = try ReloadRightsTests.system(owner: "restart 3 times")
        let other = ReloadRightsTests.successor(more, version: 3, replacing: next.manifest)
        let refused = simulation.load(other.archive, from: 1)
        let reason = simulation.answer(5, of: 1)
        #expect(refused == -22 && reason == 6)
    }

    @Test("a port that waits for who is not there yet goes like any other")
    func absent() throws {
        let system = try ReloadRightsTests.system(
            owner: "start manual", "channel late: other -> owner signal")
        var simulation = try Simulation(system)
        #expect(simulation.core.domains[1].life == .absent)
        let port = simulation.allocate(3, remote: 2)
        #expect(port.result == 0)
        let next = ReloadRightsTests.successor(
            try ReloadRightsTests.system(owner: "start manual"), version: 2,
            replacing: system.compiled.manifest)
        let result = simulation.load(next.archive, from: 1)
        #expect(result == 0)
        let binding = simulation.binding(3, port: port.port)
        #expect(binding == .revoked(remote: DomainID(number: 2)))
        let list = simulation.revoked(from: 1)
        #expect(list == [[2, 3, 2, port.port]])
    }

    // MARK: Rates

    @Test("a sender waits by the new rate, from the next event on")
    func rates() throws {
        func system(_ rate: String) throws -> TestSystem {
            try ReloadRightsTests.system("channel k: owner -> other signal \(rate)")
        }
        let first = try system("")
        var simulation = try Simulation(first)
        let far = simulation.allocate(3, remote: 2).port
        let near = simulation.bind(2, remote: 3, port: far).port
        let next = ReloadRightsTests.successor(
            try system("rate 100 per second"), version: 2, replacing: first.compiled.manifest)
        let result = simulation.load(next.archive, from: 1)
        #expect(result == 0)
        let page = FakeMachine.firstFrame(DomainID(number: 3)) + 16
        var sent = 0
        while simulation.core.domains[1].cpus[0].isRunnable, sent < 1_000 {
            _ = simulation.send(2, port: near)
            simulation.memory.setNumber(page, 2048, 8, 0)
            sent += 1
        }
        #expect(sent == 65)
        let deadline = simulation.core.nextDeadline()
        #expect(deadline == 1_000 + 10_000_000)
    }

    // MARK: Services

    @Test("a service is joined only with whom the policy in force lets wait for it")
    func services() throws {
        let system = try ReloadRightsTests.system("channel k: owner <-> other signal")
        var simulation = try Simulation(system)
        let (two, three) = (DomainID(number: 2), DomainID(number: 3))
        let joined = simulation.core.attachStore(of: two, to: three, simulation.machine)
        #expect(joined)
        let next = ReloadRightsTests.successor(
            try ReloadRightsTests.system(), version: 2, replacing: system.compiled.manifest)
        let result = simulation.load(next.archive, from: 1)
        #expect(result == 0)
        let binding = simulation.binding(2, port: 2)
        #expect(binding == .revoked(remote: three))
        let again = simulation.core.attachStore(of: two, to: three, simulation.machine)
        let after = simulation.binding(2, port: 2)
        #expect(!again && after == .revoked(remote: three))
    }
}
