import ArgumentParser
import PolicyAnalysis
import PolicySyntax

/// `casemate query diff`: how two policies differ in what they mean.
struct QueryDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare what two policies mean, and with --flows what they let flow.",
        discussion: """
            Compares symbols, constraints, labels and transitions by name, and access rules by \
            pairs of types: how rules are grouped, the order of records and numbers do not count.

            EXIT STATUS
              0   both mean the same
              1   they differ; a policy is refused
              64  the command line is wrong
              74  a policy could not be read

            EXAMPLE
              casemate query diff old.33 new.33 --flows
            """)

    @Argument(help: "A binary policy or a policy.conf.", completion: .file())
    var old: String
    @Argument(help: "The other.", completion: .file())
    var new: String
    @Flag(help: "Compare flows too.")
    var flows = false
    @Option(help: "How many lines of a kind are shown.")
    var limit = 1_000
    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func validate() throws {
        guard limit > 0, limit <= 10_000_000 else {
            throw ValidationError("--limit is a number from 1 to 10000000")
        }
    }

    func run() throws {
        let (before, after) = (try QueryPolicy.read(old), try QueryPolicy.read(new))
        var difference = PolicyDifference(before, after, most: limit)
        if flows {
            difference = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
                var difference = difference
                try difference.addFlows(before, after, most: max(limit, 10_000))
                return difference
            }
        }
        try StandardOutput.write(
            json ? difference.json(most: limit).text : difference.text(most: limit))
        if !difference.isEmpty { throw ExitStatus.refused }
    }
}
