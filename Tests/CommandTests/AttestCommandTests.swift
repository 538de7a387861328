import Foundation
import TestSupport
import Testing

@Suite("casemate attest", .serialized) struct AttestCommandTests {
    private static let evidence = "attestation/vectors/sample.evidence.json"
    private static let reference = "attestation/vectors/sample.reference-values.json"
    private static let nonce = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

    private func verify(_ options: [String], reference: String = Self.reference) throws -> Command {
        switch options.count {
        case 2:
            try Command(
                "attest", "verify", "--evidence", Self.evidence, "--reference-values", reference,
                options[0], options[1])
        case 3:
            try Command(
                "attest", "verify", "--evidence", Self.evidence, "--reference-values", reference,
                options[0], options[1], options[2])
        default:
            try Command(
                "attest", "verify", "--evidence", Self.evidence, "--reference-values", reference)
        }
    }

    @Test("the recorded machine is accepted, and what was not checked is said") func accepted()
        throws
    {
        let fresh = try verify(["--nonce", Self.nonce])
        #expect(fresh.status == 0 && fresh.errors.isEmpty)
        #expect(fresh.output.hasPrefix("accepted: the machine runs `sample` version 3\n"))
        #expect(fresh.output.contains("compartments: sensor, collector\n"))
        #expect(!fresh.output.contains("freshness"))
        #expect(fresh.output.contains("note: any TPM's key was taken"))
        let stale = try verify([])
        #expect(stale.status == 0)
        #expect(stale.output.contains("note: freshness was not checked"))
    }

    @Test("another nonce and another key are refused with their code, status 1") func refused()
        throws
    {
        let nonce = try verify(["--nonce", "00"])
        #expect(nonce.status == 1 && nonce.output.isEmpty)
        #expect(nonce.errors.hasPrefix("refused[ATT-QUO-004]: "))
        let key = try verify(["--key", "000b00"])
        #expect(key.status == 1)
        #expect(key.errors.hasPrefix("refused[ATT-KEY-002]: "))
    }

    @Test("with --json one document tells all") func json() throws {
        for (nonce, status) in [(Self.nonce, Int32(0)), ("00", 1)] {
            let run = try verify(["--json", "--nonce", nonce])
            #expect(run.status == status && run.errors.isEmpty)
            let document =
                try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
            #expect(document?["accepted"] as? Bool == (status == 0))
            #expect((document?["refusals"] as? [Any])?.count == Int(status))
        }
    }

