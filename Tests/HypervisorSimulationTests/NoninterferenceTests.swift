import HypervisorCore
import TestSupport
import Testing

/// Two runs that differ only in what is high: what is low sees the same.
@Suite struct NoninterferenceTests {
    /// The first thing that low domains see otherwise in one of two runs.
    private struct Difference: CustomStringConvertible {
        let quiet: LevelWorld.Sight
        let busy: LevelWorld.Sight

        /// What it is; nil: that it happens at another time.
        var kind: LevelWorld.Sight.Kind? {
            quiet.kind != busy.kind || quiet.differsInTime(from: busy) ? nil : quiet.kind
        }

        var description: String { "\(quiet), and with what is high \(busy)" }
    }

    /// What a comparison came to.
    private struct Result {
        var difference: Difference?
        var sightCount = 0
        var counts: [String: Int] = [:]
    }

    /// Runs two worlds, in one of which high domains do nothing, until low ones see a difference.
    ///
    /// - Parameters:
    ///   - frames: how many frames of the schedule, in parts, after each of which all memory is
    ///     looked at.
    ///   - steps: without a schedule: how many steps each part has.
    private func compare(
        _ seed: UInt64, high: UInt64, parts: Int, frames: Int = 10, steps: Int? = nil,
        lifting lifted: LevelWorld.Residual? = nil, leak: LevelWorld.Leak? = nil
    ) throws -> Result {
        var quiet = try LevelWorld(seed: seed, highSeed: nil, lifting: lifted, leak: leak)
        var busy = try LevelWorld(seed: seed, highSeed: high, lifting: lifted, leak: leak)
        var result = Result()
        for _ in 0..<parts {
            if let steps {
                quiet.run(steps: steps)
                busy.run(steps: steps)
            } else {
                quiet.run(frames: frames)
                busy.run(frames: frames)
            }
            for (one, other) in zip(quiet.sights, busy.sights) where one != other {
                result.difference = Difference(quiet: one, busy: other)
                break
            }
            // The comparison ends at the same moment of both, so neither has more.
            #expect(result.difference != nil || quiet.sights.count == busy.sights.count)
            result.sightCount += busy.sights.count
            (quiet.sights, busy.sights) = ([], [])
            if result.difference != nil { break }
        }
        result.counts = busy.counts
        return result
    }

    /// Compares worlds of ten seeds, or more.
    private func compareMany(parts: Int, steps: Int? = nil) throws {
        let seed = SeededGenerator.announced(31_337).seed
        let runs = TestLevel.repetitions(10)
        var counts: [String: Int] = [:]
        var sightCount = 0
        for number in 1...UInt64(runs) {
            let result = try compare(
                seed &+ number, high: seed &+ number << 32, parts: parts, steps: steps)
            #expect(result.difference == nil, "seed=\(seed) \(number)")
            counts.merge(result.counts) { $0 + $1 }
            sightCount += result.sightCount
        }
        let done = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        print("what low saw: \(sightCount); what was done: \(done.joined(separator: ", "))")
        // Runs in which nothing happens would show nothing.
        #expect(sightCount > runs * 10_000)
        for kind in [
            "reload", "refused reload", "crash", "shutdown", "restart", "map of low",
            "map of high", "unmap", "write to another's", "copy", "event", "bind", "send", "close",
            "port", "console", "timer", "random call", "line", "ring", "low event", "low order",
            "low console",
            "low reserve", "low send", "low change", "low status", "low map", "low unmap",
            "low copy", "low wait", "low timer", "low life", "low ask", "low line", "low ring",
        ] {
            #expect((counts[kind] ?? 0) >= runs, "\(kind)")
        }
    }

    @Test("what is low sees nothing of what is high, to which it sends: results, memory, time")
    func levels() throws { try compareMany(parts: 40) }

    @Test("whatever high ones do between two steps of low ones: what these see is the same")
    func steps() throws { try compareMany(parts: 20, steps: 300) }

    @Test("each leak is noticed, by what it shows", arguments: LevelWorld.Leak.allCases)
    func leaks(_ leak: LevelWorld.Leak) throws {
        let result = try compare(5, high: 6, parts: 4, frames: 300, leak: leak)
        let difference = try #require(result.difference)
        #expect(leak.shows.contains(difference.kind), "\(difference)")
    }

    @Test(
        "each leak that is no matter of time is noticed without a schedule",
        arguments: LevelWorld.Leak.allCases.filter { !$0.isOfSchedule })
    func leaksWithoutSchedule(_ leak: LevelWorld.Leak) throws {
        let result = try compare(9, high: 10, parts: 20, steps: 300, leak: leak)
        #expect(result.difference != nil)
    }

    @Test(
        "what is left out is what tells of the receiver by design: each is seen when it is let in",
        arguments: LevelWorld.Residual.allCases)
    func residuals(_ residual: LevelWorld.Residual) throws {
        let result = try compare(7, high: 8, parts: 200, lifting: residual)
        let difference = try #require(result.difference)
        #expect(residual.shows.contains(difference.kind), "\(difference)")
    }
}
