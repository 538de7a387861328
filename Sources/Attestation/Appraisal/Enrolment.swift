internal import Digests
internal import FoundationEssentials
internal import TPMStructures

/// A file of an enrolment: JSON with sorted keys, a final newline, and its kind's name in it, so
/// that no file is taken for another.
///
/// - Source: docs/abi/enrolment.md.
public protocol EnrolmentFile: Codable, Equatable, Sendable {
    /// What the field `kind` says.
    static var kind: String { get }
}

/// What a machine asks with: the public areas of its two keys (`TPMT_PUBLIC`; of TPM 1.2
/// `TPM_PUBKEY`), hexadecimal.
public struct EnrolmentRequest: EnrolmentFile {
    /// `enrolment-request`.
    public static var kind: String { "enrolment-request" }
    private let endorsementKey: String
    private let attestationKey: String
    private let endorsementCertificate: String?

    /// States the keys of a TPM, and the certificate of its endorsement key if it has one (DER).
    public init(
        endorsementKey: [UInt8], attestationKey: [UInt8], endorsementCertificate: [UInt8]? = nil
    ) {
        self.endorsementKey = hexadecimalText(endorsementKey)
        self.attestationKey = hexadecimalText(attestationKey)
        self.endorsementCertificate = endorsementCertificate.map { hexadecimalText($0) }
    }

    /// Challenges the machine to show that both keys are in one TPM.
    ///
    /// - Parameters:
    ///   - endorsementKeyName: the name of the machine's endorsement key, which the relying party
    ///     knows from a source that it trusts.
    ///   - secret: 32 random bytes, new for each challenge.
    /// - Throws: `.fileMalformed`; `.endorsementKeyUnsuitable`, `.endorsementKeyUnknown`;
    ///   `.attestationKeyUnsuitable`.
    public func challenge(
        endorsementKeyName expected: [UInt8], secret: [UInt8]
    ) throws(EnrolmentRefusal) -> (EnrolmentChallenge, PendingEnrolment) {
        if try isOnePointTwo() {
            return try onePointTwoChallenge(endorsementKeyName: expected, secret: secret)
        }
        let attestation: AttestationPublicKey
        let endorsement = try endorsementPublicKey()
        let attestationBytes = try bytes(attestationKey, "attestationKey")
        guard endorsement.name == expected else {
            throw .endorsementKeyUnknown(found: hexadecimalText(endorsement.name))
        }
        do throws(TPMStructureError) {
            attestation = try AttestationPublicKey(validating: attestationBytes)
        } catch { throw .attestationKeyUnsuitable(text(error)) }
        let challenge = try CredentialChallenge(
            protecting: secret, for: endorsement, attestationKeyName: attestation.name)
        return (
            EnrolmentChallenge(challenge),
            PendingEnrolment(
                secret: secret, attestationKeyName: attestation.name,
                endorsementKeyName: endorsement.name)
        )
    }

    /// Challenges a TPM 1.2.
    private func onePointTwoChallenge(
        endorsementKeyName expected: [UInt8], secret: [UInt8]
    ) throws(EnrolmentRefusal) -> (EnrolmentChallenge, PendingEnrolment) {
        let endorsement = try onePointTwoEndorsementKey()
        guard endorsement.name == expected else {
            throw .endorsementKeyUnknown(found: hexadecimalText(endorsement.name))
        }
        let attestation: OnePointTwoKey
        let attestationBytes = try bytes(attestationKey, "attestationKey")
        do throws(TPMStructureError) {
            attestation = try OnePointTwoKey(validating: attestationBytes, as: .identity)
        } catch { throw .attestationKeyUnsuitable(text(error)) }
        let challenge = CredentialChallenge(
            protecting: secret, forOnePointTwo: endorsement, attestationKey: attestation)
        return (
            EnrolmentChallenge(challenge),
            PendingEnrolment(
                secret: secret, attestationKeyName: attestation.name,
                endorsementKeyName: endorsement.name)
        )
    }

    /// Returns the name of the endorsement key if its certificate shows it to be a TPM's.
    ///
    /// - Throws: `.fileMalformed`, `.endorsementKeyUnsuitable`; `.certificateMissing` if the
    ///   request has none; `.certificateRefused`.
    public func endorsementKeyName(
        certifiedBy authorities: EndorsementAuthorities
    ) async throws(EnrolmentRefusal) -> [UInt8] {
        guard let endorsementCertificate else { throw .certificateMissing }
        let certificate = try bytes(endorsementCertificate, "endorsementCertificate")
        if try isOnePointTwo() {
            let key = try onePointTwoEndorsementKey()
            try await authorities.check(certificate, ofOnePointTwo: key)
            return key.name
        }
        let key = try endorsementPublicKey()
        try await authorities.check(certificate, of: key)
        return key.name
    }

    /// Returns the name of the endorsement key, for a person to compare.
    ///
    /// - Throws: `.fileMalformed`, `.endorsementKeyUnsuitable`.
    public func endorsementKeyName() throws(EnrolmentRefusal) -> [UInt8] {
        if try isOnePointTwo() { return try onePointTwoEndorsementKey().name }
        return try endorsementPublicKey().name
    }

    /// Whether the keys are a TPM 1.2's: a `TPM_PUBKEY` begins with a number of 32 bits, 1 for RSA.
    private func isOnePointTwo() throws(EnrolmentRefusal) -> Bool {
        try bytes(endorsementKey, "endorsementKey").starts(with: [0, 0, 0, 1])
    }

    private func onePointTwoEndorsementKey() throws(EnrolmentRefusal) -> OnePointTwoKey {
        let endorsementBytes = try bytes(endorsementKey, "endorsementKey")
        do throws(TPMStructureError) {
            return try OnePointTwoKey(validating: endorsementBytes, as: .endorsement)
        } catch { throw .endorsementKeyUnsuitable(text(error)) }
    }

