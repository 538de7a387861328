import Digests
import PolicyChecks
package import PolicyDatabase
package import PolicyDatabaseModel
public import PolicySemantics
import PolicySyntax
import SecurityLattice
import SystemManifest

/// What a system compiles to for stock Xen: a policy for its FLASK module, and for each compartment
/// a configuration of `xl`.
///
/// - Invariant (accepted): the Xen of this version loads the policy, and nothing in it is in vain
///   (`PolicyFile.objections(of:)`).
/// - Invariant (justified): without its first domain, the policy is Casemate's own, of which
///   everything follows from a declaration (`TranslationCheck`).
public struct XenSystem: Sendable {
    /// The configuration of one domain.
    public struct Domain: Equatable, Sendable {
        /// The name of the file.
        public let fileName: String
        /// Its content.
        public let text: String
    }

    /// The version of Xen.
    public let version: String
    /// The policy, in the format of version 30, which every Xen since 4.6 takes.
    public let policy: [UInt8]
    /// The domains, in the order of the compartments.
    public let domains: [Domain]
    /// The kernels and initial RAM disks, each once, with the names that the domains give them.
    public let modules: [(module: SystemManifestModel.Module, fileName: String)]

    /// The name of the policy's file.
    public var policyFileName: String { "xenpolicy-\(version)" }

    /// Compiles a system.
    ///
    /// - Parameters:
    ///   - system: a proved system, aimed at Xen.
    ///   - modules: the boot modules of the compartments, in their order.
    /// - Throws: `.notEnforced`, `.wrongModuleCount`; `.refusedByReader` would be a defect.
    public init(
        _ system: SystemPolicy, modules: [CompartmentModules]
    ) throws(CompilationError) {
        let refusals = TargetCheck.all.flatMap { $0.violations(system) }
        if let refusal = refusals.first { throw .notEnforced(code: refusal.code.id) }
        guard let version = system.further.targetVersion, let map = XenClassMap.of(version: version)
        else { throw .notEnforced(code: DiagnosticCode.targetListed.id) }
        guard modules.count == system.compartments.count else { throw .wrongModuleCount }
        self.version = version
        let own = LoweredPolicy(system)
        try XenSystem.justify(own, system)
        let lowered = LoweredPolicy(system, hasHost: true)
        let translated = XenPolicy(lowered, subjects: lowered.labels.map(\.type), for: map)
        policy = try XenSystem.encoded(translated.database, map)
        var files: [(module: SystemManifestModel.Module, fileName: String)] = []
        for compartment in modules {
            for module in [compartment.kernel] + [compartment.initrd].compactMap({ $0 })
            where !files.contains(where: { $0.module.digest == module.digest }) {
                files.append((module, XenSystem.fileName(module)))
            }
        }
        self.modules = files
        domains = zip(system.compartments, zip(lowered.labels, modules)).map { compartment, rest in
            Domain(
                fileName: "\(compartment.name).cfg",
                text: XenSystem.configuration(
                    compartment, label: lowered.database.text(rest.0), rest.1))
        }
    }

    private static func justify(
        _ lowered: LoweredPolicy, _ system: SystemPolicy
    ) throws(CompilationError) {
        let bytes = try written(lowered.database)
        do throws(TranslationError) {
            try TranslationCheck.check(bytes, of: system, labels: lowered.labels)
        } catch {
            throw .refusedByReader("translation: \(error)")
        }
    }

    private static func written(
        _ database: PolicyDatabaseModel
    ) throws(CompilationError) -> [UInt8] {
        do throws(PolicyWriterError) {
            return try database.encoded(version: .xen30)
        } catch {
            throw .refusedByReader("policy: \(error)")
        }
    }

    private static func encoded(
        _ database: PolicyDatabaseModel, _ map: XenClassMap
    ) throws(CompilationError) -> [UInt8] {
        let bytes = try written(database)
        let file: PolicyFile
        do throws(PolicyFileError) {
            file = try PolicyFile(validating: bytes)
        } catch {
            throw .refusedByReader("policy: \(error)")
        }
        guard let objection = file.objections(of: map).first else { return bytes }
        throw .refusedByReader(
            "Xen \(map.version): \(objection.reason.rawValue) \(objection.subject)")
    }

    // MARK: Domains

    /// A name that says which content it stands for.
    private static func fileName(_ module: SystemManifestModel.Module) -> String {
        let kind = module.kind == .kernel ? "kernel" : "initrd"
        return "\(kind)-\(module.digest.hexadecimal.prefix(16))"
    }

    /// The configuration of one domain.
    ///
    /// - Source: Xen 4.17, `xl.cfg(5)`.
    private static func configuration(
        _ compartment: SystemPolicy.Compartment, label: String, _ modules: CompartmentModules
    ) -> String {
        var lines = [
            "# Written by `casemate build --target xen`: change the system's source instead.",
            "name = \(quoted(compartment.name))",
            "type = \"pvh\"",
            "seclabel = \(quoted(label))",
            "kernel = \(quoted(fileName(modules.kernel)))",
        ]
        if let initrd = modules.initrd { lines.append("ramdisk = \(quoted(fileName(initrd)))") }
        if !compartment.commandLine.isEmpty {
            lines.append("cmdline = \(quoted(compartment.commandLine))")
        }
        lines += [
            "memory = \(compartment.memoryInBytes >> 20)",
            "maxmem = \(compartment.memoryInBytes >> 20)",
            "vcpus = \(compartment.vcpuCount)",
        ]
        if case .fair(let weight, let cap)? = compartment.options.schedule?.value {
            lines.append("cpu_weight = \(weight)")
            if let cap { lines.append("cap = \(cap)") }
        }
        for event in ["poweroff", "reboot", "crash"] { lines.append("on_\(event) = \"destroy\"") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

extension PolicyDatabaseModel {
    /// Returns a context in the words of the policy.
    package func text(_ context: SecurityContext) -> String {
        let range =
            context.range.isSingleLevel
            ? text(context.range.low)
            : "\(text(context.range.low))-\(text(context.range.high))"
        return [
            users[Int(context.user) - 1].name, roles[Int(context.role) - 1].name,
            types[Int(context.type) - 1].name, range,
        ].joined(separator: ":")
    }

    private func text(_ level: SecurityLevel) -> String {
        let held = categories.indices.filter { index in
            UInt8(exactly: index).map { level.categories.contains(Category(index: $0)) } ?? false
        }
        let names = held.map { categories[$0].name }
        let sensitivity = sensitivities[Int(level.sensitivity.rank)].name
        return names.isEmpty ? sensitivity : "\(sensitivity):\(names.joined(separator: ","))"
    }
}
