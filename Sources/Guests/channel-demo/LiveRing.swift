internal import GuestSystem

/// One page that stays shared: the sender counts in it, once a second, and signals; the receiver
/// says what it sees. What becomes of a channel while it is in use can be seen at both ends.
struct LiveRing {
    private let request: Request
    private let channels: EventChannels

    init(_ request: Request, on channels: EventChannels) {
        self.request = request
        self.channels = channels
    }

    private func node(_ name: StaticString) -> String { "/channel/\(request.channel)/\(name)" }

    /// Shares the page, and counts in it. Says when a signal is refused, and goes on counting.
    ///
    /// - Throws: what a driver or the store answered.
    func feed() throws(SystemError) {
        let (ring, references) = try SharedRing.grant(to: request.remote, pages: 1)
        let port = try channels.reservePort(for: request.remote)
        try SystemCalls.writeNode(node("grant"), "\(references[0])")
        try SystemCalls.writeNode(node("port"), "\(port.index)")
        SystemCalls.report("feeding \(request.channel)")
        var isRefused = false
        for count in 0..<request.seconds {
            ring.setWord(count + 1, at: 0)
            do throws(SystemError) {
                if !isRefused { try channels.send(port) }
            } catch {
                // Before the receiver has bound there is nobody to signal.
                isRefused = error == .notPermitted
                if isRefused {
                    SystemCalls.report("signal refused on \(request.channel): \(error.name)")
                }
            }
            SystemCalls.sleep(milliseconds: 1000)
        }
    }

    /// Maps the page and says what stands in it: the first numbers, and when it turns blank.
    ///
    /// - Throws: what a driver or the store answered.
    func watch() throws(SystemError) {
        let (reference, remotePort) = try meet()
        let port = try channels.bind(to: remotePort, of: request.remote)
        let ring = try SharedRing.map(of: request.remote, [reference])
        var last: UInt32 = 0
        var changes = 0
        for _ in 0..<request.seconds {
            let word = ring.word(at: 0)
            if word == 0, last != 0 {
                SystemCalls.report("the page of \(request.channel) is blank, port \(port.index)")
            } else if word != last, changes < 3 {
                changes += 1
                SystemCalls.report("read \(word) on \(request.channel)")
            }
            last = word
            SystemCalls.sleep(milliseconds: 1000)
        }
    }

    /// Waits for what the sender leaves in the store.
    private func meet() throws(SystemError) -> (reference: UInt32, port: UInt32) {
        for _ in 0..<request.seconds {
            do throws(SystemError) {
                let port = try number(in: node("port"))
                return (try number(in: node("grant")), port)
            } catch {
                guard error.number == 2 else { throw error }
                SystemCalls.sleep(milliseconds: 1000)
            }
        }
        throw SystemError(number: 110)
    }

    private func number(in path: String) throws(SystemError) -> UInt32 {
        var value: UInt32 = 0
        for digit in try SystemCalls.readNode(path) where digit >= 0x30 && digit <= 0x39 {
            value = value &* 10 &+ UInt32(digit - 0x30)
        }
        return value
    }
}
