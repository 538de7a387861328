import Appraisal
import Digests
import EventLog
import Foundation
import TPMDevice
import TPMSoftwareStack
import TPMStructures
import TestSupport
import Testing
import VirtualHardware

private let nonce = (0..<20).map { UInt8($0) }
private let secret = (0..<32).map { UInt8(200 - $0) }

/// The secrets of an emulated TPM's owner.
func emulatedSecrets() throws -> OnePointTwoSecrets {
    try #require(
        OnePointTwoSecrets(
            owner: SoftwareTPM.ownerSecret, storageRoot: SoftwareTPM.ownerSecret))
}

/// Connects to a machine's TPM from outside.
func reach(
    _ machine: EmulatedMachine, key: [UInt8]? = nil
) throws -> OnePointTwoConnection {
    OnePointTwoConnection(
        over: SocketTransport(
            takingSocket: try connectUnix(machine.socketPath).duplicate()),
        secrets: try emulatedSecrets(), wrappedKey: key)
}

/// What a quote and a log show together.
func evidence(_ quote: TPMQuote, _ log: [UInt8]) -> Evidence {
    Evidence(
        quote: quote.statement, signature: quote.signature, attestationKey: quote.attestationKey,
        eventLog: log, family: quote.family)
}

/// The key as OpenSSL reads it: SubjectPublicKeyInfo, of an RSA key with this modulus.
private func publicKeyInfo(_ modulus: [UInt8]) -> Data {
    let head: [UInt8] = [
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01,
        0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0F, 0x00, 0x30, 0x82, 0x01, 0x0A, 0x02, 0x82,
        0x01, 0x01, 0x00,
    ]
    return Data(head + modulus + [0x02, 0x03, 0x01, 0x00, 0x01])
}

/// A key of a TPM 1.2 with this modulus (`TPM_PUBKEY`).
private func publicKey(_ modulus: [UInt8], isIdentity: Bool) -> [UInt8] {
    [0, 0, 0, 1, 0, isIdentity ? 1 : 3, 0, isIdentity ? 2 : 1, 0, 0, 0, 12, 0, 0, 8, 0]
        + [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 0] + modulus
}

