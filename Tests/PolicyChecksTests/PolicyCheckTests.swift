import PolicyChecks
import PolicySemantics
import PolicySyntax
import SecurityLattice
import Testing

@Suite("the checks") struct PolicyCheckTests {
    /// Two ranks and two categories: eight levels, from `low` to `high:c,d`.
    private static let labels = [
        "low", "low:c", "low:d", "low:c,d", "high", "high:c", "high:d", "high:c,d",
    ]

    private func source(_ labels: [String], _ rest: String) -> SourceFile {
        let compartments = labels.enumerated().map { index, label in
            """
            compartment n\(index) at \(label) {
                kernel debian
                memory 64 MiB
                vcpus 1
            }

            """
        }
        let head = "system s version 1\ntarget casemate\nlevels low < high\ncategories c, d\n"
        return SourceFile(name: "t", text: head + compartments.joined() + rest)
    }

    private func codes(_ source: SourceFile) -> [DiagnosticCode] {
        CheckResult.check(source).diagnostics.map(\.code)
    }

    @Test("a channel is good exactly when the receiver dominates the sender, for every pair")
    func everyPair() throws {
        for from in Self.labels {
            for to in Self.labels {
                let result = CheckResult.check(
                    source([from, to], "channel x: n0 -> n1 signal\n"))
                let policy = try #require(result.policy)
                let goesUp = policy.compartments[1].range.high.dominates(
                    policy.compartments[0].range.high)
                #expect(result.diagnostics.map(\.code) == (goesUp ? [] : [.channelDown]))
                #expect((result.proved != nil) == goesUp)
            }
        }
    }

    @Test("a compartment of several levels sends what its high level may send") func ranges() {
        let labels = ["low", "low..high", "high"]
        #expect(codes(source(labels, "channel x: n0 -> n1 signal\n")) == [])
        #expect(codes(source(labels, "channel x: n2 -> n1 signal\n")) == [])
        #expect(codes(source(labels, "channel x: n1 -> n2 signal\n")) == [])
        #expect(codes(source(labels, "channel x: n1 -> n0 signal\n")) == [.channelDown])
    }

    @Test("a chain that leads down is shown with its steps, besides the channel that does")
    func chain() {
        let source = source(
            ["low", "low", "high"], "channel leak: n2 -> n1 signal\nchannel on: n1 -> n0 signal\n")
        let result = CheckResult.check(source)
        #expect(result.diagnostics.map(\.code) == [.channelDown, .flowDown])
        #expect(
            result.diagnostics.last?.notes.map(\.message) == [
                "`n2` -> `n1` through `leak`", "`n1` -> `n0` through `on`",
            ])
        #expect(result.proved == nil)
    }

    @Test("an assertion is refuted by a shortest chain, or holds") func assertions() {
        let channels = """
            channel ab: n0 -> n1 signal
            channel bc: n1 -> n2 signal
            channel ac: n0 -> n2 signal
            channel cd: n2 -> n3 signal

            """
        let labels = ["low", "low", "low", "high"]
        let refuted = CheckResult.check(source(labels, channels + "assert never n0 -> n3\n"))
        #expect(refuted.diagnostics.map(\.code) == [.assertionRefuted])
        #expect(refuted.diagnostics.first?.notes.map(\.span.line) == [27, 28])
        let holds = CheckResult.check(source(labels, channels + "assert never n3 -> low\n"))
        #expect(holds.diagnostics.isEmpty && holds.report?.verdicts == [.holds])
    }

    @Test("an assertion that speaks of nobody is accepted with a warning") func emptyAssertion() {
        for text in ["n0 -> n0", "high -> n0", "n0 -> low:c"] {
            let result = CheckResult.check(source(["low"], "assert never \(text)\n"))
            #expect(result.diagnostics.map(\.code) == [.emptyAssertion])
            #expect(result.proved != nil && result.report?.verdicts == [.holdsEmptily])
        }
        #expect(codes(source(["low", "low"], "assert never low -> n0\n")) == [])
    }

    @Test("a level that is not declared is found in a policy that no text made") func undeclared() {
        let base = FlowGraphTests.policy(compartments: 1, channels: [])
        #expect(violations(of: .undeclaredLevel, in: base).isEmpty)
        let levels = [
            SecurityLevel(Sensitivity(rank: 1)),
            SecurityLevel(Sensitivity(rank: 0), CategorySet(Category(index: 0))),
        ]
        for level in levels {
            let compartment = SystemPolicy.Compartment(
                name: "c", range: SecurityRange(level), kernel: .debian, initrd: nil,
                commandLine: "", memoryInBytes: 64 << 20, vcpuCount: 1,
                source: FlowGraphTests.place)
            let policy = SystemPolicy(
                name: "s", version: 1, target: .casemate, sensitivities: base.sensitivities,
                categories: [], compartments: [compartment], channels: [], assertions: [],
                source: FlowGraphTests.place)
            #expect(violations(of: .undeclaredLevel, in: policy).count == 1)
        }
    }

    private func violations(of code: DiagnosticCode, in policy: SystemPolicy) -> [Diagnostic] {
        PolicyCheck.all.filter { $0.code == code }
            .flatMap { $0.violations(policy, FlowGraph(of: policy)) }
    }

    @Test("each check reports under its own code, and no code stands twice") func codesAreUnique() {
        let ids = DiagnosticCode.all.map(\.id)
        #expect(Set(ids).count == ids.count)
        #expect(DiagnosticCode.all.allSatisfy { $0.rule.hasSuffix(".") })
    }

    @Test("a proof is given for exactly the sources without an error") func proof() {
        #expect(CheckResult.check(source(["low"], "")).proved != nil)
        #expect(CheckResult.check(source(["nowhere"], "")).proved == nil)
        #expect(CheckResult.check(source(["low"], "}\n")).proved == nil)
        #expect(CheckResult.check(SourceFile(name: "t", text: "")).proved == nil)
    }
}
