import Appraisal
import Digests
import FoundationEssentials
import PolicyCompiler
import SystemImage

/// The folder that `casemate build` writes to.
struct BuildOutput {
    let folder: String

    /// Writes all files under temporary names, then gives them their own.
    ///
    /// - Parameter paths: where each module of the manifest was found.
    /// - Throws: when a file cannot be written, or a module has changed since it was hashed. Until
    ///   everything is on the disk no file has its name.
    func write(
        _ compiled: CompiledSystem, _ values: ReferenceValues,
        paths: [(digest: Digest384, path: String)]
    ) throws(FileError) {
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw FileError(path: folder, reason: "the folder cannot be made")
        }
        var bundle = try writeBundle(compiled, paths)
        var policy = try file("policy.30", compiled.policy)
        var manifest = try file("system.manifest", compiled.manifest)
        var references = try file("reference-values.json", values.encoded())
        try policy.publish()
        try manifest.publish()
        try bundle.publish()
        try references.publish()
    }

    private func file(_ name: String, _ bytes: [UInt8]) throws(FileError) -> OutputFile {
        var file = try OutputFile(creating: "\(folder)/\(name)")
        try file.write(bytes.span)
        try file.synchronize()
        return file
    }

    private func writeBundle(
        _ compiled: CompiledSystem, _ paths: [(digest: Digest384, path: String)]
    ) throws(FileError) -> OutputFile {
        var writer = try BootBundleWriter(
            to: try OutputFile(creating: "\(folder)/boot.bundle"), policy: compiled.policy,
            manifest: compiled.manifest)
        for module in compiled.model.modules {
            guard let place = paths.first(where: { $0.digest == module.digest }) else {
                throw FileError(path: module.name, reason: "it was lost")
            }
            var file = try InputFile(reading: place.path)
            guard try writer.appendModule(&file) == module.digest else {
                throw FileError(path: place.path, reason: "it changed while it was read")
            }
        }
        var output = try writer.finish()
        try output.synchronize()
        return output
    }
}
