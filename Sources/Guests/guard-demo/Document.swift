/// A document under way: its name and its text.
///
/// - Layout: a byte for the length of the name, the name, the text.
struct Document {
    let name: [UInt8]
    let text: [UInt8]

    init(name: [UInt8], text: [UInt8]) {
        self.name = name
        self.text = text
    }

    /// Reads a message; nil when it is none of a document.
    init?(_ message: [UInt8]) {
        guard let length = message.first.map({ Int($0) }), length >= 1, length < message.count
        else { return nil }
        name = Array(message[1...length])
        text = Array(message[(length + 1)...])
    }

    /// The document as a message.
    var message: [UInt8] { [UInt8(truncatingIfNeeded: name.count)] + name + text }
}
