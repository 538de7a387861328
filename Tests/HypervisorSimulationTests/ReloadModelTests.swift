import CompilerTestSupport
import HypervisorCore
import TestSupport
import Testing

/// Reloads in the middle of what hostile domains do.
@Suite struct ReloadModelTests {
    @Test("after any sequence with reloads in it, what exists is what the policy permits")
    func random() throws {
        let seed = SeededGenerator.announced(15_000).seed
        let systems = try ReloadWorld.systems(seed: seed, count: 12)
        var (counts, revoked) = ([String: Int](), [UInt32: Int]())
        for round in UInt64(0)..<4 {
            var world = try ReloadWorld(systems, seed: seed &+ round)
            let complaint = world.run(steps: TestLevel.repetitions(5_000))
            #expect(complaint == nil, "seed=\(seed) round \(round)")
            counts.merge(world.counts, uniquingKeysWith: +)
            revoked.merge(world.revoked, uniquingKeysWith: +)
        }
        for kind in ["join", "send", "map", "map for writing", "unmap", "access", "refused"] {
            #expect(counts[kind] ?? 0 > 0, "\(kind) never happened")
        }
        // Worlds in which nothing is ever taken would show nothing.
        #expect(counts["reload"] ?? 0 > TestLevel.repetitions(200))
        for kind in UInt32(1)...4 { #expect(revoked[kind] ?? 0 > 0, "kind \(kind)") }
    }

    /// The steps that these worlds notice when they are left out.
    static let noticed: [FaultPoint] = [
        .revokeChannel, .revokeUnbound, .revokeMapping, .revokeWriting, .revokeExcess,
        .revokePending, .flushAfterSever,
    ]

    @Test("a revocation that is left out is noticed", arguments: noticed)
    func fault(_ fault: FaultPoint) throws {
        let systems = try ReloadWorld.systems(seed: 3, count: 12)
        var world = try ReloadWorld(systems, seed: 11, fault: fault)
        let complaint = world.run(steps: 6_000)
        #expect(complaint != nil)
    }
}
