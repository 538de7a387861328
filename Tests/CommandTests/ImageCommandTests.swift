import Appraisal
import Digests
import Foundation
import TestSupport
import Testing

@Suite("casemate image") struct ImageCommandTests {
    /// A small system that is built, and something that stands for the hypervisor.
    private func built() throws -> SmallSystem {
        let system = try SmallSystem()
        try #require(system.build("out").status == 0)
        _ = try system.folder.write("the hypervisor", to: "hypervisor")
        return system
    }

    private func image(
        _ system: SmallSystem, _ source: String = "out", _ output: String = "disk.img",
        _ more: String...
    ) throws -> Command {
        try Command(
            arguments: [
                "image", system.folder.path(source), "--output", system.folder.path(output),
                "--hypervisor", system.folder.path("hypervisor"),
            ] + more, programsIn: nil)
    }

    @Test("a build makes the same disk twice, and so does its source; digests are printed")
    func reproducible() throws {
        let system = try built()
        defer { system.folder.remove() }
        let first = try image(system)
        try #require(first.status == 0, "\(first.errors)")
        let modules = system.folder.path("modules")
        let second = try image(system, "system.casemate", "other.img", "--modules", modules)
        try #require(second.status == 0, "\(second.errors)")
        for suffix in ["", ".reference-values.json"] {
            let one = try Data(contentsOf: system.folder.url("disk.img" + suffix))
            let other = try Data(contentsOf: system.folder.url("other.img" + suffix))
            #expect(one == other && !one.isEmpty)
            let sum = try ToolRun("/usr/bin/sha384sum", [system.folder.path("disk.img" + suffix)])
            #expect(first.output.contains("sha384:" + sum.output.prefix(96)))
        }
    }

    @Test("the reference values are the build's, with what GRUB measures")
    func referenceValues() throws {
        let system = try built()
        defer { system.folder.remove() }
        let values = system.folder.path("values.json")
        let run = try image(system, "out", "disk.img", "--reference-values", values, "--json")
        try #require(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("\"casemate-image-1\""))
        var reference = try ReferenceValues(json: [UInt8](Data(contentsOf: URL(filePath: values))))
        let bootLoader = try #require(reference.bootLoader)
        #expect(
            bootLoader.events.map(\.text) == [
                "/casemate/grub.cfg", "grub_cmd: multiboot2 /casemate/casemate.elf",
                "/casemate/casemate.elf", "kernel_cmdline: ",
                "grub_cmd: module2 /casemate/system.bdl", "/casemate/system.bdl",
                "module_cmdline: ", "grub_cmd: boot",
            ])
        let sum = try ToolRun("/usr/bin/sha256sum", [system.folder.path("out/boot.bundle")])
        #expect(sum.output.hasPrefix(bootLoader.events[5].sha256.hexadecimal))
        reference.bootLoader = nil
        let bare = try Data(contentsOf: system.folder.url("out/reference-values.json"))
        #expect(reference.encoded() == [UInt8](bare))
    }

    @Test("files that do not belong together are refused, and nothing is written")
    func inconsistent() throws {
        let system = try built()
        defer { system.folder.remove() }
        var bundle = try Data(contentsOf: system.folder.url("out/boot.bundle"))
        bundle[bundle.count / 2] ^= 1
        try bundle.write(to: system.folder.url("out/boot.bundle"))
        let run = try image(system)
        #expect(run.status == 1 && run.errors.hasPrefix("refused["), "\(run.errors)")
        let left = try FileManager.default.contentsOfDirectory(atPath: system.folder.path())
        #expect(!left.contains { $0.hasPrefix("disk.img") })
    }

    @Test("what is missing is named, status 74")
    func missing() throws {
        let system = try built()
        defer { system.folder.remove() }
        let noGRUB = try image(system, "out", "disk.img", "--grub", "/nothing")
        #expect(noGRUB.status == 74 && noGRUB.errors.contains("grub-mkimage"), "\(noGRUB.errors)")
        let noFolder = try image(system, "out", "nothing/disk.img")
        #expect(noFolder.status == 74 && noFolder.errors.contains("nothing/disk.img"))
        try FileManager.default.removeItem(at: system.folder.url("hypervisor"))
        let noHypervisor = try image(system)
        #expect(noHypervisor.status == 74 && noHypervisor.errors.contains("hypervisor"))
        let firmware = try Command("run", "x", "--build", "y", "--firmware", "bios")
        #expect(firmware.status == 64 && firmware.errors.contains("uefi"))
    }
}
