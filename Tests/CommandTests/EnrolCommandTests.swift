import Foundation
import TestSupport
import Testing

/// The verifier's half of an enrolment; the machine's half needs a TPM, which
/// `VirtualHardwareTests` has.
@Suite("casemate attest enrol", .serialized) struct EnrolCommandTests {
    private static let name = "000b" + String(repeating: "5a", count: 32)
    private static let secret = String(repeating: "a1", count: 32)

    private func file(_ kind: String, _ content: String, version: Int = 1) -> String {
        "{ \"formatVersion\": \(version), \"kind\": \"\(kind)\", \"content\": { \(content) } }\n"
    }

    private func pending(_ secret: String) -> String {
        file(
            "enrolment-pending",
            "\"secret\": \"\(secret)\", \"attestationKeyName\": \"\(Self.name)\", "
                + "\"endorsementKeyName\": \"000c\"")
    }

    private func response(_ secret: String) -> String {
        file("enrolment-response", "\"secret\": \"\(secret)\"")
    }

    /// Judges a response; returns the run, and the key's file if one was written.
    private func accept(_ pending: String, _ response: String) throws -> (Command, String?) {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try Command(
            "attest", "enrol", "accept", "--pending", try folder.write(pending, to: "pending"),
            "--response", try folder.write(response, to: "response"), "--output",
            folder.path("key.json"))
        return (run, try? String(contentsOf: folder.url("key.json"), encoding: .utf8))
    }

    @Test("the secret enrols the key, and anything else does not") func accept() throws {
        let (run, key) = try accept(pending(Self.secret), response(Self.secret))
        #expect(run.status == 0)
        #expect(run.output == "enrolled: \(Self.name)\n")
        #expect(key?.contains(Self.name) == true)
        let wrong = Self.secret.dropLast() + "0"
        for response in [response(String(wrong)), response("a1")] {
            let (run, key) = try accept(pending(Self.secret), response)
            #expect(run.status == 1 && run.output.isEmpty && key == nil)
            #expect(run.errors.hasPrefix("refused[ATT-ENR-006]: "))
        }
    }

    @Test("a file that is malformed, of another kind or of another version is refused by its code")
    func malformed() throws {
        let version = file("enrolment-response", "\"secret\": \"\(Self.secret)\"", version: 2)
        let cases = [
            (pending(Self.secret), "{}", "ATT-ENR-001"),
            (pending(Self.secret), pending(Self.secret), "ATT-ENR-001"),
            (pending(Self.secret), response("xy"), "ATT-ENR-001"),
            (pending("a1"), response("a1"), "ATT-ENR-001"),
            (response(Self.secret), response(Self.secret), "ATT-ENR-001"),
            (pending(Self.secret), version, "ATT-ENR-002"),
        ]
        for (pending, response, code) in cases {
            let (run, key) = try accept(pending, response)
            #expect(run.status == 1 && run.output.isEmpty && key == nil)
            #expect(run.errors.hasPrefix("refused[\(code)]: "))
        }
    }

    @Test("a request with a key of another form gets no challenge, and no file is left")
    func challenge() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let request = file(
            "enrolment-request", "\"endorsementKey\": \"0023\", \"attestationKey\": \"0023\"")
        let run = try Command(
            "attest", "enrol", "challenge", "--request", try folder.write(request, to: "request"),
            "--endorsement-key", "000c", "--pending", folder.path("pending"), "--output",
            folder.path("challenge"))
        #expect(run.status == 1)
        #expect(run.errors.hasPrefix("refused[ATT-ENR-003]: "))
        for name in ["pending", "challenge"] {
            #expect(!FileManager.default.fileExists(atPath: folder.path(name)))
        }
    }

    @Test("a challenge needs a name or authorities, and authorities need a certificate")
    func authorities() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let key = "0023000c000300f20030" + String(repeating: "00", count: 200)
        let request = try folder.write(
            file(
                "enrolment-request",
                "\"endorsementKey\": \"\(key)\", \"attestationKey\": \"0023\""),
            to: "request")
        func challenge(_ more: String...) throws -> Command {
            try Command(
                arguments: [
                    "attest", "enrol", "challenge", "--request", request, "--pending",
                    folder.path("pending"), "--output", folder.path("challenge"),
                ] + more, programsIn: nil)
        }
        #expect(try challenge().status == 64)
        #expect(try challenge("--endorsement-key", "000c", "--intermediates", "x").status == 64)
        #expect(try challenge("--authorities", "/nothing").status == 74)
        let empty = try folder.write("", to: "empty.pem")
        let malformed = try challenge("--authorities", empty)
        #expect(malformed.status == 1)
        #expect(malformed.errors.hasPrefix("refused[ATT-ENR-009]: "))
        #expect(!FileManager.default.fileExists(atPath: folder.path("challenge")))
    }

    @Test("verify takes the file of an enrolment as the key") func verify() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let run = try Command(
            "attest", "enrol", "accept", "--pending",
            try folder.write(pending(Self.secret), to: "pending"), "--response",
            try folder.write(response(Self.secret), to: "response"), "--output",
            folder.path("key.json"))
        #expect(run.status == 0)
        // The recorded machine has another key than the one that was enrolled here.
        let other = try judge(folder.path("key.json"))
        #expect(other.status == 1)
        #expect(other.errors.hasPrefix("refused[ATT-KEY-002]: "))
        let itself = try #require(
            other.errors.firstRange(of: "000b").map { start in
                String(other.errors[start.lowerBound...].prefix(68))
            })
        let machine = pending(Self.secret).replacingOccurrences(of: Self.name, with: itself)
        _ = try Command(
            "attest", "enrol", "accept", "--pending", try folder.write(machine, to: "pending"),
            "--response", folder.path("response"), "--output", folder.path("key.json"))
        let right = try judge(folder.path("key.json"))
        #expect(right.status == 0)
        #expect(!right.output.contains("any TPM's key was taken"))
        #expect(try judge("/nothing").status == 74)
        #expect(try judge(folder.path("response")).errors.hasPrefix("refused[ATT-ENR-001]: "))
    }

    private func judge(_ key: String) throws -> Command {
        try Command(
            "attest", "verify", "--evidence", "attestation/vectors/sample.evidence.json",
            "--reference-values", "attestation/vectors/sample.reference-values.json", "--key", key)
    }
}
