import CompilerTestSupport
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import TestSupport
import Testing

@Test("no change of one byte makes the reader trap, nor what it accepts a decision")
func mutations() throws {
    // Method: each byte in turn becomes three random values. What is accepted is asked everything.
    var generator = SeededGenerator.announced(4_711)
    let system = try TestSystem.minimal()
    let lowered = LoweredPolicy(system.proved.policy)
    let good = try lowered.database.encoded()
    var accepted = 0
    var refused = 0
    for index in good.indices {
        for _ in 0..<3 {
            var bytes = good
            bytes[index] = UInt8.random(in: 0...255, using: &generator)
            guard let granted = decisions(bytes, lowered) else {
                refused += 1
                continue
            }
            accepted += 1
            #expect(granted >= 0)
        }
    }
    print("mutants accepted: \(accepted), refused: \(refused)")
    #expect(refused > accepted)
}

@Test("no sequence of random bytes makes the reader trap")
func garbage() throws {
    var generator = SeededGenerator.announced(815)
    let lowered = LoweredPolicy(try TestSystem.minimal().proved.policy)
    let good = try lowered.database.encoded()
    for length in stride(from: 0, to: 4000, by: 7) {
        #expect(decisions(generator.bytes(length), lowered) == nil)
        let kept = min(length, good.count)
        #expect(decisions(Array(good.prefix(kept)) + generator.bytes(64), lowered) == nil)
    }
}

/// Returns how many requests of the compartments are granted; nil when the policy is refused.
private func decisions(_ bytes: [UInt8], _ lowered: LoweredPolicy) -> Int? {
    guard let policy = try? PolicyDatabase(validating: bytes.span) else { return nil }
    var granted = 0
    for source in lowered.labels {
        for target in lowered.labels {
            _ = policy.computeTransition(source: source, target: target, class: .event)
            for number in 1...ObjectClass.count {
                guard let objectClass = ObjectClass(number: number) else { continue }
                let vector = policy.computeAccessVector(
                    source: source, target: target, class: objectClass)
                granted += vector.bits.nonzeroBitCount
            }
        }
    }
    return granted
}
