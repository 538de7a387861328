import Foundation
import VirtualHardware

/// Measures a store's daemon beside another, through the same client, in turns.
///
/// For: `Tests/bench store`, which builds and starts nothing itself; this program starts both
/// daemons, fills them, and asks them in turns, so that what else the machine does meets both.
@main struct StoreBenchmark {
    static func main() throws {
        let words = Array(CommandLine.arguments.dropFirst())
        if words.count >= 3, words[0] == "--count-requests", let count = Int(words[1]) {
            let kind = words.count > 3 ? Workload.Kind(rawValue: words[3]) : nil
            let depth = words.count > 4 ? Int(words[4]) ?? 1 : 1
            try askOnly(count, words[2], kind, depth, top: words.count > 5 ? words[5] : "/t")
            return
        }
        let parts = ["peer", "labels", "growth"]
        guard words.count >= 5, let rounds = Int(words[4]), rounds > 0,
            words.dropFirst(5).allSatisfy(parts.contains)
        else {
            print(
                "usage: store-benchmark CASEMATE-XENSTORED WORK-FOLDER PEER FLOOR ROUNDS"
                    + " [peer | labels | growth]...")
            exit(2)
        }
        let (program, folder) = (words[0], words[1])
        var isKept = true
        for part in words.count > 5 ? Array(words.dropFirst(5)) : parts {
            let kept =
                switch part {
                case "peer":
                    try Comparison(
                        program: program, folder: folder, peer: words[2], floor: words[3]
                    ).run(rounds)
                case "labels": try Labels(program: program, folder: folder).run(rounds)
                default: try Growth(program: program, folder: folder).run(rounds)
                }
            isKept = kept && isKept
        }
        exit(isKept ? 0 : 1)
    }

    /// Asks a daemon that runs already, for whoever counts what that takes it: to read one node, or
    /// what the kind says, of 800 nodes below `top` that are made if it asks for none.
    private static func askOnly(
        _ count: Int, _ socket: String, _ kind: Workload.Kind?, _ depth: Int, top: String
    ) throws {
        let client = try Served.connect(socket)
        let workload = Workload(nodes: 800, top: top)
        if count == 0 { return try client.exchange(workload.fill(0..<800), depth: 8) }
        var requests = Requests()
        for _ in 0..<count { requests.add(2, "/tool\0") }
        if let kind {
            try workload.run(
                workload.requests(kind, count, seed: 1), isTransaction: kind == .transaction,
                depth: depth, on: client)
        } else {
            try client.exchange(requests, depth: 1)
        }
    }
}

/// The figure in the middle.
func median(_ figures: [Double]) -> Double { figures.sorted()[figures.count / 2] }

/// A bound that a figure must keep, in a line of its own.
func report(
    _ what: String, _ figures: [Double], unit: String, atMost: Double? = nil,
    atLeast: Double? = nil
) -> Bool {
    let sorted = figures.sorted()
    let median = median(figures)
    let isKept = atMost.map { median <= $0 } ?? atLeast.map { median >= $0 } ?? true
    func text(_ number: Double) -> String { String(format: number < 100 ? "%.2f" : "%.0f", number) }
    let bound = atMost.map { "at most \(text($0))" } ?? atLeast.map { "at least \(text($0))" } ?? ""
    print(
        "\(what): \(text(median)) \(unit) (\(text(sorted[0])) to \(text(sorted[sorted.count - 1])))"
            + (bound.isEmpty ? "" : "; \(bound): \(isKept ? "kept" : "NOT KEPT")"))
    return isKept
}

/// A daemon that was started, and one connection to it.
final class Served {
    let process = Process()
    let socket: String
    let client: Descriptor

    init(_ program: String, _ arguments: [String], socket: String) throws {
        self.socket = socket
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        client = try Served.connect(socket)
    }

    /// Connects to a socket that will be there within ten seconds.
    static func connect(_ socket: String) throws -> Descriptor {
        for _ in 0..<1000 {
            if let client = try? connectUnix(socket) { return client }
            usleep(10_000)
        }
        return try connectUnix(socket)
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    /// The processor time that the daemon has used, in microseconds, to 10,000.
    var processorMicroseconds: Double {
        // Field 14 and 15 of proc(5)'s stat are ticks of a hundredth second; schedstat is finer.
        let path = "/proc/\(process.processIdentifier)/schedstat"
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return (Double(text.split(separator: " ").first ?? "") ?? 0) / 1000
    }

    /// Whether it answers a request to read.
    var answers: Bool {
        (try? client.exchange(Requests(2, "/tool\0"), depth: 1)) != nil
    }

    var residentBytes: Double {
        let path = "/proc/\(process.processIdentifier)/statm"
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        let pages = Double(text.split(separator: " ").dropFirst().first ?? "") ?? 0
        return pages * 4096
    }
}
