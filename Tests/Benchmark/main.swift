import CompilerTestSupport
import Foundation
import PolicyDatabaseModel

// What `Tests/bench` measures inside a process, and the systems that it measures with.

/// Writes a word to standard error and ends.
func fail(_ message: String) -> Never {
    FileHandle.standardError.write(Data("policy-benchmark: \(message)\n".utf8))
    exit(64)
}

let arguments = CommandLine.arguments.dropFirst()
switch (arguments.first, arguments.count) {
case ("generate", 4...6):
    let numbers = arguments.dropFirst().prefix(3).compactMap { Int($0) }
    guard numbers.count == 3, numbers[0] >= 50, (1...numbers[0] * 10).contains(numbers[1]),
        let seed = UInt64(exactly: numbers[2])
    else { fail("generate COMPARTMENTS CHANNELS SEED [guarded] [changed]") }
    print(
        LargeSystem.source(
            compartments: numbers[0], channels: numbers[1], seed: seed,
            hasGuards: arguments.contains("guarded"), isChanged: arguments.contains("changed"),
            target: "xen \"4.17\""),
        terminator: "")
case ("read", 3):
    let words = Array(arguments)
    guard let data = FileManager.default.contents(atPath: words[1]), let count = Int(words[2])
    else { fail("read FILE COUNT") }
    let bytes = [UInt8](data)
    for _ in 0..<count {
        let clock = ContinuousClock()
        let time = clock.measure {
            guard (try? PolicyFile(validating: bytes)) != nil else { fail("it cannot be read") }
        }
        print(Int(time / .microseconds(1)))
    }
default:
    fail("generate COMPARTMENTS CHANNELS SEED [guarded] [changed] | read FILE COUNT")
}
