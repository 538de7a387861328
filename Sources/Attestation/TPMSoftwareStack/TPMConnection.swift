// C binding: the enhanced system API (ESYS) of tpm2-tss.
internal import CTSS2
internal import Glibc
public import TPMStructures

/// Speaks to a TPM: to one of family 2.0 through the TPM software stack of tpm2-tss, to one of
/// family 1.2 with its own commands (`OnePointTwoConnection`).
///
/// For: asking a running machine's TPM for a quote, from its host or from the compartment that
/// may. Not for: verifying, which needs no TPM and none of this. It trusts the stack and the TPM
/// for nothing: a verifier judges what they return.

/// Why the TPM gave no quote.
public enum TPMConnectionError: Error, Equatable {
    /// A call of the stack failed; the call's C name, and the return code.
    case callFailed(String, code: UInt32)
    /// The connection was closed, or nobody answered in time.
    case connectionBroken
    /// A library of the stack cannot be loaded; its name.
    case stackMissing(String)
    /// No tcsd answers; where.
    case daemonSilent(String)
    /// The tcsd does not know the TPM's storage root key.
    case storageRootUnknown
    /// The machine needed its TPM itself each time that it was asked.
    case cancelled
    /// A response is not of the form of its command; the command's name.
    case responseMalformed(String)
    /// The qualifying data is longer than 32 bytes.
    case qualifyingDataTooLong
    /// The qualifying data for a TPM 1.2 is not 20 bytes.
    case nonceLengthUnfit
    /// A register is above 23.
    case registerOutOfRange
    /// A part of a credential is longer than any can be, or not of its form.
    case credentialTooLong

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .callFailed(let call, let code):
            "the TPM refused: `\(call)` returned 0x\(String(code, radix: 16))\(meaning(code))"
        case .connectionBroken: "the TPM does not answer"
        case .stackMissing(let name): "the library `\(name)` cannot be loaded"
        case .daemonSilent(let place): "no tcsd answers (\(place))"
        case .storageRootUnknown:
            "the tcsd does not know the storage root key: nobody owns the TPM, or took it without "
                + "this tcsd"
        case .cancelled:
            "the machine needed its TPM itself each time that it was asked; try again"
        case .responseMalformed(let call): "the TPM's response to `\(call)` is malformed"
        case .nonceLengthUnfit: "a TPM 1.2 takes a nonce of exactly 20 bytes"
        case .qualifyingDataTooLong: "the nonce is longer than 32 bytes"
        case .registerOutOfRange: "there is no such register"
        case .credentialTooLong: "the challenge is longer than any can be, or not of its form"
        }
    }
}

extension TPMConnectionError {
    /// Whether a command was ended because the TPM was needed for something else:
    /// `TPM_RC_CANCELED`; of a TPM 1.2 `TPM_FAIL`, which can mean more.
    var isCancellation: Bool {
        if case .callFailed(_, let code) = self { code == 0x909 || code == 9 } else { false }
    }
}

/// What a code means for a person: `TPM_RC_DISABLED`, `TPM_DISABLED_CMD`; `TPM_RC_OBJECT_MEMORY`;
/// of TPM 1.2 `TPM_AUTHFAIL`, `TPM_NOSRK`.
private func meaning(_ code: UInt32) -> String {
    switch code {
    case TPMRefusal.code(.twoPointZero), TPMRefusal.code(.onePointTwo):
        ": the command is not for whoever asks here; a policy lists what its service may pass on"
    case 0x01: ": a secret is not the owner's, or not the storage root key's"
    case 0x12: ": nobody owns the TPM"
    case 0x902: ": there is no room for a key; who was ended in the middle has left one in it"
    default: ""
    }
}

