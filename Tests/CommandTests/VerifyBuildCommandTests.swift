import Foundation
import TestSupport
import Testing

@Suite("casemate build --sign and verify-build", .serialized) struct VerifyBuildCommandTests {
    private let system: SmallSystem
    private let key: String

    init() throws {
        system = try SmallSystem()
        key = try system.key("a.pem")
        guard try system.build("v1", "--sign", key).status == 0 else { throw NotBuilt() }
    }

    private struct NotBuilt: Error {}

    private func verify(_ output: String, _ more: String...) throws -> Command {
        try Command(
            arguments: [
                "verify-build", system.folder.path(output), "--key", "\(key).pub",
            ] + more, programsIn: nil)
    }

    /// Writes version `version` of the source, and builds it.
    private func build(_ output: String, version: Int, _ more: [String]) throws -> Command {
        _ = try system.folder.write(
            SmallSystem.source(version: version), to: "system.casemate")
        return try Command(
            arguments: [
                "build", system.folder.path("system.casemate"), "--output",
                system.folder.path(output), "--modules", system.folder.path("modules"),
            ] + more, programsIn: nil)
    }

    @Test("a signed build is verified, and says by whom") func verified() throws {
        defer { system.folder.remove() }
        let run = try verify("v1")
        #expect(run.status == 0 && run.errors.isEmpty)
        #expect(run.output.hasPrefix("verified: `small` version 1, signed by "))
        let json = try verify("v1", "--json")
        let document =
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
        #expect(document?["verified"] as? Bool == true)
        #expect((document?["signer"] as? String)?.count == 64)
    }

    @Test("unsigned, foreign and forged builds are refused, each by its code") func refused() throws
    {
        defer { system.folder.remove() }
        #expect(try system.build("plain").status == 0)
        #expect(try verify("plain").errors.hasPrefix("refused[BLD-SIG-001]: "))
        let other = try system.key("b.pem")
        #expect(try system.build("foreign", "--sign", other).status == 0)
        #expect(try verify("foreign").errors.hasPrefix("refused[BLD-SIG-002]: "))
        var bytes = try Data(contentsOf: system.folder.url("v1/system.manifest"))
        bytes[200] ^= 1
        try bytes.write(to: system.folder.url("v1/system.manifest"))
        let forged = try verify("v1", "--json")
        #expect(forged.status == 1 && forged.errors.isEmpty)
        #expect(forged.output.contains("BLD-SIG-003"))
    }

    @Test("a changed byte of any file is refused, with the code of that file") func changed() throws
    {
        defer { system.folder.remove() }
        var generator = SeededGenerator.announced(86)
        let codes = [
            "boot.bundle": ["BLD-BUN"], "policy.30": ["BLD-POL"],
            "reference-values.json": ["BLD-REF"], "system.manifest": ["BLD-SIG", "BLD-MAN"],
        ]
        for (name, wanted) in codes.sorted(by: { $0.key < $1.key }) {
            let good = try Data(contentsOf: system.folder.url("v1/\(name)"))
            var places = [0, good.count - 1]
            places += (0..<6).map { _ in Int.random(in: good.indices, using: &generator) }
            for place in places {
                var bytes = good
                bytes[place] ^= 1
                try bytes.write(to: system.folder.url("v1/\(name)"))
                let run = try verify("v1")
                #expect(run.status == 1 && run.output.isEmpty, "\(name) \(place)")
                #expect(wanted.contains { run.errors.hasPrefix("refused[\($0)") }, "\(run.errors)")
            }
            for bytes in [good.dropLast(), good + [0]] {
                try Data(bytes).write(to: system.folder.url("v1/\(name)"))
                #expect(try verify("v1").status == 1, "\(name)")
            }
            try good.write(to: system.folder.url("v1/\(name)"))
        }
        #expect(try verify("v1").status == 0)
    }

