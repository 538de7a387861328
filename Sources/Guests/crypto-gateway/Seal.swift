internal import Crypto
internal import FoundationEssentials

/// ChaCha20-Poly1305 of RFC 8439, as swift-crypto has it: what was closed under a key is opened
/// with it, or not at all.
struct Seal {
    private let key: SymmetricKey

    /// The size of a nonce, in bytes.
    static let nonceSize = 12

    /// Draws a key that nobody else knows.
    init() { key = SymmetricKey(size: .bits256) }

    /// Takes a key; nil when it has another size.
    init?(key: [UInt8]) {
        guard key.count == 32 else { return nil }
        self.key = SymmetricKey(data: key)
    }

    /// Returns the nonce, the cipher text and its tag; nil when the nonce has another size.
    ///
    /// - Precondition: no other text was or will be closed with the nonce under this key.
    func close(_ text: [UInt8], nonce: [UInt8], authenticating data: [UInt8] = []) -> [UInt8]? {
        guard let nonce = try? ChaChaPoly.Nonce(data: nonce),
            let box = try? ChaChaPoly.seal(text, using: key, nonce: nonce, authenticating: data)
        else { return nil }
        return [UInt8](box.combined)
    }

    /// Returns the text of what `close` returned under the same key and with the same data; nil for
    /// anything else.
    func open(_ packet: [UInt8], authenticating data: [UInt8] = []) -> [UInt8]? {
        guard let box = try? ChaChaPoly.SealedBox(combined: packet),
            let text = try? ChaChaPoly.open(box, using: key, authenticating: data)
        else { return nil }
        return [UInt8](text)
    }
}