/// A quote, as three TPM structures in their wire format.
public struct TPMQuote: Equatable, Sendable {
    /// The statement (`TPMS_ATTEST`; of TPM 1.2 `TPM_QUOTE_INFO2`).
    public let statement: [UInt8]
    /// The signature (`TPMT_SIGNATURE`; of TPM 1.2 the number alone).
    public let signature: [UInt8]
    /// The signing key's public area (`TPMT_PUBLIC`; of TPM 1.2 `TPM_PUBKEY`).
    public let attestationKey: [UInt8]
    /// The TPM's family.
    public let family: TPMFamily
}

/// A connection to one TPM 2.0; calls on it are serial.
@safe public final class TPMConnection: AttestingTPM {
    private let transport: TransportTCTI
    var context: OpaquePointer?

    /// Opens a connection over a transport.
    ///
    /// - Throws: `.callFailed` if the stack cannot be initialised.
    public init(over transport: any TPMTransport) throws(TPMConnectionError) {
        // The stack writes every failure to standard error; ours are errors with a message.
        _ = unsafe setenv("TSS2_LOG", "all+NONE", 0)
        self.transport = TransportTCTI(transport)
        unsafe context = nil
        // SAFETY: `transport` outlives the stack's context, which `deinit` finalises.
        let code = unsafe Esys_Initialize(&context, self.transport.context, nil)
        try check(code, "Esys_Initialize")
    }

    deinit {
        unsafe Esys_Finalize(&context)
    }

    /// Throws unless a call of the stack succeeded; what was wrong with the transport goes before
    /// what the stack calls it.
    func check(_ code: TSS2_RC, _ call: String) throws(TPMConnectionError) {
        guard code != 0 else { return }
        if let failure = transport.failure { throw failure }
        throw .callFailed(call, code: code)
    }

    /// Quotes registers of the SHA-256 bank with a fresh attestation key: ECC P-256, restricted,
    /// a primary key of the endorsement hierarchy, which is the same each time for one TPM.
    ///
    /// - Throws: `.qualifyingDataTooLong`, `.registerOutOfRange`; `.callFailed`.
    public func quote(
        qualifyingData: [UInt8], registers: [UInt32]
    ) throws(TPMConnectionError) -> TPMQuote {
        guard qualifyingData.count <= 32 else { throw .qualifyingDataTooLong }
        guard registers.allSatisfy({ $0 < 24 }) else { throw .registerOutOfRange }
        let (handle, publicArea) = try createPrimary(attestationKeyTemplate())
        defer { _ = unsafe Esys_FlushContext(context, handle) }
        var data = TPM2B_DATA()
        fill(&data, with: qualifyingData)
        var scheme = TPMT_SIG_SCHEME()
        scheme.scheme = TPM2_ALG_NULL
        var selection = select(registers)
        var quoted: UnsafeMutablePointer<TPM2B_ATTEST>?
        var signature: UnsafeMutablePointer<TPMT_SIGNATURE>?
        // SAFETY: all inputs live across the call; the outputs are freed below.
        let code = unsafe Esys_Quote(
            context, handle, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data, &scheme,
            &selection, &quoted, &signature)
        defer {
            unsafe Esys_Free(quoted)
            unsafe Esys_Free(signature)
        }
        try check(code, "Esys_Quote")
        guard let quoted = unsafe quoted, let signature = unsafe signature else {
            throw .callFailed("Esys_Quote", code: 0)
        }
        let signatureBytes = try unsafe marshal("Tss2_MU_TPMT_SIGNATURE_Marshal") {
            buffer, size, offset in
            unsafe Tss2_MU_TPMT_SIGNATURE_Marshal(signature, buffer, size, offset)
        }
        return TPMQuote(
            statement: unsafe content(of: quoted.pointee), signature: signatureBytes,
            attestationKey: publicArea, family: .twoPointZero)
    }

