import ArgumentParser
import PolicyChecks
import PolicySyntax

/// `casemate check`: proves what a system claims, and lists what it permits.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Prove a system, and list every flow that it permits.",
        discussion: """
            Reads the source of a system and proves it: every channel leads up or is exempt, no \
            chain of channels leads down without an exemption, every assertion holds. Then lists \
            each flow that the system permits, through which channel, what became of each \
            assertion, and what residual channels are left. A refuted assertion is shown with a \
            shortest chain of channels, line by line, and the least to remove.

            The list goes to standard output, diagnostics to standard error. With --json one \
            document with both goes to standard output. The rules, their codes and the document's \
            members are in docs/language.md.

            EXIT STATUS
              0   the system keeps every rule; there may be warnings
              1   the source has errors, or an assertion is refuted
              64  the command line is wrong
              74  the source could not be read

            EXAMPLE
              casemate check policy/systems/guard
            """
    )

    @Argument(
        help: "The system's source, or the folder that holds system.casemate.",
        completion: .file(extensions: ["casemate"]))
    var system: String

    @Flag(help: "Refuse residual channels that a statement could bound and none does.")
    var strict = false

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let source = try SystemSource.read(system)
        let result = source.check(strict: strict)
        let renderer = source.renderer(of: result)
        if json {
            try StandardOutput.write(result.json(renderer))
        } else {
            if let report = result.report {
                let isColored = StandardOutput.isColored
                let verdict =
                    result.proved == nil
                    ? TerminalColor.red.marking("refuted", isColored)
                    : TerminalColor.green.marking("proved", isColored)
                try StandardOutput.write("\(report.text(renderer))\n\(verdict)\n")
            }
            Diagnostics.show(result.diagnostics, renderer)
        }
        if result.proved == nil { throw ExitStatus.refused }
    }
}
