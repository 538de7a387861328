import ArgumentParser
import CommonIntermediateLanguage
import KernelPolicyLanguage
import PolicyAnalysis
import PolicyDatabaseModel
import PolicySyntax

/// `casemate compile`: a binary policy from the sources that checkpolicy and secilc take.
struct Compile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compile",
        abstract: "Compile a policy.conf, or CIL, for Linux or Xen.",
        discussion: """
            Reads a policy in the kernel policy language, as m4 leaves it, or in the common \
            intermediate language, and writes the binary policy that Linux or Xen loads: what \
            checkpolicy and secilc do, with their options. Decisions, transitions, labels and \
            constraints are those of Debian 12's tools, version 3.4. Files that end in .cil are \
            one policy in CIL; any other source is one policy.conf. Errors name the file and \
            line that the user wrote, by line markers; up to 100 in one run. Without --output \
            the policy is only checked. With --binary the source is a binary policy, which is \
            written anew: in another version, without what is redundant, or with other answers \
            to the unknown. The languages, and what is refused, are in docs/kernel-policy.md.

            EXIT STATUS
              0   the policy is compiled; there may be warnings
              1   the source has errors, or a rule breaks a neverallow
              64  the command line is wrong
              74  an input could not be read, or an output could not be written

            EXAMPLE
              casemate compile -M -t selinux -c 33 -o policy.33 policy.conf
              casemate compile -o policy.33 -f file_contexts base.cil local.cil
              casemate compile -b -O -c 30 -o policy.30 policy.33
            """
    )

    @Argument(
        help: "The sources; - for a policy.conf on standard input.",
        completion: .file(extensions: ["conf", "cil"]))
    var sources: [String]

    @Option(name: .shortAndLong, help: "The binary policy.", completion: .file())
    var output: String?

    @Option(
        name: [.customShort("c"), .customLong("policy-version")],
        help: "The version: 24 to 33 for Linux, 24 or 30 for Xen. (default: the newest)")
    var version: UInt32?

    @Option(name: .shortAndLong, help: "Who loads it: selinux or xen.")
    var target = CompileTarget.selinux

    @Flag(
        name: [.customShort("M"), .customLong("mls")],
        help: "Levels mean something. For CIL, true or false may follow, as in secilc.")
    var isMultilevel = false

    @Option(
        name: [.customShort("U"), .customLong("handle-unknown")],
        help: "What becomes of unknown classes and permissions: deny, reject or allow.")
    var handleUnknown: UnknownHandlingName?

    @Flag(
        name: [.customShort("N"), .customLong("disable-neverallow")],
        help: "Do not check rules against neverallow, nor types against their bounds.")
    var ignoresNeverAllow = false

    @Flag(
        name: [.customShort("O"), .customLong("optimize")],
        help: "Leave out rules, and permissions of rules, that other rules say already.")
    var isOptimized = false

    @Flag(
        name: [.customShort("b"), .customLong("binary")],
        help: "The source is a binary policy, of the target that it names.")
    var isBinary = false

    @Option(
        name: [.customShort("f"), .customLong("filecontext")],
        help: "CIL: the file of the labels of files.", completion: .file())
    var fileContexts: String?

    @Flag(
        name: [.customShort("D"), .customLong("disable-dontaudit")],
        help: "CIL: leave out the rules of dontaudit.")
    var ignoresDoNotAudit = false

    @Flag(
        name: [.customShort("P"), .customLong("preserve-tunables")],
        help: "CIL: make Booleans of tunables.")
    var preservesTunables = false

    @Flag(
        name: [.customShort("m"), .customLong("multiple-decls")],
        help: "CIL: types and attributes may be declared again.")
    var allowsMultipleDeclarations = false

    @Flag(
        name: [.customShort("Q"), .customLong("qualified-names")],
        help: "CIL: points in names are part of them.")
    var hasQualifiedNames = false

    func validate() throws {
        _ = try format(target)
        guard files.count == 1 || isIntermediate && !isBinary else {
            throw ValidationError("several sources are files that end in .cil.")
        }
        let isOnlyForIntermediate =
            ignoresDoNotAudit || preservesTunables || allowsMultipleDeclarations
            || hasQualifiedNames || fileContexts != nil
        guard isIntermediate && !isBinary || !isOnlyForIntermediate else {
            throw ValidationError("-D, -P, -m, -Q and -f are for CIL.")
        }
    }

    /// The `true` or `false` that secilc has behind `-M`; nil when there is none.
    private var levelWord: String? {
        isMultilevel && sources.count > 1 ? sources.first { Self.levelWords.contains($0) } : nil
    }

    private static let levelWords = ["true", "false"]

    /// The sources alone.
    private var files: [String] {
        levelWord == nil ? sources : sources.filter { !Self.levelWords.contains($0) }
    }

    /// Whether levels mean something.
    private var hasLevels: Bool { isMultilevel && levelWord != "false" }

    /// Whether the sources are CIL.
    private var isIntermediate: Bool { files.allSatisfy { $0.hasSuffix(".cil") } }

    /// - Throws: `ValidationError` for a version that the target does not have.
    private func format(_ target: CompileTarget) throws -> PolicyFormat {
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
        do {
            if isBinary {
                try compileBinary()
            } else if isIntermediate {
                try compileIntermediate()
            } else {
                try compileKernelPolicy()
            }
        } catch let refusal as KernelPolicyRefusal {
            for problem in refusal.errors { StandardError.write(CompileOutput.line(problem)) }
            throw ExitStatus.refused
        }
    }

    private func compileBinary() throws {
        let policy = try QueryPolicy.read(files[0], takesSource: false)
        let target: CompileTarget = policy.file.format.target == .xen ? .xen : .selinux
        let wanted = try format(target)
        guard wanted != policy.file.format else {
            var file = policy.file
            file.unknownHandling = handleUnknown?.handling ?? file.unknownHandling
            return try write(file, warnings: [])
        }
        let source = PolicyText.policyConf(of: policy)
        var options = KernelPolicy.Options(wanted)
        options.isMultilevel = policy.file.isMultilevel
        options.unknownHandling = handleUnknown?.handling ?? policy.file.unknownHandling
        // They are not in a binary; bounds were checked by whoever made it.
        options.checksNeverAllow = false
        let made = try KernelPolicy(
            compiling: Array(source.text.utf8), name: files[0], options: options)
        let notes = source.notes.filter { !$0.contains("-U") }.map { "left out: \($0)" }
        try write(made.file, warnings: notes + made.warnings)
    }

    private func write(_ file: PolicyFile, warnings: [String]) throws {
        var file = file
        if isOptimized { file.removeRedundantRules() }
        try CompileOutput.write(file, warnings: warnings, to: output)
    }

    private func compileKernelPolicy() throws {
        var options = KernelPolicy.Options(try format(target))
        options.isMultilevel = hasLevels
        options.unknownHandling = handleUnknown?.handling ?? .deny
        options.checksNeverAllow = !ignoresNeverAllow
        let source = files[0]
        let policy = try KernelPolicy(
            compiling: try CompileInput.read(source),
            name: source == "-" ? "standard input" : source, options: options)
        try write(policy.file, warnings: policy.warnings)
    }

    private func compileIntermediate() throws {
        var options = CommonIntermediatePolicy.Options(try format(target))
        if isMultilevel { options.isMultilevel = hasLevels }
        options.unknownHandling = handleUnknown?.handling
        options.checksNeverAllow = !ignoresNeverAllow
        options.ignoresDoNotAudit = ignoresDoNotAudit
        options.preservesTunables = preservesTunables
        options.allowsMultipleDeclarations = allowsMultipleDeclarations
        options.hasQualifiedNames = hasQualifiedNames
        let files = files
        var next = 0
        let policy = try CommonIntermediatePolicy(options: options) {
            guard next < files.count else { return nil }
            next += 1
            return (files[next - 1], try CompileInput.read(files[next - 1]))
        }
        try write(policy.file, warnings: policy.warnings)
        if let fileContexts { try Files.write(Array(policy.fileContexts.utf8), to: fileContexts) }
    }
}
