import PolicyChecks
import PolicySyntax
import TestSupport
import Testing

/// Method: random systems are written as text, checked by the compiler, and judged a second time
/// here, from the same random choices, by rules that share no code with it: levels are a number and
/// a set, flows are followed step by step. The two must agree on every channel, pair and assertion.
@Suite("proofs of random systems") struct ProofPropertyTests {
    private struct Label {
        let low: Int
        let high: Int
        let lowCategories: Set<Int>
        let highCategories: Set<Int>
    }

    private struct System {
        var labels: [Label] = []
        var channels: [(from: Int, to: Int)] = []
        /// Each side is a compartment, or a rank with categories.
        var assertions: [(from: Side, to: Side)] = []
    }

    private enum Side {
        case compartment(Int)
        case level(Int, Set<Int>)
    }

    private static let ranks = ["bottom", "middle", "top"]
    private static let categories = ["crypto", "nuclear"]

    // MARK: Making systems

    private func subset(_ random: inout SeededGenerator) -> Set<Int> {
        Set(Self.categories.indices.filter { _ in Bool.random(using: &random) })
    }

    private func system(_ random: inout SeededGenerator) -> System {
        var system = System()
        let count = Int.random(in: 2...6, using: &random)
        for _ in 0..<count {
            let low = Int.random(in: 0..<3, using: &random)
            let isRange = Int.random(in: 0..<4, using: &random) == 0
            let lowCategories = subset(&random)
            system.labels.append(
                Label(
                    low: low, high: isRange ? Int.random(in: low..<3, using: &random) : low,
                    lowCategories: lowCategories,
                    highCategories: isRange ? lowCategories.union(subset(&random)) : lowCategories))
        }
        // Mostly channels that lead up, so that some systems are proved.
        for _ in 0..<Int.random(in: 0...7, using: &random) {
            let ends = [0, 1].map { _ in Int.random(in: 0..<count, using: &random) }
            guard ends[0] != ends[1] else { continue }
            let isUp = mayFlow(system.labels[ends[0]], system.labels[ends[1]])
            if isUp || Int.random(in: 0..<8, using: &random) == 0 {
                system.channels.append((ends[0], ends[1]))
            }
        }
        for _ in 0..<3 {
            system.assertions.append((side(&random, count), side(&random, count)))
        }
        return system
    }

    private func side(_ random: inout SeededGenerator, _ count: Int) -> Side {
        Bool.random(using: &random)
            ? .compartment(Int.random(in: 0..<count, using: &random))
            : .level(Int.random(in: 0..<3, using: &random), subset(&random))
    }

    // MARK: Writing them

    private func text(_ rank: Int, _ categories: Set<Int>) -> String {
        let names = categories.sorted().map { Self.categories[$0] }
        return Self.ranks[rank] + (names.isEmpty ? "" : ":" + names.joined(separator: ","))
    }

    private func text(_ side: Side) -> String {
        switch side {
        case .compartment(let index): return "c\(index)"
        case .level(let rank, let categories): return text(rank, categories)
        }
    }

    private func text(_ system: System) -> String {
        var text = "system s version 1\ntarget casemate\nlevels bottom < middle < top\n"
        text += "categories crypto, nuclear\n"
        for (index, label) in system.labels.enumerated() {
            let low = self.text(label.low, label.lowCategories)
            let high = self.text(label.high, label.highCategories)
            text += "compartment c\(index) at \(low == high ? low : "\(low)..\(high)") {\n"
            text += "    kernel debian\n    memory 64 MiB\n    vcpus 1\n}\n"
        }
        for (index, channel) in system.channels.enumerated() {
            text += "channel x\(index): c\(channel.from) -> c\(channel.to) signal\n"
        }
        for assertion in system.assertions {
            text += "assert never \(self.text(assertion.from)) -> \(self.text(assertion.to))\n"
        }
        return text
    }

    // MARK: Judging them

    private func mayFlow(_ from: Label, _ to: Label) -> Bool {
        to.high >= from.high && to.highCategories.isSuperset(of: from.highCategories)
    }

