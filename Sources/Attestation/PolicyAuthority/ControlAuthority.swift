/// Requests to a running machine, signed by the policy authority.
///
/// The message begins with a text of its own: no signature of a manifest is one of a request.
///
/// - Source: docs/abi/control-frames.md, version 2.
extension AuthorityPublicKey {
    /// Returns whether this key authorises a request.
    ///
    /// - Parameters:
    ///   - message: what is signed for the request.
    ///   - signature: r and s, 48 bytes each, s at most half the order.
    public func authorizes(_ message: [UInt8], signature: [UInt8]) -> Bool {
        isValid(signature, for: message)
    }
}

extension AuthorityPrivateKey {
    /// Authorises a request.
    ///
    /// - Returns: the signature; nil when the key makes none, which does not happen.
    public func authorization(of message: [UInt8]) -> [UInt8]? { signature(for: message) }
}
