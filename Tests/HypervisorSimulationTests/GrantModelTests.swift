import CompilerTestSupport
import HypervisorCore
import TestSupport
import Testing

/// Hostile domains against the model of grants.
@Suite struct GrantModelTests {
    @Test("a million operations of four hostile domains do what the model says")
    func random() throws {
        let seed = SeededGenerator.announced(7_291).seed
        var maps = 0
        for round in UInt64(0)..<10 {
            var world = try GrantWorld(seed: seed &+ round)
            let complaint = world.run(
                steps: TestLevel.repetitions(100_000), checkingEvery: 64)
            #expect(complaint == nil, "seed=\(seed) round \(round)")
            maps += world.counts["map"] ?? 0
        }
        // Worlds in which nothing is ever mapped would show nothing.
        #expect(maps > TestLevel.repetitions(10_000), "seed=\(seed)")
    }

    @Test("after every single operation everything that must hold holds")
    func everyStep() throws {
        let seed = SeededGenerator.announced(64).seed
        var world = try GrantWorld(seed: seed)
        let complaint = world.run(steps: TestLevel.repetitions(20_000), checkingEvery: 1)
        #expect(complaint == nil, "seed=\(seed)")
        for kind in ["map", "unmap", "copy", "access", "restart"] {
            let count = world.counts[kind] ?? 0
            #expect(count > 0, "\(kind) never happened")
        }
    }

    /// The steps that the random worlds notice when they are left out.
    static let noticed: [FaultPoint] = [
        .flushAfterUnmap, .flushAfterSever, .checkReference, .checkHandle, .takeHandle,
        .mapReadOnly, .checkReadOnlyGrant, .refuseOtherKinds, .checkGrantee, .countEachMapping,
        .releaseWhatWasTaken, .releaseAfterCopy, .checkCopyRange, .undoFailedMap, .keepFrame,
        .checkQuota, .authorizeFirst, .retireBoth, .scrubMemory,
    ]

    @Test("a step that is left out is noticed", arguments: noticed)
    func fault(_ fault: FaultPoint) throws {
        var world = try GrantWorld(seed: 11, fault: fault)
        let complaint = world.run(steps: 60_000, checkingEvery: 1)
        #expect(complaint != nil)
    }
}