@Suite(.serialized) struct OnePointTwoTests {
    @Test("what the driver measures into a TPM 1.2, a quote shows and the appraiser accepts")
    func wholeFlow() throws {
        let machine = try EmulatedMachine(.onePointTwo)
        defer { machine.end() }
        let reference = sampleReference()
        let log = try measure(reference, machine)
        let outsider = SocketTransport(
            takingSocket: try connectUnix(machine.socketPath).duplicate())
        #expect(try family(ofTPMBehind: outsider) == .onePointTwo)
        let tpm = try reach(machine)
        let shown = evidence(
            try tpm.quote(qualifyingData: nonce, registers: [12, 13, 15]), log)
        let policy = AppraisalPolicy(
            nonce: nonce, attestationKeyName: nil, permitsOnePointTwo: true)
        let answer = Appraiser(reference: reference, policy: policy).appraise(shown)
        guard case .accepted(let accepted) = answer else {
            Issue.record("refused: \(answer)")
            return
        }
        #expect(accepted.compartments == ["sensor", "collector"])
        #expect(accepted.isFresh && accepted.family == .onePointTwo && accepted.time == nil)
        // The wrapped key goes on in another connection, and after the machine's end.
        try machine.shutDown()
        let again = try reach(machine, key: tpm.wrappedKey)
            .quote(qualifyingData: Array(nonce.reversed()), registers: [12, 13, 15])
        #expect(again.attestationKey == shown.attestationKey)
        #expect(throws: TPMConnectionError.nonceLengthUnfit) {
            _ = try tpm.quote(qualifyingData: [1], registers: [12])
        }
        #expect(throws: TPMConnectionError.registerOutOfRange) {
            _ = try tpm.quote(qualifyingData: nonce, registers: [24])
        }
        try judgeByOpenSSL(shown)
        try record(shown)
    }

    /// OpenSSL verifies the quote's signature, and refuses it over another statement.
    private func judgeByOpenSSL(_ shown: Evidence) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let key = try OnePointTwoKey(validating: shown.attestationKey, as: .identity)
        try publicKeyInfo(key.modulus).write(to: folder.url("key.der"))
        try Data(shown.signature).write(to: folder.url("signature"))
        for (change, expected) in [(UInt8(0), Int32(0)), (1, 1)] {
            var statement = shown.quote
            statement[30] ^= change
            try Data(statement).write(to: folder.url("statement"))
            let run = try ToolRun(
                "/usr/bin/openssl",
                [
                    "dgst", "-sha1", "-verify", folder.path("key.der"), "-keyform", "DER",
                    "-signature", folder.path("signature"), folder.path("statement"),
                ])
            #expect(run.status == expected)
        }
    }

    /// Renews `attestation/vectors` when asked to.
    private func record(_ shown: Evidence) throws {
        guard ProcessInfo.processInfo.environment["CASEMATE_RECORD_QUOTE"] != nil else { return }
        try Data(shown.encoded()).write(
            to: RepositoryFiles.root.appending(path: "attestation/vectors/tpm12.evidence.json"))
    }

    @Test(
        "a challenge that was made without a TPM is read by the right TPM 1.2, and enrols its key")
    func enrolment() throws {
        let machine = try started()
        defer { machine.end() }
        let other = try started()
        defer { other.end() }
        let tpm = try reach(machine)
        let foreignTPM = try reach(other)
        let identity = try tpm.identity()
        let foreign = try foreignTPM.identity()
        #expect(identity.endorsementKey != foreign.endorsementKey)
        let request = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey)
        let name = try request.endorsementKeyName()
        let (challenge, pending) = try request.challenge(endorsementKeyName: name, secret: secret)
        let parts = try EnrolmentChallenge(json: challenge.encoded()).parts()
        let answer = try tpm.activate(credential: parts.credential, secret: parts.secret)
        #expect(answer == secret)
        let key = try PendingEnrolment(json: pending.encoded())
            .accept(EnrolmentResponse(secret: answer))
        let quoting = try OnePointTwoKey(
            validating: tpm.quote(qualifyingData: nonce, registers: [12]).attestationKey,
            as: .identity)
        #expect(try key.name() == quoting.name)
        // Another TPM, and a key that is in another TPM, get nothing.
        #expect(throws: TPMConnectionError.self) {
            _ = try foreignTPM.activate(credential: parts.credential, secret: parts.secret)
        }
        let mixed = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: foreign.attestationKey)
        let (stolen, _) = try mixed.challenge(endorsementKeyName: name, secret: secret)
        let stolenParts = try stolen.parts()
        for thief in [tpm, foreignTPM] {
            #expect(throws: TPMConnectionError.self) {
                _ = try thief.activate(
                    credential: stolenParts.credential, secret: stolenParts.secret)
            }
        }
        var changed = parts.secret
        changed[100] ^= 1
        #expect(throws: TPMConnectionError.self) {
            _ = try tpm.activate(credential: parts.credential, secret: changed)
        }
        #expect(throws: TPMConnectionError.credentialTooLong) {
            _ = try tpm.activate(credential: [], secret: parts.secret)
        }
        #expect(throws: EnrolmentRefusal.endorsementKeyUnknown(found: hexadecimalText(name))) {
            _ = try request.challenge(endorsementKeyName: [0], secret: secret)
        }
        // An endorsement key in place of the attestation key signs nothing.
        let swapped = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.endorsementKey)
        #expect(throws: EnrolmentRefusal.self) {
            _ = try swapped.challenge(endorsementKeyName: name, secret: secret)
        }
    }

    private func started() throws -> EmulatedMachine {
        let machine = try EmulatedMachine(.onePointTwo)
        var device = TPMDevice(registers: ForwardingRegisters(machine))
        try device.start()
        return machine
    }

    @Test("OpenSSL reads what is encrypted for a TPM 1.2, under its label and no other")
    func encryption() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        func openssl(_ arguments: String...) throws -> ToolRun {
            try ToolRun("/usr/bin/openssl", arguments)
        }
        let key = folder.path("key.pem")
        #expect(try openssl("genrsa", "-out", key, "2048").status == 0)
        let text = try openssl("rsa", "-in", key, "-noout", "-modulus").output
        let modulus = try #require(
            bytesOfHexadecimal(
                text.trimmingCharacters(in: .newlines).dropFirst("Modulus=".count).lowercased()))
        let attestationKey = publicKey(modulus, isIdentity: true)
        let request = EnrolmentRequest(
            endorsementKey: publicKey(modulus, isIdentity: false), attestationKey: attestationKey)
        let (challenge, _) = try request.challenge(
            endorsementKeyName: request.endorsementKeyName(), secret: secret)
        let parts = try challenge.parts()
        #expect(
            parts.credential.prefix(16) == [0, 0, 0, 64, 0, 0, 0, 6, 0, 0xFF, 0, 1, 0, 0, 0, 0])
        try Data(parts.secret).write(to: folder.url("secret"))
        try Data(parts.credential.dropFirst(32)).write(to: folder.url("sealed"))
        for (label, isRead) in [("54435041", true), ("54435042", false)] {
            let run = try openssl(
                "pkeyutl", "-decrypt", "-inkey", key, "-in", folder.path("secret"), "-pkeyopt",
                "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_label:\(label)", "-out",
                folder.path("contents"))
            #expect((run.status == 0) == isRead)
            guard isRead else { continue }
            let contents = [UInt8](try Data(contentsOf: folder.url("contents")))
            #expect(contents.prefix(8) == [0, 0, 0, 6, 0, 0xFF, 0, 16])
            #expect(Array(contents.dropFirst(24)) == SHA1.hash(attestationKey.span).array)
            // The key in it opens the secret, for OpenSSL too.
            let opened = try openssl(
                "enc", "-d", "-aes-128-cbc", "-K", hexadecimalText(Array(contents[8..<24])), "-iv",
                hexadecimalText(Array(parts.credential[16..<32])), "-in", folder.path("sealed"),
                "-out",
                folder.path("opened"))
            #expect(opened.status == 0)
            #expect([UInt8](try Data(contentsOf: folder.url("opened"))) == secret)
        }
    }
}
