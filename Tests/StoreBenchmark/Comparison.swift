import Foundation

/// A store's daemon beside its peer and beside floors, asked in turns.
///
/// A floor answers bytes of the right size and does nothing else. What a client that waits for each
/// reply spends on its own calls, on both wake-ups and on the socket, no store can save it: where
/// the best floor misses a goal, no store that serves this client through one socket can keep it.
/// Then the bound is a part of that floor.
struct Comparison {
    let program: String
    let folder: String
    /// A program that starts the peer with its socket at `FOLDER/run/socket`.
    let peer: String
    /// The program that is each floor, by its first word.
    let floor: String

    private static let count = 20_000
    private static let workload = Workload(nodes: 10_000)
    private static let ways = ["epoll", "block", "uring"]
    /// The part of the best floor that is to be reached where no floor reaches the goal.
    private static let part = 0.8

    /// Who is asked: first ours, then the peer, then the floors that this machine permits.
    private struct Asked {
        let name: String
        let served: Served
        var speed: [Double] = []
        var processor: [Double] = []
        var used: [Double] = []
    }

    /// Runs everything; false if a bound was not kept.
    func run(_ rounds: Int) throws -> Bool {
        var all = [
            Asked(
                name: "ours",
                served: try Served(
                    program, ["--no-mac", "--socket", "\(folder)/ours"], socket: "\(folder)/ours")),
            Asked(
                name: "the peer",
                served: try Served(peer, [folder], socket: "\(folder)/run/socket")),
        ]
        let fill = Comparison.workload.fill(0..<Comparison.workload.nodes)
        for asked in all { try asked.served.client.exchange(fill, depth: 8) }
        for way in Comparison.ways {
            let socket = "\(folder)/\(way)"
            let served = try Served(floor, [way, socket], socket: socket)
            guard served.answers else {
                print("no floor `\(way)`: this machine does not permit it")
                continue
            }
            all.append(Asked(name: "floor, \(way)", served: served))
        }
        var isKept = true
        print("beside the peer, 10,000 nodes, \(rounds) rounds in turns:")
        for kind in Workload.Kind.allCases {
            for depth in kind == .transaction ? [1] : [1, 8, 16] {
                let kept = try compare(kind, depth, rounds, all)
                isKept = kept && isKept
            }
        }
        return isKept
    }

    private func compare(
        _ kind: Workload.Kind, _ depth: Int, _ rounds: Int, _ servers: [Asked]
    ) throws -> Bool {
        var all = servers
        let count = kind == .transaction ? Comparison.count / 5 : Comparison.count
        for round in 0..<rounds {
            var taken = [(wall: Double, processor: Double)](
                repeating: (0, 0), count: all.count)
            // Who is first changes with each round.
            for step in all.indices {
                let index = (step + round) % all.count
                taken[index] = try Comparison.workload.measure(
                    kind, count, depth: depth, seed: UInt64(round + 1), on: all[index].served)
            }
            for index in all.indices {
                all[index].speed.append(taken[1].wall / taken[index].wall)
                all[index].processor.append(taken[index].processor / taken[1].processor)
                all[index].used.append(taken[index].processor)
            }
        }
        let name = "\(kind.rawValue), \(depth) waiting"
        let goal = kind == .transaction ? 3.0 : depth == 1 ? 1.0 : 2.0
        var (fastest, lightest) = (0.0, Double.infinity)
        for asked in all.dropFirst(2) {
            let speed = median(asked.speed)
            fastest = max(fastest, speed)
            lightest = min(lightest, median(asked.processor))
            _ = report("  \(name): \(asked.name): speed", asked.speed, unit: "times")
            _ = report("  \(name): \(asked.name): processor", asked.processor, unit: "times")
        }
        let isFast = judge(
            "  \(name): speed", all[0].speed, goal: goal, floor: fastest, isLeast: true)
        let isLight = judge(
            "  \(name): processor", all[0].processor, goal: 0.5, floor: lightest, isLeast: false)
        for asked in all {
            _ = report("  \(name): processor, \(asked.name)", asked.used, unit: "us")
        }
        return isFast && isLight
    }

    /// Reports a figure beside its goal, or, where the best floor misses that, beside the floor.
    private func judge(
        _ what: String, _ figures: [Double], goal: Double, floor: Double, isLeast: Bool
    ) -> Bool {
        let isPossible = isLeast ? floor >= goal : floor <= goal
        if !isPossible {
            let text = String(format: "%.2f", floor)
            print("\(what): the goal of \(goal) is beyond the best floor, \(text)")
        }
        if isLeast {
            let bound = isPossible ? goal : floor * Comparison.part
            return report(what, figures, unit: "times", atLeast: bound)
        }
        let bound = isPossible ? goal : floor / Comparison.part
        return report(what, figures, unit: "times", atMost: bound)
    }
}
