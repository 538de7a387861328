internal import Crypto
internal import CryptoExtras
internal import TPMStructures

/// What the owner of a TPM 1.2 chose, 20 bytes each: SHA-1 of a password, or the well-known secret.
public struct OnePointTwoSecrets: Equatable, Sendable {
    let owner: [UInt8]
    let storageRoot: [UInt8]

    /// States the owner's secret and the storage root key's.
    ///
    /// - Returns: nil unless each has 20 bytes.
    public init?(owner: [UInt8], storageRoot: [UInt8]) {
        guard owner.count == 20, storageRoot.count == 20 else { return nil }
        self.owner = owner
        self.storageRoot = storageRoot
    }

    private init() {
        owner = [UInt8](repeating: 0, count: 20)
        storageRoot = owner
    }

    /// `TSS_WELL_KNOWN_SECRET` for both: 20 zero bytes.
    public static var wellKnown: OnePointTwoSecrets { OnePointTwoSecrets() }
}

/// Speaks to a TPM 1.2 with the commands of its specification.
///
/// For: asking for quotes of, and enrolling, a machine whose TPM is owned. Not for: taking
/// ownership. The attestation key is an identity key that the TPM makes and gives out
/// wrapped; whoever holds the wrapped key can do nothing with it but load it into this TPM. It does
/// not check the proofs in responses: a verifier judges what the TPM returns.
///
/// - Source: TPM Main 1.2, Part 3 (commands); Part 1, section 13 (authorization protocols).
public final class OnePointTwoConnection: AttestingTPM {
    private let transport: any TPMTransport
    private let secrets: OnePointTwoSecrets
    /// The attestation key, wrapped (`TPM_KEY`); nil until there is one. To be kept: no TPM 1.2
    /// makes the same key twice.
    public var wrappedKey: [UInt8]? { kept.wrapped }
    private var kept: KeptAttestationKey

    /// Speaks over a transport.
    ///
    /// - Parameters:
    ///   - wrappedKey: the attestation key as an earlier connection left it; nil: a new one is made
    ///     when one is needed.
    public init(
        over transport: any TPMTransport, secrets: OnePointTwoSecrets = .wellKnown,
        wrappedKey: [UInt8]? = nil
    ) {
        self.transport = transport
        self.secrets = secrets
        kept = KeptAttestationKey(wrapped: wrappedKey)
    }

    /// Returns the TPM's keys (`TPM_PUBKEY`), after making an attestation key if there is none.
    ///
    /// - Throws: `.callFailed`; `.responseMalformed`; `.connectionBroken`.
    public func identity() throws(TPMConnectionError) -> TPMIdentity {
        let endorsementKey = try run(
            .ownerReadInternalPub, bigEndian(Handle.endorsement),
            as: [try openSession(secrets.owner)])
        return TPMIdentity(
            endorsementKey: endorsementKey, attestationKey: try attestationKey().publicKey)
    }

    /// Returns the certificate of the endorsement key that the manufacturer left in the TPM (DER);
    /// nil: there is none that can be read (`TPM_NV_ReadValue`).
    ///
    /// - Throws: `.callFailed`; `.responseMalformed`; `.connectionBroken`.
    public func endorsementCertificate() throws(TPMConnectionError) -> [UInt8]? {
        try StoredCertificate.take { offset, size, asOwner throws(TPMConnectionError) in
            let body = try run(
                .nvReadValue,
                bigEndian(OnePointTwoStoredCertificate.index) + bigEndian(UInt32(offset))
                    + bigEndian(UInt32(size)),
                as: asOwner ? [try openSession(secrets.owner)] : [])
            guard body.count >= 4, body.count == 4 + number(body[..<4]) else {
                throw .responseMalformed("TPM_NV_ReadValue")
            }
            return Array(body[4...])
        }
    }

