import KernelPolicyLanguage
public import PolicyDatabaseModel

/// A policy in SELinux's common intermediate language (CIL), compiled.
///
/// For: policies that people have as CIL, for Linux and for Xen, in one file or several. Decisions,
/// transitions, labels and constraints are those of Debian 12's secilc; the order of records is
/// not.
///
/// Not for: `seusers`, the file beside a policy; its statements are checked.
/// - Invariant (bounded): depth, copies by macros and inheritance, and errors have limits.
/// - Source: SELinux project, "CIL reference guide"; secilc 3.4.
public struct CommonIntermediatePolicy: Sendable {
    /// The binary policy, as records.
    public let file: PolicyFile
    /// What the source says and the format has no place for, one sentence each.
    public let warnings: [String]
    /// The labels of files, as `file_contexts` has them and `secilc -f` writes it.
    public let fileContexts: String
    /// The requirements on flows that comments have, with whole names.
    public let requirements: [Requirement]

    /// A requirement in the notation of IFCIL, as it is meant in one place: of a macro where it is
    /// called, of a block where it is inherited.
    public struct Requirement: Equatable, Sendable {
        /// Its text, as between the marks, with the whole names of types.
        public let text: String
        /// The user's file and line that its comment is in.
        public let file: String
        /// The line, from 1.
        public let line: Int
        /// Where the macro that it stands in is called, or the block is inherited: `FILE:LINE`.
        public let instance: String?
        /// Whether it stands only where nothing is compiled: in a macro that nothing calls, a block
        /// that is abstract, an `optional` that is disabled. Its names are as they are written.
        public let isUnused: Bool
    }

    /// What is to be made of sources.
    public struct Options: Equatable, Sendable {
        /// For whom, and in which version.
        public var format: PolicyFormat
        /// Whether levels mean something; nil: as the policy says.
        public var isMultilevel: Bool?
        /// What becomes of unknown classes and permissions; nil: as the policy says.
        public var unknownHandling: PolicyFile.UnknownHandling?
        /// Whether rules are checked against `neverallow`, and against bounds.
        public var checksNeverAllow = true
        /// Whether `dontaudit` is left out.
        public var ignoresDoNotAudit = false
        /// Whether tunables become Booleans.
        public var preservesTunables = false
        /// Whether a type or attribute may be declared again.
        public var allowsMultipleDeclarations = false
        /// Whether points in names are part of them.
        public var hasQualifiedNames = false

        /// Creates the options of a format.
        public init(_ format: PolicyFormat) { self.format = format }
    }

    /// A source: how errors name it, and its bytes.
    public typealias Source = (name: String, text: [UInt8])

    /// Compiles sources.
    ///
    /// - Parameter next: returns the sources one by one, then nil; none is held longer than it is
    ///   read.
    /// - Throws: the first errors, each with the user's file and line, by line marks; what `next`
    ///   throws.
    /// - Complexity: linear in the sources and what macros and inheritance copy; for each
    ///   `optional` that disables another, once more.
    public init(
        options: Options, sources next: () throws -> Source?
    ) throws {
        var tree = SourceTree()
        while let source = try next() {
            do throws(SourceFailure) {
                try tree.read(source.text, name: source.name)
            } catch {
                throw CommonIntermediatePolicy.refusal([error], tree)
            }
        }
        var structure = Structure(tree, options)
        structure.build()
        guard structure.failures.isEmpty else {
            throw CommonIntermediatePolicy.refusal(structure.failures, tree)
        }
        var lowering = try CommonIntermediatePolicy.lower(structure)
        var format = KernelPolicy.Options(options.format)
        format.isMultilevel = lowering.hasLevels
        format.unknownHandling = options.unknownHandling ?? lowering.unknownHandling ?? .deny
        format.checksNeverAllow = options.checksNeverAllow
        let result = KernelPolicy.build(lowering.policy, format)
        guard result.failures.isEmpty else {
            throw CommonIntermediatePolicy.refusal(result.failures, tree)
        }
        file = result.file
        warnings = lowering.warnings + result.warnings
        fileContexts = lowering.fileContexts
        requirements = lowering.requirements()
    }

    /// Disables what asks for what is not there, and lowers the rest.
    private static func lower(_ first: Structure) throws -> Lowering {
        var structure = first
        for _ in structure.containers {
            var trial = Lowering(structure, isTrial: true)
            trial.run()
            guard trial.failures.isEmpty else { throw refusal(trial.failures, structure.tree) }
            guard trial.hasDisabled else { break }
            for index in structure.containers.indices {
                structure.containers[index].isDisabled =
                    trial.structure.containers[index].isDisabled
            }
        }
        var lowering = Lowering(structure, isTrial: false)
        lowering.run()
        guard lowering.failures.isEmpty else { throw refusal(lowering.failures, structure.tree) }
        lowering.sortLabels()
        lowering.leaveOutOtherLabels()
        return lowering
    }

    private static func refusal(
        _ failures: [SourceFailure], _ tree: SourceTree
    ) -> KernelPolicyRefusal {
        let first = failures.sorted { $0.offset < $1.offset }.prefix(KernelPolicyRefusal.most)
        return KernelPolicyRefusal(
            errors: first.map { failure in
                let place = tree.place(of: failure.offset)
                return KernelPolicyError(
                    failure.reason, failure.message, file: place.file, line: place.line,
                    column: place.column)
            })
    }
}
