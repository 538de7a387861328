/// A ring of one way whose ends meet without a store: lines for whoever keeps the audit.
///
/// The receiver writes nothing anywhere, so it cannot hold the sender up, and the sender cannot
/// know whether anybody reads: what the receiver does not take in time is overwritten, and the
/// receiver says that something is lost.
///
/// - Layout: the first page holds words: `magic`; 1, the version; the sender's port; the number of
///   pages; how many bytes are written or about to be; how many are written; the references of all
///   pages. The data begin at the second page, as many as the greatest power of two: each line two
///   bytes for its length, low byte first, then its bytes. Both counts run freely modulo 2^32.
/// - Source: docs/abi/channels.md, "Rings without a store".
package enum LogRing {
    /// The longest line, in bytes.
    package static var longestLine: Int { 240 }
    /// The references among which the first page's is: Linux gives numbers from 8 on.
    package static var firstReferences: ClosedRange<UInt32> { 8...31 }

    fileprivate static var magic: UInt32 { 0x474c_4d43 }
    fileprivate static var version: UInt32 { 1 }
    fileprivate static var magicOffset: UInt32 { 0 }
    fileprivate static var versionOffset: UInt32 { 4 }
    fileprivate static var portOffset: UInt32 { 8 }
    fileprivate static var pagesOffset: UInt32 { 12 }
    fileprivate static var reservedOffset: UInt32 { 16 }
    fileprivate static var writtenOffset: UInt32 { 20 }
    fileprivate static var referencesOffset: UInt32 { 24 }
    fileprivate static var firstByte: UInt32 { SharedRing.pageSize }
    fileprivate static var mostPages: UInt32 { 16 }

    /// The bytes for data of so many pages.
    fileprivate static func capacity(pages: UInt32) -> UInt32 {
        var capacity = SharedRing.pageSize
        while capacity * 2 <= (pages - 1) * SharedRing.pageSize { capacity *= 2 }
        return capacity
    }
}

/// The sender's end of a log.
package struct LogWriter {
    private let ring: SharedRing
    private let port: EventChannelPort
    private let channels: EventChannels
    private let capacity: UInt32
    private var written: UInt32 = 0

    /// Shares the pages, before the program shares any others.
    ///
    /// - Parameter pages: as many as the channel has, 2 to 16.
    /// - Throws: what a driver answered; `.protocolViolation` when the first page has a reference
    ///   at which nobody looks, or the number of pages is another.
    package init(
        to reader: UInt32, pages: UInt32, on channels: EventChannels
    ) throws(SystemError) {
        guard pages >= 2, pages <= LogRing.mostPages else { throw .protocolViolation }
        let (ring, references) = try SharedRing.grant(to: reader, pages: pages)
        guard LogRing.firstReferences.contains(references[0]) else { throw .protocolViolation }
        port = try channels.reservePort(for: reader)
        ring.setWord(LogRing.version, at: LogRing.versionOffset)
        ring.setWord(port.index, at: LogRing.portOffset)
        ring.setWord(pages, at: LogRing.pagesOffset)
        ring.setWord(0, at: LogRing.reservedOffset)
        ring.setWord(0, at: LogRing.writtenOffset)
        for (index, reference) in references.enumerated() {
            ring.setWord(reference, at: LogRing.referencesOffset + 4 * UInt32(index))
        }
        // ORDER: the page says what it is when everything else stands in it.
        ring.setWord(LogRing.magic, at: LogRing.magicOffset)
        self.ring = ring
        self.channels = channels
        capacity = LogRing.capacity(pages: pages)
    }

    /// Writes a line, of which at most `LogRing.longestLine` bytes.
    ///
    /// - Throws: what a driver answered.
    package mutating func write(_ text: String) throws(SystemError) {
        let line = Array(text.utf8.prefix(LogRing.longestLine))
        let record = [UInt8(line.count & 0xff), UInt8(line.count >> 8)] + line
        // WRAPS: the counts run freely modulo 2^32.
        let end = written &+ UInt32(record.count)
        // ORDER: whoever copies what is overwritten now learns of it from this count.
        ring.setWord(end, at: LogRing.reservedOffset)
        let start = written & (capacity - 1)
        let first = min(record.count, Int(capacity - start))
        try ring.write(record[..<first], at: LogRing.firstByte + start)
        if first < record.count { try ring.write(record[first...], at: LogRing.firstByte) }
        ring.setWord(end, at: LogRing.writtenOffset)
        written = end
        // Nobody may be there yet to be signalled, or any more.
        _ = try? channels.notify(port)
    }
}

