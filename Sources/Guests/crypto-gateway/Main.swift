// The program of the compartment `crypto` in the system `guard`. With all of Swift's library,
// because swift-crypto needs it; the other programs of the system are in Embedded Swift.

internal import GuestSystemHosted

@main
enum Main {
    /// What the program says to a command line that it does not understand.
    private static let usage = """
        usage: crypto-gateway run --log DOMID
               crypto-gateway seal --key HEX --nonce HEX --data HEX TEXT
               crypto-gateway open --key HEX --nonce HEX --data HEX TEXT
        """

    static func main() {
        do throws(SystemError) {
            // The last argument is followed by an empty one, since its terminator ends the list.
            let words = Array(try SystemCalls.arguments().dropFirst().dropLast())
            guard let word = words.first, let status = try run(word, Array(words.dropFirst()))
            else {
                SystemCalls.report(usage)
                SystemCalls.exit(status: 2)
            }
            SystemCalls.exit(status: status)
        } catch {
            SystemCalls.report("crypto-gateway stopped: \(error.name)")
            SystemCalls.exit(status: 1)
        }
    }

    /// Does what the words say; nil when they are not one of `usage`.
    private static func run(_ word: [UInt8], _ rest: [[UInt8]]) throws(SystemError) -> Int32? {
        if Text.matches(word, "run") {
            guard rest.count == 2, Text.matches(rest[0], "--log"), let log = Text.number(rest[1])
            else { return nil }
            try CryptoGateway.run(log: log)
        }
        if Text.matches(word, "seal") { return crypt(rest, isSealing: true) }
        if Text.matches(word, "open") { return crypt(rest, isSealing: false) }
        return nil
    }

    /// Seals or opens bytes outside any guest.
    private static func crypt(_ words: [[UInt8]], isSealing: Bool) -> Int32? {
        guard words.count == 7, Text.matches(words[0], "--key"),
            Text.matches(words[2], "--nonce"), Text.matches(words[4], "--data"),
            let key = Text.bytes(hexadecimal: words[1]),
            let nonce = Text.bytes(hexadecimal: words[3]),
            let data = Text.bytes(hexadecimal: words[5]),
            let text = Text.bytes(hexadecimal: words[6]),
            nonce.count == Seal.nonceSize, let seal = Seal(key: key)
        else { return nil }
        if isSealing {
            guard let packet = seal.close(text, nonce: nonce, authenticating: data) else {
                return nil
            }
            SystemCalls.report(Text.hexadecimal(packet.dropFirst(Seal.nonceSize)))
            return 0
        }
        guard let opened = seal.open(nonce + text, authenticating: data) else {
            SystemCalls.report("does not authenticate")
            return 1
        }
        SystemCalls.report(Text.hexadecimal(opened))
        return 0
    }
}
