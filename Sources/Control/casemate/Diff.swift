import ArgumentParser
import PolicyChecks
import PolicySyntax

/// `casemate diff`: which flows differ between two systems.
struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Show which flows differ between two systems, not which lines.",
        discussion: """
            Compares what two systems permit: flows, labels, exemptions, assertions and residual \
            channels. A line that begins with + is in NEW only, with - in OLD only; a flow is \
            shown with a shortest chain. Names, order, layout and comments do not count.

            EXIT STATUS
              0   both permit the same
              1   they differ, or a source has errors of form or of names
              64  the command line is wrong
              74  a source could not be read

            EXAMPLE
              casemate diff policy/systems/guard new/system.casemate
            """
    )

    @Argument(
        help: "The source or folder of one system.", completion: .file(extensions: ["casemate"]))
    var old: String

    @Argument(
        help: "The source or folder of the other.", completion: .file(extensions: ["casemate"]))
    var new: String

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let before = try CompartmentName.policy(of: old, json: json).policy
        let after = try CompartmentName.policy(of: new, json: json).policy
        let difference = FlowDifference(from: before, to: after)
        if json {
            try StandardOutput.write(difference.json.text)
        } else {
            try StandardOutput.write(difference.lines.map { $0 + "\n" }.joined())
        }
        if !difference.changes.isEmpty { throw ExitStatus.refused }
    }
}
