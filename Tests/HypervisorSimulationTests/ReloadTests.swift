import BootArena
import CompilerTestSupport
import Digests
import HypervisorCore
import PolicyCompiler
import PolicyDatabase
import TestSupport
import Testing

/// One reload at a time, step by step.
@Suite struct ReloadTests {
    private typealias Link = ReloadSystem.Link

    /// A system, running, and what it is replaced by.
    private struct Change: ~Copyable {
        var simulation: Simulation
        let first: ReloadSystem
        let second: ReloadSystem
        let manifest: [UInt8]
        let archive: [UInt8]

        static func make(_ before: [Link], _ after: [Link]) throws -> Change {
            let (first, second) = try (ReloadSystem(before), ReloadSystem(after))
            let manifest = second.manifest(
                version: 2, replacing: first.compiled.compiled.manifest)
            let simulation = try Simulation(first.compiled)
            return Change(
                simulation: simulation, first: first, second: second, manifest: manifest,
                archive: second.archive(manifest))
        }
    }

    private static let before = [
        Link(from: 2, to: 3), Link(from: 2, to: 4, isTwoWay: true),
        Link(from: 2, to: 3, pages: 4, isTwoWay: true), Link(from: 2, to: 5, pages: 2),
    ]

    /// Joins two domains; the sender is the first. Returns the ports.
    private func join(
        _ simulation: inout Simulation, _ first: UInt16, _ second: UInt16
    ) -> (near: UInt32, far: UInt32) {
        let far = simulation.allocate(second, remote: first)
        let near = simulation.bind(first, remote: second, port: far.port)
        #expect(far.result == 0 && near.result == 0)
        return (near.port, far.port)
    }

