import Digests
import FoundationEssentials
import PolicyCompiler
import PolicySemantics
import PolicySyntax
import SystemImage
import SystemManifest

/// Finds the files that a system names, and hashes each of them once.
struct ModuleResolver {
    /// What was found.
    struct Resolution {
        /// The modules of each compartment; complete only without diagnostics.
        var modules: [CompartmentModules] = []
        /// Where each different module was found.
        var paths: [(digest: Digest384, path: String)] = []
        /// What each name stands for, in the order of the source, and the first who names it.
        var locked: [(entry: SystemLock.Entry, compartment: SystemPolicy.Compartment)] = []
        /// What is missing.
        var diagnostics: [Diagnostic] = []
    }

    private let source: SystemSource
    private let modulesFolder: String
    private var known: [String: SystemManifestModel.Module] = [:]
    private var resolution = Resolution()

    init(source: SystemSource, modulesFolder: String) {
        self.source = source
        self.modulesFolder = modulesFolder
    }

    /// Finds the modules of all compartments.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error, when a
    ///   file is there but cannot be read.
    mutating func resolve(_ policy: SystemPolicy) throws -> Resolution {
        for compartment in policy.compartments {
            let kernel = try kernel(of: compartment)
            var initrd: SystemManifestModel.Module?
            if let name = compartment.initrd {
                initrd = try module(
                    name, .initrd, in: [source.folder, modulesFolder], for: compartment)
            }
            guard let kernel else { continue }
            resolution.modules.append(CompartmentModules(kernel: kernel, initrd: initrd))
        }
        return resolution
    }

    private mutating func kernel(
        of compartment: SystemPolicy.Compartment
    ) throws -> SystemManifestModel.Module? {
        switch compartment.kernel {
        case .debian:
            try module("debian.vmlinux", .kernel, in: [modulesFolder], for: compartment)
        case .file(let name):
            try module(name, .kernel, in: [source.folder, modulesFolder], for: compartment)
        }
    }

    private mutating func module(
        _ name: String, _ kind: ModuleKind, in folders: [String],
        for compartment: SystemPolicy.Compartment
    ) throws -> SystemManifestModel.Module? {
        let paths = folders.map { "\($0)/\(name)" }
        guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            let role = kind == .kernel ? "kernel" : "initial RAM disk"
            resolution.diagnostics.append(
                Diagnostic(
                    .moduleMissing, at: compartment.source,
                    "\(role) `\(name)` of `\(compartment.name)` is not found",
                    help: "it is searched as "
                        + paths.map { "`\($0)`" }.joined(separator: ", then as ")))
            return nil
        }
        if let module = known["\(kind.rawValue) \(path)"] { return module }
        let module = try read(path, name, kind)
        guard module.sizeInBytes > 0 else {
            resolution.diagnostics.append(
                Diagnostic(.moduleEmpty, at: compartment.source, "`\(path)` is empty"))
            return nil
        }
        known["\(kind.rawValue) \(path)"] = module
        resolution.locked.append((SystemLock.Entry(module), compartment))
        resolution.paths.append((module.digest, path))
        return module
    }

    private func read(
        _ path: String, _ name: String, _ kind: ModuleKind
    ) throws -> SystemManifestModel.Module {
        do throws(FileError) {
            var file = try InputFile(reading: path)
            var hash = SHA384()
            var size: UInt64 = 0
            while try file.readOn({ (bytes) throws(FileError) in
                hash.update(bytes)
                size += UInt64(bytes.count)
            }) {}
            return SystemManifestModel.Module(
                name: name, kind: kind, sizeInBytes: size, digest: hash.finalize())
        } catch {
            throw Files.fail(error.path, error.reason)
        }
    }
}
