internal import CTSPI
internal import TPMStructures

/// Where a tcsd is, the one program that may use a TPM 1.2 where TrouSerS serves it.
public struct TrouSerSDaemon: Equatable, Sendable {
    /// Its host; nil: what `TSS_TCSD_HOSTNAME` says, or this one.
    public let host: String?
    /// Its TCP port; nil: what `TSS_TCSD_PORT` says, or 30003.
    public let port: UInt16?

    /// States where it is.
    public init(host: String? = nil, port: UInt16? = nil) {
        self.host = host
        self.port = port
    }

    /// For people.
    var words: String {
        guard let host else { return "the host and port of TrouSerS' environment" }
        return port.map { "\(host), port \($0)" } ?? host
    }
}

/// Speaks to a TPM 1.2 through libtspi and the tcsd that has the TPM.
///
/// For: asking for quotes of, and enrolling, a machine whose TPM 1.2 is TrouSerS', as
/// `OnePointTwoConnection` does where commands reach the TPM; evidence and keys of either are the
/// other's. Not for: taking ownership. It does not check what the TPM returns: a verifier judges
/// that. libtspi waits without an end for a tcsd that takes a question and does not answer: whoever
/// must not, looks at the time beside it.
///
/// - Source: TCG Software Stack Specification 1.2.
public final class TrouSerSConnection: AttestingTPM {
    private let context: TrouSerSContext
    private let secrets: OnePointTwoSecrets
    /// The attestation key, wrapped, as `OnePointTwoConnection` has it.
    public var wrappedKey: [UInt8]? { kept.wrapped }
    private var kept: KeptAttestationKey

    /// Speaks to a tcsd.
    ///
    /// - Parameters:
    ///   - wrappedKey: the attestation key as an earlier connection left it; nil: a new one is made
    ///     when one is needed.
    /// - Throws: `.stackMissing`, `.daemonSilent`; `.callFailed`.
    public init(
        to daemon: TrouSerSDaemon = TrouSerSDaemon(), secrets: OnePointTwoSecrets = .wellKnown,
        wrappedKey: [UInt8]? = nil
    ) throws(TPMConnectionError) {
        context = try TrouSerSContext(daemon)
        self.secrets = secrets
        kept = KeptAttestationKey(wrapped: wrappedKey)
        try context.setSecret(secrets.owner, of: context.tpm)
    }

    /// Returns the TPM's keys (`TPM_PUBKEY`), after making an attestation key if there is none.
    ///
    /// - Throws: `.callFailed`, `.storageRootUnknown`; `.responseMalformed`.
    public func identity() throws(TPMConnectionError) -> TPMIdentity {
        let endorsementKey = try publicPart(of: context.endorsementKey())
        return TPMIdentity(
            endorsementKey: endorsementKey, attestationKey: try attestationKey().publicKey)
    }

    /// Returns the certificate of the endorsement key that the manufacturer left in the TPM (DER);
    /// nil: there is none that can be read.
    ///
    /// - Throws: `.callFailed`, `.responseMalformed`.
    public func endorsementCertificate() throws(TPMConnectionError) -> [UInt8]? {
        try StoredCertificate.take { offset, size, asOwner throws(TPMConnectionError) in
            try context.readArea(
                OnePointTwoStoredCertificate.index, offset, size, asOwner: asOwner)
        }
    }

    /// Reads a secret that was encrypted for this TPM's endorsement key and attestation key
    /// (`Tspi_TPM_ActivateIdentity`).
    ///
    /// - Parameters:
    ///   - credential: the `TPM_SYM_CA_ATTESTATION`.
    ///   - secret: the `TPM_ASYM_CA_CONTENTS`, encrypted.
    /// - Throws: `.callFailed`, also if it was made for other keys; `.credentialTooLong`, also for
    ///   what is no `TPM_SYM_CA_ATTESTATION`; `.storageRootUnknown`; `.responseMalformed`.
    public func activate(
        credential: [UInt8], secret: [UInt8]
    ) throws(TPMConnectionError) -> [UInt8] {
        // libtspi trusts the sizes in what it is given.
        guard secret.count <= 256, !secret.isEmpty,
            let sealed = try? OnePointTwoSealedCredential(validating: credential)
        else { throw .credentialTooLong }
        return try context.activateIdentity(
            try loadedKey(), contents: secret, attestation: sealed.bytes)
    }

