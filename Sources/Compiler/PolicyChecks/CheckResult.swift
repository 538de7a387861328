public import PolicySemantics
public import PolicySyntax

/// A system that kept every rule: what the compiler lowers.
///
/// - Invariant: (proved) no check of `PolicyCheck.all` finds an error in `policy`, and `flows` is
///   its flow graph. `CheckResult.check` is the only way to a value.
public struct ProvedSystem: Equatable, Sendable {
    /// The system.
    public let policy: SystemPolicy
    /// Which compartment's information comes to which other: the content of the certificate.
    public let flows: FlowGraph

    fileprivate init(policy: SystemPolicy, flows: FlowGraph) {
        self.policy = policy
        self.flows = flows
    }
}

/// What is known of a source after all stages that could be run.
///
/// A stage runs when the one before found no error: names are resolved in a tree without errors,
/// flows are computed for a system whose names are resolved.
public struct CheckResult: Sendable {
    /// The source that was read.
    public let source: SourceFile
    /// The tree; partial when the source has errors of form.
    public let tree: SyntaxTree
    /// The system; nil when the source has errors of form or of names.
    public let policy: SystemPolicy?
    /// The flows and the fate of each assertion; nil when `policy` is.
    public let report: FlowReport?
    /// The proved system; nil when one of the diagnostics is an error.
    public let proved: ProvedSystem?
    /// What is wrong, in the order of the stages.
    public let diagnostics: [Diagnostic]

    /// Runs all stages from text to proof.
    public static func check(_ source: SourceFile) -> CheckResult {
        let parsed = Parser.parse(source)
        guard !parsed.diagnostics.refuse else {
            return CheckResult(source: source, tree: parsed.tree, diagnostics: parsed.diagnostics)
        }
        let resolved = Resolver.resolve(parsed.tree, fileName: source.name)
        let diagnostics = parsed.diagnostics + resolved.diagnostics
        guard let policy = resolved.policy else {
            return CheckResult(source: source, tree: parsed.tree, diagnostics: diagnostics)
        }
        return CheckResult(
            source: source, tree: parsed.tree, policy: policy, diagnostics: diagnostics)
    }

    /// The result for a source that did not come to a system.
    private init(source: SourceFile, tree: SyntaxTree, diagnostics: [Diagnostic]) {
        self.source = source
        self.tree = tree
        self.diagnostics = diagnostics
        policy = nil
        report = nil
        proved = nil
    }

    private init(
        source: SourceFile, tree: SyntaxTree, policy: SystemPolicy, diagnostics: [Diagnostic]
    ) {
        self.source = source
        self.tree = tree
        self.policy = policy
        let flows = FlowGraph(of: policy)
        let found = PolicyCheck.all.flatMap { $0.violations(policy, flows) }
        self.diagnostics = diagnostics + found
        report = FlowReport(of: policy, flows)
        proved = self.diagnostics.refuse ? nil : ProvedSystem(policy: policy, flows: flows)
    }
}
