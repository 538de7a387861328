import Appraisal
import Digests
import Foundation
import Glibc
import TPMSoftwareStack
import TPMStructures
import TestSupport
import Testing
import VirtualHardware

private let nonce = (0..<20).map { UInt8($0) }
private let secret = (0..<32).map { UInt8(100 + $0) }

/// An emulated machine that has measured the sample, and whose TPM 1.2 TrouSerS serves.
private struct ServedMachine {
    let machine: EmulatedMachine
    let log: [UInt8]
    let daemon: EmulatedDaemon

    init(knowsStorageRoot: Bool = true) throws {
        machine = try EmulatedMachine(.onePointTwo)
        do {
            // A tcsd ends if the TPM was not started.
            log = try measure(sampleReference(), machine)
            daemon = try EmulatedDaemon(machine, knowsStorageRoot: knowsStorageRoot)
        } catch {
            machine.end()
            throw error
        }
    }

    func connect(
        _ secrets: OnePointTwoSecrets? = nil, key: [UInt8]? = nil
    ) throws -> TrouSerSConnection {
        try TrouSerSConnection(
            to: daemon.place, secrets: try secrets ?? emulatedSecrets(), wrappedKey: key)
    }

    func end() {
        daemon.end()
        machine.end()
    }
}

@Suite("TPM 1.2 through TrouSerS", .serialized, .enabled(if: getuid() == 0))
struct TrouSerSTests {
    private func appraise(
        _ shown: Evidence, nonce: [UInt8] = nonce, key: [UInt8]? = nil
    ) -> AttestationResult {
        let policy = AppraisalPolicy(
            nonce: nonce, attestationKeyName: key, permitsOnePointTwo: true)
        return Appraiser(reference: sampleReference(), policy: policy).appraise(shown)
    }

    @Test("both ways to a TPM 1.2 make the same evidence, each with the other's key")
    func sameEvidence() throws {
        let served = try ServedMachine()
        defer { served.end() }
        let stack = try served.connect()
        let registers: [UInt32] = [12, 13, 15]
        let quote = try stack.quote(qualifyingData: nonce, registers: registers)
        let shown = evidence(quote, served.log)
        guard case .accepted(let accepted) = appraise(shown) else {
            Issue.record("refused: \(appraise(shown))")
            return
        }
        #expect(accepted.family == .onePointTwo && accepted.isFresh)
        #expect(accepted.compartments == ["sensor", "collector"])
        // The same key, state and nonce by the TPM's own commands: the same bytes, signature too.
        let commands = try reach(served.machine, key: stack.wrappedKey)
        #expect(try commands.quote(qualifyingData: nonce, registers: registers) == quote)
        // And a key that was made by commands, through TrouSerS.
        let other = try reach(served.machine)
        let first = try other.quote(qualifyingData: nonce, registers: registers)
        #expect(first.attestationKey != quote.attestationKey)
        let adopting = try served.connect(key: other.wrappedKey)
        #expect(try adopting.quote(qualifyingData: nonce, registers: registers) == first)
        guard case .accepted = appraise(evidence(first, served.log)) else {
            Issue.record("the other way's evidence is refused")
            return
        }
        guard
            case .refused = appraise(evidence(first, served.log), key: accepted.attestationKeyName)
        else {
            Issue.record("another key is taken")
            return
        }
        try judgeDamage(shown)
    }

    /// No byte of the quote and its signature may differ, and no other nonce be expected.
    private func judgeDamage(_ shown: Evidence) throws {
        for place in 0..<shown.quote.count + shown.signature.count {
            var (quote, signature) = (shown.quote, shown.signature)
            if place < quote.count {
                quote[place] ^= 1
            } else {
                signature[place - quote.count] ^= 1
            }
            let damaged = Evidence(
                quote: quote, signature: signature, attestationKey: shown.attestationKey,
                eventLog: shown.eventLog, family: .onePointTwo)
            #expect(appraise(damaged) == .refused([.signatureInvalid]))
        }
        #expect(appraise(shown, nonce: Array(nonce.reversed())) == .refused([.nonceMismatch]))
    }

