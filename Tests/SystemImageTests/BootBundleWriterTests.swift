import Digests
import Foundation
import HypervisorCore
import SystemImage
import Testing

/// Keeps what is written.
private struct Memory: ByteOutput {
    var bytes: [UInt8] = []

    mutating func write(_ more: Span<UInt8>) throws(FileError) {
        for index in more.indices { bytes.append(more[index]) }
    }
}

@Test("the hypervisor finds in a bundle what was put into it")
func bundle() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
        path: "casemate-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let module = Array(repeating: UInt8(7), count: 3 << 20) + [1, 2, 3]
    let path = folder.appending(path: "module").path(percentEncoded: false)
    try Data(module).write(to: URL(filePath: path))
    var writer = try BootBundleWriter(to: Memory(), policy: [1, 2, 3], manifest: [4])
    for _ in 0..<2 {
        var file = try InputFile(reading: path)
        let digest = try writer.appendModule(&file)
        #expect(digest == SHA384.hash(module.span))
    }
    let bytes = try writer.finish().bytes
    guard let bundle = BootBundle(validating: bytes.span) else {
        Issue.record("the hypervisor refuses the bundle")
        return
    }
    let members = [bundle.policy, bundle.manifest, bundle.module(at: 1)].compactMap { $0 }
    let contents = members.map { Array(bytes[$0.offset..<$0.offset + $0.size]) }
    #expect(contents == [[1, 2, 3], [4], module])
}

@Test("a file has its name only when it is complete, and leaves nothing behind otherwise")
func publication() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
        path: "casemate-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "file").path(percentEncoded: false)
    func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path(percentEncoded: false))
    }
    func write(publishing: Bool) throws {
        var file = try OutputFile(creating: path)
        try file.write([1, 2].span)
        try file.synchronize()
        #expect(try names().contains("file") == false)
        if publishing { try file.publish() }
    }
    try write(publishing: false)
    #expect(try names() == [])
    try write(publishing: true)
    #expect(try names() == ["file"])
}
