import Foundation

/// A generator of the same numbers for the same seed: splitmix64, by Sebastiano Vigna (public
/// domain). A random test prints its seed, and reads another from `CASEMATE_SEED`.
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    /// The seed that the generator began with.
    public let seed: UInt64

    /// Starts from `seed`.
    public init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// Starts from the decimal seed of the environment's `CASEMATE_SEED`, else from `fallback`;
    /// prints which.
    public static func announced(_ fallback: UInt64) -> SeededGenerator {
        let named = ProcessInfo.processInfo.environment["CASEMATE_SEED"].flatMap { UInt64($0) }
        let generator = SeededGenerator(seed: named ?? fallback)
        print("seed=\(generator.seed)")
        return generator
    }

    /// Returns the next 64 bits.
    public mutating func next() -> UInt64 {
        // WRAPS: the generator is defined modulo 2^64.
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Returns `count` random bytes.
    public mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 33) }
    }
}
