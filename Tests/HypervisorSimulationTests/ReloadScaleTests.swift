import BootArena
import CompilerTestSupport
import Digests
import HypervisorCore
import PolicyCompiler
import TestSupport
import Testing

/// What a reload costs, in counts; and what it shows to those whom it does not concern.
@Suite struct ReloadScaleTests {
    private static let domains = 32

    /// 32 compartments in a ring, each joined with those up to `reach` places away. Compartment 1
    /// may load a policy.
    private static func ring(reach: Int) throws -> TestSystem {
        var text = "system ring version 1\ntarget casemate\nlevels low\n"
        for index in 0..<domains {
            text += "compartment c\(index) at low {\nkernel debian\nmemory 64 MiB\nvcpus 1\n"
            if index == 0 { text += "may load policy\n" }
            text += "}\n"
        }
        for index in 0..<domains {
            for distance in 1...reach {
                text += "channel k\(index)_\(distance): c\(index) <-> "
                text += "c\((index + distance) % domains) signal\n"
            }
        }
        text += "assert only c0 may load policy\n"
        return try TestSystem(text)
    }

    /// Fills all ports of all domains: 992 event channels.
    private func fill(_ simulation: inout Simulation) -> Int {
        var count = 0
        for distance in 1...4 {
            for index in 0..<ReloadScaleTests.domains {
                let near = UInt16(index + 1)
                let far = UInt16((index + distance) % ReloadScaleTests.domains + 1)
                for _ in 0..<(distance == 4 ? 7 : 8) {
                    let port = simulation.allocate(far, remote: near)
                    let bound = simulation.bind(near, remote: far, port: port.port)
                    if port.result == 0 && bound.result == 0 { count += 1 }
                }
            }
        }
        return count
    }

    /// Loads a system from memory that no domain has, to the end.
    private func load(
        _ system: TestSystem, _ simulation: inout Simulation, replacing old: [UInt8],
        version: UInt8
    ) -> (result: Int64?, manifest: [UInt8]) {
        var manifest = system.compiled.manifest
        manifest.replaceSubrange(48..<56, with: [version, 0, 0, 0, 0, 0, 0, 0])
        manifest.replaceSubrange(104..<152, with: SHA384.hash(old.span).array)
        let archive = NewcArchive.archive([
            ("policy", system.compiled.policy), ("manifest", manifest),
        ])
        simulation.memory.window = archive
        let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 1
        let request: [UInt32] = [
            1, 1, UInt32(FakeMemory.windowAddress), 0, UInt32(archive.count), 0,
        ]
        for (index, word) in request.enumerated() {
            simulation.memory.setNumber(frame, index * 4, 4, UInt64(word))
        }
        var result: Int64?
        for _ in 0..<2_000 where result == nil {
            result = simulation.part(27, 0x1000, from: 1)
            simulation.examine()
        }
        return (result, manifest)
    }

    @Test("with 992 live channels a reload looks at pairs, and at what it takes")
    func thousand() throws {
        let (wide, narrow) = try (
            ReloadScaleTests.ring(reach: 4), ReloadScaleTests.ring(reach: 2)
        )
        var simulation = try Simulation(
            wide, arenaSize: 256 << 20, reloadCapacity: 4 << 20)
        let channels = fill(&simulation)
        #expect(channels == 992)
        let pairs = ReloadScaleTests.domains * (ReloadScaleTests.domains - 1)
        let all = pairs + ReloadScaleTests.domains
        // The same channels again: nothing is taken, and none of the 992 is looked at.
        let same = load(
            wide, &simulation, replacing: wide.compiled.manifest, version: 2)
        #expect(same.result == 0)
        #expect(simulation.core.reload.revokedCount == 0)
        #expect(simulation.core.reload.steps.looks == all)
        let clock = ContinuousClock()
        let start = clock.now
        let half = load(narrow, &simulation, replacing: same.manifest, version: 3)
        print("a reload that takes 480 of 992 channels: \(clock.now - start), all of it")
        #expect(half.result == 0)
        let revoked = simulation.core.reload.revokedCount
        #expect(revoked == 32 * 15)
        let steps = simulation.core.reload.steps
        #expect(steps.looks == all + revoked)
        #expect(steps.most <= 128)
        #expect(steps.count <= (all + revoked) / 64 + 1)
        print("steps: \(steps.count), looks: \(steps.looks), the most in one: \(steps.most)")
        let broken = simulation.brokenPort()
        let list = simulation.core.brokenList()
        #expect(broken == nil && list == nil)
    }

