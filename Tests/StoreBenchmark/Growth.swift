import Foundation

/// What a large store costs beside a small one, and labels beside none.
struct Growth {
    let program: String
    let folder: String

    private static let count = 20_000

    /// Runs everything; false if a bound was not kept.
    func run(_ rounds: Int) throws -> Bool {
        let small = try serve("small", nodes: 20_000)
        let large = try serve("large", nodes: 1_100_000)
        let workloads = (Workload(nodes: 10_000), Workload(nodes: 1_000_000))
        try small.client.exchange(workloads.0.fill(0..<10_000), depth: 8)
        let empty = large.residentBytes
        // In parts, so that this program does not hold all requests at once.
        var (filled, passed) = (0, 0.0)
        while filled < 1_000_000 {
            let part = workloads.1.fill(filled..<filled + 50_000)
            let from = ContinuousClock.now
            try large.client.exchange(part, depth: 16)
            passed += (ContinuousClock.now - from) / .seconds(1)
            filled += 50_000
        }
        print("1,000,000 nodes beside 10,000, \(rounds) rounds in turns:")
        var isKept = report("  filled in", [passed], unit: "s", atMost: 10)
        // Names have 3 and 5 bytes at most, values 16.
        let bytes = (large.residentBytes - empty) / 1_010_001 - 19
        let isSmall = report("  a node beside key and value", [bytes], unit: "bytes", atMost: 105)
        isKept = isSmall && isKept
        for kind in Workload.Kind.allCases {
            isKept = try compare(kind, rounds, (small, workloads.0), (large, workloads.1)) && isKept
        }
        return isKept
    }

    private func serve(_ name: String, nodes: Int) throws -> Served {
        try Served(
            program, ["--no-mac", "--nodes", "\(nodes)", "--socket", "\(folder)/\(name)"],
            socket: "\(folder)/\(name)")
    }

    private func compare(
        _ kind: Workload.Kind, _ rounds: Int, _ small: (Served, Workload),
        _ large: (Served, Workload)
    ) throws -> Bool {
        let count = kind == .transaction ? Growth.count / 5 : Growth.count
        var (wall, processor): ([Double], [Double]) = ([], [])
        for round in 0..<rounds {
            func ask(_ served: (Served, Workload)) throws -> (wall: Double, processor: Double) {
                try served.1.measure(
                    kind, count, depth: 1, seed: UInt64(round + 1), on: served.0)
            }
            let first = round.isMultiple(of: 2) ? try ask(large) : nil
            let little = try ask(small)
            let much = try first ?? ask(large)
            wall.append(much.wall / little.wall)
            processor.append(much.processor / little.processor)
        }
        let isKept = report("  \(kind.rawValue): time", wall, unit: "times", atMost: 1.3)
        _ = report("  \(kind.rawValue): processor", processor, unit: "times")
        return isKept
    }
}
