import Foundation
import TestSupport

/// All measurements, one after the other.
struct Benchmark {
    let laboratory: Laboratory
    let rounds: Int

    /// What is measured on both sides, or on one of them.
    private struct Both<Value> {
        var ours: Value?
        var stock: Value?
        var reasons: [String] = []

        init(_ what: String, _ measure: (Side) throws -> Value) {
            for side in [Side.ours, .stock] {
                progress("\(what), \(side)")
                do {
                    let value = try measure(side)
                    if side == .ours { ours = value } else { stock = value }
                } catch {
                    reasons.append("\(side): \(error)")
                    progress("not measured: \(error)")
                }
            }
        }

        var notMeasured: String? { reasons.isEmpty ? nil : reasons.joined(separator: "; ") }
    }

    func run() -> Report {
        var report = Report()
        report.circumstances = circumstances
        report.rows += operations()
        let (exits, warnings) = boots()
        report.rows += exits
        report.warnings = warnings
        report.rows += times()
        return report
    }

    private var circumstances: [String: String] {
        let emulator = try? ToolRun("/usr/bin/env", ["qemu-system-x86_64", "--version"])
        let load = try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)
        return [
            "date": ISO8601DateFormatter().string(from: Date()),
            "emulator": emulator?.output.split(separator: "\n").first.map { String($0) } ?? "-",
            "load at the beginning": load?.split(separator: " ").first.map { String($0) } ?? "-",
            "rounds": "\(rounds)",
            "stock Xen": laboratory.stockVersion(of: "xen-hypervisor-4.17-amd64") ?? "absent",
            "stock Xen's first domain": laboratory.stockVersion(of: "linux-image") ?? "absent",
        ]
    }

    // MARK: Operations

    /// Instructions and exits of single operations, counted by the emulator on one processor.
    private func operations() -> [Row] {
        let both = Both("operations, instructions counted") { side in
            let path = laboratory.directory + "/operations-\(side)"
            let rounds = try laboratory.operations(side, exits: path)
            let record = try ExitRecord(path)
            let exits = try Operation.allCases.map { operation in
                try record.exits(
                    operation: operation.rawValue,
                    repetitions: Operation.rounds * Operation.repetitions)
            }
            return (rounds: rounds, exits: exits)
        }
        func spread(_ measured: (rounds: [[Int]], exits: [Double])?, _ index: Int) -> Spread? {
            measured.map { all in
                Spread(all.rounds[index].map { Double($0) / Double(Operation.repetitions) })
            }
        }
        return Operation.allCases.flatMap { operation in
            let index = operation.rawValue
            return [
                Row(
                    name: operation.name, unit: "instructions", ours: spread(both.ours, index),
                    stock: spread(both.stock, index),
                    bound: operation.isBounded ? .partOfStock(0.3) : nil,
                    notMeasured: both.notMeasured),
                Row(
                    name: "  its exits", unit: "exits per operation",
                    ours: both.ours.map { Spread([$0.exits[index]]) },
                    stock: both.stock.map { Spread([$0.exits[index]]) }, bound: .partOfStock(1),
                    notMeasured: both.notMeasured),
            ]
        }
    }

    // MARK: A guest's boot

    /// Exits of a Linux guest from its first instruction to its first process, and its warnings.
    private func boots() -> (rows: [Row], warnings: [String: [String]]) {
        let both = Both("exits of a guest's boot") { side in
            let path = laboratory.directory + "/boot-\(side)"
            let boot = try laboratory.boot(side, exits: path)
            let exits = try ExitRecord(path).boot(kernel: laboratory.kernel)
            return (boot: boot, exits: exits)
        }
        let pair = Both("a guest of two processors") { side in
            try laboratory.boot(side, system: "pair")
        }
        func total(_ exits: [ExitReason: Int]?) -> Spread? {
            exits.map { all in
                Spread([Double(all.filter { $0.key.counts }.values.reduce(0, +))])
            }
        }
        func count(_ exits: [ExitReason: Int]?, _ reason: ExitReason) -> Spread? {
            exits.map { Spread([Double($0[reason, default: 0])]) }
        }
        var rows = [
            Row(
                name: "exits of a guest's boot, but for timer and EOI", unit: "exits",
                ours: total(both.ours?.exits), stock: total(both.stock?.exits),
                bound: .atMost(12_000), notMeasured: both.notMeasured)
        ]
        rows += ExitReason.allCases.map { reason in
            Row(
                name: "  " + reason.rawValue, unit: "exits",
                ours: count(both.ours?.exits, reason), stock: count(both.stock?.exits, reason))
        }
        return (rows, warnings(of: [both.ours?.boot, pair.ours], [both.stock?.boot, pair.stock]))
    }

    /// The warnings of all boots of each side, and those of ours that no boot of stock Xen's had.
    private func warnings(
        of ours: [GuestBoot?], _ stock: [GuestBoot?]
    ) -> [String: [String]] {
        func all(_ boots: [GuestBoot?]) -> [String] {
            Set(boots.flatMap { $0?.warnings ?? [] }.map(KernelWarning.plain)).sorted()
        }
        guard !(ours + stock).contains(where: { $0 == nil }) else {
            return ["not measured": []]
        }
        let known = all(stock)
        return [
            "ours": all(ours), "stock": known,
            "ours alone": all(ours).filter { !known.contains($0) },
        ]
    }

    // MARK: Times

    /// What a person who waits sees. Both sides take turns, so that what else the computer does
    /// falls on both.
    private func times() -> [Row] {
        var ours: [GuestBoot] = []
        var stock: [GuestBoot] = []
        var reasons: [String] = []
        for round in 1...rounds {
            let both = Both("boot by the clock, \(round) of \(rounds)") { try laboratory.boot($0) }
            ours += both.ours.map { [$0] } ?? []
            stock += both.stock.map { [$0] } ?? []
            reasons += both.reasons
            if !both.reasons.isEmpty { break }
        }
        func spread(_ boots: [GuestBoot], _ value: (GuestBoot) -> Double) -> Spread? {
            boots.isEmpty ? nil : Spread(boots.map(value))
        }
        func row(_ name: String, _ bound: Double?, _ value: (GuestBoot) -> Double) -> Row {
            Row(
                name: name, unit: "s", ours: spread(ours, value), stock: spread(stock, value),
                bound: bound.map { .partOfStock($0) },
                notMeasured: reasons.isEmpty ? nil : reasons.joined(separator: "; "))
        }
        let rows = [
            row("a guest's start to its userspace, its own clock", 0.5, \.uptime),
            row("power-on to the guest's userspace", 0.4, \.userspace),
            row("power-on to the guest's start", nil, \.guestStart),
        ]
        return rows + attested(first: spread(stock, \.userspace))
    }

    /// Attested boots; beside each stands stock Xen's power-on to its first guest's userspace.
    private func attested(first: Spread?) -> [Row] {
        ["minimal", "guard"].flatMap { system in
            var reason: String?
            var boots: [AttestedBoot] = []
            progress("attested boots of \(system)")
            do {
                boots = try (0..<rounds).map { _ in try laboratory.attest(system) }
            } catch {
                reason = "\(error)"
                progress("not measured: \(error)")
            }
            func spread(_ value: (AttestedBoot) -> Double) -> Spread? {
                boots.isEmpty ? nil : Spread(boots.map(value))
            }
            return [
                Row(
                    name: "power-on to attested, \(system)", unit: "s",
                    ours: spread(\.attested), stock: first, notMeasured: reason),
                Row(
                    name: "  to its first guest's userspace", unit: "s",
                    ours: spread(\.userspace), stock: first, notMeasured: reason),
            ]
        }
    }
}
