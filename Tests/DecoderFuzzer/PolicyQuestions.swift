import Foundation
import KernelPolicyLanguage
import PolicyAnalysis
import PolicyDatabaseModel
import PolicySyntax
import TestSupport

extension Decoder {
    /// `casemate query`: a binary policy, of which everything is asked; or a question as a text,
    /// its kind in the first line, which two policies are asked.
    static func questions(_ files: [[UInt8]]) throws -> Decoder {
        let policies = try [
            ("Tests/PolicyFileTests/Policies/linux.conf", PolicyFormat(.linux, version: 33)),
            ("Tests/PolicyFileTests/Policies/xen.conf", .xen30),
            (
                "Tests/DecoderFuzzer/Corpus/questions/domains.conf",
                PolicyFormat(.linux, version: 33)
            ),
        ].map { path, format in
            var options = KernelPolicy.Options(format ?? .xen30)
            options.isMultilevel = true
            return try KernelPolicy(
                compiling: try RepositoryFiles.bytes(
                    of: RepositoryFiles.root.appending(path: path)),
                name: path, options: options
            ).file
        }
        let asked = Questions(try policies.map { try IndexedPolicy($0) })
        let corpus = "Tests/DecoderFuzzer/Corpus/questions"
        let lines = try RepositoryFiles.bytes(
            of: RepositoryFiles.root.appending(path: "\(corpus)/lines"))
        let texts = try RepositoryFiles.files(in: corpus, suffix: ".txt")
            .map { try RepositoryFiles.bytes(of: $0) }
        let seeds = try policies.map { try $0.encoded() } + files + texts
        return Decoder(
            name: "query", seeds: seeds + lines.split(separator: 10).map { Array($0) },
            most: 1 << 15,
            change: { bytes, others, random in
                let isBinary = Questions.isBinary(bytes)
                var other = bytes
                for _ in 0..<8 {
                    let found = others[Int.random(in: 0..<others.count, using: &random)]
                    if Questions.isBinary(found) == isBinary { other = found }
                }
                let change =
                    isBinary ? PolicyChanges.change : TokenChanges.changing(Questions.words)
                change(&bytes, [other], &random)
            },
            decode: { asked.answer($0) })
    }
}

/// Asks policies questions.
private struct Questions {
    private let policies: [IndexedPolicy]

    init(_ policies: [IndexedPolicy]) { self.policies = policies }

