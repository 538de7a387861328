import CompilerTestSupport
import FlowCertificate
import Foundation
import PolicyChecks
import PolicyCompiler
import PolicySemantics
import PolicySyntax
import SecurityLattice
import TestSupport
import Testing

/// Method: what the compiler writes is judged by `FlowJudge`, which follows information one step at
/// a time.
@Suite("certificates of the compiler") struct CompiledCertificateTests {
    private func certificate(of policy: SystemPolicy) -> [UInt8] {
        FlowProof(of: policy, FlowGraph(of: policy)).encoded
    }

    // MARK: Random systems

    /// A system of random ranges, integrities, services, channels, exemptions and claims.
    private func text(_ random: inout SeededGenerator) -> String {
        let ranks = ["bottom", "middle", "top"]
        var text = "system s version 1\ntarget casemate\nlevels bottom < middle < top\n"
        text += "integrity plain < trusted\n"
        let count = Int.random(in: 3...6, using: &random)
        let hasStore = Bool.random(using: &random)
        let hasConsole = Bool.random(using: &random)
        let services = (hasStore ? ["store"] : []) + (hasConsole ? ["console"] : [])
        // Some systems have one level only, so that some keep all rules.
        let isFlat = Int.random(in: 0..<3, using: &random) == 0
        var names = services
        var links: [(name: String, from: String, to: String)] = []
        func body(_ uses: String) -> String {
            let low = isFlat ? 0 : Int.random(in: 0..<3, using: &random)
            let high = isFlat ? 0 : Int.random(in: low..<3, using: &random)
            let integrity = Int.random(in: 0..<6, using: &random) == 0 ? "trusted" : "plain"
            return "at \(low == high ? ranks[low] : "\(ranks[low])..\(ranks[high])") "
                + "integrity \(integrity) {\n    kernel debian\n    memory 64 MiB\n"
                + "    vcpus 1\n\(uses)}\n"
        }
        for name in services { text += "service \(name) \(body(""))" }
        for index in 0..<count {
            let used = services.filter { _ in Int.random(in: 0..<3, using: &random) > 0 }
            let uses = used.isEmpty ? "" : "    uses \(used.joined(separator: ", "))\n"
            text += "compartment c\(index) \(body(uses))"
            names.append("c\(index)")
            for service in used {
                links.append(("c\(index).\(service)", "c\(index)", service))
                links.append(("c\(index).\(service)", service, "c\(index)"))
            }
        }
        for index in 0..<Int.random(in: 1...8, using: &random) {
            let from = names.randomElement(using: &random) ?? ""
            let to = names.randomElement(using: &random) ?? ""
            guard from != to else { continue }
            let isTwoWay = Int.random(in: 0..<4, using: &random) == 0
            text += "channel x\(index): \(from) \(isTwoWay ? "<->" : "->") \(to) ring 1 pages\n"
            links.append(("x\(index)", from, to))
            if isTwoWay { links.append(("x\(index)", to, from)) }
        }
        for one in links {
            for other in links where one.to == other.from {
                guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
                text += "exempt \(one.to) \(one.name) -> \(other.name) reason \"r\"\n"
            }
        }
        for _ in 0..<2 { text += claim(names + ranks, names, links.map(\.name), &random) }
        if Int.random(in: 0..<4, using: &random) == 0 {
            text += "conflict rivals: c0, c1, c2\n"
        }
        return text
    }

    private func claim(
        _ sides: [String], _ names: [String], _ links: [String], _ random: inout SeededGenerator
    ) -> String {
        let from = sides.randomElement(using: &random) ?? ""
        let to = sides.randomElement(using: &random) ?? ""
        let name = names.randomElement(using: &random) ?? ""
        switch Int.random(in: 0..<4, using: &random) {
        case 0: return "assert never \(from) -> \(to)\n"
        case 1: return "assert never \(from) -> \(to) except via \(name)\n"
        case 2: return "assert every path \(from) -> \(to) passes \(name)\n"
        default:
            guard let link = links.randomElement(using: &random) else { return "" }
            return "assert control \(from) -> \(to) only through \(link)\n"
        }
    }

