import Appraisal
import AttestationTestSupport
import Crypto
import Digests
import EventLog
import Foundation
import TPMStructures
import TestSupport
import Testing

/// A verifier's folder and one machine, whose TPM is made of a software key.
private final class Fixture {
    let folder: TemporaryFolder
    var tpm = ForgingTPM()
    let name: [UInt8]
    static let reference = "attestation/vectors/sample.reference-values.json"

    var state: String { folder.path("verifier") }

    init() throws {
        folder = try TemporaryFolder()
        name = try AttestationPublicKey(validating: tpm.publicArea).name
        (tpm.resetCount, tpm.clock) = (5, 1000)
    }

    func keyFile(_ name: [UInt8]) throws -> String {
        try folder.write(
            """
            { "formatVersion": 1, "kind": "enrolled-key", "content": { "attestationKeyName":
            "\(hexadecimalText(name))", "endorsementKeyName": "000c" } }
            """, to: "key.json")
    }

    func add(_ machine: String = "alpha") throws -> Command {
        try Command(
            "attest", "machine", "add", machine, "--key", try keyFile(name), "--state", state)
    }

    func nonce() throws -> [UInt8] {
        let run = try Command("attest", "nonce", "--machine", "alpha", "--state", state)
        #expect(run.status == 0)
        return try #require(
            bytesOfHexadecimal(run.output.trimmingCharacters(in: .whitespacesAndNewlines)))
    }

    /// What the machine shows when it measured the recorded system, and more.
    func evidence(
        _ nonce: [UInt8], and more: [(pcr: Int, data: [UInt8])] = []
    ) throws -> String {
        let root = RepositoryFiles.root
        let sample = try Evidence(
            json: [UInt8](
                try Data(
                    contentsOf: root.appending(path: "attestation/vectors/sample.evidence.json"))))
        let measured =
            try Appraisal.EventLog<Unverified>(validating: sample.eventLog).entries
            .map { (Int($0.pcr), $0.data) } + more
        let evidence = try tpm.evidence(log: log(measured), events: measured, nonce: nonce)
        return try folder.write(
            String(decoding: evidence.encoded(), as: UTF8.self), to: "evidence.json")
    }

    func verify(_ evidence: String, _ options: String...) throws -> Command {
        try Command(
            arguments: [
                "attest", "verify", "--evidence", evidence, "--reference-values",
                Fixture.reference, "--state", state, "--machine", "alpha",
            ] + options, programsIn: nil)
    }

    deinit { folder.remove() }
}

@Suite("casemate attest machine, nonce, verify --state", .serialized)
struct VerifierCommandTests {
    @Test("a machine is added once, listed, and forgotten") func machines() throws {
        let fixture = try Fixture()
        #expect(try fixture.add().status == 0)
        let again = try fixture.add()
        #expect(again.status == 1 && again.errors.hasPrefix("refused[ATT-STA-002]: "))
        let twin = try fixture.add("beta")
        #expect(twin.status == 1 && twin.errors.hasPrefix("refused[ATT-STA-004]: "))
        let list = try Command("attest", "machine", "list", "--state", fixture.state)
        #expect(list.output == "alpha  \(hexadecimalText(fixture.name))  not judged yet\n")
        let json = try Command("attest", "machine", "list", "--json", "--state", fixture.state)
        #expect(json.output.contains("\"last\": null"))
        let attributes = try FileManager.default.attributesOfItem(atPath: fixture.state)
        #expect(attributes[.posixPermissions] as? Int == 0o700)
        let key = try FileManager.default.attributesOfItem(
            atPath: fixture.state + "/token-key.pem")
        #expect(key[.posixPermissions] as? Int == 0o600)
        let remove = ["attest", "machine", "remove", "alpha", "--state", fixture.state]
        #expect(try Command(arguments: remove, programsIn: nil).status == 0)
        let gone = try Command(arguments: remove, programsIn: nil)
        #expect(gone.status == 1 && gone.errors.hasPrefix("refused[ATT-STA-003]: "))
    }

