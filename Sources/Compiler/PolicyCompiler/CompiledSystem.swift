import Digests
import FlowCertificate
public import PolicyChecks
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
public import PolicySyntax
import SystemManifest

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
    /// One file is a kernel here and an initial RAM disk there.
    case moduleUsedTwice(String)
    /// The compiler wrote a file that its own reader refuses: a defect of the compiler.
    case refusedByReader(String)
}

/// What a proved system compiles to.
///
/// - Invariant (readable): the hypervisor's own readers accept policy, manifest and certificate.
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
    ///   - source: the file that the system was read from.
    ///   - modules: the boot modules of the compartments, in their order.
    /// - Throws: `.notEnforced`, `.wrongModuleCount`, `.moduleUsedTwice`; `.refusedByReader` would
    ///   be a defect.
    public init(
        _ system: ProvedSystem, source: SourceFile, modules: [CompartmentModules]
    ) throws(CompilationError) {
        let refusals = TargetCheck.all.flatMap { $0.violations(system.policy) }
        if let refusal = refusals.first { throw .notEnforced(code: refusal.code.id) }
        let lowered = LoweredPolicy(system.policy)
        let policy = try CompiledSystem.encoded(lowered)
        var model = SystemManifestModel(
            systemName: system.policy.name, systemVersion: system.policy.version,
            policyDigest: SHA384.hash(policy.span))
        model.sources = [
            SystemManifestModel.Source(
                name: source.name, digest: SHA384.hash(source.bytes.span))
        ]
        model.labels = lowered.labels
        model.certificate = system.certificate
        try model.addCompartments(of: system.policy, modules)
        model.addChannels(of: system.policy)
        self.policy = policy
        self.model = model
        manifest = model.encoded
        try verify()
    }

    private static func encoded(_ lowered: LoweredPolicy) throws(CompilationError) -> [UInt8] {
        do throws(PolicyWriterError) {
            return try lowered.database.encoded()
        } catch {
            throw .refusedByReader("policy: \(error)")
        }
    }

    /// Reads everything back as the hypervisor will.
    private func verify() throws(CompilationError) {
        do throws(PolicyDatabaseError) {
            let database = try PolicyDatabase(validating: policy.span)
            guard model.labels.allSatisfy({ database.isValid($0) }) else {
                throw PolicyDatabaseError.badContext
            }
        } catch {
            throw .refusedByReader("\(error.reason)")
        }
        do throws(SystemManifestError) {
            _ = try SystemManifest(validating: manifest.span)
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

extension SystemManifestModel {
    /// Adds compartments, and their modules once each.
    fileprivate mutating func addCompartments(
        of system: SystemPolicy, _ modules: [CompartmentModules]
    ) throws(CompilationError) {
        guard modules.count == system.compartments.count else { throw .wrongModuleCount }
        for (index, compartment) in system.compartments.enumerated() {
            let kernel = try addModule(modules[index].kernel)
            var initrd: Int?
            if let module = modules[index].initrd { initrd = try addModule(module) }
            compartments.append(
                Compartment(
                    name: compartment.name, commandLine: compartment.commandLine, label: index,
                    kernel: kernel, initrd: initrd, memoryInBytes: compartment.memoryInBytes,
                    vcpuCount: compartment.vcpuCount, place: place(compartment.source)))
        }
    }

    private mutating func addModule(_ module: Module) throws(CompilationError) -> Int {
        if let known = modules.firstIndex(where: { $0.digest == module.digest }) {
            guard modules[known].kind == module.kind else { throw .moduleUsedTwice(module.name) }
            return known
        }
        modules.append(module)
        return modules.count - 1
    }

    fileprivate mutating func addChannels(of system: SystemPolicy) {
        channels = system.channels.map {
            Channel(name: $0.name, from: $0.from, to: $0.to, place: place($0.source))
        }
    }

    /// The system is one file, which is source 0.
    private func place(_ span: SourceSpan) -> SourceReference {
        SourceReference(source: 0, line: span.line, column: span.column)
    }
}
