import CCoverage
import Foundation
import TestSupport

// Feeds one decoder with changed inputs, keeping those that reach a branch in a new way, and fails
// when one traps, does not end, or breaks what the decoder promises. `Tests/fuzz` builds this
// program with counters, runs it for every decoder and measures the branches that were reached.

/// Writes a line to standard error and ends the program.
func stop(_ message: String, status: Int32) -> Never {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    exit(status)
}

let arguments = CommandLine.arguments
guard arguments.count >= 4, let count = Int(arguments[2]), let seed = UInt64(arguments[3]) else {
    stop("usage: decoder-fuzzer DECODER INPUTS SEED [FOLDER-FOR-NEW-INPUTS]", status: 64)
}
let name = arguments[1]
guard let decoder = try Decoder.all().first(where: { $0.name == name }) else {
    stop("no decoder `\(name)`", status: 64)
}
guard coverage_count() > 0 else {
    stop("built without counters: use Tests/fuzz", status: 64)
}
do {
    var fuzzer = Fuzzer(decoder, seed: seed)
    try fuzzer.run(inputs: count)
    if let folder = arguments.dropFirst(4).first { try fuzzer.keepFound(in: URL(filePath: folder)) }
    print(fuzzer.summary)
} catch {
    stop("\(name): \(error)", status: 1)
}
