/// One end of a channel of the policy that leads both ways: whole messages, in their order.
///
/// Each end grants pages of its own, which the other maps for reading: nobody writes into another's
/// memory. The ends meet in the store (docs/abi/channels.md).
///
/// - Layout: of the granted pages the first holds two words: how many bytes its owner has written,
///   and how many it has taken of the other's. The data begin at the second page: each message a
///   word for its length, then its bytes. The counts run freely modulo 2^32.
/// - Trust: the far end's pages are its own to write at any time. Every word is read once and
///   checked, every byte copied before it is looked at.
package struct MessageChannel {
    private let own: SharedRing
    private let far: SharedRing
    private let port: EventChannelPort
    private let channels: EventChannels
    private let capacity: UInt32
    private var written: UInt32 = 0
    private var taken: UInt32 = 0

    /// The longest message, in bytes.
    package static var maximumLength: Int { 8192 }
    /// How long to wait between two looks at the store, in milliseconds.
    private static var pause: UInt32 { 250 }
    /// How many looks there are: ten minutes.
    private static var patience: Int { 2400 }
    private static var firstByte: UInt32 { SharedRing.pageSize }
    private static var writtenOffset: UInt32 { 0 }
    private static var takenOffset: UInt32 { 4 }

    /// Meets the far end.
    ///
    /// - Parameters:
    ///   - name: the channel's.
    ///   - isFirst: whether this end stands first in the policy.
    ///   - pages: how many the channel has for each way, 4 to 256.
    /// - Throws: what a driver or the store answered; `.timedOut` when nobody came;
    ///   `.protocolViolation` when the far end shares another number of pages.
    package init(
        _ name: String, isFirst: Bool, pages: UInt32, on channels: EventChannels
    ) throws(SystemError) {
        let (mine, theirs) = (
            isFirst ? "/channel/\(name)" : "/channel/\(name)/back",
            isFirst ? "/channel/\(name)/back" : "/channel/\(name)"
        )
        let domain = try MessageChannel.number(at: "\(theirs)/domain")
        let (ring, references) = try SharedRing.grant(to: domain, pages: pages)
        ring.setWord(0, at: MessageChannel.writtenOffset)
        ring.setWord(0, at: MessageChannel.takenOffset)
        var text = ""
        for reference in references { text += text.isEmpty ? "\(reference)" : " \(reference)" }
        if isFirst {
            let port = try channels.reservePort(for: domain)
            try SystemCalls.writeNode("\(mine)/port", "\(port.index)")
            try SystemCalls.writeNode("\(mine)/grant", text)
            self.port = port
        } else {
            try SystemCalls.writeNode("\(mine)/grant", text)
            port = try channels.bind(
                to: MessageChannel.number(at: "\(theirs)/port"), of: domain)
        }
        let others = MessageChannel.numbers(try MessageChannel.wait(for: "\(theirs)/grant"))
        guard others.count == Int(pages) else { throw .protocolViolation }
        far = try SharedRing.map(of: domain, others)
        own = ring
        self.channels = channels
        var capacity = SharedRing.pageSize
        while capacity * 2 <= (pages - 1) * SharedRing.pageSize { capacity *= 2 }
        self.capacity = capacity
    }

    private static func wait(for path: String) throws(SystemError) -> [UInt8] {
        for _ in 0..<patience {
            do throws(SystemError) {
                return try SystemCalls.readNode(path)
            } catch {
                guard error == .notFound else { throw error }
                SystemCalls.sleep(milliseconds: pause)
            }
        }
        throw .timedOut
    }

    private static func number(at path: String) throws(SystemError) -> UInt32 {
        guard let number = numbers(try wait(for: path)).first else { throw .protocolViolation }
        return number
    }

    private static func numbers(_ text: [UInt8]) -> [UInt32] {
        text.split(separator: 0x20).map { Text.number(Array($0)) ?? 0 }
    }

    // MARK: Messages

    /// Sends a message, as soon as there is room for it.
    ///
    /// - Precondition: it has at most `maximumLength` bytes, and fits into the ring.
    /// - Throws: `.protocolViolation` when the far end has taken what was not written; `.timedOut`
    ///   when it takes nothing for a minute.
    package mutating func send(_ message: [UInt8]) throws(SystemError) {
        let size = UInt32(message.count) + 4
        var looks = 0
        while true {
            // WRAPS: the counts run freely modulo 2^32.
            let used = written &- far.word(at: MessageChannel.takenOffset)
            guard used <= capacity, size <= capacity else { throw .protocolViolation }
            if capacity - used >= size { break }
            guard looks < 60 else { throw .timedOut }
            looks += 1
            _ = try? channels.wait(milliseconds: 1000)
        }
        let length = UInt32(message.count)
        let head = (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * UInt32($0))) }
        try put(head)
        try put(message)
        own.setWord(written, at: MessageChannel.writtenOffset)
        try channels.notify(port)
    }

    private mutating func put(_ bytes: [UInt8]) throws(SystemError) {
        let start = written & (capacity - 1)
        let first = min(bytes.count, Int(capacity - start))
        try own.write(bytes[..<first], at: MessageChannel.firstByte + start)
        if first < bytes.count { try own.write(bytes[first...], at: MessageChannel.firstByte) }
        // WRAPS: the count runs freely modulo 2^32.
        written &+= UInt32(bytes.count)
    }

    /// Takes the next message; nil when there is none.
    ///
    /// - Throws: `.protocolViolation` when what the far end says cannot be true.
    package mutating func receive() throws(SystemError) -> [UInt8]? {
        // WRAPS: the counts run freely modulo 2^32.
        let available = far.word(at: MessageChannel.writtenOffset) &- taken
        guard available > 0 else { return nil }
        guard available >= 4, available <= capacity else { throw .protocolViolation }
        var length: UInt32 = 0
        for (index, byte) in try get(4).enumerated() {
            length |= UInt32(byte) << (8 * UInt32(index))
        }
        guard length <= available - 4, length <= UInt32(MessageChannel.maximumLength) else {
            throw .protocolViolation
        }
        let message = try get(Int(length))
        own.setWord(taken, at: MessageChannel.takenOffset)
        try channels.notify(port)
        return message
    }

    private mutating func get(_ count: Int) throws(SystemError) -> [UInt8] {
        let start = taken & (capacity - 1)
        let first = min(count, Int(capacity - start))
        var bytes = try far.read(first, at: MessageChannel.firstByte + start)
        if first < count { bytes += try far.read(count - first, at: MessageChannel.firstByte) }
        // WRAPS: the count runs freely modulo 2^32.
        taken &+= UInt32(count)
        return bytes
    }

    /// Waits for the next message.
    ///
    /// - Throws: as `receive`; `.timedOut` when none comes within ten minutes.
    package mutating func next() throws(SystemError) -> [UInt8] {
        for _ in 0..<600 {
            if let message = try receive() { return message }
            _ = try? channels.wait(milliseconds: 1000)
        }
        throw .timedOut
    }
}
