import Appraisal
import Digests
import Foundation
import TPMDevice
import TPMSoftwareStack
import TPMStructures
import Testing
import VirtualHardware

private let secret = (0..<32).map { UInt8(200 - $0) }

/// Connects to a machine's TPM from outside.
func connect(_ machine: EmulatedMachine) throws -> TPMConnection {
    try TPMConnection(
        over: SocketTransport(
            takingSocket: try connectUnix(machine.socketPath).duplicate()))
}

/// Starts a machine's TPM, as the hypervisor does.
private func startedMachine() throws -> EmulatedMachine {
    let machine = try EmulatedMachine()
    var device = TPMDevice(registers: ForwardingRegisters(machine))
    try device.start()
    return machine
}

/// What a machine asks the verifier with.
private func request(_ identity: TPMIdentity) -> EnrolmentRequest {
    EnrolmentRequest(
        endorsementKey: identity.endorsementKey, attestationKey: identity.attestationKey)
}

/// Each test uses TPMs of its own; the challenges are made without any.
@Suite(.serialized) struct EnrolmentTests {
    @Test("a challenge that was made without a TPM is read by the right TPM, and enrols its key")
    func wholeFlow() throws {
        let machine = try startedMachine()
        defer { machine.end() }
        let identity = try connect(machine).identity()
        let name = try request(identity).endorsementKeyName()
        #expect(name.count == 50)
        let (challenge, pending) = try request(identity).challenge(
            endorsementKeyName: name, secret: secret)
        let parts = try EnrolmentChallenge(json: challenge.encoded()).parts()
        let answer = try connect(machine).activate(
            credential: parts.credential, secret: parts.secret)
        #expect(answer == secret)
        let response = EnrolmentResponse(secret: answer)
        let key = try PendingEnrolment(json: pending.encoded())
            .accept(try EnrolmentResponse(json: response.encoded()))
        // The enrolled key is the one that signs the machine's quotes.
        let quote = try connect(machine).quote(qualifyingData: [1], registers: [12, 13, 15])
        let quoting = try AttestationPublicKey(validating: quote.attestationKey)
        let enrolled = try EnrolledKey(json: key.encoded()).name()
        #expect(enrolled == quoting.name)
    }

    @Test("another TPM, another key and a changed challenge are all refused by the TPM")
    func wrongTPM() throws {
        let machine = try startedMachine()
        defer { machine.end() }
        let other = try startedMachine()
        defer { other.end() }
        let identity = try connect(machine).identity()
        let foreign = try connect(other).identity()
        #expect(identity.endorsementKey != foreign.endorsementKey)
        let name = try request(identity).endorsementKeyName()
        let (challenge, _) = try request(identity).challenge(
            endorsementKeyName: name, secret: secret)
        let parts = try challenge.parts()
        #expect(throws: TPMConnectionError.self) {
            _ = try connect(other).activate(credential: parts.credential, secret: parts.secret)
        }
        // A key that is not in the TPM of the endorsement key.
        let mixed = EnrolmentRequest(
            endorsementKey: identity.endorsementKey, attestationKey: foreign.attestationKey)
        let (stolen, _) = try mixed.challenge(endorsementKeyName: name, secret: secret)
        let stolenParts = try stolen.parts()
        for tpm in [machine, other] {
            #expect(throws: TPMConnectionError.self) {
                _ = try connect(tpm).activate(
                    credential: stolenParts.credential, secret: stolenParts.secret)
            }
        }
        // One bit of the authentication code, of the ciphertext and of the point.
        for place in [2, parts.credential.count - 1] {
            var changed = parts.credential
            changed[place] ^= 1
            #expect(throws: TPMConnectionError.self) {
                _ = try connect(machine).activate(credential: changed, secret: parts.secret)
            }
        }
        var point = parts.secret
        point[10] ^= 1
        #expect(throws: TPMConnectionError.self) {
            _ = try connect(machine).activate(credential: parts.credential, secret: point)
        }
        #expect(throws: TPMConnectionError.credentialTooLong) {
            _ = try connect(machine).activate(
                credential: [UInt8](repeating: 0, count: 2000), secret: parts.secret)
        }
    }

    @Test("an endorsement key that was not named, or has another form, gets no challenge")
    func wrongEndorsementKey() throws {
        let machine = try startedMachine()
        defer { machine.end() }
        let identity = try connect(machine).identity()
        let name = try request(identity).endorsementKeyName()
        #expect(
            throws: EnrolmentRefusal.endorsementKeyUnknown(found: hexadecimalText(name))
        ) {
            _ = try request(identity).challenge(
                endorsementKeyName: Array(name.dropLast()) + [0], secret: secret)
        }
        // Every byte before the point belongs to the template.
        let key = identity.endorsementKey
        for index in 0..<key.count - 2 * 50 {
            var changed = key
            changed[index] ^= 1
            #expect(throws: TPMStructureError.self) {
                _ = try EndorsementPublicKey(validating: changed)
            }
        }
        for count in 0..<key.count {
            #expect(throws: TPMStructureError.self) {
                _ = try EndorsementPublicKey(validating: Array(key.prefix(count)))
            }
        }
        #expect(throws: TPMStructureError.trailingBytes) {
            _ = try EndorsementPublicKey(validating: key + [0])
        }
        // A point that is not on the curve has a name, and no challenge.
        var astray = key
        astray[key.count - 1] ^= 1
        let stray = EnrolmentRequest(
            endorsementKey: astray, attestationKey: identity.attestationKey)
        let strayName = try stray.endorsementKeyName()
        #expect(
            throws: EnrolmentRefusal.endorsementKeyUnsuitable("its point is not on the curve")
        ) {
            _ = try stray.challenge(endorsementKeyName: strayName, secret: secret)
        }
        // An endorsement key in place of the attestation key: it decrypts, and signs nothing.
        let swapped = EnrolmentRequest(endorsementKey: key, attestationKey: key)
        #expect(throws: EnrolmentRefusal.self) {
            _ = try swapped.challenge(endorsementKeyName: name, secret: secret)
        }
    }
}
