import ArgumentParser
import PolicyChecks

/// `casemate diff`: which flows differ between two systems.
struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
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
            """
    )

    @Argument(help: "The source or folder of one system.")
    var old: String

    @Argument(help: "The source or folder of the other.")
    var new: String

    func run() throws {
        let before = try CompartmentName.policy(of: old).policy
        let after = try CompartmentName.policy(of: new).policy
        let difference = FlowDifference(from: before, to: after)
        for line in difference.lines { print(line) }
        if !difference.lines.isEmpty { throw ExitStatus.refused }
    }
}