    static func isBinary(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x8c, 0xff, 0x7c, 0xf9]) }

    func answer(_ bytes: [UInt8]) -> Outcome {
        guard Questions.isBinary(bytes) else {
            return answer(String(decoding: bytes, as: UTF8.self))
        }
        guard let file = try? PolicyFile(validating: bytes) else { return .refused }
        do throws(PolicyAnalysisError) {
            let policy = try IndexedPolicy(file)
            return askEverything(policy, bytes.reduce(0, &+))
        } catch {
            return isShown(error) ? .refused : .broken("a refusal is one line")
        }
    }

    private func isShown(_ error: PolicyAnalysisError) -> Bool {
        !error.message.isEmpty && error.message.utf8.count < 40_000
    }

    // MARK: Binary policies

    private func askEverything(_ policy: IndexedPolicy, _ sum: UInt8) -> Outcome {
        let all = TypeSet(all: policy.typeCount)
        guard !PolicySummary(policy).text.isEmpty else {
            return .broken("a summary says something")
        }
        guard let found = try? policy.search(RuleSearch()),
            found.text(in: policy).utf8.count(where: { $0 == 10 }) >= found.count
        else { return .broken("every rule is found and written") }
        var options = FlowOptions()
        options.levels = sum & 1 == 0 ? .derived : .ignored
        if let graph = try? FlowGraph(policy, options) {
            let closure = FlowClosure(graph)
            let nodes = graph.nodes(of: all)
            guard closure.pairCount >= 0, graph.edgeCount >= 0 else {
                return .broken("pairs are counted")
            }
            for path in graph.shortestPaths(from: nodes, to: nodes, most: 3) {
                for (from, to) in zip(path, path.dropFirst())
                where graph.rules(from: from, to: to).isEmpty {
                    return .broken("a step has its rules")
                }
            }
        }
        let transitions = DomainTransitions(policy)
        for type in policy.plainTypes.prefix(3) {
            _ = transitions.steps(from: type)
            for (index, entry) in policy.classes.enumerated().prefix(3) {
                let label = PartialLabel(type: type)
                let names = entry.permissions.compactMap(\.self)
                guard let trace = try? policy.trace(label, label, index, names),
                    !policy.text(trace).isEmpty
                else { return .broken("every decision can be traced") }
            }
        }
        return sum % 4 == 0 ? rewrite(policy, sum) : .accepted
    }

    private func rewrite(_ policy: IndexedPolicy, _ sum: UInt8) -> Outcome {
        for component in PolicyComponent.allCases { _ = policy.statements(component) }
        _ = PolicyText.policyConf(of: policy)
        _ = PolicyText.cil(of: policy)
        guard PolicyDifference(policy, policy).isEmpty else {
            return .broken("a policy is equal to itself")
        }
        var difference = PolicyDifference(policies[Int(sum >> 2) % 3], policy)
        try? difference.addFlows(policies[Int(sum >> 2) % 3], policy, most: 20)
        _ = difference.text(most: 10)
        _ = try? Migration(policy, named: "x").text
        return .accepted
    }

    // MARK: Questions

    private func answer(_ text: String) -> Outcome {
        var outcome = Outcome.refused
        for policy in policies {
            do throws(PolicyAnalysisError) {
                try ask(policy, text)
                outcome = .accepted
            } catch {
                guard isShown(error) else { return .broken("a refusal is one line") }
            }
        }
        return outcome
    }

    private func ask(_ policy: IndexedPolicy, _ text: String) throws(PolicyAnalysisError) {
        let end = text.firstIndex(of: "\n") ?? text.endIndex
        let words = text[..<end].split(separator: " ").map(String.init)
        let rest = String(text[end...].dropFirst())
        let fields = Fields(words.dropFirst())
        switch words.first {
        case "why": try why(policy, words.dropFirst().map(\.self))
        case "log":
            for line in DenialLine.all(in: rest, most: 20) {
                try trace(
                    policy, line.source, line.target, line.objectClass, line.permissions, fields)
            }
        case "assert": try check(policy, rest, fields)
        case "map": try map(policy, rest, fields)
        case "search":
            let found = try policy.search(try fields.search())
            _ = (found.text(in: policy), found.json(in: policy))
        case "flow": try flow(policy, fields)
        case "transition": try transition(policy, fields)
        case "pattern":
            let pattern = try NamePattern(words.dropFirst().joined(separator: " "))
            for name in policy.typeNames { _ = pattern.matches(name) }
            _ = pattern.matches(rest)
        default:
            for word in words {
                guard let component = PolicyComponent(rawValue: word) else { continue }
                _ = policy.statements(component, named: words.last)
                _ = policy.names(component, named: words.last)
            }
        }
    }

    private func why(_ policy: IndexedPolicy, _ words: [String]) throws(PolicyAnalysisError) {
        guard words.count >= 3 else { return }
        try trace(
            policy, words[0], words[1], words[2],
            words.dropFirst(3).filter { !$0.contains("=") }, Fields(words[...]))
    }

    private func trace(
        _ policy: IndexedPolicy, _ source: String, _ target: String, _ name: String,
        _ permissions: [String], _ fields: Fields
    ) throws(PolicyAnalysisError) {
        let number = try policy.objectClass(name)
        let all = policy.classes[number].permissions.compactMap(\.self)
        let trace = try policy.trace(
            try policy.label(source), try policy.label(target), number,
            permissions.isEmpty ? all : permissions, booleans: try fields.states(policy))
        _ = (policy.text(trace), policy.json(trace).text)
    }

    private func check(
        _ policy: IndexedPolicy, _ text: String, _ fields: Fields
    ) throws(PolicyAnalysisError) {
        let assertions = try FlowAssertion.all(in: text)
        let options = try fields.options(policy, assertions.flatMap(\.names))
        let checker = AssertionChecker(policy, options)
        for assertion in assertions.prefix(8) {
            let result = try checker.check(assertion)
            _ = (result.text, result.json.text)
        }
    }

    private func map(
        _ policy: IndexedPolicy, _ text: String, _ fields: Fields
    ) throws(PolicyAnalysisError) {
        var options = try fields.options(policy, [])
        options.map = try PermissionMap(parsing: text)
        let graph = try FlowGraph(policy, options)
        _ = (FlowClosure(graph).pairCount, options.map.text(for: policy))
    }

    private func flow(_ policy: IndexedPolicy, _ fields: Fields) throws(PolicyAnalysisError) {
        var question = FlowQuestion()
        (question.from, question.to) = (fields.list("from"), fields.list("to"))
        (question.via, question.never) = (fields.list("via"), fields.list("never"))
        question.most = max(1, min(20, fields.number("limit") ?? 5))
        if let steps = fields.number("all") {
            question.ways = .upTo(max(1, min(8, steps)))
        } else if fields.has("shortest") {
            question.ways = .allShortest
        }
        let names = question.from + question.to + question.via + question.never
        var graph = try FlowGraph(policy, try fields.options(policy, names))
        if question.from.isEmpty != question.to.isEmpty {
            let ends = try graph.nodes(named: question.from + question.to)
            graph.exclude(nodes: try graph.nodes(named: question.never))
            _ = question.from.isEmpty ? graph.reaching(ends) : graph.reached(from: ends)
            return
        }
        let answer = try graph.answer(question)
        _ = (graph.text(answer, rules: true), graph.json(answer, rules: true).text)
    }

    private func transition(
        _ policy: IndexedPolicy, _ fields: Fields
    ) throws(PolicyAnalysisError) {
        var excluded = TypeSet(size: policy.typeCount)
        for name in fields.list("never") {
            excluded.formUnion(policy.types(of: try policy.typeOrAttribute(name)))
        }
        let transitions = DomainTransitions(policy, booleans: try fields.states(policy))
        let (from, to) = (fields.list("from").first, fields.list("to").first)
        if let from, let to {
            _ = transitions.paths(
                from: try policy.label(from).type, to: try policy.label(to).type,
                longest: fields.number("all").map { max(1, min(16, $0)) }, most: 5,
                without: excluded)
        } else if let from {
            _ = transitions.steps(from: try policy.label(from).type, without: excluded)
        } else if let to {
            _ = transitions.steps(to: try policy.label(to).type, without: excluded)
        }
    }

    /// Words that questions are made of.
    static let words = [
        "why", "log", "assert", "map", "search", "flow", "transition", "pattern", "from", "to",
        "via", "never", "all", "limit", "shortest", "weight", "levels", "given", "boolean",
        "dom0_t", "guest_t", "xen_t", "loader_t", "child_t", "compartment", "devices", "privileged",
        "visitor_t", "system_r", "guest_r", "object_r", "system_u", "guest_u", "domain", "file",
        "event", "xen", "process", "read", "write", "bind", "send", "create", "is_on", "true",
        "false", "s0", "s1", "s2", "top", "c0", "c0.c2", "c66", "avc:", "denied", "granted", "{",
        "}", "scontext=", "tcontext=", "tclass=", ";IFL;", "(S1)", "+>", ">", "~", ":", "+[read]>",
        "[read,write]>", "*", "class", "r", "w", "b", "n", "u", "10", "1", "0", "11", "(a|b)*",
        "[^a-z]", "\\w", "\\D", "\\b", "^", "$", "a{2,3}", "(?:", "attributes", "types", "=", "@",
        "kinds", "allow", "type_transition", "range_transition", "role_allow", "exact", "any",
    ]
}

