public import PolicySemantics
public import PolicySyntax
import SystemManifest

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
    /// The modules that it imports, by any number of steps.
    public let modules: [SourceFile]
    /// The tree of the source itself; partial when it has errors of form.
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
    ///
    /// - Parameter strict: whether unbounded residual channels are errors too.
    /// - Parameter read: returns a file of the system's folder by its name there, nil when it
    ///   cannot be read.
    public static func check(
        _ source: SourceFile, strict: Bool = false,
        reading read: (String) -> SourceFile? = { _ in nil }
    ) -> CheckResult {
        let loader = ModuleLoader(source, reading: read)
        guard !loader.diagnostics.refuse else {
            return CheckResult(source: source, loader, diagnostics: loader.diagnostics)
        }
        let resolved = Resolver.resolve(loader.merged, fileName: source.name)
        let diagnostics = loader.diagnostics + resolved.diagnostics
        guard let policy = resolved.policy else {
            return CheckResult(source: source, loader, diagnostics: diagnostics)
        }
        return CheckResult(
            source: source, loader, policy: policy, strict: strict, diagnostics: diagnostics)
    }

    /// What the system's target does not enforce: `build` refuses it, `check` does not.
    public var targetDiagnostics: [Diagnostic] {
        targetDiagnostics(enforced: ManifestFeature.enforcedByHypervisor)
    }

    /// What one of the targets that the system lists does not enforce, and for stock Xen, what it
    /// leaves open though the system is built for it: warnings.
    public func targetDiagnostics(for target: SystemPolicy.Target) -> [Diagnostic] {
        guard let policy else { return [] }
        guard let aimed = policy.aimed(at: target) else {
            return [
                Diagnostic(
                    .targetListed, at: policy.source,
                    "the system does not list the target `\(target.rawValue)`",
                    help: target == .xen
                        ? "add `target xen \"\(SystemPolicy.Target.xenVersions.last ?? "")\"`"
                        : "add `target \(target.rawValue)`")
            ]
        }
        return TargetCheck.all.flatMap { $0.violations(aimed) }
            + (target == .xen ? XenOpenPoints.warnings(aimed) : [])
    }

    /// What the system's target would not enforce if its hypervisor enforced `features` only.
    package func targetDiagnostics(enforced features: UInt64) -> [Diagnostic] {
        guard let policy else { return [] }
        return TargetCheck.all.flatMap { $0.violations(policy, enforced: features) }
    }

    /// The result for a source that did not come to a system.
    private init(source: SourceFile, _ loader: ModuleLoader, diagnostics: [Diagnostic]) {
        self.source = source
        modules = loader.imported
        tree = loader.mainTree
        self.diagnostics = diagnostics
        policy = nil
        report = nil
        proved = nil
    }

    private init(
        source: SourceFile, _ loader: ModuleLoader, policy: SystemPolicy, strict: Bool,
        diagnostics: [Diagnostic]
    ) {
        self.source = source
        modules = loader.imported
        tree = loader.mainTree
        self.policy = policy
        let flows = FlowGraph(of: policy)
        let checks = PolicyCheck.all + (strict ? PolicyCheck.strict : [])
        let found = checks.flatMap { $0.violations(policy, flows) }
        self.diagnostics = diagnostics + found
        report = FlowReport(of: policy, flows)
        proved = self.diagnostics.refuse ? nil : ProvedSystem(policy: policy, flows: flows)
    }
}
