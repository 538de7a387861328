import Foundation
import TestSupport
import Testing

@Suite("system.lock", .serialized) struct LockCommandTests {
    private func lock(_ system: SmallSystem) throws -> String {
        try String(contentsOf: system.folder.url("system.lock"), encoding: .utf8)
    }

    @Test("a build writes the lock once, and a locked build that finds the same holds")
    func written() throws {
        let system = try SmallSystem()
        defer { system.folder.remove() }
        #expect(try system.build("out").status == 0)
        let text = try lock(system)
        let document =
            try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        #expect(document?["format"] as? String == "casemate-lock-1")
        let modules = document?["modules"] as? [[String: Any]]
        #expect(
            modules?.compactMap { $0["name"] as? String } == [
                "one.cpio", "debian.vmlinux", "own.vmlinux",
            ])
        #expect(modules?.first?["sizeInBytes"] as? Int == 19)
        #expect(!text.contains(system.folder.path()))
        let run = try system.build("out", "--locked")
        #expect(run.status == 0 && run.errors.isEmpty)
        #expect(try lock(system) == text)
    }

    @Test("drift is refused by --locked, which names compartment, file and both digests")
    func drift() throws {
        let system = try SmallSystem()
        defer { system.folder.remove() }
        #expect(try system.build("out").status == 0)
        let before = try lock(system)
        _ = try system.folder.write("another kernel", to: "modules/debian.vmlinux")
        let run = try system.build("new", "--locked")
        #expect(run.status == 1)
        #expect(run.errors.contains("error[SYS-LCK-003]: kernel `debian.vmlinux` of `one`"))
        #expect(
            run.errors.firstMatch(
                of: /expected sha384:[0-9a-f]{96} .* found sha384:[0-9a-f]{96}/) != nil)
        #expect(!FileManager.default.fileExists(atPath: system.folder.path("new")))
        #expect(try lock(system) == before)
        let free = try system.build("out")
        #expect(free.status == 0)
        #expect(free.errors.hasPrefix("note: system.lock: kernel `debian.vmlinux` is sha384:"))
        #expect(try lock(system) != before)
        #expect(try system.build("out", "--locked").status == 0)
    }

    @Test("a locked build without a lock, with a broken, a foreign or an incomplete one is refused")
    func refused() throws {
        let system = try SmallSystem()
        defer { system.folder.remove() }
        #expect(try system.build("out", "--locked").errors.contains("error[SYS-LCK-001]"))
        #expect(!FileManager.default.fileExists(atPath: system.folder.path("out")))
        _ = try system.folder.write("{}", to: "system.lock")
        #expect(try system.build("out", "--locked").errors.contains("error[SYS-LCK-002]"))
        #expect(try system.build("out").status == 0)
        let good = try lock(system)
        let cases = [
            (good.replacing("\"small\"", with: "\"other\""), "SYS-LCK-002"),
            (good.replacing("one.cpio", with: "two.cpio"), "SYS-LCK-004"),
            (good.replacing("one.cpio", with: "two.cpio"), "SYS-LCK-005"),
            (good.replacing("\"sizeInBytes\": 19", with: "\"sizeInBytes\": 20"), "SYS-LCK-003"),
        ]
        for (text, code) in cases {
            _ = try system.folder.write(text, to: "system.lock")
            let run = try system.build("out", "--locked")
            #expect(run.status == 1 && run.errors.contains("error[\(code)]"), "\(code)")
        }
    }
}