/// `name=value` words of a question.
private struct Fields {
    private var values: [String: String] = [:]
    private var flags: Set<String> = []

    init(_ words: ArraySlice<String>) {
        for word in words {
            let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { values[parts[0]] = parts[1] } else { flags.insert(word) }
        }
    }

    func has(_ flag: String) -> Bool { flags.contains(flag) }
    func list(_ name: String) -> [String] {
        values[name]?.split(separator: ",").map(String.init) ?? []
    }
    func number(_ name: String) -> Int? { values[name].flatMap { Int($0) } }

    /// The Booleans' states: those that `boolean` names are turned; nil when it is not there.
    func states(_ policy: IndexedPolicy) throws(PolicyAnalysisError) -> [Bool]? {
        guard values["boolean"] != nil else { return nil }
        var states = policy.booleans.map(\.state)
        for name in list("boolean") { states[try policy.boolean(name)].toggle() }
        return states
    }

    func options(
        _ policy: IndexedPolicy, _ names: [String]
    ) throws(PolicyAnalysisError) -> FlowOptions {
        var options = FlowOptions()
        options.leastWeight = max(1, min(10, number("weight") ?? 1))
        options.booleans = try states(policy)
        let given = try FlowGraph.levels(of: names, in: policy)
        if has("levels") {
            options.levels = .derived
        } else if !given.isEmpty {
            options.levels = .given(given)
        }
        return options
    }

    func search() throws(PolicyAnalysisError) -> RuleSearch {
        var search = RuleSearch()
        search.kinds = Set(list("kinds").compactMap { RuleSearch.Kind(rawValue: $0) })
        (search.source, search.target) = (values["source"], values["target"])
        (search.sourceIsPattern, search.targetIsPattern) = (has("rs"), has("rt"))
        (search.sourceIsDirect, search.targetIsDirect) = (has("ds"), has("dt"))
        if has("rc") {
            search.classPattern = values["class"]
        } else {
            search.classes = list("class")
        }
        search.permissions = list("perms")
        (search.permissionsAreExact, search.permissionsAreAll) = (has("ep"), has("Sp"))
        search.operations = list("xperms").compactMap { UInt16($0) }.map { Int($0)...Int($0) }
        search.operationsAreExact = has("ex")
        (search.result, search.resultIsPattern) = (values["default"], has("rd"))
        if has("rb") {
            search.booleanPattern = values["bool"]
        } else {
            search.booleans = list("bool")
        }
        search.booleansAreExact = has("eb")
        return search
    }
}
