// C binding: the enhanced system API (ESYS) of tpm2-tss.
internal import CTSS2
internal import TPMStructures

/// The public areas of a TPM's keys (`TPMT_PUBLIC`; of TPM 1.2 `TPM_PUBKEY`).
public struct TPMIdentity: Equatable, Sendable {
    /// The endorsement key's: ECC P-384, template H-3; of TPM 1.2 RSA of 2,048 bits.
    public let endorsementKey: [UInt8]
    /// The attestation key's, which signs quotes.
    public let attestationKey: [UInt8]
}

extension TPMConnection {
    /// Returns the TPM's keys. Both are primary keys of the endorsement hierarchy, the same each
    /// time; the endorsement key is the one that its manufacturer certifies.
    ///
    /// - Throws: `.callFailed`.
    public func identity() throws(TPMConnectionError) -> TPMIdentity {
        let (endorsement, endorsementKey) = try createPrimary(endorsementKeyTemplate())
        _ = unsafe Esys_FlushContext(context, endorsement)
        let (attestation, attestationKey) = try createPrimary(attestationKeyTemplate())
        _ = unsafe Esys_FlushContext(context, attestation)
        return TPMIdentity(endorsementKey: endorsementKey, attestationKey: attestationKey)
    }

    /// Returns the certificate of the endorsement key that the manufacturer left in the TPM (DER),
    /// `nil` if there is none.
    ///
    /// - Throws: `.callFailed`.
    /// - Source: TCG EK Credential Profile, section 2.2.1.5: NV index 0x01C00016, template H-3.
    public func endorsementCertificate() throws(TPMConnectionError) -> [UInt8]? {
        var index: ESYS_TR = 0
        let found = unsafe Esys_TR_FromTPMPublic(
            context, 0x01C0_0016, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &index)
        // TPM_RC_HANDLE: there is no such index.
        if found & 0xBF == 0x8B { return nil }
        try check(found, "Esys_TR_FromTPMPublic")
        defer { _ = unsafe Esys_TR_Close(context, &index) }
        var publicArea: UnsafeMutablePointer<TPM2B_NV_PUBLIC>?
        // SAFETY: the output is freed below.
        let described = unsafe Esys_NV_ReadPublic(
            context, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &publicArea, nil)
        defer { unsafe Esys_Free(publicArea) }
        try check(described, "Esys_NV_ReadPublic")
        guard let publicArea = unsafe publicArea else {
            throw .callFailed("Esys_NV_ReadPublic", code: 0)
        }
        let size = unsafe publicArea.pointee.nvPublic.dataSize
        var certificate: [UInt8] = []
        while certificate.count < Int(size) {
            let part = min(512, size - UInt16(certificate.count))
            certificate += try read(part, at: UInt16(certificate.count), from: index)
        }
        return certificate
    }

    /// Reads exactly `size` bytes of an NV index.
    private func read(
        _ size: UInt16, at offset: UInt16, from index: ESYS_TR
    ) throws(TPMConnectionError) -> [UInt8] {
        var data: UnsafeMutablePointer<TPM2B_MAX_NV_BUFFER>?
        // SAFETY: the output is freed below.
        let code = unsafe Esys_NV_Read(
            context, index, index, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, size, offset,
            &data)
        defer { unsafe Esys_Free(data) }
        try check(code, "Esys_NV_Read")
        guard let data = unsafe data, unsafe data.pointee.size == size else {
            throw .callFailed("Esys_NV_Read", code: 0)
        }
        return unsafe withUnsafeBytes(of: data.pointee.buffer) {
            unsafe Array($0.prefix(Int(size)))
        }
    }

    /// Reads a secret that was encrypted for this TPM's endorsement key and attestation key
    /// (`TPM2_ActivateCredential`).
    ///
    /// - Parameters:
    ///   - credential: the content of the `TPM2B_ID_OBJECT`.
    ///   - secret: the content of the `TPM2B_ENCRYPTED_SECRET`.
    /// - Throws: `.credentialTooLong`; `.callFailed`, also if it was made for other keys.
    public func activate(
        credential: [UInt8], secret: [UInt8]
    ) throws(TPMConnectionError) -> [UInt8] {
        var object = TPM2B_ID_OBJECT()
        var encrypted = TPM2B_ENCRYPTED_SECRET()
        guard credential.count <= MemoryLayout.size(ofValue: object.credential),
            secret.count <= MemoryLayout.size(ofValue: encrypted.secret)
        else { throw .credentialTooLong }
        object.size = UInt16(credential.count)
        encrypted.size = UInt16(secret.count)
        // SAFETY: both buffers have room, as was just checked.
        unsafe withUnsafeMutableBytes(of: &object.credential) {
            unsafe $0.copyBytes(from: credential)
        }
        unsafe withUnsafeMutableBytes(of: &encrypted.secret) {
            unsafe $0.copyBytes(from: secret)
        }
        let (endorsement, _) = try createPrimary(endorsementKeyTemplate())
        defer { _ = unsafe Esys_FlushContext(context, endorsement) }
        let (attestation, _) = try createPrimary(attestationKeyTemplate())
        defer { _ = unsafe Esys_FlushContext(context, attestation) }
        var value: UnsafeMutablePointer<TPM2B_DIGEST>?
        // SAFETY: all inputs live across the call; the output is freed below.
        let code = unsafe Esys_ActivateCredential(
            context, attestation, endorsement, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD, ESYS_TR_NONE,
            &object, &encrypted, &value)
        defer { unsafe Esys_Free(value) }
        try check(code, "Esys_ActivateCredential")
        guard let value = unsafe value else {
            throw .callFailed("Esys_ActivateCredential", code: 0)
        }
        return unsafe withUnsafeBytes(of: value.pointee.buffer) {
            unsafe Array($0.prefix(Int(value.pointee.size)))
        }
    }
}

/// Returns the template of the endorsement key (`TPMT_PUBLIC`).
private func endorsementKeyTemplate() -> TPM2B_PUBLIC {
    var template = TPM2B_PUBLIC()
    template.publicArea.type = TPM2_ALG_ECC
    template.publicArea.nameAlg = TPM2_ALG_SHA384
    template.publicArea.objectAttributes = EndorsementPublicKey.attributes
    let policy = EndorsementPublicKey.authorizationPolicy
    template.publicArea.authPolicy.size = UInt16(policy.count)
    // SAFETY: the buffer has room for 64 bytes; the members of the unions are those that an ECC
    // storage key with AES has.
    unsafe withUnsafeMutableBytes(of: &template.publicArea.authPolicy.buffer) {
        unsafe $0.copyBytes(from: policy)
    }
    unsafe template.publicArea.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_AES
    unsafe template.publicArea.parameters.eccDetail.symmetric.keyBits.aes = 256
    unsafe template.publicArea.parameters.eccDetail.symmetric.mode.aes = TPM2_ALG_CFB
    unsafe template.publicArea.parameters.eccDetail.scheme.scheme = TPM2_ALG_NULL
    unsafe template.publicArea.parameters.eccDetail.curveID = TPM2_ECC_NIST_P384
    unsafe template.publicArea.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL
    return template
}
