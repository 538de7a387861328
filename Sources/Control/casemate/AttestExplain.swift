import Appraisal
import ArgumentParser
import Digests
import PolicyAuthority
import PolicySyntax

/// `casemate attest explain`: what a refusal means.
struct AttestExplain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say what a machine runs instead, and which property that loses.",
        discussion: """
            Judges evidence as `attest verify` does, but for freshness and key, and explains what \
            it refuses. A compartment that differs is named with its file, the digests and the \
            source line. A policy is known by its digest only: of the builds that --known gives, \
            the one that the machine measured is found, and what it permits beyond --build, or no \
            longer permits, is said in sentences with their source lines.

            Of the build that the machine measured, or should have, it is said which compartments \
            use the TPM, and which of its commands the policy lets through.

            The explanation is no judgement: `attest verify` has the last word.

            EXIT STATUS
              0   there is nothing to explain
              1   the evidence is refused, and this is why
              64  the command line is wrong
              74  a file could not be read or understood

            EXAMPLE
              casemate attest explain --evidence evidence.json \\
                --reference-values out/reference-values.json --build out --known next
            """)

    @Option(help: "The evidence file.", completion: .file())
    var evidence: String

    @Option(help: "The file reference-values.json of `casemate build`.", completion: .file())
    var referenceValues: String

    @Option(help: "The folder of the build that it should run.", completion: .directory)
    var build: String?

    @Option(help: "The folder of a build that it may run; any number.", completion: .directory)
    var known: [String] = []

    @Flag(
        name: .customLong("allow-tpm-1.2"),
        help: "Take a TPM 1.2's evidence too, whose only hash is SHA-1.")
    var allowsOnePointTwo = false

    @Flag(help: "Write one JSON document to standard output.")
    var json = false

    func run() throws {
        let reference = try AttestationFiles.reference(referenceValues)
        let expected = try build.map { try KnownBuild(reading: $0) }
        let others = try known.map { try KnownBuild(reading: $0) }
        if let expected, !expected.isBuild(of: reference) {
            throw Files.fail(expected.folder, "it is not the build of the reference values")
        }
        let bytes = try Files.read(evidence)
        var refusals: [Refusal] = []
        do throws(Refusal) {
            let appraiser = Appraiser(
                reference: reference,
                policy: AppraisalPolicy(
                    nonce: nil, attestationKeyName: nil, permitsOnePointTwo: allowsOnePointTwo))
            if case .refused(let reasons) = appraiser.appraise(
                try Evidence(json: bytes))
            {
                refusals = reasons
            }
        } catch { refusals = [error] }
        let explanation = Explanation(refusals, expected: expected, known: others)
        if json {
            try StandardOutput.write(explanation.document.text)
        } else {
            try StandardOutput.write(explanation.text)
        }
        if !refusals.isEmpty { throw ExitStatus.refused }
    }
}

/// Why a machine is refused, in words.
private struct Explanation {
    let refusals: [Refusal]
    /// The build that the machine measured, of those that are known.
    let found: KnownBuild?
    /// Whether what it measured is another policy or manifest than expected.
    let isOther: Bool
    /// What that permits and the expected build does not; nil: nobody can tell.
    var gained: [PermissionList.Sentence]?
    /// The other way round.
    var lost: [PermissionList.Sentence]?
    /// Who uses the TPM in the build that the machine measured; in the expected one, if it measured
    /// that; nil: neither is known.
    var tpmUsers: [PermissionList.TPMUser]?

    init(_ refusals: [Refusal], expected: KnownBuild?, known: [KnownBuild]) {
        self.refusals = refusals
        var digests: Set<String> = []
        for refusal in refusals {
            switch refusal {
            case .policyDiffers(_, let found), .manifestDiffers(_, let found):
                digests.insert(found)
            case .policyReplaced(_, let manifest, _): digests.insert(manifest)
            default: break
            }
        }
        isOther = !digests.isEmpty
        found =
            known.first { digests.contains($0.facts.digest.hexadecimal) }
            ?? known.first { digests.contains($0.facts.policyDigest.hexadecimal) }
        tpmUsers = (isOther ? found : expected).map { PermissionList($0.manifest).tpmUsers }
        guard let found, let expected else { return }
        let (now, before) = (PermissionList(found.manifest), PermissionList(expected.manifest))
        gained = now.beyond(before)
        lost = before.beyond(now)
    }

    var text: String {
        var text = answer
        for user in tpmUsers ?? [] {
            let commands = user.commands.isEmpty ? "nothing" : user.commands.joined(separator: ", ")
            text +=
                "tpm: `\(DiagnosticRenderer.harmless(user.compartment))` may have it execute "
                + "\(commands), \(user.place)\n"
        }
        return text
    }

    private var answer: String {
        guard !refusals.isEmpty else { return "accepted: there is nothing to explain\n" }
        var text = ""
        for refusal in refusals {
            text += "refused[\(refusal.code)]: \(DiagnosticRenderer.harmless(refusal.message))\n"
        }
        guard isOther else { return text }
        guard let found else {
            return text + "it measured no build that was given: name those it may run by --known\n"
        }
        text += "it measured the build in `\(found.folder)`, version \(found.facts.systemVersion)\n"
        guard let gained, let lost else {
            return text + "note: with --build it is said what that permits otherwise\n"
        }
        for (sentences, word) in [(gained, "now"), (lost, "no longer")] {
            for sentence in sentences {
                text +=
                    "\(word): \(DiagnosticRenderer.harmless(sentence.text)), \(sentence.place)\n"
            }
        }
        if gained.isEmpty, lost.isEmpty { text += "it permits the same\n" }
        return text
    }

    private var tpmDocument: JSONValue {
        guard let tpmUsers else { return .null }
        return .array(
            tpmUsers.map { user in
                .object([
                    ("compartment", .string(user.compartment)),
                    ("commands", .array(user.commands.map { .string($0) })),
                    ("place", .string(user.place)),
                ])
            })
    }

    var document: JSONValue {
        func list(_ sentences: [PermissionList.Sentence]?) -> JSONValue {
            guard let sentences else { return .null }
            return .array(
                sentences.map {
                    .object([("permits", .string($0.text)), ("place", .string($0.place))])
                })
        }
        return .object([
            ("format", .string("casemate-attest-explain-1")),
            ("accepted", .bool(refusals.isEmpty)),
            (
                "refusals",
                .array(
                    refusals.map {
                        .object([("code", .string($0.code)), ("message", .string($0.message))])
                    })
            ),
            ("build", found.map { .string($0.folder) } ?? .null),
            ("version", found.map { .number($0.facts.systemVersion) } ?? .null),
            ("gained", list(gained)), ("lost", list(lost)), ("tpm", tpmDocument),
        ])
    }
}
