import CompilerTestSupport
import Digests
import PolicyCompiler
import SystemManifest
import TestSupport
import VirtualHardware

/// A system of programs that are a few instructions each, compiled from a source, with a boot
/// bundle.
struct GuestSystem {
    /// The boot bundle.
    let bundle: [UInt8]
    /// Its policy.
    let policy: [UInt8]
    /// Its manifest.
    let manifest: [UInt8]

    /// Compiles a system whose compartments, `first`, `second` and so on, run these programs.
    ///
    /// - Parameters:
    ///   - fields: what each compartment says besides kernel and memory.
    ///   - names: what they are called; those of services make services.
    ///   - statements: what the system says besides.
    ///   - change: changes the manifest after it was compiled.
    init(
        _ programs: [GuestProgram], fields: [String],
        names: [String] = ["first", "second", "third", "fourth"], statements: String = "",
        change: (inout SystemManifestModel) -> Void = { _ in }
    ) throws {
        let services = ["store", "console", "control", "tpm", "audit"]
        let compartments = zip(names, fields).prefix(programs.count).map { name, fields in
            """
            \(services.contains(name) ? "service" : "compartment") \(name) at low {
                kernel debian
                memory 32 MiB
                \(fields)
            }

            """
        }
        let text = """
            system guests version 1
            target casemate

            levels low

            \(compartments.joined())
            \(statements)
            """
        try self.init(text, kernels: programs.map(\.image), change)
    }

    /// Compiles a system whose compartments have these images for kernels, in their order, and
    /// these initial RAM disks; nil is none.
    init(
        _ text: String, kernels: [[UInt8]], initrds: [[UInt8]?] = [],
        _ change: (inout SystemManifestModel) -> Void = { _ in }
    ) throws {
        // The hypervisor is to refuse what the compiler would.
        let system = try TestSystem(text, enforced: .max)
        var model = system.compiled.model
        var modules: [[UInt8]] = []
        model.modules = []
        func module(_ image: [UInt8], _ kind: ModuleKind, _ name: String) -> Int {
            let digest = SHA384.hash(image.span)
            if let known = model.modules.firstIndex(where: { $0.digest == digest }) {
                return known
            }
            model.modules.append(
                SystemManifestModel.Module(
                    name: name, kind: kind, sizeInBytes: UInt64(image.count), digest: digest))
            modules.append(image)
            return model.modules.count - 1
        }
        for (index, image) in kernels.enumerated() {
            model.compartments[index].kernel = module(image, .kernel, "program \(index)")
            model.compartments[index].initrd = nil
        }
        for (index, disk) in initrds.enumerated() {
            guard let image = disk else { continue }
            model.compartments[index].initrd = module(image, .initrd, "disk \(index)")
        }
        change(&model)
        policy = system.compiled.policy
        manifest = model.encoded
        bundle = NewcArchive.archive(
            [("policy", policy), ("manifest", manifest)]
                + modules.enumerated().map { ("module/\($0)", $1) })
    }
}
