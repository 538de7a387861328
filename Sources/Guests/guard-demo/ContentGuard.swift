internal import GuestSystem

/// Between the applications: judges each document by the rules that stand in the store at that
/// time, and tells who offered it. It has no console; what it does shows at its ends.
enum ContentGuard {
    /// - Throws: what a driver or the store answered.
    static func run() throws(SystemError) -> Never {
        let channels = try EventChannels()
        var red = try MessageChannel("to_guard", isFirst: false, pages: 8, on: channels)
        var black = try MessageChannel("from_guard", isFirst: true, pages: 8, on: channels)
        // Until somebody has given it rules, everything would be kept back.
        for _ in 0..<600 where ContentFilter.current() == nil {
            SystemCalls.sleep(milliseconds: 500)
        }
        while true {
            let message = try red.next()
            guard let document = Document(message) else {
                try red.send(Array("kept back what is no document".utf8))
                continue
            }
            let name = Text.printable(document.name)
            guard let filter = ContentFilter.current() else {
                try red.send(Array("kept back \(name): there are no rules".utf8))
                continue
            }
            if let objection = filter.objection(to: document) {
                try red.send(Array("kept back \(name): \(objection)".utf8))
                continue
            }
            try black.send(document.message)
            try red.send(Array("passed \(name)".utf8))
            // What comes in is scanned: an acknowledgement is the name that was passed, or nothing.
            let answer = try black.next()
            let isReceipt = answer == document.name
            try red.send(Array((isReceipt ? "\(name) was received" : "no receipt came").utf8))
        }
    }
}
