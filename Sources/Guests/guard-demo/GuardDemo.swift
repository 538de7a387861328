// The programs of the system `guard`, one for each compartment but the crypto gateway: two
// networks, their applications, the content guard between them, the desk of who maintains it, and
// the reader of the audit.
//
// Each prints what it observed, and nothing that it did not.

internal import GuestSystem

@main
enum GuardDemo {
    /// What the program says to a command line that it does not understand.
    private static let usage = """
        usage: guard-demo offer --log DOMID --far DOMID DOCUMENT...
               guard-demo filter | accept | uplink | wire | desk --log DOMID
               guard-demo audit NAME...
               guard-demo judge --marking TEXT --forbidden WORDS --largest N DOCUMENT
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
        if Text.matches(role, "judge") { return try Desk.judge(rest) }
        if Text.matches(role, "audit") {
            var reader = try AuditReader(rest, on: EventChannels())
            try reader.run()
        }
        guard rest.count >= 2, Text.matches(rest[0], "--log"), let log = Text.number(rest[1])
        else { return nil }
        guard let part = part(role, Array(rest[2...])) else { return nil }
        let channels = try EventChannels()
        var journal = try Journal(to: log, on: channels)
        switch part {
        case .offer(let far, let names):
            try Application.offer(names, far: far, channels, &journal)
        case .filter: try ContentGuard.run(channels, &journal)
        case .accept: try Application.accept(channels, &journal)
        case .uplink: try Network.uplink(channels, &journal)
        case .wire: try Network.wire(channels, &journal)
        case .desk: try MaintenanceDesk.run(&journal)
        }
    }

    /// A role that writes a log.
    private enum Part {
        case offer(far: UInt32, [[UInt8]])
        case filter, accept, uplink, wire, desk
    }

    private static func part(_ role: [UInt8], _ rest: [[UInt8]]) -> Part? {
        if Text.matches(role, "offer") {
            guard rest.count >= 3, Text.matches(rest[0], "--far"), let far = Text.number(rest[1])
            else { return nil }
            return .offer(far: far, Array(rest[2...]))
        }
        guard rest.isEmpty else { return nil }
        if Text.matches(role, "filter") { return .filter }
        if Text.matches(role, "accept") { return .accept }
        if Text.matches(role, "uplink") { return .uplink }
        if Text.matches(role, "wire") { return .wire }
        if Text.matches(role, "desk") { return .desk }
        return nil
    }
}

/// What can be asked of the filter outside any guest.
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
}
