import Digests
import FlowCertificate
public import PolicyChecks
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
public import PolicySyntax
public import SystemManifest

/// The boot modules of one compartment, as they were found.
public struct CompartmentModules: Equatable, Sendable {
    /// The kernel.
    public var kernel: SystemManifestModel.Module
    /// The initial RAM disk; nil: none.
    public var initrd: SystemManifestModel.Module?

    /// Creates the modules of a compartment.
    public init(kernel: SystemManifestModel.Module, initrd: SystemManifestModel.Module?) {
        self.kernel = kernel
        self.initrd = initrd
    }
}

/// Why a proved system cannot be compiled.
public enum CompilationError: Error, Equatable {
    /// The system says something that its target does not enforce, by the check of this code.
    case notEnforced(code: String)
    /// There is not one set of modules for each compartment.
    case wrongModuleCount
    /// A statement stands in a file that is not among the sources: a defect of the caller.
    case missingSource(String)
    /// One file is a kernel here and an initial RAM disk there.
    case moduleUsedTwice(String)
    /// The compiler wrote a file that its own reader refuses: a defect of the compiler.
    case refusedByReader(String)
}

/// What a proved system compiles to.
///
/// - Invariant (readable): the hypervisor's own readers accept policy, manifest and certificate.
/// - Invariant (justified): everything in the policy follows from a declaration
///   (`TranslationCheck`).
/// - Invariant (deterministic): equal systems, sources and modules give equal files.
public struct CompiledSystem: Equatable, Sendable {
    /// The content of `policy.30`.
    public let policy: [UInt8]
    /// The content of `system.manifest`.
    public let manifest: [UInt8]
    /// The manifest as data.
    public let model: SystemManifestModel

    /// Compiles a system.
    ///
    /// - Parameters:
    ///   - sources: the file that the system was read from, then the modules that it imports.
    ///   - modules: the boot modules of the compartments, in their order.
    ///   - features: what the hypervisor is taken to enforce, as features of the manifest.
    /// - Throws: `.notEnforced`, `.wrongModuleCount`, `.missingSource`, `.moduleUsedTwice`;
    ///   `.refusedByReader` would
    ///   be a defect.
    public init(
        _ system: ProvedSystem, sources: [SourceFile], modules: [CompartmentModules],
        enforced features: UInt64 = ManifestFeature.enforcedByHypervisor
    ) throws(CompilationError) {
        let refusals = TargetCheck.all.flatMap {
            $0.violations(system.policy, enforced: features)
        }
        if let refusal = refusals.first { throw .notEnforced(code: refusal.code.id) }
        let lowered = LoweredPolicy(system.policy)
        let policy = try CompiledSystem.encoded(lowered)
        do throws(TranslationError) {
            try TranslationCheck.check(policy, of: system.policy, labels: lowered.labels)
        } catch {
            throw .refusedByReader("translation: \(error)")
        }
        var model = SystemManifestModel(
            systemName: system.policy.name, systemVersion: system.policy.version,
            policyDigest: SHA384.hash(policy.span))
        model.sources = sources.map {
            SystemManifestModel.Source(name: $0.name, digest: SHA384.hash($0.bytes.span))
        }
        model.labels = lowered.labels + lowered.subtreeLabels
        model.labels += lowered.directoryLabels.map(\.label)
        model.certificate = system.certificate
        var writer = ManifestLowering(system.policy, sources: sources.map(\.name))
        try writer.add(to: &model, modules)
        try writer.addStore(lowered, to: &model)
        self.policy = policy
        self.model = model
        manifest = model.encoded
        try verify(features)
    }

    private static func encoded(_ lowered: LoweredPolicy) throws(CompilationError) -> [UInt8] {
        do throws(PolicyWriterError) {
            return try lowered.database.encoded()
        } catch {
            throw .refusedByReader("policy: \(error)")
        }
    }

    /// Reads everything back as the hypervisor will.
    private func verify(_ features: UInt64) throws(CompilationError) {
        do throws(PolicyDatabaseError) {
            let database = try PolicyDatabase(validating: policy.span)
            guard model.labels.allSatisfy({ database.isValid($0) }) else {
                throw PolicyDatabaseError.badContext
            }
        } catch {
            throw .refusedByReader("\(error.reason)")
        }
        do throws(SystemManifestError) {
            _ = try SystemManifest(validating: manifest.span, accepting: features)
        } catch {
            throw .refusedByReader("\(error.reason)")
        }
        do throws(FlowCertificateError) {
            _ = try FlowCertificate(
                validating: model.certificate.span, compartmentCount: model.compartments.count)
        } catch {
            throw .refusedByReader("\(error.reason)")
        }
    }
}
