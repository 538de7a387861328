import Foundation
import TestSupport
import Testing

@Suite("casemate key", .serialized) struct KeyCommandTests {
    private func openssl(_ arguments: String...) throws -> ToolRun {
        try ToolRun("/usr/bin/openssl", arguments)
    }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    @Test("a new key is private to its owner, is shown nowhere, and replaces nothing")
    func new() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try Command("key", "new", folder.path("a.pem"))
        #expect(run.status == 0 && run.errors.isEmpty)
        #expect(run.output.wholeMatch(of: /key: [0-9a-f]{64}\n/) != nil)
        #expect(try mode(folder.path("a.pem")) == 0o600)
        let secret = try String(contentsOf: folder.url("a.pem"), encoding: .utf8)
        #expect(secret.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
        let shown = try String(contentsOf: folder.url("a.pem.pub"), encoding: .utf8)
        #expect(shown.hasPrefix("-----BEGIN PUBLIC KEY-----\n"))
        for path in ["a.pem", "a.pem.pub"] {
            let again = try Command("key", "new", folder.path(path))
            #expect(again.status == 74 && again.errors.contains("never overwritten"))
        }
        #expect(try String(contentsOf: folder.url("a.pem"), encoding: .utf8) == secret)
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted()
        #expect(left == ["a.pem", "a.pem.pub"])
    }

    @Test("a folder in which everybody may write gets no key, and nothing is left there")
    func openFolder() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o1777], ofItemAtPath: folder.path())
        let run = try Command("key", "new", folder.path("a.pem"))
        #expect(run.status == 74 && run.errors.contains("everybody may write"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path()).isEmpty)
        #expect(try Command("key", "new", folder.path("no/where.pem")).status == 74)
    }

    @Test("show says the same of both halves, and never the private one") func show() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let id = try Command("key", "new", folder.path("a.pem")).output.dropFirst(5).prefix(64)
        let secret = try String(contentsOf: folder.url("a.pem"), encoding: .utf8)
        let body = secret.split(separator: "\n")[1]
        for (name, isPrivate) in [("a.pem", true), ("a.pem.pub", false)] {
            let text = try Command("key", "show", folder.path(name))
            #expect(text.status == 0 && text.output.hasPrefix("key: \(id)\n"))
            #expect(!text.output.contains(body))
            let run = try Command("key", "show", "--json", folder.path(name))
            let document =
                try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
            #expect(document?["format"] as? String == "casemate-key-1")
            #expect(document?["id"] as? String == String(id))
            #expect(document?["isPrivate"] as? Bool == isPrivate)
            let pem = try Command("key", "show", "--pem", folder.path(name)).output
            #expect(
                try pem == String(contentsOf: folder.url("a.pem.pub"), encoding: .utf8))
        }
    }

    @Test("a private key that others can read is refused, and so is what is no key")
    func refused() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        #expect(try Command("key", "new", folder.path("a.pem")).status == 0)
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o640], ofItemAtPath: folder.path("a.pem"))
        let open = try Command("key", "show", folder.path("a.pem"))
        #expect(open.status == 1 && open.errors.contains("others can read this private key"))
        let list = try Command("key", "list", folder.path())
        #expect(list.status == 1 && list.output.split(separator: "\n").count == 1)
        _ = try folder.write("no key", to: "b.pem")
        let none = try Command("key", "show", folder.path("b.pem"))
        #expect(none.status == 1 && none.errors.contains("no ECDSA P-384 key"))
        #expect(try Command("key", "show", folder.path("c.pem")).status == 74)
        #expect(try Command("key", "list", folder.path("c.pem")).status == 74)
    }

    @Test("list names every key of a folder by its id") func list() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        for name in ["a.pem", "b.pem"] {
            #expect(try Command("key", "new", folder.path(name)).status == 0)
        }
        _ = try folder.write("x", to: "other")
        let run = try Command("key", "list", folder.path())
        #expect(run.status == 0)
        let names = run.output.split(separator: "\n").map { $0.split(separator: " ").last }
        #expect(names == ["a.pem", "a.pem.pub", "b.pem", "b.pem.pub"])
        let json = try Command("key", "list", folder.path(), "--json")
        let document =
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
        #expect((document?["keys"] as? [Any])?.count == 4)
    }

    @Test("openssl reads our keys, and we read its, with the same id") func interoperable() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        #expect(try Command("key", "new", folder.path("ours.pem")).status == 0)
        let text = try openssl("pkey", "-in", folder.path("ours.pem"), "-noout", "-text")
        #expect(text.status == 0 && text.output.contains("NIST CURVE: P-384"))
        let derived = try openssl("pkey", "-in", folder.path("ours.pem"), "-pubout")
        #expect(
            try derived.output == String(contentsOf: folder.url("ours.pem.pub"), encoding: .utf8))
        let made = try openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out",
            folder.path("theirs.pem"))
        #expect(made.status == 0)
        let pem = try openssl("pkey", "-in", folder.path("theirs.pem"), "-pubout")
        #expect(
            try Command("key", "show", "--pem", folder.path("theirs.pem")).output == pem.output)
        let der = folder.path("theirs.der")
        _ = try openssl(
            "pkey", "-in", folder.path("theirs.pem"), "-pubout", "-outform", "DER", "-out", der)
        let digest = try openssl("dgst", "-sha256", "-r", der).output.prefix(64)
        let shown = try Command("key", "show", folder.path("theirs.pem")).output
        #expect(shown.hasPrefix("key: \(digest)\n"))
        let other = try openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
            folder.path("p256.pem"))
        #expect(other.status == 0)
        #expect(try Command("key", "show", folder.path("p256.pem")).status == 1)
    }
}
