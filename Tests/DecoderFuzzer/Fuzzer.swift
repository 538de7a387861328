import CCoverage
import Foundation
import TestSupport

/// What a decoder promised and did not keep, with the input.
struct BrokenPromise: Error, CustomStringConvertible {
    let promise: String
    let path: String

    var description: String { "\(promise); the input is in \(path)" }
}

/// The search for inputs: it changes what reached something new, and keeps what does so again.
///
/// The same seed, decoder and seeds give the same inputs in the same order.
struct Fuzzer {
    private let decoder: Decoder
    private var random: SeededGenerator
    private var kept: [[UInt8]] = []
    /// For each of these how many branches it took.
    private var work: [UInt64] = []
    /// Which of those that are kept were decoded.
    private var good: [Int] = []
    private var seedCount = 0
    private var accepted = 0
    private var ran = 0
    private var mostWork: UInt64 = 0
    private let path: String

    init(_ decoder: Decoder, seed: UInt64) {
        self.decoder = decoder
        random = SeededGenerator(seed: seed)
        path = "\(FileManager.default.currentDirectoryPath)/.build/fuzz-\(decoder.name).input"
        unsafe coverage_guard(path, 5)
    }

    /// Runs the seeds, then `inputs` changed ones.
    mutating func run(inputs: Int) throws {
        for seed in decoder.seeds { try judge(seed, keeping: true) }
        seedCount = kept.count
        for index in 0..<inputs {
            if index > 0, index.isMultiple(of: 50_000) { showProgress(index, of: inputs) }
            var bytes = choose()
            // Mostly one change: more than one is mostly refused for the first.
            let isPlain = Bool.random(using: &random)
            for _ in 0..<(isPlain ? 1 : Int.random(in: 1...4, using: &random)) {
                decoder.change(&bytes, kept, &random)
            }
            if bytes.count > decoder.most { bytes.removeSubrange(decoder.most...) }
            try judge(bytes, keeping: false)
        }
        coverage_finish()
    }

    private func showProgress(_ index: Int, of inputs: Int) {
        let line =
            "\(decoder.name): \(index) of \(inputs) inputs, \(kept.count - seedCount) that reached "
            + "something new\n"
        FileHandle.standardError.write(Data(line.utf8))
    }

    /// Of two, mostly the one that takes less, if the other takes much more: what is found late
    /// takes a hundred times what the seeds take, and would leave no time for other inputs.
    private mutating func choose() -> [UInt8] {
        let (one, other) = (candidate(), candidate())
        let takesMuchMore = work[one] / 4 > work[other]
        let isTaken = !takesMuchMore || Int.random(in: 0..<4, using: &random) == 0
        return kept[isTaken ? one : other]
    }

    /// What was found lately is a candidate more often.
    private mutating func candidate() -> Int {
        if decoder.prefersAccepted, Bool.random(using: &random),
            let index = good.randomElement(using: &random)
        {
            return index
        }
        let recent = Bool.random(using: &random) ? max(0, kept.count - 64) : 0
        return Int.random(in: recent..<kept.count, using: &random)
    }

    private mutating func judge(_ bytes: [UInt8], keeping isSeed: Bool) throws {
        unsafe coverage_begin(bytes, bytes.count)
        let outcome = decoder.decode(bytes)
        let fresh = coverage_end()
        ran += 1
        mostWork = max(mostWork, coverage_work())
        switch outcome {
        case .accepted: accepted += 1
        case .refused: break
        case .broken(let promise):
            try Data(bytes).write(to: URL(filePath: path))
            throw BrokenPromise(promise: promise, path: path)
        }
        guard isSeed || fresh > 0 else { return }
        if case .accepted = outcome { good.append(kept.count) }
        kept.append(bytes)
        work.append(coverage_work())
    }

    /// Writes the inputs that reached something new, each as a file of its own.
    func keepFound(in folder: URL) throws {
        for (index, bytes) in kept.dropFirst(seedCount).enumerated() {
            try Data(bytes).write(to: folder.appending(path: "\(decoder.name)-\(index)"))
        }
    }

    var summary: String {
        "\(decoder.name): \(ran) inputs from \(seedCount) seeds, \(accepted) accepted, "
            + "\(kept.count - seedCount) that reached something new, 0 traps, 0 hangs; "
            + "at most \(mostWork) branches taken for one"
    }
}
