import Foundation
import TestSupport

/// A folder with a small system, its own kernel, a folder of modules, and two keys.
struct SmallSystem {
    static func source(version: Int = 1) -> String {
        """
        system small version \(version)
        target casemate

        levels low < high
        categories red, blue

        compartment one at low {
            kernel debian
            initrd "one.cpio"
            memory 64 MiB
            vcpus 1
        }

        compartment two at high:red,blue {
            kernel "own.vmlinux"
            memory 64 MiB
            vcpus 1
        }

        channel up: one -> two signal

        """
    }
    static let results = [
        "boot.bundle", "policy.30", "reference-values.json", "system.manifest",
    ]

    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        _ = try folder.write(Self.source(), to: "system.casemate")
        _ = try folder.write("a kernel of its own", to: "own.vmlinux")
        try FileManager.default.createDirectory(
            at: folder.url("modules"), withIntermediateDirectories: true)
        _ = try folder.write("Debian's kernel", to: "modules/debian.vmlinux")
        _ = try folder.write("an initial RAM disk", to: "modules/one.cpio")
    }

    func build(_ output: String, _ more: String...) throws -> Command {
        try Command(
            arguments: [
                "build", folder.path("system.casemate"), "--output", folder.path(output),
                "--modules", folder.path("modules"),
            ] + more, programsIn: nil)
    }

    func names(_ output: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path(output)).sorted()
    }

    /// Makes a key, and returns the path of its private half.
    func key(_ name: String) throws -> String {
        _ = try Command("key", "new", folder.path(name))
        return folder.path(name)
    }
}
