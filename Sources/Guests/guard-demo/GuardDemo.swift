// The programs of the system `guard`, one for each compartment: two networks' applications, the
// content guard and the crypto gateway between them, and the reader of the audit.
//
// Each prints what it observed, and nothing that it did not.

internal import GuestSystem

@main
enum GuardDemo {
    /// What the program says to a command line that it does not understand.
    private static let usage = """
        usage: guard-demo offer --far DOMID DOCUMENT...
               guard-demo filter | accept | uplink | gateway | wire | audit
               guard-demo judge --marking TEXT --forbidden WORDS --largest N DOCUMENT
               guard-demo seal --key HEX --nonce HEX --data HEX TEXT
               guard-demo open --key HEX --nonce HEX --data HEX TEXT
        """

    static func main() {
        do throws(SystemError) {
            // The last argument is followed by an empty one, since its terminator ends the list.
            let words = Array(try SystemCalls.arguments().dropFirst().dropLast())
            guard let role = words.first, let status = try run(role, Array(words.dropFirst()))
            else {
                SystemCalls.report(usage)
                SystemCalls.exit(status: 2)
            }
            SystemCalls.exit(status: status)
        } catch {
            SystemCalls.report("guard-demo stopped: \(error.name)")
            SystemCalls.exit(status: 1)
        }
    }

    /// Plays a role; nil when the words are not one of `usage`.
    private static func run(_ role: [UInt8], _ rest: [[UInt8]]) throws(SystemError) -> Int32? {
        if Text.matches(role, "offer") {
            guard rest.count >= 3, Text.matches(rest[0], "--far"), let far = Text.number(rest[1])
            else { return nil }
            try Application.offer(Array(rest[2...]), far: far)
        }
        if Text.matches(role, "judge") { return try Desk.judge(rest) }
        if Text.matches(role, "seal") { return Desk.crypt(rest, isSealing: true) }
        if Text.matches(role, "open") { return Desk.crypt(rest, isSealing: false) }
        guard rest.isEmpty else { return nil }
        if Text.matches(role, "filter") { try ContentGuard.run() }
        if Text.matches(role, "accept") { try Application.accept() }
        if Text.matches(role, "uplink") { try Network.uplink() }
        if Text.matches(role, "gateway") { try CryptoGateway.run() }
        if Text.matches(role, "wire") { try Network.wire() }
        if Text.matches(role, "audit") { try AuditReader.run() }
        return nil
    }
}

/// What can be asked of the filter and of the cipher outside any guest.
private enum Desk {
    /// Says whether a file may pass.
    static func judge(_ words: [[UInt8]]) throws(SystemError) -> Int32? {
        guard words.count == 7, Text.matches(words[0], "--marking"),
            Text.matches(words[2], "--forbidden"), Text.matches(words[4], "--largest"),
            let filter = ContentFilter(
                marking: words[1], forbidden: words[3], largest: words[5])
        else { return nil }
        let name = words[6].split(separator: 0x2f).last.map { Array($0) } ?? []
        let document = Document(name: name, text: try SystemCalls.readFile(words[6]))
        if let objection = filter.objection(to: document) {
            SystemCalls.report("kept back \(Text.printable(name)): \(objection)")
            return 1
        }
        SystemCalls.report("passed \(Text.printable(name))")
        return 0
    }

    /// Seals or opens bytes.
    static func crypt(_ words: [[UInt8]], isSealing: Bool) -> Int32? {
        guard words.count == 7, Text.matches(words[0], "--key"),
            Text.matches(words[2], "--nonce"), Text.matches(words[4], "--data"),
            let key = Text.bytes(hexadecimal: words[1]),
            let nonce = Text.bytes(hexadecimal: words[3]),
            nonce.count == AuthenticatedCipher.nonceSize,
            let data = Text.bytes(hexadecimal: words[5]),
            let text = Text.bytes(hexadecimal: words[6]),
            let cipher = AuthenticatedCipher(key: key)
        else { return nil }
        if isSealing {
            let sealed = cipher.seal(text, nonce: nonce, authenticating: data)
            SystemCalls.report(Text.hexadecimal(sealed))
            return 0
        }
        guard let opened = cipher.open(text, nonce: nonce, authenticating: data) else {
            SystemCalls.report("does not authenticate")
            return 1
        }
        SystemCalls.report(Text.hexadecimal(opened))
        return 0
    }
}