    @Test("a privacy authority's answer is read through TrouSerS, by the right TPM and key alone")
    func enrolment() throws {
        let served = try ServedMachine()
        defer { served.end() }
        let other = try ServedMachine()
        defer { other.end() }
        let stack = try served.connect()
        let identity = try stack.identity()
        let commands = try reach(served.machine, key: stack.wrappedKey)
        #expect(try commands.identity() == identity)
        let request = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey)
        let name = try request.endorsementKeyName()
        let (challenge, pending) = try request.challenge(endorsementKeyName: name, secret: secret)
        let parts = try challenge.parts()
        for tpm in [stack, commands] as [any AttestingTPM] {
            let answer = try tpm.activate(credential: parts.credential, secret: parts.secret)
            #expect(answer == secret)
            let enrolled = try pending.accept(EnrolmentResponse(secret: answer))
            let key = try OnePointTwoKey(validating: identity.attestationKey, as: .identity)
            #expect(try enrolled.name() == key.name)
        }
        // Another TPM, and another key of this one.
        for stranger in [try other.connect(), try served.connect()] {
            #expect(throws: TPMConnectionError.self) {
                _ = try stranger.activate(credential: parts.credential, secret: parts.secret)
            }
        }
        for place in [0, 4, 15] {
            var changed = parts.credential
            changed[place] ^= 1
            #expect(throws: TPMConnectionError.credentialTooLong) {
                _ = try stack.activate(credential: changed, secret: parts.secret)
            }
        }
        var changed = parts.secret
        changed[100] ^= 1
        #expect(throws: TPMConnectionError.self) {
            _ = try stack.activate(credential: parts.credential, secret: changed)
        }
    }

    @Test("another secret, no tcsd and one that knows no storage root key are told apart")
    func failures() throws {
        let served = try ServedMachine()
        defer { served.end() }
        let stranger = try served.connect(.wellKnown)
        #expect(
            throws: TPMConnectionError.callFailed("Tspi_TPM_GetPubEndorsementKey", code: 1)
        ) { _ = try stranger.identity() }
        let zeros = [UInt8](repeating: 0, count: 20)
        let half = try #require(
            OnePointTwoSecrets(owner: SoftwareTPM.ownerSecret, storageRoot: zeros))
        let owner = try served.connect(half)
        #expect(
            throws: TPMConnectionError.callFailed("Tspi_TPM_CollateIdentityRequest", code: 1)
        ) { _ = try owner.quote(qualifyingData: nonce, registers: [12]) }
        let stack = try served.connect()
        #expect(throws: TPMConnectionError.nonceLengthUnfit) {
            _ = try stack.quote(qualifyingData: [1], registers: [12])
        }
        #expect(throws: TPMConnectionError.registerOutOfRange) {
            _ = try stack.quote(qualifyingData: nonce, registers: [24])
        }
        let forgetful = try ServedMachine(knowsStorageRoot: false)
        defer { forgetful.end() }
        let unknown = try forgetful.connect()
        #expect(throws: TPMConnectionError.storageRootUnknown) {
            _ = try unknown.quote(qualifyingData: nonce, registers: [12])
        }
        // A key of another TPM.
        let key = try #require(stack.identity().attestationKey.count > 0 ? stack.wrappedKey : nil)
        let thief = try ServedMachine()
        defer { thief.end() }
        let borrowing = try thief.connect(key: key)
        #expect(throws: TPMConnectionError.self) {
            _ = try borrowing.quote(qualifyingData: nonce, registers: [12])
        }
        // Nobody listens at port 1; and what listens there and is no tcsd answers nothing.
        #expect(throws: TPMConnectionError.daemonSilent("localhost, port 1")) {
            _ = try TrouSerSConnection(to: TrouSerSDaemon(host: "localhost", port: 1))
        }
        #expect(throws: TPMConnectionError.daemonSilent("nowhere.invalid")) {
            _ = try TrouSerSConnection(to: TrouSerSDaemon(host: "nowhere.invalid"))
        }
        // What was asked before does not matter.
        #expect(try served.connect().identity().endorsementKey.count == 284)
    }

    @Test("what takes a question for a tcsd and never answers is given up in time")
    func silentListener() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        // Whoever connects waits in the listener's queue.
        let (listener, port) = try listen()
        defer { close(listener) }
        let run = try ToolRun(
            ".build/release/casemate",
            [
                "attest", "enrol", "request", "--output", folder.path("request"), "--tpm",
                "tcsd:127.0.0.1:\(port)", "--tpm-files", folder.path("tpm"), "--tpm-timeout", "1",
            ])
        #expect(run.status == 74)
        #expect(run.errors == "casemate: the tcsd has not answered for 1 seconds\n")
        // Where a tcsd was said to be, the environment says nothing.
        let other = try ToolRun(
            "/usr/bin/env",
            [
                "TSS_TCSD_HOSTNAME=nowhere.invalid", "TSS_TCSD_PORT=1", ".build/release/casemate",
                "attest", "enrol", "request", "--output", folder.path("request"), "--tpm",
                "tcsd:127.0.0.1:\(port)", "--tpm-files", folder.path("tpm"), "--tpm-timeout", "1",
            ])
        #expect(other.errors == run.errors)
    }

    /// Listens at a port of this host that nobody has.
    private func listen() throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(descriptor, address, size) == 0
                    && getsockname(descriptor, address, &size) == 0
            }
        }
        try #require(isBound && Glibc.listen(descriptor, 4) == 0)
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    @Test("the tool enrols and quotes a TPM 1.2 through TrouSerS, and verifies")
    func tool() throws {
        let served = try ServedMachine()
        defer { served.end() }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let owner = hexadecimalText(SoftwareTPM.ownerSecret + SoftwareTPM.ownerSecret)
        _ = try folder.write(owner + "\n", to: "tpm.owner")
        let port = try #require(served.daemon.place.port)
        let way = ["--tpm", "tcsd:localhost:\(port)", "--tpm-files", folder.path("tpm")]
        func casemate(_ words: [String]) throws -> ToolRun {
            try ToolRun(".build/release/casemate", ["attest"] + words)
        }
        func file(_ name: String) -> String { folder.path(name) }
        let asked = try casemate(["enrol", "request", "--output", file("request")] + way)
        #expect(asked.status == 0, "\(asked.errors)")
        #expect(asked.output.hasSuffix("certificate: none\nthrough: its tcsd\n"))
        let name = asked.output.split(separator: "\n")[0].dropFirst("endorsement key: ".count)
        for (words, isRespond) in [
            (
                ["challenge", "--request", file("request"), "--endorsement-key", String(name)],
                false
            ),
            (["respond", "--challenge", file("challenge"), "--output", file("response")], true),
        ] {
            let more = ["--pending", file("pending"), "--output", file("challenge")]
            let run = try casemate(["enrol"] + words + (isRespond ? way : more))
            #expect(run.status == 0, "\(run.errors)")
        }
        let accepted = try casemate(
            [
                "enrol", "accept", "--pending", file("pending"), "--response", file("response"),
                "--output", file("key"),
            ])
        #expect(accepted.status == 0, "\(accepted.errors)")
        let text = hexadecimalText(nonce)
        let quoted = try casemate(
            [
                "quote", "--nonce", text, "--event-log", try folder.write(served.log, to: "log"),
                "--output", file("evidence"), "--json",
            ] + way)
        #expect(quoted.status == 0 && quoted.output.contains("\"through\": \"tcsd\""))
        let verify = [
            "verify", "--evidence", file("evidence"), "--nonce", text, "--key", file("key"),
            "--reference-values",
            try folder.write(sampleReference().encoded(), to: "reference-values.json"),
        ]
        let verified = try casemate(verify + ["--allow-tpm-1.2"])
        #expect(verified.status == 0, "\(verified.errors)")
        #expect(try casemate(verify).errors.hasPrefix("refused[ATT-EVI-004]"))
        // Another secret, and no tcsd: each has its own status.
        _ = try folder.write(String(repeating: "0", count: 80), to: "tpm.owner")
        let wrong = try casemate(["enrol", "request", "--output", file("other")] + way)
        #expect(wrong.status == 1 && wrong.errors.contains("a secret is not the owner's"))
        let silent = try casemate(
            [
                "enrol", "request", "--output", file("other"), "--tpm", "tcsd:localhost:1",
                "--tpm-files", folder.path("tpm"),
            ])
        #expect(silent.status == 74)
        #expect(silent.errors == "casemate: no tcsd answers (localhost, port 1)\n")
        #expect(!FileManager.default.fileExists(atPath: file("other")))
    }
}