    /// Reads a secret that was encrypted for this TPM's endorsement key and attestation key
    /// (`TPM_ActivateIdentity`).
    ///
    /// - Parameters:
    ///   - credential: the `TPM_SYM_CA_ATTESTATION`, for the key that the TPM gives out.
    ///   - secret: the `TPM_ASYM_CA_CONTENTS`, encrypted.
    /// - Throws: `.callFailed`, also if it was made for other keys; `.credentialTooLong`, also for
    ///   what is no `TPM_SYM_CA_ATTESTATION`; `.responseMalformed`, also when the key does not open
    ///   the credential; `.connectionBroken`.
    public func activate(
        credential: [UInt8], secret: [UInt8]
    ) throws(TPMConnectionError) -> [UInt8] {
        guard secret.count <= 256,
            let sealed = try? OnePointTwoSealedCredential(validating: credential)
        else { throw .credentialTooLong }
        let body = try withKey { handle throws(TPMConnectionError) in
            try run(
                .activateIdentity, handle: handle, bigEndian(UInt32(secret.count)) + secret,
                as: [try openSession(secrets.owner)])
        }
        // `TPM_SYMMETRIC_KEY`: algorithm, scheme, a size in 16 bits, the key.
        guard body.count >= 8, body.count == 8 + Int(body[6]) << 8 + Int(body[7]),
            let vector = try? AES._CBC.IV(ivBytes: sealed.vector),
            let opened = try? AES._CBC.decrypt(
                sealed.ciphertext, using: SymmetricKey(data: body[8...]), iv: vector)
        else { throw .responseMalformed("TPM_ActivateIdentity") }
        return Array(opened)
    }

    /// Quotes registers with the attestation key (`TPM_Quote2`).
    ///
    /// - Parameter qualifyingData: exactly 20 bytes.
    /// - Throws: `.nonceLengthUnfit`, `.registerOutOfRange`; `.callFailed`; `.responseMalformed`;
    ///   `.connectionBroken`.
    public func quote(
        qualifyingData: [UInt8], registers: [UInt32]
    ) throws(TPMConnectionError) -> TPMQuote {
        guard qualifyingData.count == 20 else { throw .nonceLengthUnfit }
        guard registers.allSatisfy({ $0 < 24 }) else { throw .registerOutOfRange }
        let body = try withKey { handle throws(TPMConnectionError) in
            try run(
                .quote2, handle: handle,
                qualifyingData + OnePointTwoQuote.selection(registers) + [0])
        }
        // `TPM_PCR_INFO_SHORT` of 26 bytes, no version, the signature.
        guard body.count >= 34, body[26..<30].allSatisfy({ $0 == 0 }),
            body.count == 34 + number(body[30..<34])
        else { throw .responseMalformed("TPM_Quote2") }
        return TPMQuote(
            statement: [0x00, 0x36] + Array("QUT2".utf8) + qualifyingData + body.prefix(26),
            signature: Array(body[34...]), attestationKey: try attestationKey().publicKey,
            family: .onePointTwo)
    }

    // MARK: Keys

    /// The attestation key, made now if there is none.
    private func attestationKey() throws(TPMConnectionError) -> OnePointTwoWrappedKey {
        try kept.key("TPM_MakeIdentity") { () throws(TPMConnectionError) in try makeIdentity() }
    }

    /// Has the TPM make an identity key: RSA of 2,048 bits that signs with SHA-1, and needs no
    /// authorization (`TPM_MakeIdentity`).
    private func makeIdentity() throws(TPMConnectionError) -> [UInt8] {
        let storageRoot = try openSession(secrets.storageRoot)
        let owner = try openOwnerSession()
        let sharedMask = sha1(owner.secret + owner.nonce)
        // The key's own secret is 20 zero bytes, so what is sent is the mask itself; the label is
        // that of no privacy authority, since the verifier itself activates the key.
        let label = [UInt8](repeating: 0, count: 20)
        let template: [UInt8] =
            [1, 1, 0, 0, 0x00, 0x12, 0, 0, 0, 0, 0] + [0, 0, 0, 1, 0, 1, 0, 2] + bigEndian(12)
            + bigEndian(2048) + bigEndian(2) + bigEndian(0) + bigEndian(0) + bigEndian(0)
            + bigEndian(0)
        return try run(.makeIdentity, sharedMask + label + template, as: [storageRoot, owner])
    }

    /// Does something with the attestation key loaded.
    private func withKey<Value>(
        _ body: (UInt32) throws(TPMConnectionError) -> Value
    ) throws(TPMConnectionError) -> Value {
        let key = try attestationKey()
        let loaded = try run(
            .loadKey2, handle: Handle.storageRoot, key.bytes,
            as: [try openSession(secrets.storageRoot)])
        guard loaded.count == 4 else { throw .responseMalformed("TPM_LoadKey2") }
        let handle = UInt32(truncatingIfNeeded: number(loaded[...]))
        // `TPM_RT_KEY`.
        defer { _ = try? run(.flushSpecific, handle: handle, bigEndian(1)) }
        return try body(handle)
    }

