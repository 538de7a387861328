import PolicySyntax
import TestSupport
import Testing

/// Method: whatever the bytes, parsing returns; spans lie in the file; diagnostics can be shown;
/// and a source without an error comes back from its own print.
@Suite("parsing any bytes") struct FuzzTests {
    private static let words = [
        "system", "version", "target", "casemate", "levels", "categories", "compartment", "at",
        "kernel", "debian", "initrd", "command", "line", "memory", "MiB", "GiB", "vcpus",
        "channel", "signal", "assert", "never", "import", "integrity", "service", "store",
        "device", "exempt", "conflict", "each", "(", ")", ".", "except", "via", "or", "every",
        "path", "passes", "control", "only", "through", "nobody", "may", "load", "policy",
        "relabel", "uses", "schedule", "fixed", "slot", "ms", "fair", "weight", "cap", "percent",
        "start", "auto", "after", "manual", "restart", "times", "console", "none", "owner",
        "readers", "writers", "quota", "commands",
        "nodes", "rate", "per", "second", "pci", "irq", "io",
        "ports", "without", "iommu", "ring", "pages", "reason", "a", "b", "low", "high", "1", "64",
        "007",
        "99999999999999999999", "\"x\"", "\"", "\\", "{", "}", ":", ",", "<", "->", "<->", "..",
        ".", "-", "// c", "/", "\n", "\n", "\n", "\r\n", "\t", "é", "\u{202E}", "\u{0}", ";",
    ]

    /// Returns whether the source has no error of form.
    private func survives(_ bytes: [UInt8]) -> Bool {
        let source = SourceFile(name: "fuzz", bytes: bytes)
        let result = Parser.parse(source)
        let renderer = DiagnosticRenderer(source: source)
        #expect(result.diagnostics.count <= 101)
        for diagnostic in result.diagnostics {
            #expect(diagnostic.span.start.offset <= diagnostic.span.end.offset)
            #expect(diagnostic.span.end.offset <= bytes.count)
            #expect(renderer.text(diagnostic).hasSuffix("\n"))
            #expect(!renderer.json(diagnostic).text.isEmpty)
        }
        guard result.diagnostics.isEmpty else { return false }
        let again = Parser.parse(SourceFile(name: "fuzz", text: Printer.text(of: result.tree)))
        #expect(again.diagnostics.isEmpty)
        #expect(again.tree == result.tree)
        return true
    }

    @Test("random bytes") func randomBytes() {
        var random = SeededGenerator.announced(2)
        for _ in 0..<TestLevel.repetitions(3_000) {
            let count = Int.random(in: 0..<200, using: &random)
            _ = survives(random.bytes(count))
        }
    }

    @Test("random words of the language") func randomWords() {
        var random = SeededGenerator.announced(3)
        var accepted = 0
        for _ in 0..<TestLevel.repetitions(5_000) {
            let count = Int.random(in: 0..<24, using: &random)
            let text = (0..<count).map { _ in
                Self.words[Int.random(in: 0..<Self.words.count, using: &random)]
            }
            if survives(Array(text.joined(separator: " ").utf8)) { accepted += 1 }
        }
        #expect(accepted > 0, "the generator never makes a good source")
    }

    @Test("sources with bytes and lines changed") func mutations() throws {
        var random = SeededGenerator.announced(4)
        let samples = try SampleSources.all().map(\.bytes).filter { $0.count < 4_000 }
        var accepted = 0
        var refused = 0
        for round in 0..<TestLevel.repetitions(4_000) {
            var bytes = samples[round % samples.count]
            for _ in 0..<Int.random(in: 1..<4, using: &random) {
                mutate(&bytes, with: &random)
            }
            if survives(bytes) { accepted += 1 } else { refused += 1 }
        }
        #expect(accepted > 10 && refused > 10, "the mutations are too weak or too strong")
    }

    @Test("what is not UTF-8 is found, exactly where the standard library finds it")
    func encodings() {
        let next: [UInt8] = [0x00, 0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
        for first in UInt8(0x80)...0xFF {
            for second in next {
                for third in [0x20, 0x80, 0xBF] as [UInt8] {
                    for fourth in [0x20, 0x80, 0xBF] as [UInt8] {
                        let bytes = [first, second, third, fourth]
                        let source = SourceFile(name: "t", bytes: Array("//".utf8) + bytes)
                        let found = Parser.parse(source).diagnostics.contains {
                            $0.code == .notUTF8
                        }
                        let isText = String(validating: bytes, as: UTF8.self) != nil
                        guard found != isText else {
                            Issue.record("wrong about \(bytes)")
                            return
                        }
                    }
                }
            }
        }
    }

    @Test("every source cut off at every byte") func prefixes() {
        let bytes = Array(SampleSources.minimal.utf8)
        for count in 0..<bytes.count { _ = survives(Array(bytes[..<count])) }
    }

    private func mutate(_ bytes: inout [UInt8], with random: inout SeededGenerator) {
        guard !bytes.isEmpty else { return }
        let index = Int.random(in: 0..<bytes.count, using: &random)
        let end = min(bytes.count, index + Int.random(in: 1..<40, using: &random))
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: index)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
        case 3: bytes.removeSubrange(index..<end)
        default:
            let word = Self.words[Int.random(in: 0..<Self.words.count, using: &random)]
            bytes.insert(contentsOf: Array(" \(word) ".utf8), at: index)
        }
    }
}