    @Test("what is installed is followed only by what names it, with a higher version")
    func order() throws {
        defer { system.folder.remove() }
        let installed = system.folder.path("v1/system.manifest")
        let next = try build("v2", version: 2, ["--sign", key, "--replaces", installed])
        #expect(next.status == 0)
        #expect(try verify("v2", "--newer-than", installed).status == 0)
        #expect(
            try verify("v1", "--newer-than", installed).errors.hasPrefix("refused[BLD-VER-001]"))
        let newer = system.folder.path("v2/system.manifest")
        #expect(try verify("v1", "--newer-than", newer).errors.hasPrefix("refused[BLD-VER-002]"))
        #expect(try build("v3", version: 3, ["--sign", key, "--replaces", newer]).status == 0)
        #expect(
            try verify("v3", "--newer-than", installed).errors.hasPrefix("refused[BLD-PRE-002]"))
        #expect(try build("v4", version: 4, ["--sign", key]).status == 0)
        #expect(try verify("v4", "--newer-than", newer).errors.hasPrefix("refused[BLD-PRE-001]"))
        for version in [1, 2] {
            let late = try build("late", version: version, ["--sign", key, "--replaces", newer])
            #expect(late.status == 1)
            #expect(late.errors.hasPrefix("refused[BLD-VER-00\(version == 2 ? 1 : 2)]"))
            #expect(!FileManager.default.fileExists(atPath: system.folder.path("late")))
        }
        let text = SmallSystem.source(version: 9).replacing("system small", with: "system other")
        _ = try system.folder.write(text, to: "system.casemate")
        let other = try system.build("other", "--replaces", newer)
        #expect(other.status == 1 && other.errors.hasPrefix("refused[BLD-SYS-001]"))
    }

    @Test("another policy in the place of the built one does not match the manifest")
    func otherPolicy() throws {
        defer { system.folder.remove() }
        let text = SmallSystem.source().replacing("one -> two", with: "two -> one")
            .replacing("one at low", with: "one at high:red,blue")
        _ = try system.folder.write(text, to: "system.casemate")
        #expect(try system.build("turned", "--sign", key).status == 0)
        #expect(try verify("turned").status == 0)
        try FileManager.default.removeItem(at: system.folder.url("v1/policy.30"))
        try FileManager.default.copyItem(
            at: system.folder.url("turned/policy.30"), to: system.folder.url("v1/policy.30"))
        #expect(try verify("v1").errors.hasPrefix("refused[BLD-POL-001]"))
    }

    @Test("openssl accepts the signature, over the file with its field zero") func openssl() throws
    {
        defer { system.folder.remove() }
        var bytes = try Data(contentsOf: system.folder.url("v1/system.manifest"))
        func integer(_ number: Data) -> [UInt8] {
            var digits = [UInt8](number.drop { $0 == 0 })
            if digits.first.map({ $0 > 0x7f }) ?? true { digits.insert(0, at: 0) }
            return [2, UInt8(digits.count)] + digits
        }
        let content = integer(bytes[192..<240]) + integer(bytes[240..<288])
        let signature = try system.folder.write([0x30, UInt8(content.count)] + content, to: "sig")
        bytes.replaceSubrange(192..<288, with: Data(count: 96))
        let message = try system.folder.write([UInt8](bytes), to: "message")
        func check() throws -> ToolRun {
            try ToolRun(
                "/usr/bin/openssl",
                ["dgst", "-sha384", "-verify", "\(key).pub", "-signature", signature, message])
        }
        #expect(try check().output == "Verified OK\n")
        bytes[20] ^= 1
        _ = try system.folder.write([UInt8](bytes), to: "message")
        #expect(try check().status == 1)
    }

    @Test("a key that is none, a private one for a public one, and missing files are told apart")
    func inputs() throws {
        defer { system.folder.remove() }
        let folder = system.folder
        let swapped = try Command("verify-build", folder.path("v1"), "--key", key)
        #expect(swapped.status == 1 && swapped.errors.contains("it is a private key"))
        let open = try system.build("x", "--sign", "\(key).pub")
        #expect(open.status == 1 && open.errors.contains("not an ECDSA P-384 private key"))
        #expect(try system.build("x", "--sign", folder.path("none.pem")).status == 74)
        #expect(try verify("nowhere").status == 74)
        #expect(try verify("v1", "--newer-than", "\(key).pub").status == 74)
        #expect(!FileManager.default.fileExists(atPath: folder.path("x")))
        try FileManager.default.removeItem(at: folder.url("v1/boot.bundle"))
        let missing = try verify("v1")
        #expect(missing.status == 74 && missing.errors.contains("boot.bundle"))
    }
}
