public import Digests
import SystemManifest

/// A manifest with the fields that its compiler leaves empty: predecessor, key and signature.
public enum SignedManifest {
    /// Returns a manifest that names the one that it replaces.
    ///
    /// - Parameters:
    ///   - manifest: a valid manifest, not signed.
    ///   - predecessor: SHA-384 of the file that it replaces.
    /// - Precondition: `manifest` has a whole header.
    public static func replacing(_ predecessor: Digest384, _ manifest: [UInt8]) -> [UInt8] {
        var result = manifest
        result.replaceSubrange(SystemManifest.predecessorPlace, with: predecessor.array)
        return result
    }

    /// Returns a manifest that is signed.
    ///
    /// - Parameter manifest: a valid manifest; a signature that it has is replaced.
    /// - Returns: nil when the key makes no signature, which does not happen.
    /// - Precondition: `manifest` has a whole header.
    public static func signed(_ manifest: [UInt8], by key: AuthorityPrivateKey) -> [UInt8]? {
        var result = manifest
        let algorithm = SignatureAlgorithm.ecdsaP384.rawValue
        result.replaceSubrange(
            SystemManifest.signatureAlgorithmPlace, with: [UInt8(algorithm & 0xff), 0])
        result.replaceSubrange(SystemManifest.keyIDPlace, with: key.publicKey.id)
        guard let signature = key.signature(for: message(of: result)) else { return nil }
        result.replaceSubrange(SystemManifest.signaturePlace, with: signature)
        return result
    }

    /// Returns what a signature is made over: the file with the signature's bytes zero.
    ///
    /// - Source: docs/abi/manifest.md, the field `signature`.
    public static func message(of manifest: [UInt8]) -> [UInt8] {
        var message = manifest
        for index in SystemManifest.signaturePlace { message[index] = 0 }
        return message
    }
}
