import ArgumentParser
import PolicyAnalysis
import PolicySyntax

/// `casemate migrate`: a policy for Xen in the compartment language.
struct Migrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Show a policy for Xen in the compartment language.",
        discussion: """
            Domains' types become compartments, at the levels that their users have; grants and \
            event channels between them become channels; labelled devices that one of them \
            uses become devices. What the language does not say stands below as comments, each \
            with the reason. Kernels, memory and processors are for a person to say.

            EXIT STATUS
              0   the source is written
              1   the policy is refused
              64  the command line is wrong
              74  an input could not be read, or an output could not be written

            EXAMPLE
              casemate migrate xenpolicy.30 --name old -o old/system.casemate
            """)

    @Argument(help: "A binary policy for Xen, or its policy.conf.", completion: .file())
    var policy: String
    @Option(help: "The system's name.")
    var name = "migrated"
    @Option(name: .shortAndLong, help: "The source; without, standard output.")
    var output: String?

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let migration = try QueryPolicy.answer { () throws(PolicyAnalysisError) in
            try Migration(policy, named: name)
        }
        guard let output else { return try StandardOutput.write(migration.text) }
        try Files.write(Array(migration.text.utf8), to: output)
        StandardError.write(
            "casemate: \(migration.unsaid.count) statements of the policy are not said, and "
                + "listed with their reasons at the end of "
                + "`\(DiagnosticRenderer.harmless(output))`\n")
    }
}
