internal import Crypto
internal import Digests

/// Who may say which policy a machine runs: keys that sign manifests, the signatures, and what a
/// build owes to whoever installs it.
///
/// For: `casemate key`, `build --sign` and `verify-build`. Not for: deciding which key to trust;
/// that is the caller's knowledge. It trusts nothing of a manifest but what the kernel's own reader
/// checked. Invariants:
/// - a private key leaves this module only as the PEM text that its owner asked for;
/// - there is one valid signature of a manifest by a key for each run of the signer, and none can
///   be made from another: `s` is at most half the order.

/// Why a text is not a key.
public enum AuthorityKeyError: Error, Equatable {
    /// The text is not the PEM form of one ECDSA P-384 private key.
    case notPrivate
    /// The text is not the PEM form of one ECDSA P-384 public key.
    case notPublic
    /// A private key stands where a public one should.
    case privateForPublic

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .notPrivate: "it is not an ECDSA P-384 private key in PEM"
        case .notPublic: "it is not an ECDSA P-384 public key in PEM"
        case .privateForPublic:
            "it is a private key; a verifier has the public one, which `casemate key show` writes"
        }
    }
}

/// The public half of a policy authority's key.
public struct AuthorityPublicKey: Sendable {
    private let key: P384.Signing.PublicKey

    init(_ key: P384.Signing.PublicKey) { self.key = key }

    /// Reads a key.
    ///
    /// - Parameter pem: a SubjectPublicKeyInfo in PEM, `-----BEGIN PUBLIC KEY-----`.
    /// - Throws: `.privateForPublic` for a private key, `.notPublic` for anything else.
    public init(pem: String) throws(AuthorityKeyError) {
        do {
            key = try P384.Signing.PublicKey(pemRepresentation: pem)
        } catch {
            let isPrivate = (try? P384.Signing.PrivateKey(pemRepresentation: pem)) != nil
            throw isPrivate ? .privateForPublic : .notPublic
        }
    }

    /// The key in PEM, with a final line feed.
    public var pem: String { key.pemRepresentation + "\n" }

    /// SHA-256 of the key's SubjectPublicKeyInfo: what a manifest names its signer by.
    public var id: [UInt8] {
        Digests.SHA256.hash([UInt8](key.derRepresentation).span).array
    }

    /// Returns whether a signature is this key's over a message.
    ///
    /// - Parameter signature: r and s, 48 bytes each, big-endian. One with the larger of the two
    ///   possible s is refused, so that nobody can turn a signature into another.
    func isValid(_ signature: [UInt8], for message: [UInt8]) -> Bool {
        guard hasLowS(signature),
            let signature = try? P384.Signing.ECDSASignature(rawRepresentation: signature)
        else { return false }
        return key.isValidSignature(signature, for: message)
    }
}

/// A policy authority's key: whoever has it can make machines accept a policy.
public struct AuthorityPrivateKey: Sendable {
    private let key: P384.Signing.PrivateKey

    /// Makes a new key from the system's random numbers.
    public init() { key = P384.Signing.PrivateKey(compactRepresentable: false) }

    /// Reads a key.
    ///
    /// - Parameter pem: PKCS#8, `-----BEGIN PRIVATE KEY-----`, or SEC 1,
    ///   `-----BEGIN EC PRIVATE KEY-----`, not encrypted.
    /// - Throws: `.notPrivate`.
    public init(pem: String) throws(AuthorityKeyError) {
        do {
            key = try P384.Signing.PrivateKey(pemRepresentation: pem)
        } catch {
            throw .notPrivate
        }
    }

    /// The key in PEM as PKCS#8, with a final line feed. Secret.
    public var secretPEM: String { key.pemRepresentation + "\n" }

    /// The public half.
    public var publicKey: AuthorityPublicKey { AuthorityPublicKey(key.publicKey) }

    /// Signs a message.
    ///
    /// - Returns: r and s, 48 bytes each, big-endian, s at most half the order; nil when no such
    ///   signature came in 256 attempts, of which each has an even chance.
    package func signature(for message: [UInt8]) -> [UInt8]? {
        for _ in 0..<256 {
            guard let signature = try? key.signature(for: message) else { return nil }
            let bytes = [UInt8](signature.rawRepresentation)
            if hasLowS(bytes) { return bytes }
        }
        return nil
    }
}

/// Half the order of P-384, rounded down.
///
/// - Source: SEC 2 version 2.0, section 2.5.1: *n*.
private let halfOrder: [UInt8] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xe3, 0xb1, 0xa6, 0xc0, 0xfa, 0x1b, 0x96, 0xef,
    0xac, 0x0d, 0x06, 0xd9, 0x24, 0x58, 0x53, 0xbd, 0x76, 0x76, 0x0c, 0xb5, 0x66, 0x62, 0x94, 0xb9,
]

private func hasLowS(_ signature: [UInt8]) -> Bool {
    guard signature.count == 96 else { return false }
    return !halfOrder.lexicographicallyPrecedes(signature[48...])
}