    // MARK: Noninterference

    @Test("a reload that changes only what is high is invisible to what is low")
    func noninterference() throws {
        let seed = SeededGenerator.announced(6_001).seed
        let low = [
            ReloadSystem.Link(from: 2, to: 3, isTwoWay: true),
            ReloadSystem.Link(from: 3, to: 4, pages: 2, isTwoWay: true),
        ]
        let high = [
            ReloadSystem.Link(from: 5, to: 6, isTwoWay: true),
            ReloadSystem.Link(from: 6, to: 5, pages: 3),
        ]
        let systems = try (ReloadSystem(low + high), ReloadSystem(low))
        /// What low domains see: each result, and all their memory at the end.
        func run(reloads: Bool) throws -> (results: [Int64], views: [[UInt8]], reloads: Int) {
            var simulation = try Simulation(systems.0.compiled)
            var own = SeededGenerator(seed: seed)
            var others = SeededGenerator(seed: seed &+ 1)
            var results: [Int64] = []
            var manifest = systems.0.compiled.compiled.manifest
            var (version, isLoading) = (UInt64(1), false)
            for _ in 0..<TestLevel.repetitions(4_000) {
                let domain = UInt16.random(in: 2...4, using: &own)
                results += lowStep(&simulation, domain, &own)
                highStep(&simulation, &others)
                guard reloads else { continue }
                if !isLoading {
                    version += 1
                    let system = version % 2 == 0 ? systems.1 : systems.0
                    manifest = system.manifest(version: version, replacing: manifest)
                    place(system.archive(manifest), simulation)
                    isLoading = true
                }
                let result = simulation.part(27, 0x1000, from: 1)
                simulation.examine()
                if result != nil { isLoading = false }
            }
            let views = (UInt16(2)...4).map { simulation.view(of: $0) }
            return (results, views, Int(simulation.core.policySequence) - 1)
        }
        let quiet = try run(reloads: false)
        let busy = try run(reloads: true)
        #expect(quiet.results == busy.results, "seed=\(seed)")
        #expect(quiet.views == busy.views, "seed=\(seed)")
        #expect(busy.reloads > 10)
    }

    private func place(_ archive: [UInt8], _ simulation: borrowing Simulation) {
        simulation.store(archive, of: 1)
        let frame = FakeMachine.firstFrame(DomainID(number: 1)) + 1
        for (index, word) in Simulation.loadRequest(size: archive.count).enumerated() {
            simulation.memory.setNumber(frame, index * 4, 4, UInt64(word))
        }
    }

    private func lowStep(
        _ simulation: inout Simulation, _ domain: UInt16, _ generator: inout SeededGenerator
    ) -> [Int64] {
        let remote = UInt16.random(in: 2...6, using: &generator)
        let port = UInt32.random(in: 2..<20, using: &generator)
        switch Int.random(in: 0..<7, using: &generator) {
        case 0:
            let result = simulation.allocate(domain, remote: remote)
            return [result.result, Int64(result.port)]
        case 1:
            let result = simulation.bind(domain, remote: remote, port: port)
            return [result.result, Int64(result.port)]
        case 2: return [simulation.send(domain, port: port)]
        case 3: return [simulation.call(32, 3, from: domain, [port])]
        case 4:
            simulation.grant(domain, 8 + port % 4, to: remote, frame: 4 + port % 4)
            let result = simulation.map(domain, of: remote, 8 + port % 4, at: UInt64(32 + port % 8))
            return [Int64(result.status?.rawValue ?? 1), Int64(result.handle)]
        case 5:
            let status = simulation.unmap(domain, port % 8, at: UInt64(32 + port % 8))
            return [Int64(status?.rawValue ?? 1)]
        default: return [simulation.call(32, 5, from: domain, [0x7ff0, port, 0, 0, 0, 0])]
        }
    }

    /// What is high uses its rights, so that there is something to take.
    private func highStep(_ simulation: inout Simulation, _ generator: inout SeededGenerator) {
        let domain = UInt16.random(in: 5...6, using: &generator)
        let port = UInt32.random(in: 2..<12, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: _ = simulation.allocate(domain, remote: 11 - domain)
        case 1: _ = simulation.bind(domain, remote: 11 - domain, port: port)
        case 2: _ = simulation.send(domain, port: port)
        default:
            simulation.grant(6, 8, to: 5, frame: 3)
            _ = simulation.map(5, of: 6, 8, at: UInt64(32 + port % 8), readOnly: true)
        }
    }
}