    /// Quotes registers with the attestation key (`Tspi_TPM_Quote2`).
    ///
    /// - Parameter qualifyingData: exactly 20 bytes.
    /// - Throws: `.nonceLengthUnfit`, `.registerOutOfRange`; `.callFailed`,
    ///   `.storageRootUnknown`; `.responseMalformed`.
    public func quote(
        qualifyingData: [UInt8], registers: [UInt32]
    ) throws(TPMConnectionError) -> TPMQuote {
        guard qualifyingData.count == 20 else { throw .nonceLengthUnfit }
        guard registers.allSatisfy({ $0 < 24 }) else { throw .registerOutOfRange }
        let quoted = try context.quote(
            try loadedKey(), registers: registers, nonce: qualifyingData)
        guard (try? OnePointTwoQuote(validating: quoted.statement)) != nil else {
            throw .responseMalformed("Tspi_TPM_Quote2")
        }
        return TPMQuote(
            statement: quoted.statement, signature: quoted.signature,
            attestationKey: try attestationKey().publicKey, family: .onePointTwo)
    }

    // MARK: Keys

    /// The storage root key, with its secret.
    private func storageRoot() throws(TPMConnectionError) -> TSS_HKEY {
        let key = try context.storageRoot()
        try context.setSecret(secrets.storageRoot, of: key)
        return key
    }

    /// The attestation key in the TPM.
    private func loadedKey() throws(TPMConnectionError) -> TSS_HKEY {
        let key = try attestationKey()
        return try context.load(key.bytes, below: try storageRoot())
    }

    /// The attestation key, made now if there is none.
    private func attestationKey() throws(TPMConnectionError) -> OnePointTwoWrappedKey {
        try kept.key("Tspi_TPM_CollateIdentityRequest") { () throws(TPMConnectionError) in
            try makeIdentity()
        }
    }

    /// Has the TPM make an identity key (`Tspi_TPM_CollateIdentityRequest`): RSA of 2,048 bits that
    /// signs with SHA-1, and needs no authorization.
    ///
    /// libtspi wants an authority's key, for which it encrypts a request: ours gets none, since it
    /// is activation that shows it where the key is. So the request is made out to the TPM's own
    /// endorsement key, and dropped.
    private func makeIdentity() throws(TPMConnectionError) -> [UInt8] {
        let root = try storageRoot()
        let modulus = try context.get(
            try context.endorsementKey(), TSS_TSPATTRIB_RSAKEY_INFO,
            TSS_TSPATTRIB_KEYINFO_RSA_MODULUS)
        let authority = try context.make(
            TSS_OBJECT_TYPE_RSAKEY, UInt32(TSS_KEY_TYPE_LEGACY) | casemateKeySize2048)
        try context.set(
            authority, TSS_TSPATTRIB_RSAKEY_INFO, TSS_TSPATTRIB_KEYINFO_RSA_MODULUS, to: modulus)
        try context.set(
            authority, TSS_TSPATTRIB_KEY_INFO, TSS_TSPATTRIB_KEYINFO_ENCSCHEME,
            to: UInt32(TSS_ES_RSAESPKCSV15))
        let identity = try context.make(
            TSS_OBJECT_TYPE_RSAKEY, UInt32(TSS_KEY_TYPE_IDENTITY) | casemateKeySize2048)
        try context.collateIdentityRequest(
            identity, below: root, for: authority, label: Array("casemate".utf8))
        return try context.get(
            identity, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_BLOB)
    }

    private func publicPart(of key: TSS_HKEY) throws(TPMConnectionError) -> [UInt8] {
        try context.get(key, TSS_TSPATTRIB_KEY_BLOB, TSS_TSPATTRIB_KEYBLOB_PUBLIC_KEY)
    }
}