    private func named(_ side: Side, in system: System) -> Set<Int> {
        switch side {
        case .compartment(let index): return [index]
        case .level(let rank, let categories):
            return Set(
                system.labels.indices.filter {
                    let label = system.labels[$0]
                    return (label.low...label.high).contains(rank)
                        && label.highCategories.isSuperset(of: categories)
                })
        }
    }

    private func reached(from start: Int, in system: System) -> Set<Int> {
        var known: Set = [start]
        for _ in system.labels {
            for channel in system.channels where known.contains(channel.from) {
                known.insert(channel.to)
            }
        }
        return known
    }

    private func isRefuted(_ assertion: (from: Side, to: Side), in system: System) -> Bool {
        let targets = named(assertion.to, in: system)
        return named(assertion.from, in: system).contains { source in
            !reached(from: source, in: system).subtracting([source]).isDisjoint(with: targets)
        }
    }

    @Test("the compiler and a naive judge agree") func agreement() throws {
        var random = SeededGenerator.announced(5)
        var proved = 0
        var refuted = 0
        for _ in 0..<2_000 {
            let system = system(&random)
            let text = text(system)
            let result = CheckResult.check(SourceFile(name: "s", text: text))
            let report = try #require(result.report, "\(text)")
            let down = system.channels.filter {
                !mayFlow(system.labels[$0.from], system.labels[$0.to])
            }
            let broken = system.assertions.filter { isRefuted($0, in: system) }
            let pairs = system.labels.indices.map { reached(from: $0, in: system).count - 1 }
            let verdicts = report.verdicts.map { verdict in
                if case .refuted = verdict { return true } else { return false }
            }
            let agree =
                count(.channelDown, in: result) == down.count
                && count(.assertionRefuted, in: result) == broken.count
                && verdicts == system.assertions.map { isRefuted($0, in: system) }
                && report.flows.count == pairs.reduce(0, +)
                && (result.proved != nil) == (down.isEmpty && broken.isEmpty)
            guard agree else {
                Issue.record("the judges differ on:\n\(text)")
                return
            }
            if result.proved != nil { proved += 1 } else { refuted += 1 }
        }
        #expect(proved > 200 && refuted > 200, "one of the verdicts is hardly tried")
    }

    private func count(_ code: DiagnosticCode, in result: CheckResult) -> Int {
        result.diagnostics.count { $0.code == code }
    }

    @Test("no chain leads down when no channel does") func transitivity() {
        var random = SeededGenerator.announced(6)
        for _ in 0..<2_000 {
            let source = SourceFile(name: "s", text: text(system(&random)))
            let result = CheckResult.check(source)
            #expect(count(.channelDown, in: result) > 0 || count(.flowDown, in: result) == 0)
        }
    }

    @Test("whatever a changed system says, checking it returns, and the answer can be shown")
    func mutations() {
        var random = SeededGenerator.announced(7)
        var stages = [0, 0, 0]
        for _ in 0..<3_000 {
            var words = text(system(&random)).replacing("\n", with: " \n ")
                .split(separator: " ").map(String.init)
            let names = words.indices.filter { words[$0].wholeMatch(of: /c\d/) != nil }
            if Int.random(in: 0..<3, using: &random) > 0,
                let name = names.randomElement(using: &random)
            {
                words[name] = "c\(Int.random(in: 0..<6, using: &random))"
            } else {
                let a = Int.random(in: 0..<words.count, using: &random)
                words[a] = words[Int.random(in: 0..<words.count, using: &random)]
            }
            let source = SourceFile(name: "s", text: words.joined(separator: " "))
            let result = CheckResult.check(source)
            let renderer = DiagnosticRenderer(source: source)
            #expect(result.json(renderer).hasSuffix("}\n"))
            #expect(result.report.map { $0.text(renderer).hasSuffix("\n") } != false)
            #expect((result.proved != nil) == !result.diagnostics.refuse)
            stages[result.proved != nil ? 2 : result.policy != nil ? 1 : 0] += 1
        }
        #expect(stages.allSatisfy { $0 > 50 }, "\(stages)")
    }
}
