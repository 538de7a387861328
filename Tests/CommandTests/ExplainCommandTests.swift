import Appraisal
import AttestationTestSupport
import Digests
import EventLog
import Foundation
import TestSupport
import Testing

@Suite("casemate attest explain, verify --build", .serialized) struct ExplainCommandTests {
    /// Builds of two versions: the second one has a ring from `one` to `two`, too.
    private static func builds() throws -> SmallSystem {
        let system = try SmallSystem()
        #expect(try system.build("first").status == 0)
        _ = try system.folder.write(
            SmallSystem.source(version: 2).replacing(
                "channel up: one -> two signal",
                with: "channel mail: one -> two ring 4 pages"),
            to: "system.casemate")
        #expect(try system.build("second").status == 0)
        return system
    }

    private static func bytes(_ system: SmallSystem, _ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: system.folder.url(path)))
    }

    /// What a machine shows that measured the policy and the manifest of a build.
    private static func evidence(_ system: SmallSystem, measuring build: String) throws -> String {
        let policyBytes = try bytes(system, "\(build)/policy.30")
        let manifestBytes = try bytes(system, "\(build)/system.manifest")
        let policy = SHA384.hash(policyBytes.span)
        let manifest = SHA384.hash(manifestBytes.span)
        let evidence = try ForgingTPM().evidence(measuring: [
            (12, PolicyMeasurement(policy).eventData),
            (12, ManifestMeasurement(manifest).eventData),
        ])
        return try system.folder.write(
            String(decoding: evidence.encoded(), as: UTF8.self), to: "evidence.json")
    }

    private func explain(_ system: SmallSystem, _ more: String...) throws -> Command {
        try Command(
            arguments: [
                "attest", "explain", "--evidence", system.folder.path("evidence.json"),
                "--reference-values", system.folder.path("first/reference-values.json"),
            ] + more, programsIn: nil)
    }

    @Test("another policy is found among the builds, and what it permits is said with its line")
    func otherPolicy() throws {
        let system = try Self.builds()
        defer { system.folder.remove() }
        _ = try Self.evidence(system, measuring: "second")
        let (first, second) = (system.folder.path("first"), system.folder.path("second"))
        let told = try explain(system, "--build", first, "--known", first, "--known", second)
        #expect(told.status == 1 && told.errors.isEmpty, "\(told.errors)")
        #expect(told.output.hasPrefix("refused[ATT-SYS-001]: the policy differs: "))
        let ring = "now: `one` may write to `two` through a ring, by the channel `mail`, "
        #expect(told.output.contains("it measured the build in `\(second)`, version 2\n"))
        #expect(told.output.contains(ring + "system.casemate:20\n"), "\(told.output)")
        #expect(
            told.output.contains(
                "no longer: `one` may signal `two`, by the channel `up`, system.casemate:20\n"))
        let json = try explain(system, "--build", first, "--known", second, "--json")
        #expect(json.output.contains("\"permits\": \"`one` may write to `two` through a ring"))
        let unknown = try explain(system, "--build", first)
        #expect(unknown.output.hasSuffix("name those it may run by --known\n"))
        let without = try explain(system, "--known", second)
        #expect(
            without.output.hasSuffix("note: with --build it is said what that permits otherwise\n"))
        let wrong = try explain(system, "--build", second)
        #expect(wrong.status == 74 && wrong.errors.contains("not the build of the reference"))
        #expect(try explain(system, "--known", system.folder.path("none")).status == 74)
    }

    /// Builds of two versions of `managed`, with modules that are none: users of the second one's
    /// TPM may have it make areas, too.
    private static func buildsWithTPM() throws -> SmallSystem {
        let system = try SmallSystem()
        let names = ["control", "worker", "sensor", "collector"].map { "managed-\($0).cpio" }
        for name in names + ["store.elf", "tpm.elf"] {
            _ = try system.folder.write(name, to: "modules/\(name)")
        }
        let path = RepositoryFiles.root.appending(path: "policy/systems/managed/system.casemate")
        let source = try String(contentsOf: path, encoding: .utf8)
        for (version, build) in [(1, "first"), (2, "second")] {
            let more = version == 1 ? "nv_read, " : "nv_define_space, nv_read, "
            _ = try system.folder.write(
                source.replacing("version 1", with: "version \(version)")
                    .replacing("nv_read, ", with: more), to: "system.casemate")
            let run = try system.build(build)
            #expect(run.status == 0, "\(run.errors)")
        }
        return system
    }

    @Test("who uses the TPM is said with the commands that the policy lets through")
    func tpmUsers() throws {
        let system = try Self.buildsWithTPM()
        defer { system.folder.remove() }
        let (first, second) = (system.folder.path("first"), system.folder.path("second"))
        let own = "tpm: `control` may have it execute activate_credential, activate_identity, "
        for build in ["first", "second"] {
            _ = try Self.evidence(system, measuring: build)
            let told = try explain(system, "--build", first, "--known", second)
            #expect(told.status == 1)
            let line = try #require(told.output.split(separator: "\n").last)
            #expect(line.hasPrefix(own) && line.contains("quote2, system.casemate:"))
            let isOther = build == "second"
            #expect(line.contains("nv_define_space") == isOther)
            let now = "now: `control` may have the TPM execute `nv_define_space`, system.casemate:"
            #expect(told.output.contains(now) == isOther, "\(told.output)")
            let json = try explain(system, "--build", first, "--known", second, "--json")
            let document = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
            let users = (document as? [String: Any])?["tpm"] as? [[String: Any]]
            #expect(users?.count == 1 && users?[0]["compartment"] as? String == "control")
            let commands = users?[0]["commands"] as? [String]
            #expect(commands?.contains("quote2") == true && commands?.contains("create") == false)
            #expect(commands?.contains("nv_define_space") == isOther)
        }
        // Nobody knows what a build that was not given lets through.
        #expect(try !explain(system, "--build", first).output.contains("tpm:"))
        let plain = try Self.builds()
        defer { plain.folder.remove() }
        _ = try Self.evidence(plain, measuring: "first")
        let none = try explain(plain, "--build", plain.folder.path("first"), "--json")
        #expect(none.output.contains("\"tpm\": []"), "\(none.output)")
    }

    @Test("the recorded machine leaves nothing to explain") func nothing() throws {
        let run = try Command(
            "attest", "explain", "--evidence", "attestation/vectors/sample.evidence.json",
            "--reference-values", "attestation/vectors/sample.reference-values.json")
        #expect(run.status == 0)
        #expect(run.output == "accepted: there is nothing to explain\n")
        let missing = try Command(
            "attest", "explain", "--evidence", "attestation/vectors/none.json",
            "--reference-values", "attestation/vectors/sample.reference-values.json")
        #expect(missing.status == 74 && missing.output.isEmpty)
    }

    @Test("a proof is replayed where its build is given, and one that does not hold is refused")
    func proofs() throws {
        let system = try Self.builds()
        defer { system.folder.remove() }
        let evidence = try Self.evidence(system, measuring: "first")
        func verify(_ reference: String, _ build: String) throws -> Command {
            try Command(
                "attest", "verify", "--evidence", evidence, "--reference-values", reference,
                "--build", build)
        }
        let reference = system.folder.path("first/reference-values.json")
        // The proof holds; the machine, which measured no compartment, is refused for that.
        let holds = try verify(reference, system.folder.path("first"))
        #expect(holds.status == 1 && !holds.errors.contains("ATT-PRF"), "\(holds.errors)")
        let other = try verify(reference, system.folder.path("second"))
        #expect(other.errors.hasPrefix("refused[ATT-PRF-001]: "))
        // A manifest whose certificate was changed, and reference values that believe it.
        var manifest = try Self.bytes(system, "first/system.manifest")
        let before = SHA384.hash(manifest.span)
        let entry = try #require(
            (0..<Int(manifest[288])).map { 320 + 24 * $0 }.first { manifest[$0] == 7 })
        let start = (0..<4).reduce(0) { $0 | Int(manifest[entry + 8 + $1]) << (8 * $1) }
        manifest[start + 16] ^= 1
        try Data(manifest).write(to: system.folder.url("first/system.manifest"))
        let after = SHA384.hash(manifest.span)
        let (old, new) = (
            ManifestMeasurement(before).eventData, ManifestMeasurement(after).eventData
        )
        var text = String(
            decoding: try Self.bytes(system, "first/reference-values.json"), as: UTF8.self)
        for (known, other) in [
            (before.hexadecimal, after.hexadecimal),
            (SHA1.hash(old.span).hexadecimal, SHA1.hash(new.span).hexadecimal),
            (SHA256.hash(old.span).hexadecimal, SHA256.hash(new.span).hexadecimal),
            (SHA384.hash(old.span).hexadecimal, SHA384.hash(new.span).hexadecimal),
        ] {
            #expect(text.contains(known))
            text = text.replacing(known, with: other)
        }
        let forged = try system.folder.write(text, to: "forged.json")
        let broken = try verify(forged, system.folder.path("first"))
        #expect(broken.status == 1)
        #expect(broken.errors.hasPrefix("refused[ATT-PRF-002]: "), "\(broken.errors)")
    }
}