    @Test("a certificate is accepted exactly when a naive judge says that everything holds")
    func agreement() throws {
        var random = SeededGenerator.announced(11)
        var (accepted, falseClaims) = (0, 0)
        for _ in 0..<4_000 {
            let text = text(&random)
            let result = CheckResult.check(SourceFile(name: "s", text: text))
            guard let policy = result.policy else {
                Issue.record("\(result.diagnostics.map(\.message)) in\n\(text)")
                return
            }
            let judge = FlowJudge(policy)
            let found = failure(
                of: certificate(of: policy), labels: judge.labels, observed: judge.observed)
            guard (found == nil) == judge.holds else {
                Issue.record("\(String(describing: found)), but holds is \(judge.holds):\n\(text)")
                return
            }
            #expect(result.proved == nil || found == nil, "what is proved is certified")
            if found == nil { accepted += 1 }
            if found == .claimViolated { falseClaims += 1 }
        }
        #expect(accepted > 200 && falseClaims > 200, "\(accepted), \(falseClaims)")
    }

    // MARK: Large systems

    private static let place = SourceSpan(file: "t", start: .start, end: .start)

    /// 400 compartments of four levels, 1,600 channels up or level, and a claim for each level.
    private func large(_ random: inout SeededGenerator) -> SystemPolicy {
        let ranks = (0..<400).map { UInt16($0 / 100) }
        var channels: [SystemPolicy.Channel] = []
        while channels.count < 1_600 {
            let (from, to) = (
                Int.random(in: 0..<400, using: &random), Int.random(in: 0..<400, using: &random)
            )
            guard from != to, ranks[from] <= ranks[to] else { continue }
            channels.append(
                .init(
                    name: "x\(channels.count)", from: from, to: to, kind: .signal,
                    source: Self.place))
        }
        func side(_ rank: Int) -> SystemPolicy.Assertion.Operand {
            .init(
                text: "l\(rank)", compartments: CompartmentSet(rank * 100..<rank * 100 + 100),
                source: Self.place)
        }
        return SystemPolicy(
            name: "s", version: 1, target: .casemate,
            sensitivities: (0..<4).map { .init(name: "l\($0)", source: Self.place) },
            categories: [],
            compartments: ranks.enumerated().map {
                .init(
                    name: "c\($0)",
                    range: SecurityRange(SecurityLevel(Sensitivity(rank: $1))), kernel: .debian,
                    initrd: nil, commandLine: "", memoryInBytes: 64 << 20, vcpuCount: 1,
                    source: Self.place)
            }, channels: channels,
            assertions: (1..<4).map {
                .init(from: side($0), to: side($0 - 1), source: Self.place)
            }, source: Self.place)
    }

