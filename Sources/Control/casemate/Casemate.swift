import ArgumentParser

/// The root command. Each subcommand stands in a file of its own beside this one, and is named in
/// the list below.
@main struct Casemate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "casemate",
        abstract: "Compile, prove and attest a multi-level-secure system.",
        discussion: """
            One file, system.casemate, names the compartments of a machine, their levels and the \
            channels between them. This tool proves what the file claims and turns it into all \
            that the machine and its verifiers need; nothing is configured twice.

            SYSTEM is that file, or the folder that holds it.

            EXIT STATUS
              0   yes: the command did what it was asked, every claim holds
              1   no: a claim is refuted, or the source has errors
              2   the input could not be read, or the output could not be written
              64  the command line is wrong

            FILES
              system.casemate   the source of one system; see docs/language.md

            EXAMPLE
              casemate check policy/systems/minimal
            """,
        version: "0.1.0",
        subcommands: [
            Build.self, Check.self, Diff.self, Explain.self, Flows.self, Format.self, Graph.self,
            Attest.self, Run.self,
        ]
    )
}
