import PolicyDatabaseModel
import TestSupport
import Testing

@Test(
    "no beginning of a policy is a policy", arguments: ForeignPolicy.newest + ForeignPolicy.oldest)
func truncations(policy: ForeignPolicy) throws {
    let bytes = try policy.compiled()
    let ends: Set<PolicyFileError.Reason> = [.truncated, .countTooLarge]
    for length in bytes.indices {
        let reason = refusal(Array(bytes.prefix(length)))
        #expect(
            reason.map(ends.contains) == true, "length \(length): \(String(describing: reason))")
    }
    #expect(refusal(bytes) == nil)
    #expect(refusal(bytes + [0]) == .trailingBytes)
}

@Test(
    "a policy with one byte changed is refused, or written as it was read",
    arguments: ForeignPolicy.newest + ForeignPolicy.oldest)
func mutations(policy: ForeignPolicy) throws {
    // Method: each byte in turn becomes each of its neighbours, two extremes and a random value.
    var generator = SeededGenerator.announced(20_033)
    let good = try policy.compiled()
    var refused = 0
    var accepted = 0
    for index in good.indices {
        let old = good[index]
        for value in [old &+ 1, old &- 1, 0, 255, UInt8.random(in: 0...255, using: &generator)] {
            var bytes = good
            bytes[index] = value
            if refusal(bytes) == nil { accepted += 1 } else { refused += 1 }
        }
    }
    print("\(policy.testDescription): mutants accepted: \(accepted), refused: \(refused)")
    #expect(refused > 0)
    #expect(accepted > 0)
}

@Test(
    "a count of four thousand million is refused, wherever it stands",
    arguments: ForeignPolicy.newest)
func hugeCounts(policy: ForeignPolicy) throws {
    let good = try policy.compiled()
    for index in 0..<good.count - 4 {
        for word: [UInt8] in [[255, 255, 255, 255], [0, 0, 0, 128], [255, 255, 255, 127]] {
            var bytes = good
            bytes.replaceSubrange(index..<index + 4, with: word)
            _ = refusal(bytes)
        }
    }
}

@Test("no sequence of random bytes is a policy, nor what follows a true beginning")
func garbage() throws {
    var generator = SeededGenerator.announced(99)
    let good = try ForeignPolicy(compiler: .secilc, target: .linux, version: 33).compiled()
    for length in stride(from: 0, to: good.count, by: 5) {
        #expect(refusal(generator.bytes(length)) != nil)
        #expect(refusal(Array(good.prefix(length)) + generator.bytes(64)) != nil)
    }
}

@Test("the reasons for a refusal are told apart, with their places")
func reasons() throws {
    let good = try ForeignPolicy(compiler: .checkpolicy, target: .linux, version: 33).compiled()
    func changed(_ index: Int, _ value: UInt8) -> PolicyFileError? {
        var bytes = good
        bytes[index] = value
        do {
            _ = try PolicyFile(validating: bytes)
            return nil
        } catch {
            return error
        }
    }
    #expect(changed(0, 0) == PolicyFileError(reason: .notAPolicy, offset: 4))
    #expect(changed(4, 9) == PolicyFileError(reason: .notAPolicy, offset: 8))
    #expect(changed(8, 0x58) == PolicyFileError(reason: .notAPolicy, offset: 16))
    #expect(changed(16, 34) == PolicyFileError(reason: .unsupportedVersion, offset: 20))
    #expect(changed(20, 7) == PolicyFileError(reason: .badConfiguration, offset: 24))
    #expect(changed(20, 9) == PolicyFileError(reason: .badConfiguration, offset: 24))
    #expect(changed(24, 7) == PolicyFileError(reason: .wrongTableCount, offset: 28))
    #expect(changed(28, 7) == PolicyFileError(reason: .wrongTableCount, offset: 32))
    #expect(changed(32, 32) == PolicyFileError(reason: .badBitmap, offset: 36))
    #expect(changed(43, 255) == PolicyFileError(reason: .countTooLarge, offset: 44))
    #expect(changed(44, 1)?.reason == .badBitmap)
}

/// Returns why bytes are refused; nil when they are read, and are then written as they were.
private func refusal(_ bytes: [UInt8]) -> PolicyFileError.Reason? {
    do {
        let file = try PolicyFile(validating: bytes)
        #expect(try file.encoded() == bytes)
        return nil
    } catch {
        return error.reason
    }
}
