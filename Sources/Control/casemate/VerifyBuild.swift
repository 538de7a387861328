import Appraisal
import ArgumentParser
import Digests
import PolicyAuthority
import PolicySyntax
import SystemImage
import SystemManifest

/// `casemate verify-build`: judges a build before it is installed.
struct VerifyBuild: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify-build",
        abstract: "Judge a build before it is installed: signature, order, and every byte.",
        discussion: """
            Reads the folder that `casemate build --sign` wrote, and checks that the manifest is \
            signed by the key, that policy, boot bundle and reference values are those of the \
            manifest, byte for byte, and that the hypervisor would accept them: its own readers \
            read policy and manifest, and the proof is replayed.

            With --newer-than, the manifest must be of the same system, have a higher version, and \
            name that manifest as the one that it replaces. The first reason to refuse is given, \
            with its code; docs/keys.md lists them.

            EXIT STATUS
              0   the build may be installed
              1   it may not; the reason is on standard error
              64  the command line is wrong
              74  a file of the build, the key or the other manifest could not be read

            EXAMPLE
              casemate verify-build out --key authority.pem.pub --newer-than old/system.manifest
            """
    )

    @Argument(help: "The folder that `casemate build` filled.", completion: .directory)
    var build: String

    @Option(help: "The public key of the policy authority.", completion: .file())
    var key: String

    @Option(
        help: "The manifest that is installed now.", completion: .file(extensions: ["manifest"]))
    var newerThan: String?

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let key = try KeyFiles.publicKey(self.key)
        let old = try newerThan.map { try ManifestFile.read($0) }
        let files = try BuildFiles(reading: build)
        let verdict = files.verdict(by: key, replacing: old)
        switch verdict {
        case .success(let facts):
            let system = files.systemName
            if json { return try StandardOutput.write(document(facts, nil, system).text) }
            try StandardOutput.write(
                "verified: `\(system)` version \(facts.systemVersion), "
                    + "signed by \(hexadecimalText(key.id))\n"
                    + (old == nil ? "note: no installed manifest was given to be newer than\n" : "")
            )
        case .failure(let refusal):
            if json {
                try StandardOutput.write(document(nil, refusal, files.systemName).text)
            } else {
                StandardError.write("refused[\(refusal.code)]: \(refusal.message)\n")
            }
            throw ExitStatus.refused
        }
    }

    private func document(
        _ facts: ManifestFacts?, _ refusal: BuildRefusal?, _ system: String
    ) -> JSONValue {
        .object([
            ("format", .string("casemate-verify-build-1")), ("verified", .bool(facts != nil)),
            ("system", facts == nil ? .null : .string(system)),
            ("version", facts.map { .number($0.systemVersion) } ?? .null),
            ("manifest", facts.map { .string($0.digest.hexadecimal) } ?? .null),
            ("policy", facts.map { .string($0.policyDigest.hexadecimal) } ?? .null),
            ("signer", facts?.signer.map { .string(hexadecimalText($0)) } ?? .null),
            ("replaces", facts?.predecessor.map { .string($0.hexadecimal) } ?? .null),
            ("refusals", .array(refusal.map { [$0.json] } ?? [])),
        ])
    }
}
