public import Digests
import SystemManifest

/// What a manifest says of itself in its header, read by the kernel's own reader.
public struct ManifestFacts: Equatable, Sendable {
    /// SHA-384 of the whole file.
    public let digest: Digest384
    /// The first 16 bytes of SHA-384 over `casemate system ` and the system's name.
    public let systemID: [UInt8]
    /// The version of the system.
    public let systemVersion: UInt64
    /// SHA-384 of the policy.
    public let policyDigest: Digest384
    /// SHA-384 of the manifest that this one replaces; nil for none.
    public let predecessor: Digest384?
    /// SHA-256 of the signer's SubjectPublicKeyInfo; nil for a manifest that is not signed.
    public let signer: [UInt8]?
    let signature: [UInt8]
    let bytes: [UInt8]

    /// Reads a manifest.
    ///
    /// - Throws: `.manifestUnreadable` with the reader's reason when it breaks a rule of
    ///   docs/abi/manifest.md.
    public init(validating bytes: [UInt8]) throws(BuildRefusal) {
        do throws(SystemManifestError) {
            let manifest = try SystemManifest(validating: bytes.span)
            systemID = ManifestFacts.array(manifest.systemID)
            systemVersion = manifest.systemVersion
            policyDigest = manifest.policyDigest
            let named = manifest.predecessorDigest
            predecessor = named == .zero ? nil : named
            let isSigned = manifest.signatureAlgorithm != .none
            signer = isSigned ? ManifestFacts.array(manifest.keyID) : nil
            signature = ManifestFacts.array(manifest.signature)
        } catch {
            throw .manifestUnreadable("\(error.reason)")
        }
        self.bytes = bytes
        digest = SHA384.hash(bytes.span)
    }

    private static func array(_ bytes: borrowing Span<UInt8>) -> [UInt8] {
        bytes.indices.map { bytes[$0] }
    }

    /// Checks that the manifest is signed by a key.
    ///
    /// - Throws: `.unsigned`, `.foreignKey`, `.badSignature`, in this order.
    public func verifySignature(by key: AuthorityPublicKey) throws(BuildRefusal) {
        guard let signer else { throw .unsigned }
        guard signer == key.id else {
            throw .foreignKey(expected: hexadecimalText(key.id), found: hexadecimalText(signer))
        }
        guard key.isValid(signature, for: SignedManifest.message(of: bytes)) else {
            throw .badSignature
        }
    }

    /// Checks that the manifest may follow another one: it is of the same system, and newer.
    ///
    /// - Throws: `.otherSystem`, `.sameVersion`, `.olderVersion`.
    public func verifyNewer(than old: ManifestFacts) throws(BuildRefusal) {
        guard systemID == old.systemID else {
            throw .otherSystem(
                expected: hexadecimalText(old.systemID), found: hexadecimalText(systemID))
        }
        guard systemVersion != old.systemVersion else { throw .sameVersion(systemVersion) }
        guard systemVersion > old.systemVersion else {
            throw .olderVersion(systemVersion, than: old.systemVersion)
        }
    }

    /// Checks that the manifest names another one as what it replaces.
    ///
    /// - Throws: `.noPredecessor`, `.otherPredecessor`.
    public func verifyPredecessor(_ old: ManifestFacts) throws(BuildRefusal) {
        guard let predecessor else { throw .noPredecessor }
        guard predecessor == old.digest else {
            throw .otherPredecessor(
                expected: old.digest.hexadecimal, found: predecessor.hexadecimal)
        }
    }
}
