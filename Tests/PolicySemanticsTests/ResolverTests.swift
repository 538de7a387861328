import PolicySemantics
import PolicySyntax
import SecurityLattice
import Testing

@Suite("resolving names") struct ResolverTests {
    private static let source = """
        system demo version 7
        target casemate
        levels low < mid < high
        categories crypto, nuclear
        compartment a at low {
            kernel debian
            initrd "images/a.cpio"
            command line "console=hvc0 title=\\"x\\""
            memory 192 MiB
            vcpus 2
        }
        compartment b at mid:crypto..high:nuclear,crypto {
            kernel "vmlinux"
            memory 1 GiB
            vcpus 1
        }
        compartment c at high:nuclear {
            kernel debian
            memory 32 MiB
            vcpus 1
        }
        channel up: a -> b signal
        assert never high -> a
        assert never b -> low
        assert never high:crypto -> mid
        """

    private func resolve(_ text: String) -> ResolveResult {
        let parsed = Parser.parse(SourceFile(name: "t", text: text))
        #expect(parsed.diagnostics.isEmpty)
        return Resolver.resolve(parsed.tree, fileName: "t")
    }

    private func policy() throws -> SystemPolicy {
        let result = resolve(Self.source)
        #expect(result.diagnostics.isEmpty)
        return try #require(result.policy)
    }

    @Test("everything declared stands in the policy, in its order") func whole() throws {
        let policy = try policy()
        #expect(policy.name == "demo" && policy.version == 7 && policy.target == .casemate)
        #expect(policy.sensitivities.map(\.name) == ["low", "mid", "high"])
        #expect(policy.categories.map(\.name) == ["crypto", "nuclear"])
        #expect(policy.compartments.map(\.name) == ["a", "b", "c"])
        let a = policy.compartments[0]
        #expect(a.kernel == .debian && a.initrd == "images/a.cpio")
        #expect(a.commandLine == "console=hvc0 title=\"x\"")
        #expect(a.memoryInBytes == 192 << 20 && a.vcpuCount == 2)
        let b = policy.compartments[1]
        #expect(b.kernel == .file("vmlinux") && b.initrd == nil && b.commandLine.isEmpty)
        let channel = policy.channels[0]
        #expect(channel.name == "up" && channel.from == 0 && channel.to == 1)
        #expect(channel.kind == .signal)
    }

    @Test("labels become ranges of ranks and categories, and print as they were written")
    func labels() throws {
        let policy = try policy()
        let range = policy.compartments[1].range
        #expect(range.low.sensitivity.rank == 1 && range.low.categories.word0 == 0b01)
        #expect(range.high.sensitivity.rank == 2 && range.high.categories.word0 == 0b11)
        #expect(policy.describe(range) == "mid:crypto..high:crypto,nuclear")
        #expect(policy.describe(policy.compartments[0].range) == "low")
        let foreign = SecurityLevel(Sensitivity(rank: 9), CategorySet(Category(index: 200)))
        #expect(policy.describe(foreign) == "#9:#200")
    }

    @Test("a level in an assertion names whoever may hold information of it") func operands() throws
    {
        let assertions = try policy().assertions
        #expect(assertions[0].from.compartments == CompartmentSet([1, 2]))
        #expect(assertions[0].to.compartments == CompartmentSet([0]))
        #expect(assertions[1].from.compartments == CompartmentSet([1]))
        #expect(assertions[2].from.compartments == CompartmentSet([1]))
        #expect(assertions[2].from.text == "high:crypto")
        #expect(assertions[2].to.compartments == CompartmentSet([1]))
    }

    @Test("each item knows its line and column") func places() throws {
        let policy = try policy()
        #expect(policy.compartments.map(\.source.line) == [5, 12, 17])
        #expect(policy.compartments.map(\.source.column) == [13, 13, 13])
        #expect(policy.channels[0].source.description == "t:22:9")
        #expect(policy.assertions.map(\.source.line) == [23, 24, 25])
        #expect(policy.sensitivities.map(\.source.column) == [8, 14, 20])
        #expect(policy.source.line == 1)
    }

    @Test("the order of statements does not matter") func order() throws {
        let statements = Self.source.replacing("\ncompartment", with: "\u{1}compartment")
            .replacing("\nchannel", with: "\u{1}channel").replacing("\nassert", with: "\u{1}assert")
            .replacing("\nlevels", with: "\u{1}levels").replacing("\ntarget", with: "\u{1}target")
            .replacing("\ncategories", with: "\u{1}categories").split(separator: "\u{1}")
        let reversed = resolve(statements.reversed().joined(separator: "\n"))
        #expect(reversed.diagnostics.isEmpty)
        #expect(reversed.policy?.compartments.map(\.name) == ["c", "b", "a"])
        #expect(reversed.policy?.channels.first?.from == 2)
    }

    @Test("a system with an error is no system") func nothingOnError() {
        let result = resolve(Self.source + "\nchannel x: a -> nobody signal")
        #expect(result.policy == nil)
        #expect(result.diagnostics.map(\.code) == [.unknownCompartment])
    }

    @Test("an empty source is told all that it lacks") func empty() {
        let result = resolve("")
        #expect(result.policy == nil)
        #expect(result.diagnostics.map(\.code) == Array(repeating: .missingStatement, count: 4))
    }

    @Test("many unknown names are reported up to the bound, quickly") func manyErrors() {
        let names = (0..<5_000).map { "channel x\($0): nobody\($0) -> noone\($0) signal\n" }
        let result = resolve(Self.source + "\n" + names.joined())
        #expect(result.diagnostics.count == 101)
        #expect(result.diagnostics.last?.code == .tooManyErrors)
    }
}

@Suite("compartment sets") struct CompartmentSetTests {
    @Test("each index from 0 to 511 is a bit of its own, and others are nothing") func bits() {
        for index in 0..<512 {
            let set = CompartmentSet(index: index)
            #expect(Array(set.indices) == [index] && set.count == 1 && set.contains(index))
            #expect(set.word(at: index / 64) == 1 << UInt64(index % 64))
            #expect(set.removing(index).isEmpty)
        }
        for index in [-1, 512, Int.min, Int.max] {
            let full = CompartmentSet(0..<512)
            var set = full
            #expect(CompartmentSet(index: index).isEmpty && !set.contains(index))
            set.insert(index)
            #expect(set == full && set.removing(index) == set && set.word(at: index) == 0)
        }
    }

    @Test("sets are joined, cut and taken from each other as sets of numbers are")
    func algebra() {
        let (one, other) = (Set(stride(from: 0, to: 512, by: 3)), Set(100..<300))
        let (left, right) = (CompartmentSet(one), CompartmentSet(other))
        #expect(Array(left.union(right).indices) == one.union(other).sorted())
        #expect(Array(left.intersection(right).indices) == one.intersection(other).sorted())
        #expect(Array(left.subtracting(right).indices) == one.subtracting(other).sorted())
        #expect(left.count == one.count && CompartmentSet(bits: 0b101).count == 2)
    }
}
