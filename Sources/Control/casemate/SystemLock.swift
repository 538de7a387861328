import Digests
import FoundationEssentials
import PolicyCompiler
import PolicySemantics
import PolicySyntax
import SystemImage
import SystemManifest

/// The file `system.lock` beside a source: what each name of a module stood for when it was built.
///
/// - Source: docs/build.md, which has its shape.
struct SystemLock: Equatable {
    /// The name of a system's lock in its folder.
    static let fileName = "system.lock"
    /// The first member of the document.
    private static let format = "casemate-lock-1"

    /// What one name stands for.
    struct Entry: Equatable, Codable {
        /// `kernel` or `initrd`.
        let kind: String
        /// The file's name: as the source has it, or `debian.vmlinux` for `kernel debian`.
        let name: String
        /// The size, in bytes.
        let sizeInBytes: UInt64
        /// SHA-384 of the file, in hexadecimal.
        let sha384: String

        init(_ module: SystemManifestModel.Module) {
            kind = module.kind == .kernel ? "kernel" : "initrd"
            name = module.name
            sizeInBytes = module.sizeInBytes
            sha384 = module.digest.hexadecimal
        }
    }

    /// What stands in the file.
    private struct Document: Codable {
        let format: String
        let system: String
        let modules: [Entry]
    }

    /// The name of the system.
    let system: String
    /// The entries, by kind and name.
    let entries: [Entry]

    /// Describes what a system was resolved to.
    init(system: String, _ entries: [Entry]) {
        self.system = system
        self.entries = entries.sorted { ($0.kind, $0.name) < ($1.kind, $1.name) }
    }

    /// Reads a lock; nil for anything but the documented shape.
    init?(json: [UInt8]) {
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(json)),
            document.format == SystemLock.format
        else { return nil }
        self.init(system: document.system, document.modules)
    }

    /// The bytes of the file: the same for the same entries.
    var encoded: [UInt8] {
        let modules = entries.map { entry in
            JSONValue.object([
                ("kind", .string(entry.kind)), ("name", .string(entry.name)),
                ("sizeInBytes", .number(entry.sizeInBytes)), ("sha384", .string(entry.sha384)),
            ])
        }
        let document = JSONValue.object([
            ("format", .string(SystemLock.format)), ("system", .string(system)),
            ("modules", .array(modules)),
        ])
        return Array(document.text.utf8)
    }

    /// Returns the entry of the same name and kind.
    func entry(like other: Entry) -> Entry? {
        entries.first { $0.kind == other.kind && $0.name == other.name }
    }

    /// Returns what is not as the lock says, as errors about the system's source.
    ///
    /// - Parameters:
    ///   - found: what each name now stands for, with the first compartment that names it.
    ///   - policy: the system.
    func drift(
        _ found: [(entry: Entry, compartment: SystemPolicy.Compartment)], _ policy: SystemPolicy
    ) -> [Diagnostic] {
        var diagnostics: [Diagnostic] = []
        for (entry, compartment) in found {
            let what = "\(entry.kind) `\(entry.name)` of `\(compartment.name)`"
            guard let wanted = self.entry(like: entry) else {
                diagnostics.append(
                    Diagnostic(
                        .notLocked, at: compartment.source,
                        "\(what) is not in `\(SystemLock.fileName)`; it is sha384:\(entry.sha384)",
                        help: SystemLock.help))
                continue
            }
            guard wanted != entry else { continue }
            diagnostics.append(
                Diagnostic(
                    .lockDrift, at: compartment.source,
                    "\(what) is not the locked one: expected sha384:\(wanted.sha384) "
                        + "(\(wanted.sizeInBytes) bytes), found sha384:\(entry.sha384) "
                        + "(\(entry.sizeInBytes) bytes)",
                    help: SystemLock.help))
        }
        for entry in entries where !found.contains(where: { $0.entry.isNamed(like: entry) }) {
            diagnostics.append(
                Diagnostic(
                    .lockIdle, at: policy.source,
                    "`\(SystemLock.fileName)` holds \(entry.kind) `\(entry.name)`, which no "
                        + "compartment names",
                    help: SystemLock.help))
        }
        return diagnostics
    }

    private static let help = "when the change is meant, build without --locked, and read the diff"

    /// Returns what differs from an earlier lock, a line for each entry.
    func changes(since old: SystemLock) -> [String] {
        let new = entries.compactMap { entry -> String? in
            let before = old.entry(like: entry)
            guard before != entry else { return nil }
            let was = before.map { ", was sha384:\($0.sha384)" } ?? ""
            return "\(entry.kind) `\(entry.name)` is sha384:\(entry.sha384)\(was)"
        }
        let gone = old.entries.filter { entry(like: $0) == nil }.map {
            "\($0.kind) `\($0.name)` is gone"
        }
        return new + gone
    }
}

extension SystemLock.Entry {
    /// Whether both are about the same name.
    fileprivate func isNamed(like other: Self) -> Bool { kind == other.kind && name == other.name }
}