    @Test("what cannot be read or contradicts itself is status 74; evidence that is none, status 1")
    func unreadable() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let garbage = try folder.write("{}", to: "garbage")
        for path in ["/nothing", garbage] {
            let run = try verify([], reference: path)
            #expect(run.status == 74 && run.output.isEmpty)
            #expect(run.errors.hasPrefix("casemate: `\(path)`: "))
        }
        let empty = try Command(
            "attest", "verify", "--evidence", garbage, "--reference-values", Self.reference)
        #expect(empty.status == 1)
        #expect(empty.errors.hasPrefix("refused[ATT-EVI-001]: "))
        let absent = try Command(
            "attest", "verify", "--evidence", "/nothing", "--reference-values", Self.reference)
        #expect(absent.status == 74)
    }

    @Test("a log is shown event by event, also from evidence, and as a document") func showLog()
        throws
    {
        let shown = try Command("attest", "show-log", Self.evidence)
        #expect(shown.status == 0 && shown.errors.hasPrefix("note: not verified"))
        let lines = shown.output.split(separator: "\n")
        #expect(lines.count == 8)
        #expect(lines[0].hasPrefix("PCR 12  EV_EVENT_TAG  "))
        #expect(lines[1].hasPrefix("    policy sha384:"))
        #expect(lines[5].hasPrefix("    compartment `sensor`, kernel sha384:"))
        let json = try Command(
            "attest", "show-log", "--json", "attestation/vectors/uefi.evidence.json")
        let document =
            try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
        #expect((document?["events"] as? [Any])?.count ?? 0 > 20)
        #expect(document?["verified"] as? Bool == false)
        let other = try Command("attest", "show-log", "README.md")
        #expect(other.status == 1 && other.errors.hasPrefix("refused[ATT-LOG-001]: "))
    }

    @Test("a TPM 1.2's firmware is enrolled where that is said, and compared") func olderPlatform()
        throws
    {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let vector = "attestation/vectors/uefi-tpm12"
        let nonce = String(Self.nonce.prefix(40))
        let words = ["--evidence", "\(vector).evidence.json", "--nonce", nonce]
        let enrol =
            ["attest", "platform", "--name", "old", "--output", folder.path("platform.json")]
            + words
        let forbidden = try Command(arguments: enrol, programsIn: nil)
        #expect(forbidden.status == 1 && forbidden.errors.hasPrefix("refused[ATT-EVI-004]: "))
        #expect(!FileManager.default.fileExists(atPath: folder.path("platform.json")))
        let enrolled = try Command(arguments: enrol + ["--allow-tpm-1.2"], programsIn: nil)
        #expect(enrolled.status == 0, "\(enrolled.errors)")
        for (platform, status) in [
            (folder.path("platform.json"), Int32(0)), ("attestation/vectors/uefi.platform.json", 1),
        ] {
            let run = try Command(
                arguments: [
                    "attest", "verify", "--reference-values", "\(vector).reference-values.json",
                    "--allow-tpm-1.2", "--platform", platform,
                ] + words, programsIn: nil)
            #expect(run.status == status, "\(run.errors)")
            #expect(run.output.contains("firmware: as the platform `old`\n") == (status == 0))
            #expect(run.errors.hasPrefix("refused[ATT-BOOT-002]: ") == (status == 1))
        }
    }

    @Test("a quote needs a socket; a nonce is hexadecimal") func quote() throws {
        let run = try Command(
            "attest", "quote", "--tpm", "/nothing", "--event-log", Self.evidence, "--nonce", "00",
            "--output", "/dev/null")
        #expect(run.status == 74)
        #expect(run.errors.hasPrefix("casemate: `/nothing`: `connect` failed"))
        for (words, status) in [
            (["--tpm", "/nothing"], 64),
            (["--tpm", "/nothing", "--event-log", "/dev/null", "--run", "/nowhere"], 64),
            (["--tpm", "/nothing", "--event-log", "/dev/null", "--through", "agent"], 64),
            (["--through", "socket"], 64), (["--through", "tcsd"], 64),
            (["--run", "/nowhere", "--through", "agent"], 74),
            (["--tpm", "tcsd", "--event-log", "/dev/null"], 64),
            (["--tpm", "tcsd:", "--event-log", "/dev/null", "--tpm-files", "x"], 64),
            (["--tpm", "tcsd:a:0", "--event-log", "/dev/null", "--tpm-files", "x"], 64),
            (["--tpm", "tcsd:a:1:2", "--event-log", "/dev/null", "--tpm-files", "x"], 64),
            (["--run", "/nowhere", "--tpm-files", "x"], 64),
            (["--tpm", "/nothing", "--event-log", "/dev/null", "--tpm-timeout", "1"], 64),
            (
                [
                    "--tpm", "tcsd", "--event-log", "/dev/null", "--tpm-files", "x",
                    "--tpm-timeout", "0",
                ], 64
            ),
            (["--tpm", "tcsd:localhost:1", "--event-log", "/dev/null", "--tpm-files", "x"], 74),
        ] {
            let other = try Command(
                arguments: ["attest", "quote", "--nonce", "00", "--output", "/dev/null"] + words,
                programsIn: nil)
            #expect(other.status == status, "\(words) \(other.errors)")
        }
        for words in [["request"], ["respond", "--challenge", "/dev/null"]] {
            let none = try Command(
                arguments: ["attest", "enrol"] + words
                    + ["--run", "/nowhere", "--output", "/dev/null"], programsIn: nil)
            #expect(none.status == 74, "\(none.errors)")
        }
        #expect(try verify(["--nonce", "0"]).status == 64)
        #expect(try verify(["--nonce", "xy"]).status == 64)
    }
}
