import Foundation
import TestSupport
import Testing

/// `hypervisor/image/fetch-debian-kernel` with stand-ins for apt.
@Suite("fetching Debian's kernel") struct FetchTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            at: folder.url("programs"), withIntermediateDirectories: true)
        try FileManager.default.createDirectory(
            at: folder.url("modules"), withIntermediateDirectories: true)
        try program(
            "apt-cache",
            """
            case $1 in
                depends) printf 'linux-image-cloud-amd64\\n  Depends: linux-image-9-cloud\\n' ;;
                policy) printf 'linux-image-9-cloud:\\n  Candidate: 9.1\\n' ;;
            esac
            """)
        try program(
            "apt-get", "echo 'E: Temporary failure resolving deb.debian.org' >&2; exit 100")
    }

    private func program(_ name: String, _ body: String) throws {
        _ = try folder.writeProgram("#!/bin/sh\n\(body)\n", to: "programs/\(name)")
    }

    private func fetch() throws -> ToolRun {
        try ToolRun(
            "hypervisor/image/fetch-debian-kernel", [folder.path("modules")],
            programsIn: folder.path("programs"))
    }

    /// The names in the folder of modules.
    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path("modules")).sorted()
    }

    /// Puts an older kernel there, whole.
    private func keepOlder() throws {
        try FileManager.default.createDirectory(
            at: folder.url("modules/debian-drivers"), withIntermediateDirectories: true)
        _ = try folder.write("a kernel", to: "modules/debian.vmlinux")
        _ = try folder.write("linux-image-8-cloud 8.1\n", to: "modules/debian.package")
        for name in ["evtchn", "gntalloc", "gntdev", "privcmd", "tpmfront"] {
            _ = try folder.write("a driver", to: "modules/debian-drivers/xen-\(name).ko")
        }
    }

    @Test("without a network it says so, and leaves nothing") func noNetwork() throws {
        defer { folder.remove() }
        let run = try fetch()
        #expect(run.status == 1)
        #expect(run.errors.contains("E: Temporary failure resolving deb.debian.org\n"))
        #expect(
            run.errors.hasSuffix(
                "cannot download linux-image-9-cloud: is there a network, and room in "
                    + "\(folder.path("modules"))?\n"))
        #expect(try names() == [])
    }

    @Test("without a network an older kernel is kept, and named") func older() throws {
        defer { folder.remove() }
        try keepOlder()
        let before = try names()
        let run = try fetch()
        #expect(run.status == 0)
        #expect(
            run.output == "cannot download linux-image-9-cloud; keeping linux-image-8-cloud 8.1\n")
        #expect(try names() == before)
    }

    @Test("what apt does not know is kept, or how to make it known is said") func unknown() throws {
        defer { folder.remove() }
        try program("apt-cache", "exit 0")
        let run = try fetch()
        #expect(run.status == 1 && run.errors.contains("run 'apt-get update' as root"))
        try keepOlder()
        #expect(try fetch().output.contains("keeping linux-image-8-cloud 8.1"))
    }

    @Test("Ctrl-C in the middle leaves no process and no file") func interrupted() throws {
        defer { folder.remove() }
        try program("apt-get", "echo $$ >'\(folder.path("begun"))'; exec sleep 600")
        let terminal = try TerminalProgram(
            "PATH='\(folder.path("programs"))':$PATH hypervisor/image/fetch-debian-kernel "
                + "'\(folder.path("modules"))'; echo status $?")
        var process = 0
        while process == 0 {
            let text = FileManager.default.contents(atPath: folder.path("begun")) ?? Data()
            process = Int(String(decoding: text.dropLast(), as: UTF8.self)) ?? 0
        }
        #expect(try names().count == 1)
        try terminal.type("\u{3}")
        // The shell that runs the line may be ended by the same Ctrl-C.
        _ = terminal.end()
        #expect(try names() == [])
        #expect(!isRunning(process))
    }

    @Test("what somebody left an hour ago is cleared away, and nothing younger") func leftOver()
        throws
    {
        defer { folder.remove() }
        for (name, age) in [(".fetch.old", 7200.0), (".fetch.new", 60)] {
            let url = folder.url("modules/\(name)")
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -age)],
                ofItemAtPath: url.path(percentEncoded: false))
        }
        _ = try fetch()
        #expect(try names() == [".fetch.new"])
    }
}
