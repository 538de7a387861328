import PolicySyntax
import Testing

@Suite("recovery") struct RecoveryTests {
    private func codes(_ text: String) -> [String] {
        Parser.parse(SourceFile(name: "t", text: text)).diagnostics.map(\.code.id)
    }

    @Test("a broken line costs one error, and the lines around it are read") func oneLine() {
        let lines = SampleSources.minimal.split(
            separator: "\n", omittingEmptySubsequences: false)
        for index in lines.indices where !lines[index].isEmpty {
            var broken = lines
            broken[index] = "? " + broken[index]
            let text = broken.joined(separator: "\n")
            let found = codes(text)
            // A lost opening or closing line of a block leaves its other half without meaning.
            let isBrace = lines[index].contains("{") || lines[index].contains("}")
            #expect(isBrace ? found.count >= 1 : found == ["POL-SYN-002"], "\(text)")
        }
    }

    @Test("each of several broken lines is reported") func several() {
        #expect(
            codes("system\ntarget\nlevels <\ncategories ,\nchannel\nassert\n")
                == Array(repeating: "POL-SYN-008", count: 6))
    }

    @Test("a compartment whose first line is broken is read for the errors in it") func header() {
        #expect(
            codes("compartment at low {\n  kernel\n  vcpus x\n}\nchannel x: a -> b signal\n")
                == ["POL-SYN-008", "POL-SYN-008", "POL-SYN-008"])
        #expect(codes("compartment a at low\n  kernel debian\n}\n") == ["POL-SYN-008"])
        #expect(codes("compartment a at low\n{\n  kernel debian\n}\n") == ["POL-SYN-008"])
        #expect(codes("compartment\nchannel x: a -> b signal\n") == ["POL-SYN-008"])
        #expect(codes("compartment a at low") == ["POL-SYN-008"])
    }

    @Test("a block without an end costs one error, and the next statement is read")
    func unclosed() {
        #expect(
            codes("compartment a at low {\n  vcpus 1\nchannel x: a -> b signal\nassert\n")
                == ["POL-SYN-009", "POL-SYN-008"])
        #expect(codes("compartment a at low {") == ["POL-SYN-009"])
        #expect(codes("compartment {\n  vcpus 1\nassert\n").last == "POL-SYN-008")
    }

    @Test("at most a hundred errors are reported, and one that says so") func bound() {
        let hundred = String(repeating: "?\n", count: 100)
        #expect(codes(hundred).count == 100)
        #expect(!codes(hundred).contains("POL-SYN-013"))
        #expect(codes(hundred + "?\n").count == 101)
        #expect(codes(hundred + "?\n?\n").last == "POL-SYN-013")
        #expect(codes(String(repeating: "foo\n", count: 500)).last == "POL-SYN-013")
    }

    @Test("a source of 1 MiB is read, and one byte more is not") func largest() {
        let size = SourceFile.largestSizeInBytes
        let blanks = Parser.parse(SourceFile(name: "t", bytes: Array(repeating: 32, count: size)))
        #expect(blanks.diagnostics.isEmpty)
        let more = SourceFile(name: "t", bytes: Array(repeating: 32, count: size + 1))
        #expect(Parser.parse(more).diagnostics.map(\.code) == [.largeFile])
    }

    @Test(
        "large and monotonous sources are read in linear time",
        arguments: [
            "{", "}", "\"", "\\", ",", "<", ":", ".", "-", "/", "\n", "a", "0", "\u{0}", "é",
            "a ", "levels a <\n", "categories c,", "channel x: a -> b signal\n",
            "compartment a at b {", "compartment a at b {\n", "compartment\n", "// c\n",
            "\"\\\"", "assert never a:b,", "\r\n",
        ])
    func monotonous(unit: String) {
        let count = SourceFile.largestSizeInBytes / unit.utf8.count
        let source = SourceFile(name: "t", text: String(repeating: unit, count: count))
        let clock = ContinuousClock()
        let duration = clock.measure { _ = Parser.parse(source) }
        #expect(duration < .seconds(20))
    }
}