    @Test("a quote with a nonce of ours is accepted once, and says how often the machine booted")
    func once() throws {
        let fixture = try Fixture()
        _ = try fixture.add()
        let first = try fixture.evidence(try fixture.nonce())
        let accepted = try fixture.verify(first)
        #expect(accepted.status == 0, "\(accepted.errors)")
        #expect(accepted.output.contains("boots: this is the first acceptance\n"))
        #expect(!accepted.output.contains("freshness") && !accepted.output.contains("any TPM"))
        let replayed = try fixture.verify(first)
        #expect(replayed.status == 1 && replayed.output.isEmpty)
        #expect(replayed.errors.hasPrefix("refused[ATT-STA-007]: "))
        fixture.tpm.resetCount = 6
        let next = try fixture.verify(try fixture.evidence(try fixture.nonce()))
        #expect(next.output.contains("boots: once since 20"))
        let json = try fixture.verify(try fixture.evidence(try fixture.nonce()), "--json")
        #expect(json.output.contains("\"bootsSince\" : 0"))
        #expect(json.output.contains("\"resetCount\" : 6"))
        fixture.tpm.clock = 999
        let back = try fixture.verify(try fixture.evidence(try fixture.nonce()))
        #expect(back.status == 1 && back.errors.hasPrefix("refused[ATT-STA-010]: "))
        fixture.tpm.resetCount = 5
        let older = try fixture.verify(try fixture.evidence(try fixture.nonce()))
        #expect(older.status == 1 && older.errors.hasPrefix("refused[ATT-STA-009]: "))
        let list = try Command("attest", "machine", "list", "--state", fixture.state)
        #expect(list.output.hasSuffix(" refused: ATT-STA-009\n"))
    }

    @Test("a nonce of nobody's, another key and another machine are refused by name")
    func foreign() throws {
        let fixture = try Fixture()
        _ = try fixture.add()
        let guess = try fixture.verify(try fixture.evidence([UInt8](repeating: 1, count: 20)))
        #expect(guess.status == 1 && guess.errors.hasPrefix("refused[ATT-STA-006]: "))
        let nonce = try fixture.nonce()
        fixture.tpm = ForgingTPM()
        let other = try fixture.verify(try fixture.evidence(nonce))
        #expect(other.status == 1 && other.errors.hasPrefix("refused[ATT-KEY-002]: "))
        let unknown = try Command(
            "attest", "nonce", "--machine", "gamma", "--state", fixture.state)
        #expect(unknown.status == 1 && unknown.errors.hasPrefix("refused[ATT-STA-003]: "))
        let nowhere = try Command(
            "attest", "machine", "list", "--state", fixture.folder.path("nothing"))
        #expect(nowhere.status == 74)
        let garbage = try fixture.folder.write("{}", to: "garbage")
        #expect(try fixture.verify(garbage).errors.hasPrefix("refused[ATT-EVI-001]: "))
        #expect(try fixture.verify(garbage, "--nonce", "00").status == 64)
        #expect(try Command("attest", "machine", "list").status == 64)
    }

    @Test("the answer is signed, whichever it is, by the key that relying parties have")
    func token() throws {
        let fixture = try Fixture()
        _ = try fixture.add()
        let pem = try String(
            contentsOf: fixture.folder.url("verifier/token-key.pem.pub"), encoding: .utf8)
        let key = try P384.Signing.PublicKey(pemRepresentation: pem)
        let evidence = try fixture.evidence(try fixture.nonce())
        for (expected, status) in [("affirming", Int32(0)), ("contraindicated", 1)] {
            let path = fixture.folder.path("answer.jwt")
            #expect(try fixture.verify(evidence, "--token", path).status == status)
            let parts = try String(contentsOfFile: path, encoding: .utf8)
                .trimmingCharacters(in: .newlines).split(separator: ".")
            let decoded = try parts.map { part in
                let text = part.replacing("-", with: "+").replacing("_", with: "/")
                let padding = String(repeating: "=", count: (4 - text.count % 4) % 4)
                return try #require(Data(base64Encoded: text + padding))
            }
            let signature = try P384.Signing.ECDSASignature(rawRepresentation: decoded[2])
            #expect(key.isValidSignature(signature, for: Array("\(parts[0]).\(parts[1])".utf8)))
            #expect(String(decoding: decoded[1], as: UTF8.self).contains(expected))
        }
    }
}
