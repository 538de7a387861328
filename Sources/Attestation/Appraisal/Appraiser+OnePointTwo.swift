internal import Crypto
internal import CryptoExtras
internal import Digests
internal import FoundationEssentials
internal import TPMStructures

/// Quotes of TPM 1.2.
extension Appraiser {
    /// Believes what a TPM 1.2 has signed, and the log as far as that covers it.
    ///
    /// - Throws: the first reason not to; `.familyForbidden` before all others.
    static func believedOnePointTwo(
        _ evidence: Evidence, _ policy: AppraisalPolicy, _ registers: [UInt32]
    ) throws(Refusal) -> BelievedQuote {
        guard policy.permitsOnePointTwo else { throw .familyForbidden }
        let key: OnePointTwoKey
        do throws(TPMStructureError) {
            key = try OnePointTwoKey(validating: evidence.attestationKey, as: .identity)
        } catch {
            throw .attestationKeyUnsuitable(text(error))
        }
        if let expected = policy.attestationKeyName, expected != key.name {
            throw .attestationKeyUnknown(found: hexadecimalText(key.name))
        }
        guard isSigned(evidence.quote, by: key, evidence.signature) else {
            throw .signatureInvalid
        }
        let quote: OnePointTwoQuote
        do throws(TPMStructureError) {
            quote = try OnePointTwoQuote(validating: evidence.quote)
        } catch {
            throw .quoteMalformed(text(error))
        }
        if let nonce = policy.nonce, nonce != quote.externalData { throw .nonceMismatch }
        guard quote.registers == registers else { throw .selectionUnexpected }
        let log = try EventLog<Unverified>(validating: evidence.eventLog)
            .replay(against: quote.compositeDigest, registers: registers, bank: .sha1)
        return BelievedQuote(keyName: key.name, time: nil, log: log)
    }
}

/// Whether `signature` is the key's over `statement`: RSASSA-PKCS1-v1_5 with SHA-1.
private func isSigned(
    _ statement: [UInt8], by key: OnePointTwoKey, _ signature: [UInt8]
) -> Bool {
    guard signature.count == 256,
        let publicKey = try? _RSA.Signing.PublicKey(n: key.modulus, e: OnePointTwoKey.exponent)
    else { return false }
    return publicKey.isValidSignature(
        _RSA.Signing.RSASignature(rawRepresentation: signature),
        for: Insecure.SHA1.hash(data: statement), padding: .insecurePKCS1v1_5)
}
