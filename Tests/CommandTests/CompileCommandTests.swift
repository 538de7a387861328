import Foundation
import TestSupport
import Testing

@Suite("casemate compile") struct CompileCommandTests {
    private static let sources = RepositoryFiles.root.appending(
        path: "Tests/PolicyFileTests/Policies")

    private func source(_ name: String) -> String {
        Self.sources.appending(path: name).path(percentEncoded: false)
    }

    @Test("a policy is written in the newest version, or in the one that is asked for")
    func writes() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let cases: [(name: String, arguments: [String], target: String, version: UInt8)] = [
            ("linux.conf", ["-M"], "SE Linux", 33),
            ("xen.conf", ["-M", "-t", "Xen"], "XenFlask", 30),
            ("xen.conf", ["--mls", "--target", "xen", "-c", "24"], "XenFlask", 24),
            ("linux.conf", ["-M", "-c", "30", "-U", "allow", "-N"], "SE Linux", 30),
        ]
        for (name, arguments, target, version) in cases {
            let run = try Command(
                arguments: ["compile"] + arguments + ["-o", folder.path("policy"), source(name)],
                programsIn: nil)
            #expect(run.status == 0 && run.output.isEmpty, "\(run.errors)")
            let bytes = try RepositoryFiles.bytes(of: folder.url("policy"))
            #expect(String(decoding: bytes[8..<16], as: UTF8.self) == target)
            #expect(bytes[16] == version)
            #expect(bytes[20] == (arguments.contains("allow") ? 5 : 1))
        }
    }

    @Test("an error names the place in the user's file, and no file is written")
    func errors() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let text = try String(
            contentsOf: Self.sources.appending(path: "linux.conf"), encoding: .utf8)
        let bad = text.replacing(
            "allow dom0_t self:xen *;", with: "#line 7 \"a.te\"\n allow dom0_t self:xen z;")
        let input = try folder.write(bad, to: "policy.conf")
        let run = try Command("compile", "-M", "-o", folder.path("policy"), input)
        #expect(run.status == 1 && run.output.isEmpty)
        #expect(run.errors.hasPrefix("a.te:7:2: error[KPL-NAM-004]: "))
        #expect(!FileManager.default.fileExists(atPath: folder.path("policy")))
    }

    @Test("a rule that breaks a neverallow is refused, unless that is not to be checked")
    func neverAllow() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let text = try String(
            contentsOf: Self.sources.appending(path: "linux.conf"), encoding: .utf8)
        let bad = text.replacing("neverallow guest_t xen_t:xen b;", with: "neverallow * *:xen b;")
        let input = try folder.write(bad, to: "policy.conf")
        let run = try Command("compile", "-M", input)
        #expect(run.status == 1 && run.errors.contains("error[KPL-RUL-002]"))
        #expect(try Command("compile", "-M", "-N", input).status == 0)
    }

    @Test("the options of secilc are taken as it takes them")
    func intermediateOptions() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let sources = [source("common.cil"), source("linux.cil")]
        for (word, configuration) in [("true", UInt8(5)), ("false", 4)] {
            let run = try Command(
                arguments: [
                    "compile", "-M", word, "-O", "-c", "33", "-f", folder.path("labels"), "-o",
                    folder.path("policy"),
                ] + sources, programsIn: nil)
            #expect(run.status == 0, "\(run.errors)")
            // Bit 0 is levels, bit 2 that the unknown is allowed, as the source says.
            #expect(try RepositoryFiles.bytes(of: folder.url("policy"))[20] == configuration)
            #expect(FileManager.default.fileExists(atPath: folder.path("labels")))
        }
        #expect(try Command("compile", "-f", "labels", source("linux.conf")).status == 64)
        #expect(try Command("compile", "-b", "-D", source("linux.conf")).status == 64)
        #expect(try Command("compile", "-b", source("linux.conf")).status == 1)
    }

    @Test("a wrong command line is 64, a file that cannot be read or written 74")
    func statuses() throws {
        let input = source("linux.conf")
        for arguments in [
            ["-c", "34", input], ["-t", "xen", "-c", "29", input], ["-t", "minix", input],
            ["-U", "ask", input], [],
        ] {
            let run = try Command(arguments: ["compile"] + arguments, programsIn: nil)
            #expect(run.status == 64, "\(arguments): \(run.errors)")
        }
        #expect(try Command("compile", "no/such/policy.conf").status == 74)
        #expect(try Command("compile", "-M", "-o", "no/such/policy", input).status == 74)
        // Levels in the source need -M.
        let run = try Command("compile", input)
        #expect(run.status == 1 && run.errors.contains("levels"))
    }
}
