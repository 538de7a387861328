import Appraisal
import Digests
import FoundationEssentials
import PolicyCompiler
import SystemImage
import VirtualHardware

/// The folder that `casemate build` writes to.
struct BuildOutput {
    /// The names of all that a build writes into its folder.
    enum FileName {
        static let policy = "policy.30"
        static let manifest = "system.manifest"
        static let bundle = "boot.bundle"
        static let referenceValues = "reference-values.json"
    }

    let folder: String
    /// The signal by which a person ended the program while it wrote; nil for none.
    private(set) var endingSignal: Int32?

    init(folder: String) { self.folder = folder }

    /// Writes all files under temporary names, then gives them their own.
    ///
    /// - Parameters:
    ///   - paths: where each module of the manifest was found.
    ///   - lock: path and content of the lock, when it is to be written.
    /// - Throws: when a file cannot be written, a module has changed since it was hashed, or a
    ///   signal came. Until everything is on the disk no file has its name.
    mutating func write(
        _ build: SignedBuild, paths: [(digest: Digest384, path: String)],
        lock: (path: String, bytes: [UInt8])?
    ) throws(FileError) {
        TerminationSignals.hold()
        var output = try OutputFolder(preparing: folder)
        try writeBundle(build, paths, to: &output)
        try add(FileName.policy, build.policy, to: &output)
        try add(FileName.manifest, build.manifest, to: &output)
        try add(FileName.referenceValues, build.referenceValues.encoded(), to: &output)
        try stopIfEnded()
        guard let lock else { return try output.publish() }
        var file = try OutputFile(creating: lock.path)
        try file.write(lock.bytes.span)
        try file.synchronize()
        try output.publish()
        try file.publish()
    }

    /// Writes what stock Xen's tools take, in the same way.
    ///
    /// - Throws: as `write(_:paths:lock:)` of a build for Casemate.
    mutating func write(
        _ system: XenSystem, paths: [(digest: Digest384, path: String)],
        lock: (path: String, bytes: [UInt8])?
    ) throws(FileError) {
        TerminationSignals.hold()
        var output = try OutputFolder(preparing: folder)
        for (module, name) in system.modules {
            try stopIfEnded()
            guard let place = paths.first(where: { $0.digest == module.digest }) else {
                throw FileError(path: module.name, reason: "it was lost")
            }
            let bytes = try contents(of: place.path, module.digest)
            try add(name, bytes, to: &output)
        }
        try add(system.policyFileName, system.policy, to: &output)
        for domain in system.domains {
            try add(domain.fileName, Array(domain.text.utf8), to: &output)
        }
        try stopIfEnded()
        guard let lock else { return try output.publish() }
        var file = try OutputFile(creating: lock.path)
        try file.write(lock.bytes.span)
        try file.synchronize()
        try output.publish()
        try file.publish()
    }

    /// The content of a module, which must be what was hashed.
    private func contents(of path: String, _ digest: Digest384) throws(FileError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw FileError(path: path, reason: "it cannot be read")
        }
        let bytes = [UInt8](data)
        guard SHA384.hash(bytes.span) == digest else {
            throw FileError(path: path, reason: "it changed while it was read")
        }
        return bytes
    }

    private func add(
        _ name: String, _ bytes: [UInt8], to output: inout OutputFolder
    ) throws(FileError) {
        var file = try output.file(name)
        try file.write(bytes.span)
        try file.synchronize()
        try file.publish()
    }

    private mutating func writeBundle(
        _ build: SignedBuild, _ paths: [(digest: Digest384, path: String)],
        to output: inout OutputFolder
    ) throws(FileError) {
        var writer = try BootBundleWriter(
            to: try output.file(FileName.bundle), policy: build.policy, manifest: build.manifest)
        for module in build.modules {
            try stopIfEnded()
            guard let place = paths.first(where: { $0.digest == module.digest }) else {
                throw FileError(path: module.name, reason: "it was lost")
            }
            var file = try InputFile(reading: place.path)
            guard try writer.appendModule(&file) == module.digest else {
                throw FileError(path: place.path, reason: "it changed while it was read")
            }
        }
        var bundle = try writer.finish()
        try bundle.synchronize()
        try bundle.publish()
    }

    private mutating func stopIfEnded() throws(FileError) {
        endingSignal = TerminationSignals.next()
        guard endingSignal == nil else {
            throw FileError(path: folder, reason: "the program was ended; nothing was written")
        }
    }
}
