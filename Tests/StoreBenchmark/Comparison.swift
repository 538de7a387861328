import Foundation

/// Two daemons side by side, asked in turns.
struct Comparison {
    let program: String
    let folder: String
    /// A program that starts the peer with its socket at `FOLDER/run/socket`.
    let peer: String

    private static let count = 20_000
    private static let workload = Workload(nodes: 10_000)

    /// Runs everything; false if a bound was not kept.
    func run(_ rounds: Int) throws -> Bool {
        let ours = try Served(
            program, ["--no-mac", "--socket", "\(folder)/ours"], socket: "\(folder)/ours")
        let other = try Served(peer, [folder], socket: "\(folder)/run/socket")
        for served in [ours, other] {
            try served.client?.exchange(Comparison.workload.fill(), depth: 8)
        }
        var isKept = true
        print("beside the peer, 10,000 nodes, \(rounds) rounds in turns:")
        for kind in Workload.Kind.allCases {
            for depth in kind == .transaction ? [1] : [1, 8, 16] {
                let kept = try compare(kind, depth, rounds, ours, other)
                isKept = kept && isKept
            }
        }
        return isKept
    }

    private func compare(
        _ kind: Workload.Kind, _ depth: Int, _ rounds: Int, _ ours: Served, _ other: Served
    ) throws -> Bool {
        let count = kind == .transaction ? Comparison.count / 5 : Comparison.count
        var (speed, processor): ([Double], [Double]) = ([], [])
        var (own, peers): ([Double], [Double]) = ([], [])
        for round in 0..<rounds {
            let seed = UInt64(round + 1)
            func ask(_ served: Served) throws -> (wall: Double, processor: Double) {
                try Comparison.workload.measure(kind, count, depth: depth, seed: seed, on: served)
            }
            // Who is first changes with each round.
            let first = round.isMultiple(of: 2) ? try ask(ours) : nil
            let second = try ask(other)
            let mine = try first ?? ask(ours)
            speed.append(second.wall / mine.wall)
            processor.append(mine.processor / second.processor)
            own.append(mine.processor)
            peers.append(second.processor)
        }
        let name = "\(kind.rawValue), \(depth) waiting"
        let least = kind == .transaction ? 3.0 : depth == 1 ? 1.0 : 2.0
        let isFast = report("  \(name): speed", speed, unit: "times", atLeast: least)
        let isLight = report("  \(name): processor", processor, unit: "times", atMost: 0.5)
        _ = report("  \(name): processor, ours", own, unit: "us")
        _ = report("  \(name): processor, the peer's", peers, unit: "us")
        return isFast && isLight
    }
}
