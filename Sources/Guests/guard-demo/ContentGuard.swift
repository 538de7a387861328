internal import GuestSystem

/// Between the applications: judges each document by the rules that stand in the store at that
/// time, tells who offered it, and leaves each verdict with the audit. It has no console; what it
/// does shows at its ends and in its log.
enum ContentGuard {
    /// - Throws: what a driver or the store answered.
    static func run(
        _ channels: EventChannels, _ journal: inout Journal
    ) throws(SystemError) -> Never {
        var red = try MessageChannel("to_guard", isFirst: false, pages: 8, on: channels)
        var black = try MessageChannel("from_guard", isFirst: true, pages: 8, on: channels)
        // Until somebody has given it rules, everything would be kept back.
        for _ in 0..<600 where ContentFilter.current() == nil {
            SystemCalls.sleep(milliseconds: 500)
        }
        while true {
            let message = try red.next()
            let (verdict, document) = judge(message)
            // The audit has the verdict before anybody has the document.
            try journal.note(verdict)
            if let document { try black.send(document.message) }
            try red.send(Array(verdict.utf8))
            guard let document else { continue }
            // What comes in is scanned: an acknowledgement is the name that was passed, or nothing.
            let name = Text.printable(document.name)
            let isReceipt = try black.next() == document.name
            let receipt = isReceipt ? "\(name) was received" : "no receipt came"
            try journal.note(receipt)
            try red.send(Array(receipt.utf8))
        }
    }

    /// Judges what was offered.
    ///
    /// - Returns: the verdict in words, and the document if it passes.
    private static func judge(_ message: [UInt8]) -> (verdict: String, passed: Document?) {
        guard let document = Document(message) else {
            return ("kept back what is no document", nil)
        }
        let name = Text.printable(document.name)
        guard let filter = ContentFilter.current() else {
            return ("kept back \(name): there are no rules", nil)
        }
        if let objection = filter.objection(to: document) {
            return ("kept back \(name): \(objection)", nil)
        }
        return ("passed \(name)", document)
    }
}

/// The desk of who maintains the guard: says which rules stand in the store, and is there only
/// while somebody has ordered it.
enum MaintenanceDesk {
    /// - Throws: what a driver answered.
    static func run(_ journal: inout Journal) throws(SystemError) -> Never {
        for rule in ["marking", "forbidden", "largest"] {
            do throws(SystemError) {
                let text = Text.printable(try SystemCalls.readNode("/guard/filter/\(rule)"))
                SystemCalls.report("the guard's \(rule) is `\(text)`")
            } catch {
                SystemCalls.report("the guard's \(rule) cannot be read: \(error.name)")
            }
        }
        try journal.note("the desk is open")
        SystemCalls.sleepForever()
    }
}
