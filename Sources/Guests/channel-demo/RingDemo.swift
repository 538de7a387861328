internal import GuestSystem

/// Moves 1 MiB through pages that the sender grants and the receiver maps: a ring of one way.
///
/// The ends meet in the store (docs/abi/channels.md): the sender leaves a port and the references
/// of its pages in `/channel/<name>/sender/`. The sender fills the pages in pieces and signals
/// after each; the receiver goes as far as it finds the words that it expects, and waits for a
/// signal.
/// Nothing flows back, so no page is used twice.
struct RingDemo {
    private let request: Request
    private let channels: EventChannels

    private static let pageSize: UInt32 = 4096
    /// The bytes after which the sender signals.
    private static let pieceSize: UInt32 = 64 * 1024
    /// How long it waits between two signals, and between two looks at the store, in milliseconds.
    private static let pause: UInt32 = 1000

    init(_ request: Request, on channels: EventChannels) {
        self.request = request
        self.channels = channels
    }

    private var size: UInt32 { request.pages * RingDemo.pageSize }

    private func node(_ name: StaticString) -> String {
        "/channel/\(request.channel)/\(name)"
    }

    /// The word number `index` of what is moved: nothing that memory holds by chance, never 0.
    private static func content(_ index: UInt32) -> UInt32 { (index &* 0x9e37_79b1) | 1 }

    // MARK: The sender

    /// Grants the pages, says so in the store, fills them and signals each piece.
    ///
    /// - Throws: what a driver or the store answered.
    func send() throws(SystemError) {
        let (ring, references) = try SharedRing.grant(
            to: request.remote, pages: request.pages)
        let port = try channels.reservePort(for: request.remote)
        var text = ""
        for reference in references { text += text.isEmpty ? "\(reference)" : " \(reference)" }
        try SystemCalls.writeNode(node("grant"), text)
        try SystemCalls.writeNode(node("port"), "\(port.index)")
        SystemCalls.report("granted \(references.count) pages on \(request.channel)")
        var word: UInt32 = 0
        while word < size / 4 {
            ring.setWord(RingDemo.content(word), at: word * 4)
            word += 1
            if word * 4 % RingDemo.pieceSize == 0 { try channels.notify(port) }
        }
        SystemCalls.report("sent \(size) bytes on \(request.channel)")
        // A signal before the receiver has bound is lost: it gets one later as well.
        for _ in 0..<request.seconds {
            SystemCalls.sleep(milliseconds: RingDemo.pause)
            try channels.notify(port)
        }
    }

    // MARK: The receiver

    /// Meets the sender, maps its pages, receives everything, and tries what one way denies.
    ///
    /// - Throws: what a driver or the store answered, or `ETIMEDOUT` when nothing came.
    func receive() throws(SystemError) {
        let references = try meet()
        let port = try channels.bind(to: try number(in: node("port")), of: request.remote)
        let ring = try SharedRing.map(of: request.remote, references)
        SystemCalls.report("mapped \(references.count) pages on \(request.channel)")
        var word: UInt32 = 0
        while word < size / 4 {
            if ring.word(at: word * 4) == RingDemo.content(word) {
                word += 1
            } else {
                _ = try channels.wait(milliseconds: request.seconds * 1000)
            }
        }
        SystemCalls.report("received \(size) bytes on \(request.channel)")
        try ring.unmap()
        try tryWhatIsDenied(port, references[0])
    }

    /// Waits for what the sender leaves in the store; returns its references.
    private func meet() throws(SystemError) -> [UInt32] {
        for _ in 0..<request.seconds {
            do throws(SystemError) {
                _ = try SystemCalls.readNode(node("port"))
                return RingDemo.numbers(try SystemCalls.readNode(node("grant")))
            } catch {
                guard error.number == 2 else { throw error }
                SystemCalls.sleep(milliseconds: RingDemo.pause)
            }
        }
        throw SystemError(number: 110)
    }

    private func number(in path: String) throws(SystemError) -> UInt32 {
        RingDemo.numbers(try SystemCalls.readNode(path)).first ?? 0
    }

    /// The decimal numbers of a text.
    private static func numbers(_ text: [UInt8]) -> [UInt32] {
        text.split(separator: 0x20).map { digits in
            var value: UInt32 = 0
            for digit in digits where digit >= 0x30 && digit <= 0x39 {
                value = value &* 10 &+ UInt32(digit - 0x30)
            }
            return value
        }
    }

    /// Tries to write into the sender's page, to signal the sender, and to write its nodes.
    private func tryWhatIsDenied(
        _ port: EventChannelPort, _ reference: UInt32
    ) throws(SystemError) {
        report("map for writing") { () throws(SystemError) in
            _ = try SharedRing.map(of: request.remote, [reference], writable: true)
        }
        report("signal back") { () throws(SystemError) in try channels.send(port) }
        report("write to the sender's node") { () throws(SystemError) in
            try SystemCalls.writeNode(node("grant"), "0")
        }
    }

    private func report(_ what: StaticString, _ body: () throws(SystemError) -> Void) {
        do throws(SystemError) {
            try body()
            SystemCalls.report("\(what) was allowed on \(request.channel)")
        } catch {
            SystemCalls.report("\(what) refused on \(request.channel): \(error.name)")
        }
    }
}
