import VirtualHardware

/// Requests in bytes, one after the other: made before the clock runs, so that the client's own
/// work, which slows every daemon alike, is as little as it can be.
struct Requests {
    private(set) var bytes: [UInt8] = []
    /// Where each one ends.
    private(set) var ends: [Int] = []

    /// Creates requests without any.
    init() {}

    /// Creates one request.
    init(_ type: UInt32, _ payload: String) { add(type, payload) }

    var count: Int { ends.count }

    /// Adds a request outside transactions.
    mutating func add(_ type: UInt32, _ payload: String) {
        let text = payload.utf8
        for number in [type, UInt32(count), 0, UInt32(text.count)] {
            for byte in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * byte))) }
        }
        bytes.append(contentsOf: text)
        ends.append(bytes.count)
    }

    /// The bytes of the requests of a range.
    func bytes(_ range: Range<Int>) -> ArraySlice<UInt8> {
        bytes[start(of: range.lowerBound)..<start(of: range.upperBound)]
    }

    /// Puts a request into a transaction.
    mutating func enter(_ transaction: UInt32, at index: Int) {
        let start = start(of: index) + 8
        for byte in 0..<4 {
            bytes[start + byte] = UInt8(truncatingIfNeeded: transaction >> (8 * byte))
        }
    }

    private func start(of index: Int) -> Int { index == 0 ? 0 : ends[index - 1] }
}

extension Descriptor {
    /// Sends all requests, with at most `depth` waiting, and takes all replies.
    func exchange(_ requests: Requests, depth: Int) throws {
        _ = try exchange(requests, 0..<requests.count, depth: depth)
    }

    /// Sends the requests of a range and takes their replies; returns the last piece that came.
    func exchange(_ requests: Requests, _ range: Range<Int>, depth: Int) throws -> [UInt8] {
        var (sent, taken) = (range.lowerBound, range.lowerBound)
        var held: [UInt8] = []
        while taken < range.upperBound {
            if sent < range.upperBound, sent - taken <= depth / 2 {
                let end = min(range.upperBound, taken + depth)
                var rest = requests.bytes(sent..<end)
                while !rest.isEmpty { rest = rest.dropFirst(try writeSome(rest)) }
                sent = end
            }
            let piece = try readSome()
            guard !piece.isEmpty else { throw VirtualHardwareError.connectionClosed }
            if held.isEmpty { held = piece } else { held += piece }
            let (replies, end) = Requests.replies(in: held)
            taken += replies
            guard taken < range.upperBound else { break }
            if end == held.count {
                held.removeAll(keepingCapacity: true)
            } else {
                held.removeSubrange(0..<end)
            }
        }
        return held
    }
}

extension Requests {
    /// How many whole replies there are, events not among them, and where the last whole message
    /// ends.
    static func replies(in bytes: [UInt8]) -> (count: Int, end: Int) {
        var (count, start) = (0, 0)
        while bytes.count - start >= 16 {
            let length = Int(bytes[start + 12]) | Int(bytes[start + 13]) << 8
            guard bytes.count - start >= 16 + length else { break }
            if bytes[start] != 15 { count += 1 }
            start += 16 + length
        }
        return (count, start)
    }

    /// The decimal number that is the payload of a reply, with its NUL.
    static func number(in reply: [UInt8]) -> UInt32 {
        reply.dropFirst(16).dropLast().reduce(0) { $0 &* 10 &+ UInt32($1 &- 48) }
    }
}