    @Test("400 compartments and 1,600 channels are certified, and every flow left out is missed")
    func large() {
        var random = SeededGenerator.announced(12)
        let policy = large(&random)
        let judge = FlowJudge(policy)
        let bytes = certificate(of: policy)
        let clock = ContinuousClock()
        let time = clock.measure {
            #expect(failure(of: bytes, labels: judge.labels, observed: judge.observed) == nil)
        }
        print("400 compartments, 1,600 channels: \(bytes.count) bytes, checked in \(time)")
        for _ in 0..<50 {
            let from = Int.random(in: 0..<400, using: &random)
            let to = Int.random(in: 0..<400, using: &random)
            var observed = judge.observed
            let bit: UInt32 = 1 << UInt32(to % 32)
            let isDeclared = from == to || observed[from * 13 + to / 32] & bit != 0
            observed[from * 13 + to / 32] |= bit
            let found = failure(of: bytes, labels: judge.labels, observed: observed)
            #expect(found == (isDeclared ? nil : .flowNotCertified))
        }
        let top = policy.assertions[2]
        let upwards = SystemPolicy.Assertion(from: top.to, to: top.from, source: Self.place)
        var proof = FlowProof(of: policy, FlowGraph(of: policy))
        proof.add(upwards)
        #expect(
            failure(of: proof.encoded, labels: judge.labels, observed: judge.observed)
                == .claimViolated)
    }

    @Test("a large source is proved, and its certificate holds; with a channel down it does not")
    func largeSource() throws {
        let text = LargeSystem.source(compartments: 400, channels: 1_600, seed: 1)
        let result = CheckResult.check(SourceFile(name: "s", text: text))
        let proved = try #require(result.proved, "\(result.diagnostics.map(\.message).prefix(3))")
        let judge = FlowJudge(proved.policy)
        let bytes = proved.certificate
        #expect(failure(of: bytes, labels: judge.labels, observed: judge.observed) == nil)
        let leak = text + "channel leak: compartment30 -> compartment0 signal\n"
        let leaking = CheckResult.check(SourceFile(name: "s", text: leak))
        #expect(leaking.proved == nil)
        #expect(leaking.diagnostics.contains { $0.code == .channelDown })
        let policy = try #require(leaking.policy)
        #expect(
            failure(
                of: certificate(of: policy), labels: judge.labels,
                observed: FlowJudge(policy).observed) == .edgeAgainstLevels)
    }

    // MARK: Mutations

    private static let systems = ["minimal", "guard", "tenants", "factory", "workstation"]

    private func policy(ofSystem name: String) throws -> SystemPolicy {
        let folder = RepositoryFiles.root.appending(path: "policy/systems/\(name)")
        let source = SourceFile(
            name: "system.casemate",
            bytes: try RepositoryFiles.bytes(of: folder.appending(path: "system.casemate")))
        let result = CheckResult.check(source) { name in
            (try? RepositoryFiles.bytes(of: folder.appending(path: name))).map {
                SourceFile(name: name, bytes: $0)
            }
        }
        return try #require(result.proved).policy
    }

    /// Whether every claim of an accepted certificate holds in the declared system.
    private func provesNothingFalse(_ bytes: [UInt8], _ judge: FlowJudge) throws -> Bool {
        let certificate = try FlowCertificate(
            validating: bytes.span, compartmentCount: judge.labels.count)
        let (n, e) = ((judge.labels.count + 31) / 32, (judge.edges.count + 31) / 32)
        let size = 8 + 12 * n + 8 * e
        func members(_ start: Int, _ words: Int) -> [Int] {
            (0..<words * 32).filter { bytes[start + $0 / 8] >> UInt8($0 % 8) & 1 == 1 }
        }
        return (0..<certificate.claimCount).allSatisfy { index in
            let start = bytes.count - size * (certificate.claimCount - index) + 8
            return judge.holds(
                from: CompartmentSet(members(start, n)),
                to: CompartmentSet(members(start + 4 * n, n)),
                without: Set(members(start + 12 * n, e)))
        }
    }

    @Test("every mutant of one bit is refused, or proves nothing false", arguments: systems)
    func bits(system: String) throws {
        let judge = FlowJudge(try policy(ofSystem: system))
        let bytes = certificate(of: judge.policy)
        #expect(failure(of: bytes, labels: judge.labels, observed: judge.observed) == nil)
        try judgeMutants(
            (0..<bytes.count * 8).lazy.map { bit in
                var copy = bytes
                copy[bit / 8] ^= 1 << UInt8(bit % 8)
                return copy
            }, judge)
    }

    @Test("every mutant of one field is refused, or proves nothing false", arguments: systems)
    func fields(system: String) throws {
        var random = SeededGenerator.announced(13)
        let judge = FlowJudge(try policy(ofSystem: system))
        let bytes = certificate(of: judge.policy)
        // Values that stand elsewhere in the file are the ones that are most like good ones.
        let values =
            (0..<12).map { _ in
                bytes.randomElement(using: &random) ?? 0
            } + [0, 1, 2, 0xFF]
        try judgeMutants(
            (0..<bytes.count / 2 * values.count).lazy.map { index in
                var copy = bytes
                copy[index / values.count * 2] = values[index % values.count]
                copy[index / values.count * 2 + 1] = index % 3 == 0 ? 0xFF : 0
                return copy
            }, judge)
    }

    private func judgeMutants(_ mutants: some Sequence<[UInt8]>, _ judge: FlowJudge) throws {
        var (refused, accepted) = (0, 0)
        let (labels, observed) = (judge.labels, judge.observed)
        var judged: [ArraySlice<UInt8>: Bool] = [:]
        for bytes in mutants {
            guard failure(of: bytes, labels: labels, observed: observed) == nil else {
                refused += 1
                continue
            }
            accepted += 1
            let known = judged[bytes[...]]
            let isTrue = try known ?? provesNothingFalse(bytes, judge)
            judged[bytes[...]] = isTrue
            #expect(isTrue, "a false claim is accepted")
        }
        #expect(refused > 0 && accepted > 0, "\(refused), \(accepted)")
    }
}
