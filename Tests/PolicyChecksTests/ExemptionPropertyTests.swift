import PolicyChecks
import PolicySyntax
import TestSupport
import Testing

/// Method: random systems with ranges and exemptions are written as text, and judged a second time
/// here by following every piece of information along every channel, one step at a time, with
/// nothing of the compiler's but the text. The two must agree on every pair.
@Suite("flows through exempt compartments") struct ExemptionPropertyTests {
    private struct System {
        var low: [Int] = []
        var high: [Int] = []
        var channels: [(from: Int, to: Int)] = []
        var exemptions: [(subject: Int, from: Int, to: Int)] = []
    }

    private func system(_ random: inout SeededGenerator) -> System {
        var system = System()
        let count = Int.random(in: 3...6, using: &random)
        for _ in 0..<count {
            let low = Int.random(in: 0..<3, using: &random)
            system.low.append(low)
            system.high.append(Int.random(in: low..<3, using: &random))
        }
        for _ in 0..<Int.random(in: 2...9, using: &random) {
            let from = Int.random(in: 0..<count, using: &random)
            let to = Int.random(in: 0..<count, using: &random)
            if from != to { system.channels.append((from, to)) }
        }
        for (into, one) in system.channels.enumerated() {
            for (out, other) in system.channels.enumerated() where one.to == other.from {
                if Int.random(in: 0..<3, using: &random) == 0 {
                    system.exemptions.append((one.to, into, out))
                }
            }
        }
        return system
    }

    private func text(_ system: System) -> String {
        let ranks = ["bottom", "middle", "top"]
        var text = "system s version 1\ntarget casemate\nlevels bottom < middle < top\n"
        for index in system.low.indices {
            let label =
                system.low[index] == system.high[index]
                ? ranks[system.low[index]]
                : "\(ranks[system.low[index]])..\(ranks[system.high[index]])"
            text += "compartment c\(index) at \(label) {\n"
            text += "    kernel debian\n    memory 64 MiB\n    vcpus 1\n}\n"
        }
        for (index, channel) in system.channels.enumerated() {
            text += "channel x\(index): c\(channel.from) -> c\(channel.to) ring 1 pages\n"
        }
        for exemption in system.exemptions {
            text += "exempt c\(exemption.subject) x\(exemption.from) -> x\(exemption.to) "
            text += "reason \"r\"\n"
        }
        return text
    }

    private func leadsDown(_ channel: (from: Int, to: Int), _ system: System) -> Bool {
        system.high[channel.to] < system.high[channel.from]
    }

    /// The compartments that information of one comes to.
    private func reached(from start: Int, in system: System) -> Set<Int> {
        // What is on a channel: -1 where nothing of the start's is, else the level of its mark.
        var marks = Array(repeating: -1, count: system.channels.count)
        for _ in 0...system.channels.count {
            for (out, channel) in system.channels.enumerated() where channel.to != start {
                let isKept =
                    leadsDown(channel, system) && system.exemptions.contains { $0.to == out }
                let arrives =
                    channel.from == start
                    || system.channels.indices.contains { into in
                        guard marks[into] >= 0, system.channels[into].to == channel.from else {
                            return false
                        }
                        return !isKept || marks[into] <= system.high[channel.to]
                            || system.exemptions.contains { $0.from == into && $0.to == out }
                    }
                guard arrives else { continue }
                marks[out] = min(system.high[channel.from], system.high[channel.to])
            }
        }
        let ends = system.channels.indices.filter { marks[$0] >= 0 }.map { system.channels[$0].to }
        return Set(ends).subtracting([start])
    }

    @Test("the compiler and a naive judge agree") func agreement() throws {
        var random = SeededGenerator.announced(8)
        var kept = 0
        for _ in 0..<3_000 {
            let system = system(&random)
            let source = SourceFile(name: "s", text: text(system))
            let report = try #require(CheckResult.check(source).report, "\(text(system))")
            for start in system.low.indices {
                let found = Set(report.flows.filter { $0.from == start }.map(\.to))
                let wanted = reached(from: start, in: system)
                guard found == wanted else {
                    Issue.record("from c\(start): \(found), not \(wanted):\n\(text(system))")
                    return
                }
            }
            var without = system
            without.exemptions = []
            let isSmaller = system.low.indices.contains {
                reached(from: $0, in: system) != reached(from: $0, in: without)
            }
            if isSmaller { kept += 1 }
        }
        #expect(kept > 30, "exemptions hardly matter")
    }

    @Test("every chain of a report is one that may be walked") func chains() throws {
        var random = SeededGenerator.announced(9)
        for _ in 0..<1_000 {
            let system = system(&random)
            let source = SourceFile(name: "s", text: text(system))
            let report = try #require(CheckResult.check(source).report)
            for flow in report.flows {
                let chain = report.chain(of: flow)
                #expect(chain.first?.from == flow.from && chain.last?.to == flow.to)
                for (step, next) in zip(chain, chain.dropFirst()) {
                    #expect(step.to == next.from)
                    let named = next.exemption.map { system.exemptions[$0] }
                    if let named { #expect(named.from == step.link && named.to == next.link) }
                }
            }
        }
    }
}
