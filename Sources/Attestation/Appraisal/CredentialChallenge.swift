internal import Crypto
internal import CryptoExtras
internal import FoundationEssentials
public import TPMStructures

/// A secret that only one TPM can read, and only while a certain key is loaded in it
/// (`TPM2_MakeCredential`, without a TPM).
///
/// For: a verifier that wants to know whether an attestation key is in the TPM whose endorsement
/// key it knows. Not for: keeping anything secret longer than one exchange.
///
/// - Source: TPM 2.0 Library, Part 1, section 24 (credential protection), annex C.6 (ECC key
///   exchange), section 11.4.10 (`KDFa`, `KDFe`).
public struct CredentialChallenge: Equatable, Sendable {
    /// The encrypted credential, `TPMS_ID_OBJECT`: the content of a `TPM2B_ID_OBJECT`.
    public let credential: [UInt8]
    /// The ephemeral point, `TPMS_ECC_POINT`: the content of a `TPM2B_ENCRYPTED_SECRET`.
    public let secret: [UInt8]

    /// Takes parts that were made elsewhere.
    public init(credential: [UInt8], secret: [UInt8]) {
        self.credential = credential
        self.secret = secret
    }

    /// Encrypts a value for a TPM.
    ///
    /// - Parameters:
    ///   - value: at most 48 bytes, which the TPM gives back.
    ///   - endorsementKey: the TPM's.
    ///   - attestationKeyName: the key that must be loaded in it.
    /// - Throws: `.endorsementKeyUnsuitable` if the key's point is not on its curve.
    /// - Precondition: `value` has at most 48 bytes.
    public init(
        protecting value: [UInt8], for endorsementKey: EndorsementPublicKey,
        attestationKeyName: [UInt8]
    ) throws(EnrolmentRefusal) {
        precondition(value.count <= 48, "a credential is longer than its name algorithm's digest")
        let ephemeral = P384.KeyAgreement.PrivateKey()
        let point = Array(ephemeral.publicKey.rawRepresentation)
        guard
            let key = try? P384.KeyAgreement.PublicKey(
                rawRepresentation: endorsementKey.rawRepresentation),
            let agreed = try? ephemeral.sharedSecretFromKeyAgreement(with: key)
        else { throw .endorsementKeyUnsuitable("its point is not on the curve") }
        // SAFETY: the bytes are copied while the secret lives.
        let shared = unsafe agreed.withUnsafeBytes { unsafe Array($0) }
        let seed = keyFromAgreement(
            shared, "IDENTITY", Array(point.prefix(48)),
            Array(endorsementKey.rawRepresentation.prefix(48)))
        let encryptionKey = derivedKey(seed, "STORAGE", attestationKeyName, bitCount: 256)
        let integrityKey = derivedKey(seed, "INTEGRITY", [], bitCount: 384)
        guard let initial = try? AES._CFB.IV(ivBytes: [UInt8](repeating: 0, count: 16)),
            let encrypted = try? AES._CFB.encrypt(
                sized(value), using: SymmetricKey(data: encryptionKey), iv: initial)
        else { preconditionFailure("AES takes a key of 256 bits and a vector of 128") }
        let identity = Array(encrypted)
        let code = HMAC<SHA384>.authenticationCode(
            for: identity + attestationKeyName, using: SymmetricKey(data: integrityKey))
        credential = sized(Array(code)) + identity
        secret = sized(Array(point.prefix(48))) + sized(Array(point.suffix(48)))
    }
}

/// `KDFe` with SHA-384, for one block of 384 bits.
private func keyFromAgreement(
    _ shared: [UInt8], _ label: String, _ ours: [UInt8], _ theirs: [UInt8]
) -> [UInt8] {
    Array(SHA384.hash(data: [0, 0, 0, 1] + shared + Array(label.utf8) + [0] + ours + theirs))
}

/// `KDFa` with SHA-384, for at most one block of 384 bits.
private func derivedKey(
    _ seed: [UInt8], _ label: String, _ context: [UInt8], bitCount: Int
) -> [UInt8] {
    let length = [UInt8(truncatingIfNeeded: bitCount >> 8), UInt8(truncatingIfNeeded: bitCount)]
    let message = [0, 0, 0, 1] + Array(label.utf8) + [0] + context + [0, 0] + length
    let code = HMAC<SHA384>.authenticationCode(for: message, using: SymmetricKey(data: seed))
    return Array(Array(code).prefix(bitCount / 8))
}

/// Returns a `TPM2B_*`: the length in 16 bits, and the bytes.
private func sized(_ bytes: [UInt8]) -> [UInt8] {
    [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)] + bytes
}
