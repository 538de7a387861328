import ArgumentParser
import PolicyAnalysis
import PolicyDatabaseModel
import PolicySyntax

/// `casemate query flow`: how information can come from some types to others.
struct QueryFlow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flow",
        abstract: "Show how information can come from one type to another.",
        discussion: """
            Knows constraints, levels, conditionals and Xen's classes. FROM and TO are types or \
            attributes; TYPE@LEVEL considers levels. With one of them only it lists where \
            information comes to, or from; with --pairs it counts all pairs.

            EXIT STATUS
              0   information flows; the list is complete
              1   nothing flows; the policy or the question is refused
              64  the command line is wrong
              74  the policy could not be read

            EXAMPLE
              casemate query flow policy.33 --from httpd_t --to shadow_t --never init_t
            """)

    @Argument(help: "A binary policy or a policy.conf.", completion: .file())
    var policy: String

    @Option(help: "Whose information; may be repeated.")
    var from: [String] = []
    @Option(help: "Where it may come; may be repeated.")
    var to: [String] = []
    @Option(help: "What it passes; several in this order.")
    var via: [String] = []
    @Option(help: "What it does not pass; may be repeated.")
    var never: [String] = []
    @Flag(help: "All of the shortest ways.")
    var allShortest = false
    @Option(help: ArgumentHelp("All ways of at most so many steps.", valueName: "steps"))
    var all: Int?
    @Option(help: "How many ways are shown.")
    var limit = 20
    @Flag(help: "Leave out the rules of each step.")
    var brief = false
    @Flag(help: "Count the pairs of types between which information flows; list with --list.")
    var pairs = false
    @Flag(help: "With --pairs: list them.")
    var list = false
    @Flag(help: "With --pairs --list: only those between which information flows directly.")
    var direct = false
    @OptionGroup var options: FlowOptionGroup
    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func validate() throws {
        guard limit > 0, limit <= 100_000 else {
            throw ValidationError("--limit is a number from 1 to 100000")
        }
        if let all, !(1...32).contains(all) {
            throw ValidationError("--all is a number from 1 to 32")
        }
        guard pairs || options.printMap || !from.isEmpty || !to.isEmpty else {
            throw ValidationError("name --from or --to, or ask for --pairs")
        }
    }

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let choice = try options.resolve(policy, names: from + to + via + never)
        if options.printMap {
            return try StandardOutput.write(choice.map.text(for: policy))
        }
        let graph = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            try FlowGraph(policy, choice)
        }
        for permission in graph.unknownPermissions {
            StandardError.write(
                "casemate: warning: the permission map does not know "
                    + "`\(DiagnosticRenderer.harmless(permission))`: taken as read and write\n")
        }
        if pairs { return try writePairs(graph) }
        guard !from.isEmpty, !to.isEmpty else { return try writeReached(graph) }
        var question = FlowQuestion()
        (question.from, question.to) = (from, to)
        (question.via, question.never) = (via, never)
        question.ways = all.map { .upTo($0) } ?? (allShortest ? .allShortest : .shortest)
        question.most = limit
        let answer = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            try graph.answer(question)
        }
        try StandardOutput.write(
            json
                ? graph.json(answer, rules: !brief).text : graph.text(answer, rules: !brief))
        if answer.paths.isEmpty { throw ExitStatus.refused }
    }

    private func writeReached(_ graph: FlowGraph) throws {
        var graph = graph
        let found = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            var avoided = try graph.nodes(named: never)
            let ends = try graph.nodes(named: from + to)
            avoided.subtract(ends)
            graph.exclude(nodes: avoided)
            return from.isEmpty ? graph.reaching(ends) : graph.reached(from: ends)
        }
        let names = found.numbers.map { graph.name(of: $0) }.sorted()
        if json {
            let document = JSONValue.object([("types", .array(names.map { .string($0) }))])
            return try StandardOutput.write(document.text)
        }
        try StandardOutput.write(names.map { $0 + "\n" }.joined())
    }

    private func writePairs(_ graph: FlowGraph) throws {
        let closure = FlowClosure(graph)
        var text = ""
        if list {
            for node in graph.nodes.numbers {
                let name = graph.name(of: node)
                var reached =
                    direct ? graph.successors(of: node) : closure.reached(from: node)
                reached.remove(node)
                text += name + ":"
                reached.forEach { text += " " + graph.name(of: $0) }
                text += "\n"
            }
        } else {
            let numbers = [
                ("types", graph.nodes.count), ("direct", graph.edgeCount),
                ("components", closure.components.count), ("pairs", closure.pairCount),
            ]
            text =
                json
                ? JSONValue.object(numbers.map { ($0.0, .number(UInt64($0.1))) }).text
                : numbers.map { "\($0.0): \($0.1)\n" }.joined()
        }
        try StandardOutput.write(text)
    }
}

/// What flows are made of.
struct FlowOptionGroup: ParsableArguments {
    @Option(help: "Only permissions of at least this weight, 1 to 10.")
    var leastWeight = 1
    @Option(name: .customLong("map"), help: "A permission map in the form of SETools.")
    var mapFile: String?
    @Flag(help: "Write the permission map for this policy, in the form of SETools.")
    var printMap = false
    @Option(
        name: .customLong("boolean"),
        help: ArgumentHelp(
            "Set a Boolean; the others have the states of the policy. May be repeated.",
            valueName: "name=true|false"))
    var booleans: [String] = []
    @Flag(help: "Booleans have the states of the policy; without, whatever they are.")
    var booleansAsIs = false
    @Flag(
        name: .customLong("levels"), inversion: .prefixedNo,
        help: "Consider the levels that things of each type can have. Xen: by itself.")
    var levels: Bool?

    func validate() throws {
        guard (1...10).contains(leastWeight) else {
            throw ValidationError("--least-weight is a number from 1 to 10")
        }
    }

    /// What a graph of a policy is made of.
    ///
    /// - Parameter names: those of the question: levels in them are considered.
    func resolve(_ policy: IndexedPolicy, names: [String]) throws -> FlowOptions {
        var options = FlowOptions()
        options.leastWeight = leastWeight
        if let mapFile {
            let text = String(decoding: try Files.read(mapFile), as: UTF8.self)
            options.map = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
                try PermissionMap(parsing: text)
            }
        }
        if booleansAsIs || !booleans.isEmpty {
            options.booleans = try Self.states(booleans, in: policy)
        }
        let given = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            try FlowGraph.levels(of: names, in: policy)
        }
        if levels ?? (policy.file.format.target == .xen && given.isEmpty) {
            options.levels = .derived
        } else if !given.isEmpty {
            options.levels = .given(given)
        }
        return options
    }

    /// The states of the Booleans with some settings, `NAME=true`; the others are the policy's.
    static func states(_ settings: [String], in policy: IndexedPolicy) throws -> [Bool] {
        var states = policy.booleans.map(\.state)
        for setting in settings {
            let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let value = words[parts[1]] else {
                throw ValidationError("`\(setting)` is not NAME=true or NAME=false")
            }
            let index = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
                try policy.boolean(parts[0])
            }
            states[index] = value
        }
        return states
    }

    private static let words = [
        "true": true, "on": true, "1": true, "false": false, "off": false, "0": false,
    ]
}