    // MARK: Commands

    /// `TPM_KH_*`.
    private enum Handle {
        static var storageRoot: UInt32 { 0x4000_0000 }
        static var owner: UInt32 { 0x4000_0001 }
        static var endorsement: UInt32 { 0x4000_0006 }
    }

    /// `TPM_ORD_*`.
    private enum Ordinal: UInt32 {
        case oiap = 0x0A
        case osap = 0x0B
        case quote2 = 0x3E
        case loadKey2 = 0x41
        case makeIdentity = 0x79
        case activateIdentity = 0x7A
        case ownerReadInternalPub = 0x81
        case flushSpecific = 0xBA
        case nvReadValue = 0xCF
    }

    /// An authorization session, for one command.
    private struct Session {
        let handle: UInt32
        /// The TPM's nonce.
        let nonce: [UInt8]
        /// What proves the right: a secret, or what was made of it.
        let secret: [UInt8]
    }

    /// Opens a session for any object with this secret (`TPM_OIAP`).
    private func openSession(_ secret: [UInt8]) throws(TPMConnectionError) -> Session {
        let body = try run(.oiap, [])
        guard body.count == 24 else { throw .responseMalformed("TPM_OIAP") }
        return Session(
            handle: UInt32(truncatingIfNeeded: number(body[..<4])), nonce: Array(body[4...]),
            secret: secret)
    }

    /// Opens a session for the owner (`TPM_OSAP`, `TPM_ET_OWNER`).
    private func openOwnerSession() throws(TPMConnectionError) -> Session {
        let nonce = randomNonce()
        let body = try run(.osap, [0x00, 0x02] + bigEndian(Handle.owner) + nonce)
        guard body.count == 44 else { throw .responseMalformed("TPM_OSAP") }
        return Session(
            handle: UInt32(truncatingIfNeeded: number(body[..<4])), nonce: Array(body[4..<24]),
            secret: proof(body[24...] + nonce, with: secrets.owner))
    }

    /// Sends a command and returns the parameters of its response.
    ///
    /// - Parameters:
    ///   - handle: the key that it uses, which no proof covers.
    ///   - sessions: who authorizes it, in the command's order; they end with it.
    private func run(
        _ ordinal: Ordinal, handle: UInt32? = nil, _ parameters: [UInt8],
        as sessions: [Session] = []
    ) throws(TPMConnectionError) -> [UInt8] {
        let digest = sha1(bigEndian(ordinal.rawValue) + parameters)
        var message = bigEndian(ordinal.rawValue) + (handle.map(bigEndian) ?? []) + parameters
        for session in sessions {
            let nonce = randomNonce()
            message += bigEndian(session.handle) + nonce + [0]
            message += proof(digest + session.nonce + nonce + [0], with: session.secret)
        }
        let tag: [UInt8] = [0x00, 0xC1 + UInt8(sessions.count)]
        let response = try transport.exchange(
            tag + bigEndian(UInt32(6 + message.count)) + message)
        let code = UInt32(truncatingIfNeeded: number(response[6..<10]))
        guard code == 0 else { throw .callFailed("\(ordinal)", code: code) }
        let proofs = 41 * sessions.count
        guard response[0] == 0, response[1] == 0xC4 + UInt8(sessions.count),
            response.count >= 10 + proofs
        else { throw .responseMalformed("\(ordinal)") }
        return Array(response[10..<response.count - proofs])
    }
}

private func randomNonce() -> [UInt8] { (0..<20).map { _ in UInt8.random(in: 0...255) } }

private func sha1(_ bytes: [UInt8]) -> [UInt8] { Array(Insecure.SHA1.hash(data: bytes)) }

private func proof(_ message: [UInt8], with secret: [UInt8]) -> [UInt8] {
    Array(
        HMAC<Insecure.SHA1>.authenticationCode(for: message, using: SymmetricKey(data: secret)))
}

private func bigEndian(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
}

private func number(_ bytes: ArraySlice<UInt8>) -> Int {
    bytes.reduce(0) { $0 << 8 | Int($1) }
}
