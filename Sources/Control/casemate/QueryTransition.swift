import ArgumentParser
import PolicyAnalysis
import PolicySyntax

/// `casemate query transition`: which domains can become which.
struct QueryTransition: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transition",
        abstract: "Show how a domain can become another.",
        discussion: """
            With --from or --to alone, all direct transitions of that domain; with both, all \
            shortest ways, or with --all those of at most so many steps.

            EXIT STATUS
              0   there is one
              1   there is none; the policy or the question is refused
              64  the command line is wrong
              74  the policy could not be read

            EXAMPLE
              casemate query transition policy.33 --from user_t --to passwd_t
            """)

    @Argument(help: "A binary policy or a policy.conf.", completion: .file())
    var policy: String
    @Option(help: "The domain before.")
    var from: String?
    @Option(help: "The domain after.")
    var to: String?
    @Option(help: "A domain or program's type that does not count; may be repeated.")
    var never: [String] = []
    @Option(help: ArgumentHelp("All ways of at most so many steps.", valueName: "steps"))
    var all: Int?
    @Option(help: "How many ways are shown.")
    var limit = 20
    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func validate() throws {
        guard from != nil || to != nil else { throw ValidationError("name --from or --to") }
        guard limit > 0, limit <= 100_000, (1...16).contains(all ?? 1) else {
            throw ValidationError("--limit is 1 to 100000, --all 1 to 16")
        }
    }

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let paths = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            try ways(policy)
        }
        if json {
            let document = JSONValue.array(
                paths.map { path in .array(path.map { Self.json($0, policy) }) })
            try StandardOutput.write(document.text)
        } else {
            var text = ""
            for (index, path) in paths.enumerated() {
                if from != nil, to != nil { text += "path \(index + 1):\n" }
                for step in path { text += Self.text(step, policy) }
            }
            try StandardOutput.write(text.isEmpty ? "no transition\n" : text)
        }
        if paths.isEmpty { throw ExitStatus.refused }
    }

    private func ways(
        _ policy: IndexedPolicy
    ) throws(PolicyAnalysisError) -> [[DomainTransitions.Step]] {
        var excluded = TypeSet(size: policy.typeCount)
        for name in never { excluded.formUnion(policy.types(of: try policy.typeOrAttribute(name))) }
        let transitions = DomainTransitions(policy)
        var source: Int?
        var target: Int?
        if let from { source = try policy.label(from).type }
        if let to { target = try policy.label(to).type }
        switch (source, target) {
        case (let source?, let target?):
            return transitions.paths(
                from: source, to: target, longest: all, most: limit, without: excluded)
        case (let source?, nil):
            return transitions.steps(from: source, without: excluded).map { [$0] }
        case (nil, let target?):
            return transitions.steps(to: target, without: excluded).map { [$0] }
        case (nil, nil): return []
        }
    }

    private static func text(_ step: DomainTransitions.Step, _ policy: IndexedPolicy) -> String {
        var text = "  \(policy.typeNames[step.source]) -> \(policy.typeNames[step.target])"
        if !step.programs.isEmpty {
            text += " by " + step.programs.map { policy.typeNames[$0] }.joined(separator: ", ")
        }
        return text + (step.isDynamic ? " at once\n" : "\n")
    }

    private static func json(_ step: DomainTransitions.Step, _ policy: IndexedPolicy) -> JSONValue {
        .object([
            ("from", .string(policy.typeNames[step.source])),
            ("to", .string(policy.typeNames[step.target])),
            ("programs", .array(step.programs.map { .string(policy.typeNames[$0]) })),
            ("dynamic", .bool(step.isDynamic)),
        ])
    }
}
