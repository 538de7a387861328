import ArgumentParser
import Digests
import FoundationEssentials
import PolicyAuthority
import PolicySyntax
import SystemImage

/// `casemate key`: the keys of a policy authority.
struct Key: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Make, show and list the keys that sign builds.",
        discussion: """
            A policy authority signs what it builds with a private key (ECDSA P-384 with SHA-384, \
            PKCS#8 in PEM); whoever installs a build verifies it with the public key. openssl \
            reads and writes the same files. A key is named by its id, the SHA-256 of its \
            SubjectPublicKeyInfo. docs/keys.md says who keeps which key and how one is replaced.

            EXAMPLE
              casemate key new authority.pem
            """,
        subcommands: [KeyNew.self, KeyShow.self, KeyList.self]
    )
}

/// `casemate key new`.
struct KeyNew: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Make a key: a private file, and a public one beside it.",
        discussion: """
            Writes the private key to FILE, which only its owner can read (mode 0600), and the \
            public key to FILE.pub, and prints the key's id. A file that is there is never \
            overwritten, and a folder in which everybody may write is refused. The private key is \
            shown nowhere.

            EXIT STATUS
              0   both files were written
              64  the command line is wrong
              74  a file is there already, or could not be written; nothing is left then

            EXAMPLE
              casemate key new authority.pem
            """)

    @Argument(help: "Where to write the private key.", completion: .file(extensions: ["pem"]))
    var file: String

    @Option(
        name: .customLong("public"), help: "Where to write the public key; FILE.pub unless said.",
        completion: .file())
    var publicFile: String?

    func run() throws {
        let shown = publicFile ?? file + ".pub"
        for path in [file, shown] where Files.exists(path) {
            throw Files.fail(path, "it is there already, and a key is never overwritten")
        }
        let key = AuthorityPrivateKey()
        do throws(FileError) {
            try PrivateFile.write(Array(key.secretPEM.utf8), to: file)
        } catch {
            throw Files.fail(error.path, error.reason)
        }
        do {
            try Files.write(Array(key.publicKey.pem.utf8), to: shown)
        } catch {
            try? FileManager.default.removeItem(atPath: file)
            throw error
        }
        try StandardOutput.write("key: \(hexadecimalText(key.publicKey.id))\n")
    }
}

/// `casemate key show`.
struct KeyShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a key's id and its public half.",
        discussion: """
            Reads a private or a public key, and prints what everybody may know of it: which of \
            the two the file holds, the key's id, and the public key in PEM. With --pem the public \
            key alone, as `casemate build` and `openssl` want it.

            EXIT STATUS
              0   the key was shown
              1   the file holds no ECDSA P-384 key, or others can read a private one
              64  the command line is wrong
              74  the file could not be read

            EXAMPLE
              casemate key show --pem authority.pem > authority.pub
            """)

    @Argument(help: "The file of the key.", completion: .file(extensions: ["pem", "pub"]))
    var file: String

    @Flag(help: "Print the public key in PEM and nothing else.")
    var pem = false

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func validate() throws {
        if pem && json { throw ValidationError("--pem and --json exclude each other") }
    }

    func run() throws {
        let found = try KeyFiles.any(file)
        let id = hexadecimalText(found.key.id)
        if json {
            let document = JSONValue.object([
                ("format", .string("casemate-key-1")), ("id", .string(id)),
                ("algorithm", .string("ecdsa-p384-sha384")),
                ("isPrivate", .bool(found.isPrivate)), ("publicKey", .string(found.key.pem)),
            ])
            return try StandardOutput.write(document.text)
        }
        if pem { return try StandardOutput.write(found.key.pem) }
        let kind = found.isPrivate ? "private" : "public"
        try StandardOutput.write(
            "key: \(id)\nfile: \(kind) key, ECDSA P-384\n\(found.key.pem)")
    }
}

/// `casemate key list`.
struct KeyList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the keys of a folder.",
        discussion: """
            Prints a line for each file of the folder that holds an ECDSA P-384 key, by name: the \
            key's id, whether the file is the private or the public half, and its name. Other \
            files are passed over. A private key that others can read is named on standard error.

            EXIT STATUS
              0   the folder was read
              1   others can read a private key
              64  the command line is wrong
              74  the folder could not be read

            EXAMPLE
              casemate key list keys
            """)

    @Argument(help: "The folder.", completion: .directory)
    var folder = "."

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw Files.fail(folder, "it is no folder that can be read")
        }
        var rows: [(id: String, isPrivate: Bool, name: String)] = []
        var hasOpenKey = false
        for name in names.sorted() {
            switch KeyFiles.look(at: "\(folder)/\(name)") {
            case .key(let key, let isPrivate):
                rows.append((hexadecimalText(key.id), isPrivate, name))
            case .open:
                let shown = DiagnosticRenderer.harmless(name)
                StandardError.write("casemate: `\(shown)`: \(KeyFiles.openReason)\n")
                hasOpenKey = true
            case .none: continue
            }
        }
        try StandardOutput.write(json ? document(rows) : text(rows))
        if hasOpenKey { throw ExitStatus.refused }
    }

    private func text(_ rows: [(id: String, isPrivate: Bool, name: String)]) -> String {
        rows.map { row in
            let kind = row.isPrivate ? "private" : "public "
            return "\(row.id)  \(kind)  \(DiagnosticRenderer.harmless(row.name))\n"
        }.joined()
    }

    private func document(_ rows: [(id: String, isPrivate: Bool, name: String)]) -> String {
        let keys = rows.map { row in
            JSONValue.object([
                ("id", .string(row.id)), ("isPrivate", .bool(row.isPrivate)),
                ("file", .string(row.name)),
            ])
        }
        return JSONValue.object([
            ("format", .string("casemate-keys-1")), ("keys", .array(keys)),
        ]).text
    }
}
