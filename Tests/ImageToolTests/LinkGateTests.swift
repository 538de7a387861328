import Foundation
import TestSupport
import Testing

/// Images of a few instructions, assembled and linked by the toolchain's clang, each of which
/// breaks one gate of `check-image`.
@Suite("check-image") struct LinkGateTests {
    private func check(kernel: String, machine: String = "", link: [String] = []) throws -> ToolRun
    {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try FileManager.default.createDirectory(
            at: folder.url("machine"), withIntermediateDirectories: true)
        let objects = [
            ("kernel", kernel, folder.path("kernel.o")),
            ("machine", machine, folder.path("machine/machine.o")),
        ]
        for (name, text, object) in objects {
            let source = try folder.write(".text\n\(text)\n", to: "\(name).s")
            try run(["clang", "--target=x86_64-unknown-none-elf", "-c", source, "-o", object])
        }
        try run(
            ["ld.lld", "-e", "start", "-o", folder.path("image")] + link + objects.map(\.2))
        return try ToolRun(
            "hypervisor/image/check-image", [folder.path("image"), folder.path("machine")])
    }

    private func run(_ command: [String]) throws {
        let run = try ToolRun("/usr/bin/env", command)
        try #require(run.status == 0, "\(run.errors)")
    }

    private static let start = ".globl start\nstart: ret\n"

    @Test("a plain image passes, and so do vector instructions of the machine layer") func passes()
        throws
    {
        let save = ".globl save\nsave: movaps %xmm0, (%rdi)\nret\n"
        let run = try check(kernel: Self.start, machine: save)
        #expect(run.status == 0, "\(run.output)")
        #expect(run.output.contains("LOAD"))
    }

    @Test(
        "each gate refuses what it is for",
        arguments: [
            (".globl malloc\nmalloc: ret\n", "an allocator is linked: malloc"),
            (".globl f\nf: movaps %xmm1, %xmm0\nret\n", "instructions in: f"),
            (".globl f\nf: fld1\nret\n", "instructions in: f"),
            (".globl f\nf: vmovups (%rdi), %ymm3\nret\n", "instructions in: f"),
        ])
    func refuses(code: String, reason: String) throws {
        let run = try check(kernel: Self.start + code)
        #expect(run.status == 1)
        #expect(run.output.contains(reason), "\(run.output)")
    }

    @Test("memory that is writable and executable is refused") func writableCode() throws {
        let run = try check(kernel: Self.start, link: ["-N"])
        #expect(run.status == 1)
        #expect(run.output.contains("writable and executable"), "\(run.output)")
    }

    @Test("an image has 256 KB when stripped, and not a byte more") func size() throws {
        func kernel(_ size: Int) -> String {
            Self.start + ".data\n.globl table\ntable: .fill \(size), 1, 1\n"
        }
        // Symbols do not count; the file's headers do.
        let fits = try check(kernel: kernel(200 * 1024))
        #expect(fits.status == 0, "\(fits.output)")
        let used = try #require(fits.output.firstMatch(of: /([0-9]+) stripped/)?.1)
        let room = try 256 * 1024 - #require(Int(used))
        // The linker puts what follows the table on boundaries of 8 bytes.
        let last = try check(kernel: kernel(200 * 1024 + room & ~7))
        #expect(last.status == 0, "\(last.output)")
        let over = try check(kernel: kernel(200 * 1024 + room + 8))
        #expect(over.status == 1)
        #expect(over.output.contains("the limit is 262144"), "\(over.output)")
    }
}
