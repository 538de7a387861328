import Foundation
import VirtualHardware

/// Measures a store's daemon beside another, through the same client, in turns.
///
/// For: `Tests/bench store`, which builds and starts nothing itself; this program starts both
/// daemons, fills them, and asks them in turns, so that what else the machine does meets both.
@main struct StoreBenchmark {
    static func main() throws {
        let words = Array(CommandLine.arguments.dropFirst())
        if words.count == 3, words[0] == "--count-requests" {
            try askOnly(Int(words[1]) ?? 0, words[2])
            return
        }
        guard words.count >= 2 else {
            print("usage: store-benchmark CASEMATE-XENSTORED WORK-FOLDER [PEER-SCRIPT] [ROUNDS]")
            exit(2)
        }
        let rounds = words.count > 3 ? Int(words[3]) ?? 5 : 5
        var isKept = true
        if words.count > 2, !words[2].isEmpty {
            isKept = try Comparison(program: words[0], folder: words[1], peer: words[2]).run(rounds)
        }
        isKept = try Labels(program: words[0], folder: words[1]).run(rounds) && isKept
        isKept = try Growth(program: words[0], folder: words[1]).run(rounds) && isKept
        exit(isKept ? 0 : 1)
    }

    /// Asks a daemon that runs already, for whoever counts what that takes it.
    private static func askOnly(_ count: Int, _ socket: String) throws {
        var client: Descriptor?
        for _ in 0..<1000 where client == nil {
            client = try? connectUnix(socket)
            if client == nil { usleep(10_000) }
        }
        for _ in 0..<count { try client?.exchange([request(2, "/tool\0")], depth: 1) }
    }
}

/// A bound that a figure must keep, in a line of its own.
func report(
    _ what: String, _ figures: [Double], unit: String, atMost: Double? = nil,
    atLeast: Double? = nil
) -> Bool {
    let sorted = figures.sorted()
    let median = sorted[sorted.count / 2]
    let isKept = atMost.map { median <= $0 } ?? atLeast.map { median >= $0 } ?? true
    let bound = atMost.map { "at most \($0)" } ?? atLeast.map { "at least \($0)" } ?? ""
    func text(_ number: Double) -> String { String(format: number < 100 ? "%.2f" : "%.0f", number) }
    print(
        "\(what): \(text(median)) \(unit) (\(text(sorted[0])) to \(text(sorted[sorted.count - 1])))"
            + (bound.isEmpty ? "" : "; \(bound): \(isKept ? "kept" : "NOT KEPT")"))
    return isKept
}

/// A daemon that was started, and one connection to it.
final class Served {
    let process = Process()
    let socket: String
    private(set) var client: Descriptor?

    init(_ program: String, _ arguments: [String], socket: String) throws {
        self.socket = socket
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        for _ in 0..<1000 where client == nil {
            client = try? connectUnix(socket)
            if client == nil { usleep(10_000) }
        }
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

    var residentBytes: Double {
        let path = "/proc/\(process.processIdentifier)/statm"
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        let pages = Double(text.split(separator: " ").dropFirst().first ?? "") ?? 0
        return pages * 4096
    }
}

/// Requests in bytes, one after the other, and the client's end of the protocol.
struct Batch {
    private(set) var bytes: [UInt8] = []
    private(set) var count = 0

    mutating func add(_ type: UInt32, _ payload: String, tx: UInt32 = 0) {
        for number in [type, UInt32(count), tx, UInt32(payload.utf8.count)] {
            for byte in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * byte))) }
        }
        bytes += Array(payload.utf8)
        count += 1
    }
}

extension Descriptor {
    /// Sends requests with at most `depth` waiting, and takes all replies; returns the last.
    @discardableResult
    func exchange(_ requests: [[UInt8]], depth: Int) throws -> [UInt8] {
        var (sent, taken) = (0, 0)
        var held: [UInt8] = []
        var start = 0
        var last: [UInt8] = []
        while taken < requests.count {
            if sent < requests.count, sent - taken <= depth / 2 || sent == 0 {
                let end = min(requests.count, taken + depth)
                try writeAll(Array(requests[sent..<end].joined()))
                sent = end
            }
            held += try readSome()
            while held.count - start >= 16 {
                let length = Int(held[start + 12]) | Int(held[start + 13]) << 8
                guard held.count - start >= 16 + length else { break }
                if held[start] != 15 {
                    taken += 1
                    if taken == requests.count {
                        last = Array(held[start..<start + 16 + length])
                    }
                }
                start += 16 + length
            }
            if start == held.count {
                held.removeAll(keepingCapacity: true)
                start = 0
            }
        }
        return last
    }
}

func request(_ type: UInt32, _ payload: String, tx: UInt32 = 0) -> [UInt8] {
    var batch = Batch()
    batch.add(type, payload, tx: tx)
    return batch.bytes
}

/// What is measured: requests on random nodes of a tree of directories of 100.
struct Workload {
    enum Kind: String, CaseIterable { case read, write, directory, transaction }

    let nodes: Int
    var top = "/t"

    func path(_ number: Int) -> String { "\(top)/\(number / 100)/k\(number % 100)" }

    func fill() -> [[UInt8]] {
        (0..<nodes).map { request(11, "\(path($0))\0value of 16 byte") }
    }

    func requests(_ kind: Kind, _ count: Int, seed: UInt64) -> [[UInt8]] {
        var state = seed
        return (0..<count).map { _ in
            // WRAPS: a linear congruence modulo 2^64.
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let number = Int(state >> 33) % nodes
            switch kind {
            case .read, .transaction: return request(2, "\(path(number))\0")
            case .write: return request(11, "\(path(number))\0other 16 bytes..")
            case .directory: return request(1, "\(top)/\(number / 100)\0")
            }
        }
    }

    /// Runs requests; returns wall time and the daemon's processor time for each, in microseconds.
    func measure(
        _ kind: Kind, _ count: Int, depth: Int, seed: UInt64, on served: Served
    ) throws -> (wall: Double, processor: Double) {
        guard let client = served.client else { throw VirtualHardwareError.timeout }
        let list = requests(kind, count, seed: seed)
        let before = served.processorMicroseconds
        let start = ContinuousClock.now
        if kind == .transaction {
            for (index, read) in list.enumerated() {
                let reply = try client.exchange([request(6, "\0")], depth: 1)
                let number = String(decoding: reply.dropFirst(16).dropLast(), as: UTF8.self)
                let id = UInt32(number) ?? 0
                var inside = read
                for byte in 0..<4 { inside[8 + byte] = UInt8(truncatingIfNeeded: id >> (8 * byte)) }
                let path = path((index &* 7919) % nodes)
                try client.exchange([inside], depth: 1)
                try client.exchange([request(11, "\(path)\0transacted bytes", tx: id)], depth: 1)
                try client.exchange([request(7, "T\0", tx: id)], depth: 1)
            }
        } else {
            try client.exchange(list, depth: depth)
        }
        let passed = (ContinuousClock.now - start) / .microseconds(1)
        let used = served.processorMicroseconds - before
        return (passed / Double(count), used / Double(count))
    }
}
