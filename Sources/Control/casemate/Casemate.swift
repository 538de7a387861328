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
              1   no: a claim does not hold, or what was given is refused
              64  the command line is wrong
              74  an input could not be read, or an output could not be written

            Diagnostics go to standard error, in colour when that is a terminal and NO_COLOR is \
            not set; answers go to standard output, with --json as one document.

            FILES
              system.casemate  the source of one system; see docs/language.md
              system.lock      what its kernels and RAM disks were; see docs/build.md

            EXAMPLE
              casemate check policy/systems/minimal
            """,
        version: "0.1.0",
        subcommands: [
            Check.self, Flows.self, Explain.self, Diff.self, Graph.self, Format.self, Build.self,
            VerifyBuild.self, Compile.self, Decompile.self, Image.self, Key.self,
            Run.self, List.self, Console.self, Audit.self, Deploy.self, Destroy.self, Load.self,
            Attest.self, Query.self, Migrate.self, Xenstored.self,
            Xenstore.self,
        ]
    )

    /// The commands that people and build scripts start often.
    private static let frequent: [any ParsableCommand.Type] = [
        Check.self, Compile.self, Flows.self, Explain.self, Diff.self, Format.self, Build.self,
    ]

    /// Runs the command that is asked for.
    ///
    /// A frequent one is looked for by its name alone: to build the tree of all commands takes
    /// longer than to check a system. Whatever is wrong with its words goes the long way, and so
    /// does every question for help.
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        guard
            let type = frequent.first(where: { $0.configuration.commandName == words.first }),
            var command = try? type.parse(Array(words.dropFirst()))
        else { return main(nil) }
        do {
            try command.run()
        } catch {
            exit(withError: error)
        }
    }
}
