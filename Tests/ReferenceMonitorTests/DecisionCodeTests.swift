import Foundation
import TestSupport
import Testing

/// What a decision executes, read from the machine code of this very program.
@Suite("the code of a decision")
struct DecisionCodeTests {
    /// The instructions of the function that decides, without those of its frame.
    private func body() throws -> [String] {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let symbols = try run("nm", [program]).split(separator: "\n")
        let symbol = try #require(
            symbols.compactMap { $0.split(separator: " ").last }.first {
                $0.contains("13DecisionTableV6decide") && $0.hasSuffix("tF")
            })
        let listing = try run(
            "objdump",
            ["-d", "--no-show-raw-insn", "--no-addresses", "--disassemble=\(symbol)", program])
        return listing.split(separator: "\n").filter { $0.hasPrefix("\t") }
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { line in
                let frame = ["push   %rbp", "mov    %rsp,%rbp", "pop    %rbp", "ret"]
                return !frame.contains { line.hasPrefix($0) } && !line.hasPrefix("nop")
                    && !line.hasPrefix("cs nop") && !line.hasPrefix("int3")
            }
    }

    private func run(_ tool: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.runBound()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(tool)")
        return String(decoding: data, as: UTF8.self)
    }

    @Test("a decision is at most ten instructions, all of which are always executed")
    func instructions() throws {
        let body = try body()
        print("a decision: \(body.count) instructions: \(body.joined(separator: "; "))")
        #expect((5...10).contains(body.count))
        #expect(!body.contains { $0.hasPrefix("j") || $0.hasPrefix("call") || $0.contains("cmov") })
    }

    @Test("of a decision's loads from tables one depends on others, and none on that one")
    func loads() throws {
        // A load from a table has an index register: `(base,index,size)`.
        let body = try body()
        let loads = body.indices.filter { body[$0].contains(/\(%\w+,%\w+,\d\)/) }
        #expect(loads.count == 3)
        // The last is compared and goes nowhere; the first two are indexed by arguments alone.
        let last = try #require(loads.last)
        #expect(body[last].hasPrefix("cmp"))
        #expect(body[(last + 1)...].allSatisfy { $0.hasPrefix("set") })
        let arguments = Set(["di", "si"])
        for load in loads.dropLast() {
            let index = try #require(body[load].firstMatch(of: /,%[er](\w\w),\d\)/)?.1)
            #expect(arguments.contains(String(index)), "\(body[load])")
        }
    }
}