    /// Makes a primary key of the endorsement hierarchy, which is the same each time for one
    /// template; returns its handle and its public area. The caller flushes it.
    func createPrimary(
        _ template: TPM2B_PUBLIC
    ) throws(TPMConnectionError) -> (ESYS_TR, [UInt8]) {
        var sensitive = TPM2B_SENSITIVE_CREATE()
        var template = template
        var outside = TPM2B_DATA()
        var creation = TPML_PCR_SELECTION()
        var handle: ESYS_TR = 0
        var publicArea: UnsafeMutablePointer<TPM2B_PUBLIC>?
        // SAFETY: all inputs live across the call; the output is freed below.
        let code = unsafe Esys_CreatePrimary(
            context, ESYS_TR_RH_ENDORSEMENT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
            &sensitive, &template, &outside, &creation, &handle, &publicArea, nil, nil, nil)
        defer { unsafe Esys_Free(publicArea) }
        try check(code, "Esys_CreatePrimary")
        guard let publicArea = unsafe publicArea else {
            throw .callFailed("Esys_CreatePrimary", code: 0)
        }
        do throws(TPMConnectionError) {
            let bytes = try unsafe marshal("Tss2_MU_TPMT_PUBLIC_Marshal") { buffer, size, offset in
                unsafe Tss2_MU_TPMT_PUBLIC_Marshal(
                    &publicArea.pointee.publicArea, buffer, size, offset)
            }
            return (handle, bytes)
        } catch {
            _ = unsafe Esys_FlushContext(context, handle)
            throw error
        }
    }
}

/// Returns the template of the attestation key (`TPMT_PUBLIC`).
func attestationKeyTemplate() -> TPM2B_PUBLIC {
    var template = TPM2B_PUBLIC()
    template.publicArea.type = TPM2_ALG_ECC
    template.publicArea.nameAlg = TPM2_ALG_SHA256
    // `fixedTPM`, `fixedParent`, `sensitiveDataOrigin`, `userWithAuth`, `restricted`, `sign`.
    template.publicArea.objectAttributes = 0x0005_0072
    // SAFETY: the members of the unions are those that an ECC key with ECDSA has.
    unsafe template.publicArea.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL
    unsafe template.publicArea.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA
    unsafe template.publicArea.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256
    unsafe template.publicArea.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256
    unsafe template.publicArea.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL
    return template
}

/// Returns a selection of registers of the SHA-256 bank; each is below 24.
private func select(_ registers: [UInt32]) -> TPML_PCR_SELECTION {
    var selection = TPML_PCR_SELECTION()
    selection.count = 1
    selection.pcrSelections.0.hash = TPM2_ALG_SHA256
    selection.pcrSelections.0.sizeofSelect = 3
    for register in registers {
        let bit = UInt8(1) << UInt8(register % 8)
        switch register / 8 {
        case 0: selection.pcrSelections.0.pcrSelect.0 |= bit
        case 1: selection.pcrSelections.0.pcrSelect.1 |= bit
        default: selection.pcrSelections.0.pcrSelect.2 |= bit
        }
    }
    return selection
}

/// Sets a `TPM2B_DATA` to at most 32 bytes.
private func fill(_ data: inout TPM2B_DATA, with bytes: [UInt8]) {
    data.size = UInt16(bytes.count)
    // SAFETY: the buffer has room for 64 bytes.
    unsafe withUnsafeMutableBytes(of: &data.buffer) { unsafe $0.copyBytes(from: bytes) }
}

/// Returns the bytes of a `TPM2B_ATTEST`.
private func content(of attest: TPM2B_ATTEST) -> [UInt8] {
    unsafe withUnsafeBytes(of: attest.attestationData) {
        unsafe Array($0.prefix(Int(attest.size)))
    }
}

/// Returns the wire format that `write` makes, at most 1 KiB.
private func marshal(
    _ call: String,
    _ write: (UnsafeMutablePointer<UInt8>?, Int, UnsafeMutablePointer<Int>) -> TSS2_RC
) throws(TPMConnectionError) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: 1024)
    var offset = 0
    let code = unsafe buffer.withUnsafeMutableBufferPointer { memory in
        unsafe write(memory.baseAddress, memory.count, &offset)
    }
    guard code == 0 else { throw .callFailed(call, code: code) }
    return Array(buffer.prefix(offset))
}
