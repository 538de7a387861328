internal import Digests
internal import TPMStructures

/// The same for TPM 1.2: what a privacy authority sends, computed without a TPM.
extension CredentialChallenge {
    /// How long the secret is: a key of AES-128, which `TPM_ActivateIdentity` gives back.
    static var onePointTwoSecretSize: Int { 16 }

    /// Encrypts a value for a TPM 1.2 with an endorsement key, which gives it away only while it
    /// holds the attestation key, and only if that is an identity key.
    ///
    /// - Parameter value: 16 bytes.
    /// - Precondition: `value` has 16 bytes.
    /// - Source: TPM Main 1.2, Part 2, section 12.8 (`TPM_ASYM_CA_CONTENTS`), 5.11
    ///   (`TPM_SYMMETRIC_KEY`).
    init(
        protecting value: [UInt8], forOnePointTwo endorsementKey: OnePointTwoKey,
        attestationKey: OnePointTwoKey
    ) {
        precondition(value.count == Self.onePointTwoSecretSize, "a key of AES-128 has 16 bytes")
        // `TPM_ALG_AES128`, `TPM_ES_SYM_CBC_PKCS5PAD`.
        let contents = [0, 0, 0, 6, 0, 0xFF, 0, 16] + value + attestationKey.digest
        let seed = (0..<20).map { _ in UInt8.random(in: 0...255) }
        guard
            let block = TCPAEncryption.encrypt(contents, for: endorsementKey, seed: seed)
        else { preconditionFailure("44 bytes fit into a block of 2,048 bits") }
        // A TPM 1.2 asks for nothing else; the name says for whom it is.
        self.init(credential: attestationKey.name, secret: block)
    }
}
