import Foundation
import TestSupport
import Testing

/// A bzImage is put together around a small payload, with the fields of the boot protocol that say
/// where the payload lies; the tool has to give back the payload.
@Suite("extract-vmlinux") struct KernelImageTests {
    private static let kernel = Array("\u{7f}ELF".utf8) + Array(repeating: 7, count: 5000)

    private func compressed(_ bytes: [UInt8], by tool: [String]) throws -> [UInt8] {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let input = try folder.write(bytes, to: "plain")
        let output = folder.path("packed")
        let run = try ToolRun(
            "/bin/sh", ["-c", "\(tool.joined(separator: " ")) <\(input) >\(output)"])
        #expect(run.status == 0, "\(run.errors)")
        return try RepositoryFiles.bytes(of: folder.url("packed"))
    }

    private func image(
        around payload: [UInt8], sizeInBytes: Int, setupSectors: UInt8 = 2
    ) -> [UInt8] {
        func number(_ value: Int) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        let trailed = payload + number(sizeInBytes)
        var header = [UInt8](repeating: 0, count: (Int(setupSectors) + 1) * 512)
        header[0x1f1] = setupSectors
        header.replaceSubrange(0x202..<0x206, with: "HdrS".utf8)
        header.replaceSubrange(0x248..<0x24c, with: number(16))
        header.replaceSubrange(0x24c..<0x250, with: number(trailed.count))
        return header + [UInt8](repeating: 0xcc, count: 16) + trailed + [0, 0, 0, 0]
    }

    private func extract(_ image: [UInt8]) throws -> (run: ToolRun, kernel: [UInt8]?) {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try ToolRun(
            "hypervisor/image/extract-vmlinux",
            [folder.write(image, to: "vmlinuz"), folder.path("vmlinux")])
        return (run, try? RepositoryFiles.bytes(of: folder.url("vmlinux")))
    }

    @Test(
        "an LZ4 and an XZ payload come out whole",
        arguments: [["lz4", "-l", "-c"], ["xz", "--check=crc32", "-c"]])
    func unpacks(tool: [String]) throws {
        let packed = try compressed(Self.kernel, by: tool)
        let found = try extract(image(around: packed, sizeInBytes: Self.kernel.count))
        #expect(found.run.status == 0, "\(found.run.errors)")
        #expect(found.kernel == Self.kernel)
    }

    @Test("a payload of another size, kind or form is refused and leaves no file") func refused()
        throws
    {
        let lz4 = ["lz4", "-l", "-c"]
        let packed = try compressed(Self.kernel, by: lz4)
        let text = try compressed(Array("no kernel".utf8), by: lz4)
        let count = Self.kernel.count
        var unmarked = image(around: packed, sizeInBytes: count)
        unmarked[0x202] = 0
        for (image, reason) in [
            (image(around: packed, sizeInBytes: count + 1), "size is not what it says"),
            (image(around: text, sizeInBytes: 9), "not an ELF file"),
            (image(around: Self.kernel, sizeInBytes: count), "neither LZ4 nor XZ"),
            (image(around: [], sizeInBytes: 0), "payload is empty"),
            (unmarked, "no Linux setup header"),
            (Array(unmarked[..<100]), "no Linux setup header"),
        ] {
            let found = try extract(image)
            #expect(found.run.status == 1)
            #expect(found.run.errors.contains(reason), "\(found.run.errors)")
            #expect(found.kernel == nil)
        }
    }
}
