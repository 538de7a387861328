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
        compiling text: [UInt8], name: String, options: Options
    ) throws(KernelPolicyRefusal) {
        let (reader, syntax) = StatementReader.read(text)
        var failures = syntax
        var builder = PolicyBuilder(reader.policy, options)
        if failures.isEmpty {
            builder.build()
            failures = builder.failures
        }
        guard failures.isEmpty else {
            let first = failures.sorted { $0.offset < $1.offset }.prefix(KernelPolicyRefusal.most)
            throw KernelPolicyRefusal(
                errors: first.map { failure in
                    let place = reader.lexer.place(of: failure.offset, in: name)
                    return KernelPolicyError(
                        failure.reason, failure.message, file: place.file, line: place.line,
                        column: place.column)
                })
        }
        file = builder.file
        warnings = builder.warnings
    }
}
