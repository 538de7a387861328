import Foundation

/// How much `Tests/run` asks of random tests: `--fast`, nothing said, or `--long`.
public enum TestLevel {
    /// How often to repeat what is done `normal` times when nothing is said: a tenth of it under
    /// `--fast`, but at least once, and fifty times as often under `--long`.
    public static func repetitions(_ normal: Int) -> Int {
        switch ProcessInfo.processInfo.environment["CASEMATE_TEST_LEVEL"] {
        case "long": normal * 50
        case "fast": max(1, normal / 10)
        default: normal
        }
    }

    /// Whether what takes many minutes, or packages from the network, is to be run: `--long`.
    public static var isLong: Bool {
        ProcessInfo.processInfo.environment["CASEMATE_TEST_LEVEL"] == "long"
    }
}
