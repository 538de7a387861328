import ArgumentParser
import KernelPolicyLanguage
import PolicyDatabaseModel
import PolicySyntax

/// `casemate compile`: a binary policy from the source that checkpolicy takes.
struct Compile: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compile a policy.conf for Linux or Xen.",
        discussion: """
            Reads a policy in the kernel policy language, as m4 leaves it, and writes the binary \
            policy that Linux or Xen loads: what checkpolicy does, with its options. Decisions, \
            transitions, labels and constraints are those of Debian 12's checkpolicy 3.4. Errors \
            name the file and line of the source before m4, by its line markers; up to 100 in \
            one run. Without --output the policy is only checked. The languages, and what is \
            refused, are in docs/kernel-policy.md.

            EXIT STATUS
              0   the policy is compiled; there may be warnings
              1   the source has errors, or a rule breaks a neverallow
              64  the command line is wrong
              74  an input could not be read, or an output could not be written

            EXAMPLE
              casemate compile -M -t selinux -c 33 -o policy.33 policy.conf
            """
    )

    @Argument(help: "The source; - for standard input.", completion: .file(extensions: ["conf"]))
    var source: String

    @Option(name: .shortAndLong, help: "The binary policy.", completion: .file())
    var output: String?

    @Option(
        name: [.customShort("c"), .customLong("policy-version")],
        help: "The version: 24 to 33 for Linux, 24 or 30 for Xen. (default: the newest)")
    var version: UInt32?

    @Option(name: .shortAndLong, help: "Who loads it: selinux or xen.")
    var target = CompileTarget.selinux

    @Flag(name: [.customShort("M"), .customLong("mls")], help: "Levels mean something.")
    var isMultilevel = false

    @Option(
        name: [.customShort("U"), .customLong("handle-unknown")],
        help: "What becomes of unknown classes and permissions: deny, reject or allow.")
    var handleUnknown = UnknownHandlingName.deny

    @Flag(
        name: [.customShort("N"), .customLong("disable-neverallow")],
        help: "Do not check rules against neverallow.")
    var ignoresNeverAllow = false

    func validate() throws {
        _ = try format()
    }

    /// - Throws: `ValidationError` for a version that the target does not have.
    private func format() throws -> PolicyFormat {
        let newest: UInt32 = target == .xen ? 30 : 33
        let wanted = version ?? newest
        guard wanted >= 24, let format = PolicyFormat(target.target, version: wanted) else {
            throw ValidationError(
                "\(target.rawValue) has no version \(wanted): "
                    + (target == .xen ? "24 and 30" : "24 to 33") + " are written.")
        }
        return format
    }

    func run() throws {
        var options = KernelPolicy.Options(try format())
        options.isMultilevel = isMultilevel
        options.unknownHandling = handleUnknown.handling
        options.checksNeverAllow = !ignoresNeverAllow
        let name = source == "-" ? "standard input" : source
        do {
            let policy = try KernelPolicy(
                compiling: try CompileInput.read(source), name: name, options: options)
            try CompileOutput.write(policy.file, warnings: policy.warnings, to: output)
        } catch let refusal as KernelPolicyRefusal {
            for problem in refusal.errors { StandardError.write(CompileOutput.line(problem)) }
            throw ExitStatus.refused
        }
    }
}
