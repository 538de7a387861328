import PolicySemantics
import PolicySyntax
import SecurityLattice
import Testing

/// Method: for each bound, a system exactly at it resolves, and one step beyond it is refused with
/// the bound's own code and no other.
@Suite("the bounds of a system") struct LimitTests {
    private func resolve(_ text: String) -> ResolveResult {
        let parsed = Parser.parse(SourceFile(name: "t", text: text))
        #expect(parsed.diagnostics.isEmpty)
        return Resolver.resolve(parsed.tree, fileName: "t")
    }

    private func codes(_ text: String) -> [String] { resolve(text).diagnostics.map(\.code.id) }

    private func names(_ prefix: String, _ count: Int) -> [String] {
        (0..<count).map { "\(prefix)\($0)" }
    }

    private func compartment(
        _ name: String, at label: String = "low", memory: String = "64 MiB", vcpus: String = "1",
        extra: String = ""
    ) -> String {
        """
        compartment \(name) at \(label) {
            kernel debian
            \(extra)
            memory \(memory)
            vcpus \(vcpus)
        }

        """
    }

    private func system(
        version: String = "1", levels: [String] = ["low"], categories: [String] = [],
        _ rest: String
    ) -> String {
        "system s version \(version)\ntarget casemate\n"
            + "levels \(levels.joined(separator: " < "))\n"
            + (categories.isEmpty ? "" : "categories \(categories.joined(separator: ", "))\n")
            + rest
    }

    @Test("512 compartments, not 513") func compartments() {
        let all = names("c", 513).map { compartment($0) }
        let most = resolve(system(all.prefix(512).joined()))
        #expect(most.policy?.compartments.count == 512)
        #expect(most.diagnostics.isEmpty)
        #expect(codes(system(all.joined())) == ["POL-LIM-001"])
    }

    @Test("4,096 channels, not 4,097") func channels() {
        let ends = compartment("a") + compartment("b")
        let all = names("x", 4097).map { "channel \($0): a -> b signal\n" }
        #expect(resolve(system(ends + all.prefix(4096).joined())).policy?.channels.count == 4096)
        #expect(codes(system(ends + all.joined())) == ["POL-LIM-002"])
    }

    @Test("64 levels, not 65") func levels() {
        let all = names("l", 65)
        let most = resolve(system(levels: Array(all.prefix(64)), compartment("a", at: "l63")))
        #expect(most.policy?.sensitivities.count == 64)
        #expect(most.policy?.compartments[0].range.low.sensitivity.rank == 63)
        #expect(codes(system(levels: all, compartment("a", at: "l64"))) == ["POL-LIM-003"])
    }

    @Test("256 categories, not 257") func categories() {
        let all = names("c", 257)
        let most = resolve(
            system(categories: Array(all.prefix(256)), compartment("a", at: "low:c255")))
        #expect(most.policy?.categories.count == 256)
        #expect(most.policy?.compartments[0].range.low.categories.word3 == 1 << 63)
        #expect(
            codes(system(categories: all, compartment("a", at: "low:c256"))) == ["POL-LIM-004"])
    }

    @Test("256 assertions, not 257") func assertions() {
        let ends = compartment("a") + compartment("b")
        let all = Array(repeating: "assert never a -> b\n", count: 257)
        #expect(resolve(system(ends + all.prefix(256).joined())).policy?.assertions.count == 256)
        #expect(codes(system(ends + all.joined())) == ["POL-LIM-005"])
    }

    @Test("a thousand too many of anything is one error") func farBeyond() {
        let many = names("c", 1_032).map { compartment($0) }.joined()
        #expect(codes(system(many)) == ["POL-LIM-001"])
        #expect(
            codes(system(levels: names("l", 70_000), compartment("a", at: "l69999"))).count == 1)
    }

    @Test(
        "memory from 32 MiB to 64 GiB",
        arguments: [
            ("32 MiB", UInt64(32) << 20), ("64 GiB", 64 << 30), ("32772 KiB", 32_772 << 10),
            ("1 GiB", 1 << 30),
        ])
    func memory(text: String, bytes: UInt64) {
        let policy = resolve(system(compartment("a", memory: text))).policy
        #expect(policy?.compartments[0].memoryInBytes == bytes)
    }

    @Test(
        "other memory is refused",
        arguments: [
            ("0 GiB", "POL-LIM-006"), ("31 MiB", "POL-LIM-006"), ("32767 KiB", "POL-LIM-006"),
            ("65 GiB", "POL-LIM-006"), ("67108868 KiB", "POL-LIM-006"),
            ("17179869184 GiB", "POL-LIM-006"), ("18446744073709551615 KiB", "POL-LIM-006"),
            ("32769 KiB", "POL-LIM-007"),
        ])
    func badMemory(text: String, code: String) {
        #expect(codes(system(compartment("a", memory: text))) == [code])
    }

    @Test("1 to 8 virtual processors") func vcpus() {
        for count in 1...8 {
            let policy = resolve(system(compartment("a", vcpus: "\(count)"))).policy
            #expect(policy?.compartments[0].vcpuCount == UInt32(count))
        }
        for count in ["0", "9", "4294967297", "18446744073709551615"] {
            #expect(codes(system(compartment("a", vcpus: count))) == ["POL-LIM-008"])
        }
    }

    @Test("a version from 1") func version() {
        #expect(resolve(system(compartment("a"))).policy?.version == 1)
        let most = resolve(system(version: "18446744073709551615", compartment("a")))
        #expect(most.policy?.version == .max)
        #expect(codes(system(version: "0", compartment("a"))) == ["POL-LIM-009"])
    }

    @Test("a command line of 2,047 bytes, not 2,048") func commandLine() {
        for (count, expected) in [(2_047, []), (2_048, ["POL-LIM-010"])] {
            let line = "command line \"\(String(repeating: "x", count: count))\""
            #expect(codes(system(compartment("a", extra: line))) == expected)
        }
        let umlauts = "command line \"\(String(repeating: "ä", count: 1_024))\""
        #expect(codes(system(compartment("a", extra: umlauts))) == ["POL-LIM-010"])
    }

    @Test("a file name of 255 bytes, not 256") func fileName() {
        for (count, expected) in [(255, []), (256, ["POL-LIM-011"])] {
            let line = "initrd \"\(String(repeating: "x", count: count))\""
            #expect(codes(system(compartment("a", extra: line))) == expected)
        }
    }
}
