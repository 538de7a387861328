internal import GuestSystem

/// The two applications: the one that has documents, and the one that may get some.
enum Application {
    // MARK: On the secret side

    /// Offers documents to the content guard, hands mail to the network, and then tries to reach
    /// the other application directly, in each way that there is.
    ///
    /// - Throws: what a driver or the store answered.
    static func offer(
        _ names: [[UInt8]], far: UInt32, _ channels: EventChannels, _ journal: inout Journal
    ) throws(SystemError) -> Never {
        var toGuard = try MessageChannel("to_guard", isFirst: true, pages: 8, on: channels)
        var mail = try MessageChannel("red_mail", isFirst: false, pages: 32, on: channels)
        for name in names {
            let text = try SystemCalls.readFile(Array("/documents/".utf8) + name)
            let printed = Text.printable(name)
            try toGuard.send(Document(name: name, text: text).message)
            SystemCalls.report("offered \(printed), \(text.count) bytes")
            try journal.note("offered \(printed), \(text.count) bytes")
            let answer = try toGuard.next()
            SystemCalls.report("the guard says: \(Text.printable(answer))")
            guard answer.first == UInt8(ascii: "p") else { continue }
            SystemCalls.report("the guard says: \(Text.printable(try toGuard.next()))")
        }
        try mail.send(try SystemCalls.readFile(Array("/documents/mail.txt".utf8)))
        SystemCalls.report("handed mail.txt to the network")
        try journal.note("handed mail.txt to the network")
        SystemCalls.report("the network says: \(Text.printable(try mail.next()))")
        tryDirectly(far, channels)
        SystemCalls.sleepForever()
    }

    /// Tries an event channel, a grant, a node of the store, and the guard's rules.
    private static func tryDirectly(_ far: UInt32, _ channels: EventChannels) {
        attempt("event channel to domain \(far)") { () throws(SystemError) in
            _ = try channels.reservePort(for: far)
        }
        attempt("grant of domain \(far)") { () throws(SystemError) in
            _ = try SharedRing.map(of: far, [8])
        }
        attempt("node of domain \(far)") { () throws(SystemError) in
            try SystemCalls.writeNode("/local/domain/\(far)/data", "from red_app")
        }
        attempt("rules of the guard") { () throws(SystemError) in
            try SystemCalls.writeNode("/guard/filter/marking", "ANY")
        }
    }

    private static func attempt(_ what: String, _ body: () throws(SystemError) -> Void) {
        do throws(SystemError) {
            try body()
            SystemCalls.report("\(what): was allowed")
        } catch {
            SystemCalls.report("\(what): refused, \(error.name)")
        }
    }

    // MARK: On the open side

    /// Takes what the guard lets pass, acknowledges it, and hands it to the network.
    ///
    /// - Throws: what a driver or the store answered.
    static func accept(
        _ channels: EventChannels, _ journal: inout Journal
    ) throws(SystemError) -> Never {
        var fromGuard = try MessageChannel("from_guard", isFirst: false, pages: 8, on: channels)
        var mail = try MessageChannel("black_mail", isFirst: true, pages: 32, on: channels)
        while true {
            guard let document = Document(try fromGuard.next()) else { throw .protocolViolation }
            let name = Text.printable(document.name)
            SystemCalls.report("\(name) arrived, \(document.text.count) bytes")
            try journal.note("\(name) arrived, \(document.text.count) bytes")
            for line in document.text.split(separator: 0x0a) {
                SystemCalls.report("\(name): \(Text.printable(line))")
            }
            try fromGuard.send(document.name)
            try mail.send(document.message)
        }
    }
}
