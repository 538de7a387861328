import HypervisorCore
import TestSupport
import Testing

/// Two runs that differ only in what is high, where hypercalls take time and are not interrupted:
/// what of high's last call lies beyond the end of its slot, the next slot loses. What low sees of
/// that is when it comes to a processor, late by less than the longest call, and what it is told of
/// how its time was spent; and nothing else.
@Suite struct LateStartTests {
    /// What a comparison came to.
    private struct Result {
        /// The first thing that is other than late.
        var difference: String?
        /// How late low came at most, in nanoseconds, and how often it was late.
        var latest: UInt64 = 0
        var lateCount = 0
        var sightCount = 0
        var overrunCount = 0
    }

    /// Runs two worlds, in one of which high domains do nothing.
    private func compare(
        _ seed: UInt64, frames: Int = 150, slips: Bool = false, leak: LevelWorld.Leak? = nil
    ) throws -> Result {
        let costs = LevelWorld.Costs(slips: slips)
        var quiet = try LevelWorld(seed: seed, highSeed: nil, leak: leak, costs: costs)
        var busy = try LevelWorld(seed: seed, highSeed: seed << 32, leak: leak, costs: costs)
        quiet.run(frames: frames)
        busy.run(frames: frames)
        var result = Result(overrunCount: busy.costs?.overrunCount ?? 0)
        // Which of two processors came first may differ: each has an order of its own.
        for domain in LevelWorld.low {
            for cpu in 0..<2 {
                func mine(_ sight: LevelWorld.Sight) -> Bool {
                    (sight.domain, sight.cpu) == (domain, cpu)
                }
                compare(
                    quiet.sights.filter(mine), busy.sights.filter(mine), quiet.frameLength,
                    quiet.origin, &result)
            }
        }
        return result
    }

    private func compare(
        _ quiet: [LevelWorld.Sight], _ busy: [LevelWorld.Sight], _ frameLength: UInt64,
        _ origin: UInt64, _ result: inout Result
    ) {
        for (one, other) in zip(quiet, busy) {
            result.sightCount += 1
            let late = other.time > one.time ? other.time - one.time : one.time - other.time
            // In each frame it can lose as much as it came late.
            let lost = LevelWorld.Costs.longest * ((one.time - origin) / frameLength + 1)
            let isSame =
                one.kind == other.kind && one.values.count == other.values.count
                && (one.values == other.values
                    || one.kind == .times
                        && zip(one.values, other.values).allSatisfy { abs($0 - $1) <= lost })
            guard isSame else {
                result.difference = result.difference ?? "\(one), and with what is high \(other)"
                return
            }
            guard late > 0 else { continue }
            if one.kind != .runs, one.kind != .memory, one.kind != .console {
                result.difference = result.difference ?? "\(one) at \(other.time)"
            }
            result.lateCount += 1
            result.latest = max(result.latest, late)
        }
        if quiet.count != busy.count, result.difference == nil {
            result.difference = "\(quiet.count) sights, and with what is high \(busy.count)"
        }
    }

    @Test(
        "of calls that take time low sees that it starts late, less than the longest, and no more")
    func late() throws {
        let seed = SeededGenerator.announced(41_337).seed
        let runs = UInt64(TestLevel.repetitions(10))
        var whole = Result()
        for number in 1...runs {
            let result = try compare(seed &+ number)
            #expect(result.difference == nil, "seed=\(seed) \(number)")
            #expect(result.latest <= LevelWorld.Costs.longest, "seed=\(seed) \(number)")
            whole.latest = max(whole.latest, result.latest)
            whole.lateCount += result.lateCount
            whole.sightCount += result.sightCount
            whole.overrunCount += result.overrunCount
        }
        print(
            "late starts: \(whole.lateCount) of \(whole.sightCount) sights, by \(whole.latest) ns "
                + "at most; calls beyond their slot: \(whole.overrunCount)")
        // It is there to be seen, and nearly as large as it may be.
        #expect(whole.sightCount > Int(runs) * 10_000)
        #expect(whole.overrunCount > Int(runs) * 20)
        #expect(whole.lateCount > Int(runs) * 20)
        #expect(whole.latest > LevelWorld.Costs.longest * 3 / 4)
    }

    @Test("a schedule that goes on where it was late is noticed: what low sees grows")
    func slippingFrame() throws {
        #expect(try compare(3, frames: 20).latest <= LevelWorld.Costs.longest)
        let slipped = try compare(3, frames: 100, slips: true)
        #expect(slipped.latest > LevelWorld.Costs.longest || slipped.difference != nil)
    }

    @Test(
        "a leak is noticed also where calls take time",
        arguments: [
            LevelWorld.Leak.undecided, .sharedPorts, .strayEvent, .sharedPriorities, .sharedInput,
            .foreignTimers,
        ])
    func leaks(_ leak: LevelWorld.Leak) throws {
        #expect(try compare(5, frames: 300, leak: leak).difference != nil)
    }
}
