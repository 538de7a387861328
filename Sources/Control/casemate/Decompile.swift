import ArgumentParser
import PolicyAnalysis
import PolicySyntax

/// `casemate decompile`: a binary policy back in a language.
struct Decompile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decompile",
        abstract: "Write a binary policy as policy.conf or CIL.",
        discussion: """
            The source compiles, with this tool and with checkpolicy or secilc, to the same \
            decisions, transitions and labels; what the language has no statement for is said \
            as a warning. Comments, macros and modules are not in a binary.

            EXIT STATUS
              0   the source is written; there may be warnings
              1   the policy is refused
              64  the command line is wrong
              74  an input could not be read, or an output could not be written

            EXAMPLE
              casemate decompile policy.33 --to cil -o policy.cil
            """)

    /// A language.
    enum Language: String, ExpressibleByArgument, CaseIterable {
        case conf, cil
    }

    @Argument(help: "A binary policy.", completion: .file())
    var policy: String
    @Option(help: "The language.")
    var to = Language.conf
    @Option(name: .shortAndLong, help: "The source; without, standard output.")
    var output: String?

    func run() throws {
        let policy = try QueryPolicy.read(self.policy)
        let source =
            switch to {
            case .conf: PolicyText.policyConf(of: policy)
            case .cil: PolicyText.cil(of: policy)
            }
        for note in source.notes {
            StandardError.write(
                "casemate: warning: not in the source: \(DiagnosticRenderer.harmless(note))\n")
        }
        guard let output else { return try StandardOutput.write(source.text) }
        try Files.write(Array(source.text.utf8), to: output)
    }
}
