public import PolicyDatabaseModel

/// A policy in the kernel policy language, compiled.
///
/// For: policies that people have as `policy.conf`, for Xen and for Linux. Decisions, transitions,
/// labels and constraints are those of Debian 12's checkpolicy; the order of records is not.
/// - Source: SELinux Notebook, "Kernel Policy Language"; checkpolicy 3.4.
public struct KernelPolicy: Sendable {
    /// The binary policy, as records.
    public let file: PolicyFile
    /// What the source says and the format has no place for, one sentence each.
    public let warnings: [String]

    /// What is to be made of a source.
    public struct Options: Equatable, Sendable {
        /// For whom, and in which version.
        public var format: PolicyFormat
        /// Whether levels mean something.
        public var isMultilevel = false
        /// What becomes of classes and permissions that the policy does not know.
        public var unknownHandling = PolicyFile.UnknownHandling.deny
        /// Whether rules are checked against `neverallow`.
        public var checksNeverAllow = true

        /// Creates the options of a format.
        public init(_ format: PolicyFormat) { self.format = format }
    }

    /// Compiles a source.
    ///
    /// - Parameters:
    ///   - text: the source, in any encoding that has ASCII for ASCII; at most 4 GiB.
    ///   - name: how errors name the source where no line marker names another file.
    /// - Throws: the first errors, each with the user's file and line: see
    ///   `KernelPolicyError.Reason`.
    /// - Complexity: linear in the source; in the number of rules times the types that their
    ///   complements and exclusions stand for.
    public init(
        compiling text: consuming [UInt8], name: String, options: Options
    ) throws(KernelPolicyRefusal) {
        let (reader, syntax) = StatementReader.read(text)
        let lines = reader.lexer.lines
        let result =
            syntax.isEmpty ? KernelPolicy.build(reader.policy, options) : KernelPolicyResult(syntax)
        guard result.failures.isEmpty else {
            let first = result.failures.sorted { $0.offset < $1.offset }
            throw KernelPolicyRefusal(
                errors: first.prefix(KernelPolicyRefusal.most).map { failure in
                    let place = lines.place(of: failure.offset, in: name)
                    return KernelPolicyError(
                        failure.reason, failure.message, file: place.file, line: place.line,
                        column: place.column)
                })
        }
        file = result.file
        warnings = result.warnings
    }

    /// Says when a source declares so much that its sets of types would be too large.
    package static func excess(of source: SourcePolicy) -> SourceFailure? {
        PolicyBuilder.excess(of: source)
    }

    /// Makes the records of what a source says, in whatever language it says it.
    package static func build(
        _ source: SourcePolicy, _ options: Options
    ) -> KernelPolicyResult {
        if let excess = PolicyBuilder.excess(of: source) { return KernelPolicyResult([excess]) }
        var builder = PolicyBuilder(source, options)
        builder.build()
        var result = KernelPolicyResult(builder.failures)
        result.file = builder.file
        result.warnings = builder.warnings
        return result
    }
}

/// What became of a source: records, or what is wrong with it.
package struct KernelPolicyResult {
    /// The records; nothing when there are failures.
    package var file = PolicyFile(format: .xen30)
    /// What the format has no place for.
    package var warnings: [String] = []
    /// What is wrong.
    package let failures: [SourceFailure]

    init(_ failures: [SourceFailure]) { self.failures = failures }
}
