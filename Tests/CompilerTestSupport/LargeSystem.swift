import TestSupport

/// Systems of any size that keep every rule, as sources: what benchmarks and tests of large systems
/// read. Equal arguments give equal text.
///
/// Compartments have one of four levels and one of ten categories; channels lead up or stay level
/// within a category. One compartment in fifty is a guard that sends down by exemption.
public struct LargeSystem {
    private let count: Int
    private var random: SeededGenerator
    private var channels: [(from: Int, to: Int)] = []
    private let guards: [Int]
    private let target: String

    /// Returns the source of a system.
    ///
    /// - Parameters:
    ///   - count: the number of compartments, at least 50.
    ///   - channelCount: the number of channels, at most 10 for each compartment.
    ///   - hasGuards: whether some compartments send down by exemption.
    ///   - isChanged: whether one channel leads elsewhere, to have something to compare with.
    ///   - target: what it is for; Casemate boots no system of this size, stock Xen does.
    public static func source(
        compartments count: Int, channels channelCount: Int, seed: UInt64, hasGuards: Bool = true,
        isChanged: Bool = false, target: String = "casemate"
    ) -> String {
        var system = LargeSystem(
            count: count, hasGuards: hasGuards, target: target,
            random: SeededGenerator(seed: seed))
        system.addChannels(channelCount)
        if isChanged {
            let last = system.channels.removeLast()
            system.channels.append(system.freshPair(except: last))
        }
        return system.text
    }

    private init(count: Int, hasGuards: Bool, target: String, random: SeededGenerator) {
        self.count = count
        self.target = target
        guards = hasGuards ? Array(stride(from: 49, to: count, by: 50)) : []
        self.random = random
    }

    // MARK: Choosing

    private func rank(_ index: Int) -> Int { guards.contains(index) ? 1 : index / 10 % 4 }

    private func category(_ index: Int) -> Int { index % 10 }

    private mutating func freshPair(except other: (from: Int, to: Int)? = nil) -> (Int, Int) {
        while true {
            let from = Int.random(in: 0..<count, using: &random)
            let to = Int.random(in: 0..<count, using: &random)
            let isUp = category(from) == category(to) && rank(from) <= rank(to)
            // What a guard passes on is said by its own two channels.
            guard from != to, isUp, !guards.contains(from), !guards.contains(to),
                !channels.contains(where: { $0 == (from, to) }),
                other.map({ $0 != (from, to) }) ?? true
            else { continue }
            return (from, to)
        }
    }

    private mutating func addChannels(_ wanted: Int) {
        for index in guards {
            let group = (0..<count).filter {
                category($0) == category(index) && !guards.contains($0)
            }
            guard let above = group.first(where: { rank($0) == 1 }),
                let below = group.first(where: { rank($0) == 0 })
            else { continue }
            channels += [(above, index), (index, below)]
        }
        while channels.count < wanted { channels.append(freshPair()) }
    }

    // MARK: Writing

    private func name(_ index: Int) -> String { "compartment\(index)" }

    private var text: String {
        let categories = (0..<10).map { "project\($0)" }.joined(separator: ", ")
        var text = """
            // Generated: \(count) compartments, \(channels.count) channels.
            system generated version 1
            target \(target)

            levels open < internal < confidential < secret
            categories \(categories)

            """
        let levels = ["open", "internal", "confidential", "secret"]
        for index in 0..<count {
            let suffix = ":project\(category(index))"
            let low = guards.contains(index) ? "open\(suffix).." : ""
            let label = low + levels[rank(index)] + suffix
            text += """

                compartment \(name(index)) at \(label) {
                    kernel "kernel.elf"
                    memory 64 MiB
                    vcpus 1
                }

                """
        }
        text += "\n"
        for (index, channel) in channels.enumerated() {
            text += "channel link\(index): \(name(channel.from)) -> \(name(channel.to)) signal\n"
        }
        text += "\n"
        for index in guards {
            guard let into = channels.firstIndex(where: { $0.to == index }),
                let out = channels.firstIndex(where: { $0.from == index })
            else { continue }
            text += "exempt \(name(index)) link\(into) -> link\(out) reason \"it judges\"\n"
        }
        text += "\nassert never secret -> confidential\nassert never confidential -> internal\n"
        text += "assert never secret -> open\n"
        for category in 0..<9 {
            text += "assert never open:project\(category) -> open:project\(category + 1)\n"
        }
        return text
    }
}