    @Test("an event arrives before, and is refused after; what stays permitted is untouched")
    func channel() throws {
        var change = try Change.make(ReloadTests.before, Array(ReloadTests.before[1...1]))
        let gone = join(&change.simulation, 2, 3)
        let kept = join(&change.simulation, 2, 4)
        let waiting = change.simulation.allocate(3, remote: 2).port
        for port in [gone.near, kept.near] {
            let sent = change.simulation.send(2, port: port)
            #expect(sent == 0)
        }
        let result = change.simulation.load(change.archive, from: 1)
        #expect(result == 0)
        let sent = change.simulation.send(2, port: gone.near)
        #expect(sent == -1)
        let back = change.simulation.send(2, port: kept.near)
        #expect(back == 0)
        let isPending = [
            change.simulation.isPending(3, port: gone.far),
            change.simulation.isPending(4, port: kept.far),
        ]
        #expect(isPending == [false, true])
        let bindings = [
            change.simulation.binding(2, port: gone.near),
            change.simulation.binding(3, port: gone.far),
            change.simulation.binding(3, port: waiting),
        ]
        let (two, three) = (DomainID(number: 2), DomainID(number: 3))
        #expect(
            bindings == [
                .revoked(remote: three), .revoked(remote: two), .revoked(remote: two),
            ])
        let list = change.simulation.revoked(from: 1)
        #expect(list?.count == 2)
        // The channel is named by one of its ends.
        let isNamed =
            list?.contains([1, 2, 3, gone.near]) == true
            || list?.contains([1, 3, 2, gone.far]) == true
        #expect(isNamed)
        #expect(list?.contains([2, 3, 2, waiting]) == true)
        // A revoked port is its owner's until it closes it; nothing new can be made.
        let refused = change.simulation.allocate(3, remote: 2).result
        let closed = change.simulation.call(32, 3, from: 3, [gone.far])
        #expect(refused == -1 && closed == 0)
    }

    @Test("a mapped page is out of reach when the call returns, on every processor")
    func mapping() throws {
        var change = try Change.make(ReloadTests.before, Array(ReloadTests.before[0...1]))
        change.simulation.grant(2, 8, to: 3, frame: 5)
        let map = change.simulation.map(3, of: 2, 8, at: 40)
        #expect(map.status == .okay)
        let frame = change.simulation.access(3, 40, processor: 1, writing: true)
        #expect(frame == FakeMachine.firstFrame(DomainID(number: 2)) + 5)
        let result = change.simulation.load(change.archive, from: 1)
        #expect(result == 0)
        for processor in 0..<2 {
            let now = change.simulation.access(3, 40, processor: processor, writing: true)
            #expect(now == change.simulation.core.domains[2].blank.number)
        }
        let word = change.simulation.entry(2, 8)
        #expect(word & (Simulation.Flag.reading | Simulation.Flag.writing) == 0)
        #expect(change.simulation.core.frames.uses(1) == 0)
        let again = change.simulation.map(3, of: 2, 8, at: 41)
        #expect(again.status == .permissionDenied)
        // Its handle is still to be given back, and can be.
        let unmap = change.simulation.unmap(3, map.handle, at: 40)
        #expect(unmap == .okay)
        let list = change.simulation.revoked(from: 1)
        #expect(list == [[3, 3, 2, map.handle]])
    }

    @Test("each refused system changes nothing, and says why", arguments: 1...9)
    func refused(_ kind: Int) throws {
        var change = try Change.make(ReloadTests.before, [])
        let ports = join(&change.simulation, 2, 3)
        var archive = change.archive
        let other = try ReloadSystem([])
        var expected: UInt32 = 0
        let present = change.first.compiled.compiled.manifest
        switch kind {
        case 1:
            archive[0] ^= 1
            expected = 1
        case 2:
            // The format version.
            var manifest = change.manifest
            manifest[8] = 9
            archive = change.second.archive(manifest)
            expected = 2
        case 3:
            archive = NewcArchive.archive([
                ("policy", change.first.compiled.compiled.policy), ("manifest", change.manifest),
            ])
            expected = 3
        case 4:
            archive = other.archive(other.manifest(version: 1, replacing: present))
            expected = 4
        case 5:
            archive = other.archive(other.manifest(version: 2, replacing: change.manifest))
            expected = 5
        case 6:
            let strange = try TestSystem.minimal()
            var manifest = strange.compiled.manifest
            manifest.replaceSubrange(48..<56, with: [9, 0, 0, 0, 0, 0, 0, 0])
            manifest.replaceSubrange(104..<152, with: SHA384.hash(present.span).array)
            archive = NewcArchive.archive([
                ("policy", strange.compiled.policy), ("manifest", manifest),
            ])
            expected = 6
        case 7:
            var policy = change.second.compiled.compiled.policy
            policy[0] ^= 1
            var manifest = change.manifest
            manifest.replaceSubrange(56..<104, with: SHA384.hash(policy.span).array)
            archive = NewcArchive.archive([("policy", policy), ("manifest", manifest)])
            expected = 7
        case 8:
            // A policy that permits another flow than the certificate says.
            let policy = try ReloadSystem([Link(from: 3, to: 2)]).compiled.compiled.policy
            let system = try ReloadSystem([Link(from: 2, to: 3)])
            var manifest = system.manifest(version: 2, replacing: present)
            manifest.replaceSubrange(56..<104, with: SHA384.hash(policy.span).array)
            archive = NewcArchive.archive([("policy", policy), ("manifest", manifest)])
            expected = 10
        default:
            change.simulation.memory.tpmFails = true
            expected = 12
        }
        let before = (2...5).map { change.simulation.view(of: $0) }
        let result = change.simulation.load(archive, from: 1)
        let reason = change.simulation.answer(5, of: 1)
        #expect(result == (kind == 9 ? -5 : -22) && reason == expected)
        let after = (2...5).map { change.simulation.view(of: $0) }
        #expect(before == after)
        #expect(change.simulation.core.policySequence == 1)
        #expect(change.simulation.memory.measured.isEmpty)
        let sent = change.simulation.send(2, port: ports.near)
        // And the right one is still taken.
        change.simulation.memory.tpmFails = false
        let good = change.simulation.load(change.archive, from: 1)
        #expect(sent == 0 && good == 0)
    }

    @Test("who may not load a policy is told nothing, and the attempt is recorded")
    func notPermitted() throws {
        var change = try Change.make(ReloadTests.before, [])
        let result = change.simulation.load(change.archive, from: 2)
        #expect(result == -1)
        let list = change.simulation.revoked(from: 2)
        #expect(list == nil)
        let denial = try #require(change.simulation.memory.denials.last)
        #expect(denial.permission == SecurityPermission.loadPolicy)
        #expect(change.simulation.core.policySequence == 1)
    }

    @Test("a policy is measured before it takes effect, and the measurement names it")
    func measured() throws {
        for fault in [FaultPoint?.none, .measureReload] {
            var change = try Change.make(ReloadTests.before, [])
            change.simulation.memory.fault = fault
            let result = change.simulation.load(change.archive, from: 1)
            #expect(result == 0)
            let expected = FakeMemory.Measured(
                policy: SHA384.hash(change.second.compiled.compiled.policy.span),
                manifest: SHA384.hash(change.manifest.span), version: 2)
            let isMeasured = change.simulation.memory.measured == [expected]
            #expect(isMeasured == (fault == nil))
        }
    }

    @Test("versions rise from reload to reload, and each names the one before")
    func chain() throws {
        var change = try Change.make(ReloadTests.before, [])
        var manifest = change.first.compiled.compiled.manifest
        for version in UInt64(2)..<8 {
            let system = version % 2 == 0 ? change.second : change.first
            let next = system.manifest(version: version, replacing: manifest)
            let result = change.simulation.load(system.archive(next), from: 1)
            #expect(result == 0)
            let again = change.simulation.load(system.archive(next), from: 1)
            #expect(again == -22)
            manifest = next
        }
        #expect(change.simulation.core.policySequence == 7)
        let port = join(&change.simulation, 2, 3)
        #expect(port.near != 0)
    }

    @Test("a label changes only if the caller may relabel")
    func relabel() throws {
        for loader in ["may load policy", "may load policy\nmay relabel"] {
            let first = try ReloadSystem([Link(from: 2, to: 5)], loader: loader)
            let second = try ReloadSystem(
                [Link(from: 2, to: 5)], loader: loader, highLevel: "higher")
            var simulation = try Simulation(first.compiled)
            let ports = join(&simulation, 2, 5)
            let next = second.manifest(
                version: 2, replacing: first.compiled.compiled.manifest)
            let result = simulation.load(second.archive(next), from: 1)
            let mayRelabel = loader.contains("relabel")
            #expect(result == (mayRelabel ? 0 : -1))
            if !mayRelabel {
                let reason = simulation.answer(5, of: 1)
                #expect(reason == 11)
                let denied = simulation.memory.denials.last?.permission
                #expect(denied == SecurityPermission.computeRelabel)
            }
            let sent = simulation.send(2, port: ports.near)
            #expect(sent == 0)
            #expect(simulation.core.policySequence == (mayRelabel ? 2 : 1))
        }
    }

    @Test("one loads at a time; who stopped in the middle is not waited for")
    func busy() throws {
        let loaders = try ReloadSystem([])
        var simulation = try Simulation(loaders.compiled)
        let archive = loaders.archive(
            loaders.manifest(version: 2, replacing: loaders.compiled.compiled.manifest))
        simulation.store(archive, of: 1)
        let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 1
        for (index, word) in Simulation.loadRequest(size: archive.count).enumerated() {
            simulation.memory.setNumber(frame, index * 4, 4, UInt64(word))
        }
        let part = simulation.part(27, 0x1000, from: 1)
        #expect(part == nil)
        // The same domain may think again, with another buffer.
        simulation.memory.setNumber(frame, 16, 4, 100)
        var result: Int64?
        for _ in 0..<100 where result == nil {
            result = simulation.part(27, 0x1000, from: 1)
            simulation.examine()
        }
        #expect(result == -22)
        let whole = simulation.load(archive, from: 1)
        #expect(whole == 0)
        let long = simulation.call(
            27, 0x1000, from: 1, Simulation.loadRequest(size: Simulation.reloadCapacity + 1))
        #expect(long == -28)
        let outside = simulation.call(27, 0x1000, from: 1, [1, 1, 0xf000, 0, 8192, 0])
        #expect(outside == -14)
    }

    @Test("services are told that the policy is another")
    func sequence() throws {
        var change = try Change.make(ReloadTests.before, [])
        #expect(change.simulation.core.policySequence == 1)
        let result = change.simulation.load(change.archive, from: 1)
        #expect(result == 0)
        #expect(change.simulation.core.policySequence == 2)
    }
}
