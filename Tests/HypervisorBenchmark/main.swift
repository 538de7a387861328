import Foundation
import TestSupport

// What `Tests/bench hypervisor` measures, after `Tests/HypervisorBenchmark/run` has prepared it.

/// An operation of `Guests/operations.S`, by its number there.
enum Operation: Int, CaseIterable {
    case hypercall, processorID, send, loopback, copy, map

    /// How many rounds there are of each, and how many operations in one.
    static let rounds = 15
    static let repetitions = 64

    /// What it does.
    var name: String {
        switch self {
        case .hypercall: "hypercall XENVER_version"
        case .processorID: "CPUID"
        case .send: "event sent, nobody interrupted"
        case .loopback: "event sent to itself and handled"
        case .copy: "grant copy, 4 KiB"
        case .map: "grant map and unmap, 1 page"
        }
    }

    /// Whether there is a bound on it.
    var isBounded: Bool { self != .processorID && self != .send }
}

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 2, let rounds = Int(arguments[1]), rounds > 0 else {
    progress("hypervisor-benchmark: Tests/bench hypervisor runs this")
    exit(2)
}
let temporary = try TemporaryFolder()
let benchmark = Benchmark(
    laboratory: Laboratory(folder: arguments[0], directory: temporary.path()), rounds: rounds)
let report = benchmark.run()
temporary.remove()
print(arguments.contains("--json") ? try report.encoded() : report.text)
exit(report.isGood ? 0 : 1)
