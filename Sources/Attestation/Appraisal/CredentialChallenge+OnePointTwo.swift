internal import Crypto
internal import CryptoExtras
internal import FoundationEssentials
internal import TPMStructures

/// The same for TPM 1.2: what a privacy authority sends, computed without a TPM.
extension CredentialChallenge {
    /// Encrypts a value for a TPM 1.2 with an endorsement key, which opens it only while it
    /// holds the attestation key, and only if that is an identity key.
    ///
    /// The TPM gives out a key of AES-128, new each time, and that opens the value.
    ///
    /// - Parameter value: at most 48 bytes.
    /// - Precondition: `value` has at most 48 bytes.
    /// - Source: TPM Main 1.2, Part 2, section 12.8 (`TPM_ASYM_CA_CONTENTS`), 12.7
    ///   (`TPM_SYM_CA_ATTESTATION`), 5.11 (`TPM_SYMMETRIC_KEY`).
    init(
        protecting value: [UInt8], forOnePointTwo endorsementKey: OnePointTwoKey,
        attestationKey: OnePointTwoKey
    ) {
        precondition(value.count <= 48, "a secret of 48 bytes is long enough")
        let key = randomBytes(16)
        // `TPM_ALG_AES128`, `TPM_ES_SYM_CBC_PKCS5PAD`.
        let contents = [0, 0, 0, 6, 0, 0xFF, 0, 16] + key + attestationKey.digest
        let vector = randomBytes(16)
        guard
            let block = TCPAEncryption.encrypt(
                contents, for: endorsementKey, seed: randomBytes(20)),
            let initial = try? AES._CBC.IV(ivBytes: vector),
            let ciphertext = try? AES._CBC.encrypt(
                value, using: SymmetricKey(data: key), iv: initial)
        else { preconditionFailure("44 bytes fit into a block of 2,048 bits, and AES takes 128") }
        let sealed = OnePointTwoSealedCredential(vector: vector, ciphertext: Array(ciphertext))
        self.init(credential: sealed.bytes, secret: block)
    }
}

private func randomBytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255) }
}
