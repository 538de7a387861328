import Foundation
import TestSupport
import Testing

/// The system that docs/xen.md shows.
@Suite("docs/xen.md") struct XenPageTests {
    private func source() throws -> String {
        let page = try String(
            contentsOf: RepositoryFiles.root.appending(path: "docs/xen.md"), encoding: .utf8)
        let start = try #require(page.firstRange(of: "```casemate\n")?.upperBound)
        let end = try #require(page[start...].firstRange(of: "```")?.lowerBound)
        return String(page[start..<end])
    }

    /// A folder with the system, its modules and a change of its text.
    private func build(
        _ folder: TemporaryFolder, _ target: String, changed: (String) -> String = { $0 }
    ) throws -> Command {
        _ = try folder.write(changed(try source()), to: "system.casemate")
        for name in ["debian.vmlinux", "controller.cpio", "gate.cpio", "desk.cpio", "journal.cpio"]
        {
            _ = try folder.write("stands for \(name)", to: name)
        }
        return try Command(
            "build", folder.path("system.casemate"), "--target", target, "--output",
            folder.path("out"), "--modules", folder.path())
    }

    @Test("it is proved, has its canonical form, and builds; SETools reads what was built")
    func builds() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try build(folder, "xen")
        #expect(run.status == 0, "\(run.errors)")
        #expect(try Command("format", "--check", folder.path("system.casemate")).status == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path("out")).sorted()
        for name in ["controller.cfg", "desk.cfg", "gate.cfg", "journal.cfg", "xenpolicy-4.17"] {
            #expect(names.contains(name), "\(names)")
        }
        let gate = try String(contentsOf: folder.url("out/gate.cfg"), encoding: .utf8)
        #expect(gate.contains("seclabel = \"label2_u:compartment_r:gate-t:office-plant\""))
        let rules = try ToolRun(
            "/usr/bin/sesearch",
            ["-A", "-s", "controller-t", "-t", "desk-t", folder.path("out/xenpolicy-4.17")])
        #expect(rules.status == 0 && rules.output.isEmpty, "\(rules.output)")
    }

    @Test("without its exemption, or with a way out of the journal, it is refused with the path")
    func refused() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let bare = try build(folder, "xen") { text in
            text.split(separator: "\n", omittingEmptySubsequences: false)
                .filter { !$0.hasPrefix("exempt gate") }.joined(separator: "\n")
        }
        #expect(bare.status == 1 && bare.errors.contains("error[POL-FLW-001]: channel `releases`"))
        let leaking = try build(folder, "xen") { $0 + "channel out: journal -> desk signal\n" }
        #expect(leaking.status == 1 && leaking.errors.contains("`journal` -> `desk` through `out`"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
    }

    @Test("the codes that the page names are those of the statements") func codes() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        for (field, code) in [
            ("restart 5 times", "POL-TGT-012"), ("console none", "POL-TGT-012"),
            ("schedule fixed slot 1 ms", "POL-TGT-011"),
        ] {
            let run = try build(folder, "xen") { text in
                text.replacing("    schedule fair weight 512\n", with: "    \(field)\n")
                    .replacing("    schedule fair weight 256 cap 50 percent\n", with: "")
            }
            #expect(run.status == 1 && run.errors.contains(code), "\(field): \(run.errors)")
        }
        let rated = try build(folder, "xen") {
            $0.replacing("4 pages\n", with: "4 pages rate 9 per second\n")
        }
        #expect(rated.status == 1 && rated.errors.contains("POL-TGT-007"))
        let guardSystem = try Command(
            "build", "policy/systems/guard", "--target", "xen", "--output", folder.path("x"))
        #expect(guardSystem.status == 1 && guardSystem.errors.contains("POL-TGT-001"))
    }
}
