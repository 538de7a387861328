import Foundation
import TestSupport
import Testing

@Suite("casemate build", .serialized) struct BuildCommandTests {
    private static let source = SmallSystem.source()
    private static let results = SmallSystem.results

    private func prepare() throws -> TemporaryFolder { try SmallSystem().folder }

    private func build(_ folder: TemporaryFolder, _ output: String) throws -> Command {
        try Command(
            "build", folder.path("system.casemate"), "--output", folder.path(output),
            "--modules", folder.path("modules"))
    }

    private func names(_ folder: TemporaryFolder, _ output: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path(output)).sorted()
    }

    @Test("two builds of one system are equal, byte for byte") func reproducible() throws {
        let folder = try prepare()
        defer { folder.remove() }
        for output in ["first", "second"] {
            let run = try build(folder, output)
            #expect(run.status == 0 && run.output.isEmpty && run.errors.isEmpty)
            #expect(try names(folder, output) == Self.results)
        }
        for name in Self.results {
            let first = try Data(contentsOf: folder.url("first/\(name)"))
            #expect(try first == Data(contentsOf: folder.url("second/\(name)")))
            #expect(first.range(of: Data(folder.path().utf8)) == nil, "no path of the machine")
        }
    }

    @Test("a change of one byte of a module changes manifest and references, not the policy")
    func changedModule() throws {
        let folder = try prepare()
        defer { folder.remove() }
        #expect(try build(folder, "first").status == 0)
        _ = try folder.write("An initial RAM disk", to: "modules/one.cpio")
        #expect(try build(folder, "second").status == 0)
        let changed = try Self.results.filter { name in
            try Data(contentsOf: folder.url("first/\(name)"))
                != Data(contentsOf: folder.url("second/\(name)"))
        }
        #expect(changed == ["boot.bundle", "reference-values.json", "system.manifest"])
    }

    @Test("a device with what the hypervisor gives to nobody is not built: it would not start")
    func reservedDevice() throws {
        let ranges = [
            ("irq 20", true), ("io memory \"0xfed00000-0xfed00fff\"", true),
            ("io ports \"0x2e8-0x2ef\"", true), ("irq 4", false),
            ("io memory \"0xfee00000-0xfee00fff\"", false),
            ("io memory \"0xfed00000-0xfed003ff\"", false), ("io ports \"0xcf8-0xcff\"", false),
        ]
        for (range, isGiven) in ranges {
            let system = try SmallSystem()
            defer { system.folder.remove() }
            let device = "\ndevice part {\n    owner one\n    \(range)\n    without iommu\n}\n"
            _ = try system.folder.write(SmallSystem.source() + device, to: "system.casemate")
            let run = try system.build("out")
            #expect((run.status == 0) == isGiven, "\(range): \(run.errors)")
            #expect(run.errors.contains("does not give away what the hypervisor") != isGiven)
            #expect(run.errors.contains("POL-TGT-010") != isGiven)
        }
    }

    @Test("a system of two targets is built for stock Xen too, and what Xen leaves open is said")
    func stockXen() throws {
        let system = try SmallSystem()
        defer { system.folder.remove() }
        let refused = try system.build("out", "--target", "xen")
        #expect(refused.status == 1 && refused.errors.contains("does not list the target `xen`"))
        _ = try system.folder.write(
            SmallSystem.source().replacing(
                "target casemate", with: "target casemate\ntarget xen \"4.17\""),
            to: "system.casemate")
        #expect(try system.build("first").status == 0)
        #expect(try system.names("first") == SmallSystem.results)
        let run = try system.build("out", "--target", "xen")
        #expect(run.status == 0)
        #expect(run.errors.contains("warning[POL-TGT-016]: NOT ENFORCED by the target `xen`"))
        let names = try system.names("out")
        #expect(names.filter { $0.hasPrefix("kernel-") }.count == 2)
        #expect(names.filter { $0.hasPrefix("initrd-") }.count == 1)
        #expect(names.suffix(2) == ["two.cfg", "xenpolicy-4.17"] && names.contains("one.cfg"))
        let configuration = try String(
            contentsOf: system.folder.url("out/one.cfg"), encoding: .utf8)
        #expect(configuration.contains("seclabel = \"label1_u:compartment_r:one-t:low\""))
        #expect(configuration.contains("memory = 64\n"))
    }

    @Test("a missing module is named, with where it was sought, and nothing is written")
    func missingModule() throws {
        let folder = try prepare()
        defer { folder.remove() }
        try FileManager.default.removeItem(at: folder.url("modules/one.cpio"))
        let run = try build(folder, "out")
        #expect(run.status == 1)
        #expect(run.errors.contains("error[SYS-MOD-001]: initial RAM disk `one.cpio` of `one`"))
        #expect(run.errors.contains(folder.path("modules/one.cpio")))
        #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
    }

    @Test("an empty module is refused") func emptyModule() throws {
        let folder = try prepare()
        defer { folder.remove() }
        _ = try folder.write("", to: "modules/one.cpio")
        let run = try build(folder, "out")
        #expect(run.status == 1 && run.errors.contains("error[SYS-MOD-002]"))
    }

    @Test("a system that is not proved is not built") func unproved() throws {
        let folder = try prepare()
        defer { folder.remove() }
        _ = try folder.write(
            Self.source + "channel down: two -> one signal\n", to: "system.casemate")
        let run = try build(folder, "out")
        #expect(run.status == 1 && run.errors.contains("error[POL-FLW-001]"))
        #expect(!FileManager.default.fileExists(atPath: folder.path("out")))
    }

    @Test("a build that fails leaves the files of the last one") func failureKeepsFiles() throws {
        let folder = try prepare()
        defer { folder.remove() }
        #expect(try build(folder, "out").status == 0)
        let before = try Data(contentsOf: folder.url("out/system.manifest"))
        try FileManager.default.removeItem(at: folder.url("own.vmlinux"))
        #expect(try build(folder, "out").status == 1)
        #expect(try names(folder, "out") == Self.results)
        #expect(try Data(contentsOf: folder.url("out/system.manifest")) == before)
    }

    @Test("an output folder that cannot be made is said in one line, with status 74")
    func unwritable() throws {
        let folder = try prepare()
        defer { folder.remove() }
        let run = try build(folder, "own.vmlinux/out")
        #expect(run.status == 74)
        #expect(run.errors.split(separator: "\n").count == 1)
    }

    @Test("files of others in the output folder stay, and nothing temporary does")
    func otherFiles() throws {
        let folder = try prepare()
        defer { folder.remove() }
        try FileManager.default.createDirectory(
            at: folder.url("out"), withIntermediateDirectories: true)
        _ = try folder.write("mine", to: "out/notes")
        #expect(try build(folder, "out").status == 0)
        #expect(try names(folder, "out") == (Self.results + ["notes"]).sorted())
        #expect(try String(contentsOf: folder.url("out/notes"), encoding: .utf8) == "mine")
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path())
        #expect(left.allSatisfy { !$0.contains("partial") })
    }

    @Test("a folder in the place of a file keeps the last build as it was") func blocked() throws {
        let folder = try prepare()
        defer { folder.remove() }
        #expect(try build(folder, "out").status == 0)
        let before = try Data(contentsOf: folder.url("out/system.manifest"))
        try FileManager.default.removeItem(at: folder.url("out/boot.bundle"))
        try FileManager.default.createDirectory(
            at: folder.url("out/boot.bundle"), withIntermediateDirectories: false)
        _ = try folder.write("An initial RAM disk", to: "modules/one.cpio")
        let run = try build(folder, "out")
        #expect(run.status == 74 && run.errors.contains("a folder has the file's name"))
        #expect(try names(folder, "out") == Self.results)
        #expect(try Data(contentsOf: folder.url("out/system.manifest")) == before)
    }

    @Test("a signal while files are written ends the program, and leaves nothing") func ended()
        throws
    {
        let folder = try prepare()
        defer { folder.remove() }
        try Data(count: 256 << 20).write(to: folder.url("modules/one.cpio"))
        let process = try Command.start(
            "build", folder.path("system.casemate"), "-o", folder.path("out"), "--modules",
            folder.path("modules"))
        let staging = "out.partial-\(process.processIdentifier)"
        let start = ContinuousClock.now
        while !FileManager.default.fileExists(atPath: folder.path(staging)),
            start.duration(to: .now) < .seconds(60), process.isRunning
        {
            usleep(1_000)
        }
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted()
        #expect(left == ["modules", "own.vmlinux", "system.casemate"])
    }

    @Test("each stage can be listed, always the same, and nothing is built") func dumps() throws {
        let folder = try prepare()
        defer { folder.remove() }
        let lines = [
            "parse": [
                "file system.casemate\n1:1-1:23 system small version 1\n",
                "\n  8:5-8:18 kernel debian\n",
            ],
            "resolve": [
                "system small version 1 target casemate @system.casemate:1:1\n",
                "\ncompartment 1 two high:red,blue @system.casemate:14:13\n  kernel file own.",
                "\nlink 0 up signal @system.casemate:20:9\n  0 -> 1\n",
            ],
            "check": ["rule POL-FLW-001 kept\n", "\nreach one: two\nd", "\nproved\n"],
            "policy": [
                "policy xen 30 multilevel\n", "\ndominance { low high }\n", "\ncategory red;\n",
                "\nallow one-t one-to-two:event {",
                "\nrange_transition one-t two-t:event high:red,blue;\n",
                "\nconstrain event {",
            ],
        ]
        for (stage, wanted) in lines.sorted(by: { $0.key < $1.key }) {
            let run = try Command("build", folder.path(), "--dump", stage)
            #expect(run.status == 0 && run.errors.isEmpty, "\(stage)")
            for text in wanted { #expect(run.output.contains(text), "\(stage): \(text)") }
            #expect(try Command("build", folder.path(), "--dump=\(stage)").output == run.output)
        }
        #expect(!FileManager.default.fileExists(atPath: folder.path("system.lock")))
        #expect(try Command("build", folder.path(), "--dump", "link").status == 64)
        #expect(try Command("build", folder.path(), "--dump", "parse", "-o", "x").status == 64)
        #expect(try Command("build", folder.path()).status == 64)
        let guarded = try Command("build", "policy/systems/workstation", "--dump", "resolve")
        #expect(guarded.status == 0 && guarded.output.contains("\ndevice 0 "))
    }

    @Test("the policy's listing is of its bytes: a rule more in the source is a rule more in it")
    func policyListing() throws {
        let folder = try prepare()
        defer { folder.remove() }
        func rules() throws -> Set<Substring> {
            Set(try Command("build", folder.path(), "--dump=policy").output.split(separator: "\n"))
        }
        let before = try rules()
        _ = try folder.write(
            Self.source.replacing("channel up: one -> two signal\n", with: ""),
            to: "system.casemate")
        let after = try rules()
        let gone = before.subtracting(after)
        #expect(gone.contains { $0.hasPrefix("allow one-t one-to-two:event { ") })
        let new = after.subtracting(before)
        #expect(!new.contains { $0.hasPrefix("allow") || $0.hasPrefix("type_transition") })
    }

    @Test("with --json one document tells the digests") func json() throws {
        let folder = try prepare()
        defer { folder.remove() }
        let run = try Command(
            "build", folder.path(), "-o", folder.path("out"), "--modules", folder.path("modules"),
            "--json")
        #expect(run.status == 0 && run.errors.isEmpty)
        let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
        let digests = (document as? [String: Any])?["sha384"] as? [String: String]
        #expect(digests?["policy.30"]?.count == 96)
    }
}
