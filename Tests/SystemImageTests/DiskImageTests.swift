import Digests
import Foundation
import SystemImage
import TestSupport
import Testing

/// Keeps what is written.
private struct Memory: ByteOutput {
    var bytes: [UInt8] = []

    mutating func write(_ more: Span<UInt8>) throws(FileError) {
        // SAFETY: the bytes are copied within the closure.
        unsafe more.withUnsafeBufferPointer { bytes += unsafe Array($0) }
    }
}

/// A folder of its own for one test.
private struct Folder {
    let url = FileManager.default.temporaryDirectory.appending(
        path: "casemate-\(UUID().uuidString)")

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    func path(_ name: String) -> String { url.appending(path: name).path(percentEncoded: false) }
}

private let identity = SHA384.hash([1, 2, 3].span).array

private func disk(
    _ files: [(String, [UInt8])], identity: [UInt8] = identity
) throws -> [UInt8] {
    let image = try DiskImage(
        files.map { DiskImage.File(path: $0, content: .bytes($1)) }, identity: identity,
        path: "disk")
    var output = Memory()
    try image.write(to: &output)
    #expect(UInt64(output.bytes.count) == image.sizeInBytes)
    return output.bytes
}

@Suite("disks that firmware boots") struct DiskImageTests {
    @Test("equal files make equal disks; another identity makes other GUIDs")
    func reproducible() throws {
        let files = [("/EFI/BOOT/BOOTX64.EFI", [UInt8(1), 2, 3]), ("/a/b.cfg", [])]
        let first = try disk(files)
        #expect(first == (try disk(files)))
        let other = try disk(files, identity: SHA384.hash([4].span).array)
        #expect(first != other && first.count == other.count)
        #expect(Array(first[512..<520]) == Array("EFI PART".utf8))
        #expect(first.suffix(512).starts(with: Array("EFI PART".utf8)))
        #expect(first.count % (1 << 20) == 0 && first[510] == 0x55 && first[511] == 0xaa)
    }

    @Test("mtools and fsck.fat find every file and nothing wrong")
    func otherReaders() throws {
        let folder = try Folder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        var generator = SeededGenerator(seed: 5)
        let large = generator.bytes(3 << 20 | 77)
        try Data(large).write(to: folder.url.appending(path: "large"))
        let files = [
            DiskImage.File(path: "/EFI/BOOT/BOOTX64.EFI", content: .bytes([7, 8, 9])),
            DiskImage.File(
                path: "/casemate/system.bdl",
                content: .file(folder.path("large"), SHA384.hash(large.span))),
            DiskImage.File(path: "/casemate/grub.cfg", content: .bytes(Array("boot\n".utf8))),
        ]
        var output = Memory()
        try DiskImage(files, identity: identity, path: "disk").write(to: &output)
        try Data(output.bytes).write(to: folder.url.appending(path: "disk.img"))
        try Data(output.bytes[(1 << 20)...]).write(to: folder.url.appending(path: "volume.img"))
        for (path, content) in [
            ("EFI/BOOT/BOOTX64.EFI", [7, 8, 9]), ("casemate/system.bdl", large),
            ("casemate/grub.cfg", Array("boot\n".utf8)),
        ] {
            let copy = try ToolRun(
                "/usr/bin/mcopy",
                ["-n", "-i", folder.path("disk.img") + "@@1M", "::/" + path, folder.path("copy")],
                programsIn: nil)
            #expect(copy.status == 0, "\(copy.errors)")
            let found = try Data(contentsOf: folder.url.appending(path: "copy"))
            #expect([UInt8](found) == content)
            try FileManager.default.removeItem(at: folder.url.appending(path: "copy"))
        }
        let check = try ToolRun(
            "/usr/sbin/fsck.fat", ["-n", folder.path("volume.img")], programsIn: nil)
        #expect(check.status == 0, "\(check.output)")
    }

    @Test("names that the format cannot hold, and a file that has changed, are refused")
    func refusals() throws {
        for name in [
            "/toolongname", "/a.long", "/a.b.c", "/a b", "/.cfg", "/a.", "/EFI/BOOT/é",
        ] {
            #expect(throws: FileError.self, "\(name)") { try disk([(name, [1])]) }
        }
        #expect(throws: FileError.self) { try disk([("/a", [1]), ("/a", [2])]) }
        #expect(throws: FileError.self) { try disk([("/a", [1]), ("/a/b", [2])]) }
        #expect(throws: FileError.self) { try disk([("/a", [1])], identity: [1]) }
        let folder = try Folder()
        defer { try? FileManager.default.removeItem(at: folder.url) }
        try Data([1, 2]).write(to: folder.url.appending(path: "file"))
        let digest = SHA384.hash([1, 3].span)
        let image = try DiskImage(
            [.init(path: "/a", content: .file(folder.path("file"), digest))], identity: identity,
            path: "disk")
        var output = Memory()
        do {
            try image.write(to: &output)
            Issue.record("a file that has changed was taken")
        } catch {
            #expect(error.reason == "it changes while it is read")
        }
    }
}
