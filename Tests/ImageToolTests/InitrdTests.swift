import Foundation
import TestSupport
import Testing

@Suite("make-initrd") struct InitrdTests {
    private static let tool = "hypervisor/image/make-initrd"

    /// Runs the tool on a recipe in a folder of its own, beside a file `a`.
    private func make(_ recipe: String, in folder: TemporaryFolder) throws -> ToolRun {
        _ = try folder.write("content\n", to: "a")
        return try ToolRun(
            Self.tool,
            [
                folder.write(recipe, to: "r.initrd"), folder.path("out.cpio"),
                "--products", folder.path(), "--drivers", folder.path(),
            ])
    }

    @Test("equal inputs make equal bytes, whenever and wherever they lie") func reproducible()
        throws
    {
        let recipe = "dir /b 0755\nfile /b/a recipe:a 0644\nslink /c b/a\n"
        let archives = try [Date(), Date(timeIntervalSince1970: 1)].map { date in
            let folder = try TemporaryFolder()
            defer { folder.remove() }
            _ = try folder.write("content\n", to: "a")
            try FileManager.default.setAttributes(
                [.modificationDate: date, .posixPermissions: 0o600], ofItemAtPath: folder.path("a"))
            let run = try make(recipe, in: folder)
            #expect(run.status == 0, "\(run.errors)")
            return try Data(contentsOf: folder.url("out.cpio"))
        }
        #expect(archives[0] == archives[1])
        #expect(archives[0].starts(with: Data("070701".utf8)))
    }

    @Test("an unchanged archive is left alone, a changed one is replaced") func fresh() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        #expect(try make("file /a recipe:a 0644\n", in: folder).output.hasPrefix("made: "))
        #expect(try make("file /a recipe:a 0644\n", in: folder).output.hasPrefix("fresh: "))
        #expect(try make("file /a recipe:a 0600\n", in: folder).output.hasPrefix("made: "))
    }

    @Test(
        "a line that is not understood is refused with its number, and nothing is written",
        arguments: [
            "node /a 0644", "dir /a", "dir /a 0755 0", "file /a recipe:a", "slink /a",
            "file a recipe:a 0644", "file /../a recipe:a 0644",
            "file /b/a recipe:a 0644", "file /a recipe:b 0644", "file /a a 0644",
            "file /a recipe:a 0644 0", "dir //a 0755", "file /a/.. recipe:a 0644",
        ])
    func refused(line: String) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try make("# first\n\(line)\n", in: folder)
        #expect(run.status == 1)
        #expect(run.errors.contains("r.initrd:2: "), "\(run.errors)")
        #expect(!FileManager.default.fileExists(atPath: folder.path("out.cpio")))
    }
}