    private func endorsementPublicKey() throws(EnrolmentRefusal) -> EndorsementPublicKey {
        let endorsementBytes = try bytes(endorsementKey, "endorsementKey")
        do throws(TPMStructureError) {
            return try EndorsementPublicKey(validating: endorsementBytes)
        } catch { throw .endorsementKeyUnsuitable(text(error)) }
    }
}

/// What the verifier sends: a secret for one TPM with one key in it, hexadecimal.
public struct EnrolmentChallenge: EnrolmentFile {
    /// `enrolment-challenge`.
    public static var kind: String { "enrolment-challenge" }
    private let credential: String
    private let encryptedSecret: String

    /// Writes down a challenge.
    public init(_ challenge: CredentialChallenge) {
        credential = hexadecimalText(challenge.credential)
        encryptedSecret = hexadecimalText(challenge.secret)
    }

    /// Returns the challenge, for the TPM.
    ///
    /// - Throws: `.fileMalformed`.
    public func parts() throws(EnrolmentRefusal) -> CredentialChallenge {
        CredentialChallenge(
            credential: try bytes(credential, "credential"),
            secret: try bytes(encryptedSecret, "encryptedSecret"))
    }
}

/// What the machine answers: the secret that its TPM read, hexadecimal.
public struct EnrolmentResponse: EnrolmentFile {
    /// `enrolment-response`.
    public static var kind: String { "enrolment-response" }
    fileprivate let secret: String

    /// States the secret.
    public init(secret: [UInt8]) {
        self.secret = hexadecimalText(secret)
    }
}

/// What the verifier keeps to itself until the response comes.
public struct PendingEnrolment: EnrolmentFile {
    /// `enrolment-pending`.
    public static var kind: String { "enrolment-pending" }
    private let secret: String
    private let attestationKeyName: String
    private let endorsementKeyName: String

    /// Remembers a challenge.
    public init(secret: [UInt8], attestationKeyName: [UInt8], endorsementKeyName: [UInt8]) {
        self.secret = hexadecimalText(secret)
        self.attestationKeyName = hexadecimalText(attestationKeyName)
        self.endorsementKeyName = hexadecimalText(endorsementKeyName)
    }

    /// Enrols the key if the machine answered with the secret.
    ///
    /// - Throws: `.fileMalformed`, also if the secret has not 32 bytes; `.responseWrong`.
    public func accept(_ response: EnrolmentResponse) throws(EnrolmentRefusal) -> EnrolledKey {
        let expected = try bytes(secret, "secret")
        guard expected.count == 32 else { throw .fileMalformed("`secret` is not 32 bytes") }
        guard try bytes(response.secret, "secret") == expected else { throw .responseWrong }
        return EnrolledKey(
            attestationKeyName: attestationKeyName, endorsementKeyName: endorsementKeyName)
    }
}

/// An attestation key that was shown to be in the TPM of a known endorsement key.
public struct EnrolledKey: EnrolmentFile {
    /// `enrolled-key`.
    public static var kind: String { "enrolled-key" }
    private let attestationKeyName: String
    private let endorsementKeyName: String

    fileprivate init(attestationKeyName: String, endorsementKeyName: String) {
        self.attestationKeyName = attestationKeyName
        self.endorsementKeyName = endorsementKeyName
    }

    /// Returns the attestation key's name.
    ///
    /// - Throws: `.fileMalformed`.
    public func name() throws(EnrolmentRefusal) -> [UInt8] {
        try bytes(attestationKeyName, "attestationKeyName")
    }

    /// Returns the endorsement key's name.
    ///
    /// - Throws: `.fileMalformed`.
    public func endorsementName() throws(EnrolmentRefusal) -> [UInt8] {
        try bytes(endorsementKeyName, "endorsementKeyName")
    }
}

extension EnrolmentFile {
    /// Returns the bytes of the file.
    public func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let document = Envelope(formatVersion: 1, kind: Self.kind, content: self)
        guard let text = try? encoder.encode(document) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        return Array(text) + [0x0A]
    }

    /// Reads a file of this kind.
    ///
    /// - Throws: `.fileMalformed`, also for a file of another kind or above 64 KiB;
    ///   `.versionUnknown`.
    public init(json: [UInt8]) throws(EnrolmentRefusal) {
        guard json.count <= 1 << 16 else { throw .fileMalformed("it is longer than 64 KiB") }
        let document: Envelope<Self>
        do {
            let head = try JSONDecoder().decode(EnvelopeHead.self, from: Data(json))
            guard head.formatVersion == 1 else {
                throw EnrolmentRefusal.versionUnknown(head.formatVersion)
            }
            guard head.kind == Self.kind else {
                throw EnrolmentRefusal.fileMalformed("it is no `\(Self.kind)`")
            }
            document = try JSONDecoder().decode(Envelope<Self>.self, from: Data(json))
        } catch let refusal as EnrolmentRefusal {
            throw refusal
        } catch {
            throw .fileMalformed(describe(error))
        }
        self = document.content
    }
}

/// The fields of every file.
private struct EnvelopeHead: Decodable {
    let formatVersion: Int
    let kind: String
}

private struct Envelope<Content: EnrolmentFile>: Codable {
    let formatVersion: Int
    let kind: String
    let content: Content
}

/// Returns the bytes of a field in hexadecimal.
private func bytes(_ text: String, _ field: String) throws(EnrolmentRefusal) -> [UInt8] {
    guard let bytes = bytesOfHexadecimal(text), !bytes.isEmpty else {
        throw .fileMalformed("`\(field)` is not hexadecimal")
    }
    return bytes
}