/// The receiver's end of a log.
///
/// - Trust: the sender's pages are its own to write at any time. Every word is read once and
///   checked, every byte copied before it is looked at.
package struct LogReader {
    /// What there is to say of a sender.
    package enum Entry {
        /// A line.
        case line([UInt8])
        /// Lines were overwritten before they were read, or are none.
        case lost
        /// Its pages are gone.
        case ends
    }

    private let sender: UInt32
    private var ring: SharedRing?
    private var capacity: UInt32 = 0
    private var taken: UInt32 = 0

    /// Waits for the log of a domain.
    package init(of sender: UInt32) { self.sender = sender }

    /// Whether the sender has not been met yet.
    package var isWaiting: Bool { ring == nil }

    /// Looks for the sender's first page, once at each reference where it may be.
    ///
    /// - Returns: whether it was found and everything is mapped.
    package mutating func join(_ device: GrantDevice, _ channels: EventChannels) -> Bool {
        for reference in LogRing.firstReferences {
            do throws(SystemError) {
                let probe = try SharedRing.map(of: sender, [reference], by: device)
                let found = LogReader.header(of: probe)
                try probe.unmap()
                guard let (port, references) = found else { continue }
                ring = try SharedRing.map(of: sender, references, by: device)
                capacity = LogRing.capacity(pages: UInt32(references.count))
                taken = 0
                // Without its signals the log is read all the same, a little later.
                _ = try? channels.bind(to: port, of: sender)
                return true
            } catch { continue }
        }
        return false
    }

    /// Reads the first page; nil when it is none of a log.
    private static func header(of page: SharedRing) -> (port: UInt32, references: [UInt32])? {
        guard page.word(at: LogRing.magicOffset) == LogRing.magic,
            page.word(at: LogRing.versionOffset) == LogRing.version
        else { return nil }
        let count = page.word(at: LogRing.pagesOffset)
        guard count >= 2, count <= LogRing.mostPages else { return nil }
        let references = (0..<count).map { page.word(at: LogRing.referencesOffset + 4 * $0) }
        return (page.word(at: LogRing.portOffset), references)
    }

    /// Takes the next line; nil when there is none.
    package mutating func next() -> Entry? {
        guard let ring else { return nil }
        guard ring.word(at: LogRing.magicOffset) == LogRing.magic else {
            // The sender's life has ended, and the hypervisor has put a blank page in its place.
            _ = try? ring.unmap()
            self.ring = nil
            return .ends
        }
        let written = ring.word(at: LogRing.writtenOffset)
        // WRAPS: the counts run freely modulo 2^32, here and below.
        let available = written &- taken
        guard available > 0 else { return nil }
        guard available >= 2, available <= capacity,
            let line = line(of: ring, available: available),
            ring.word(at: LogRing.reservedOffset) &- taken <= capacity
        else {
            taken = written
            return .lost
        }
        taken &+= UInt32(line.count) + 2
        return .line(line)
    }

    /// Copies the line that begins at `taken`; nil when its length cannot be true.
    private func line(of ring: SharedRing, available: UInt32) -> [UInt8]? {
        guard let head = bytes(of: ring, 2, at: taken) else { return nil }
        let length = UInt32(head[0]) | UInt32(head[1]) << 8
        guard length <= UInt32(LogRing.longestLine), length + 2 <= available else { return nil }
        return bytes(of: ring, Int(length), at: taken &+ 2)
    }

    private func bytes(of ring: SharedRing, _ count: Int, at place: UInt32) -> [UInt8]? {
        let start = place & (capacity - 1)
        let first = min(count, Int(capacity - start))
        do throws(SystemError) {
            let head = try ring.read(first, at: LogRing.firstByte + start)
            return head + (try ring.read(count - first, at: LogRing.firstByte))
        } catch { return nil }
    }
}
