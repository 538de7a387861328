import Foundation

/// Values of one thing: median, least and most.
struct Spread: Codable {
    let median: Double
    let least: Double
    let most: Double

    /// - Parameter values: at least one.
    init(_ values: [Double]) {
        let sorted = values.sorted()
        median = sorted[sorted.count / 2]
        least = sorted[0]
        most = sorted[sorted.count - 1]
    }

    /// The values in words.
    func text(_ digits: Int) -> String {
        func word(_ value: Double) -> String { String(format: "%.\(digits)f", value) }
        return least == most ? word(median) : "\(word(median)) (\(word(least)) to \(word(most)))"
    }
}

/// One line of the answer: what was measured on both sides, and the bound.
struct Row: Codable {
    /// What a bound is on.
    enum Bound: Codable {
        /// Ours alone.
        case atMost(Double)
        /// Ours in parts of stock Xen's.
        case partOfStock(Double)
    }

    let name: String
    let unit: String
    var ours: Spread?
    var stock: Spread?
    var bound: Bound?
    /// Why something is missing.
    var notMeasured: String?

    /// Ours in parts of stock Xen's.
    var ratio: Double? {
        guard let ours, let stock, stock.median > 0 else { return nil }
        return ours.median / stock.median
    }

    /// Whether the bound is kept; nil: there is none, or something was not measured.
    var isKept: Bool? {
        switch bound {
        case .atMost(let most): return ours.map { $0.median <= most }
        case .partOfStock(let most): return ratio.map { $0 <= most }
        case nil: return nil
        }
    }

    /// Whether somebody may call it a success.
    var isGood: Bool { notMeasured == nil && (bound == nil || isKept == true) }

    /// The row as one line of text.
    var text: String {
        let digits = unit == "s" ? 2 : unit == "exits per operation" ? 3 : 0
        var parts = [name.padding(toLength: 48, withPad: " ", startingAt: 0)]
        parts.append(
            "ours \(ours?.text(digits) ?? "-"), stock \(stock?.text(digits) ?? "-") \(unit)")
        if let ratio { parts.append(String(format: "= %.3f", ratio)) }
        switch bound {
        case .atMost(let most): parts.append("at most \(Int(most)): \(verdict)")
        case .partOfStock(let most): parts.append("at most \(most): \(verdict)")
        case nil: break
        }
        if let notMeasured { parts.append("not measured: \(notMeasured)") }
        return parts.joined(separator: "  ")
    }

    private var verdict: String {
        isKept.map { $0 ? "kept" : "NOT KEPT" } ?? "not measured"
    }
}

/// The whole answer.
struct Report: Codable {
    /// When and with what it was measured.
    var circumstances: [String: String] = [:]
    var rows: [Row] = []
    /// Warnings of guests' kernels on both sides, and those of ours alone; see
    /// `KernelWarning.plain`.
    var warnings: [String: [String]] = [:]

    /// Whether all bounds are kept and everything was measured.
    var isGood: Bool { rows.allSatisfy(\.isGood) && warnings["ours alone"] == [] }

    /// The report for a person.
    var text: String {
        var lines = circumstances.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        lines += rows.map(\.text)
        for (side, texts) in warnings.sorted(by: { $0.key < $1.key }) {
            lines.append("warnings of the guests' kernels, \(side): \(texts.count)")
            lines += texts.map { "  \($0)" }
        }
        return lines.joined(separator: "\n")
    }

    /// The report as one JSON object.
    func encoded() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

/// Says on standard error what goes on.
func progress(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
