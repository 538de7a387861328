import GuestRuntime

/// The service's own line to the store: one request at a time, and watches.
///
/// - Layout: Xen public `io/xs_wire.h`, `struct xenstore_domain_interface`: requests at 0 and
///   responses at 1,024, each 1,024 bytes; then 32-bit words: `req_cons` [store], `req_prod`
///   [service], `rsp_cons` [service], `rsp_prod` [store]. A message has a header of four such
///   words, type, request, transaction and length, and then text.
/// - Trust: the store is trusted to answer; what it says of a user's nodes is the user's word.
struct StoreLine: BitwiseCopyable {
    /// `XS_READ`, `XS_WATCH`, `XS_WATCH_EVENT`.
    enum Kind {
        static var read: UInt32 { 2 }
        static var watch: UInt32 { 4 }
        static var event: UInt32 { 15 }
    }

    private enum Word {
        static var requestConsumer: Int { 2048 }
        static var requestProducer: Int { 2052 }
        static var responseConsumer: Int { 2056 }
        static var responseProducer: Int { 2060 }
    }

    private let end: StoreEnd
    /// The line's own indices; the page's copies are not read back.
    private var requestProducer: UInt32
    private var responseConsumer: UInt32
    /// Header and text, as much as is of use here.
    private var message = InlineArray<80, UInt8>(repeating: 0)
    private var received = 0
    private var request = InlineArray<80, UInt8>(repeating: 0)
    private var requestCount = 0

    init(_ end: StoreEnd, _ machine: borrowing some TPMMachine & ~Copyable) {
        self.end = end
        requestProducer = machine.load32(end.page, offset: Word.requestProducer)
        responseConsumer = machine.load32(end.page, offset: Word.responseConsumer)
    }

    // MARK: Requests

    /// Begins a request.
    mutating func begin(_ kind: UInt32, number: UInt32) {
        requestCount = 0
        append32(kind)
        append32(number)
        append32(0)
        append32(0)
    }

    /// Adds text.
    mutating func append(_ text: StaticString) {
        for index in 0..<text.byteCount { append(text.byte(at: index)) }
    }

    /// Adds a number in decimal, at most 99,999.
    mutating func append(decimal number: UInt32) {
        var divisor: UInt32 = 10_000
        while divisor > 1, number < divisor { divisor /= 10 }
        while divisor > 0 {
            append(0x30 + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }

    /// Adds one byte; 0 ends a text.
    mutating func append(_ byte: UInt8) {
        guard requestCount < request.count else { return }
        request[requestCount] = byte
        requestCount += 1
    }

    private mutating func append32(_ word: UInt32) {
        for shift in 0..<4 { append(UInt8(truncatingIfNeeded: word >> UInt32(8 * shift))) }
    }

    /// Sends the request.
    ///
    /// - Returns: false when there is no room for it now.
    mutating func send(_ machine: inout some TPMMachine & ~Copyable) -> Bool {
        // WRAPS: the indices run freely modulo 2^32.
        let used = requestProducer &- machine.load32(end.page, offset: Word.requestConsumer)
        guard used <= UInt32(1024 - requestCount) else { return false }
        request[12] = UInt8(truncatingIfNeeded: requestCount - 16)
        for index in 0..<requestCount {
            machine.store8(end.page, offset: Int(requestProducer & 1023), request[index])
            requestProducer &+= 1
        }
        // ORDER: the bytes are in place before the store sees the index.
        machine.store32(end.page, offset: Word.requestProducer, requestProducer)
        machine.signal(end.port)
        return true
    }

    // MARK: Messages

    /// Takes the next whole message.
    ///
    /// - Returns: nil when none is whole.
    /// - Complexity: at most one ring full of bytes.
    mutating func receive(_ machine: inout some TPMMachine & ~Copyable) -> StoreMessage? {
        // The signal is taken before the ring is looked at: what comes later signals again.
        _ = machine.takeSignal(of: end.port)
        let producer = machine.load32(end.page, offset: Word.responseProducer)
        guard producer != responseConsumer else { return nil }
        for _ in 0..<min(producer &- responseConsumer, 1024) {
            let byte = machine.load8(end.page, offset: 1024 + Int(responseConsumer & 1023))
            responseConsumer &+= 1
            if received < message.count { message[received] = byte }
            received += 1
            guard received >= 16, received >= 16 + Int(number(at: 12) & 0xffff) else { continue }
            let whole = StoreMessage(
                kind: number(at: 0), number: number(at: 4), text: message,
                count: min(received, message.count))
            received = 0
            give(&machine)
            return whole
        }
        give(&machine)
        return nil
    }

    /// Tells the store what was taken.
    private func give(_ machine: inout some TPMMachine & ~Copyable) {
        machine.store32(end.page, offset: Word.responseConsumer, responseConsumer)
        machine.signal(end.port)
    }

    private func number(at offset: Int) -> UInt32 {
        var number: UInt32 = 0
        for index in 0..<4 { number |= UInt32(message[offset + index]) << UInt32(8 * index) }
        return number
    }
}

/// What the store has said.
struct StoreMessage: BitwiseCopyable {
    /// Its type.
    let kind: UInt32
    /// The number of the request that it answers.
    let number: UInt32
    /// Header and text, of which the first `count` bytes are some.
    let text: InlineArray<80, UInt8>
    let count: Int

    /// The text as a number in decimal: all of it, or behind its first NUL; nil when it is none.
    func decimal(behindNUL: Bool) -> UInt32? {
        var start = 16
        if behindNUL {
            while start < count, text[start] != 0 { start += 1 }
            start += 1
        }
        guard start < count else { return nil }
        var value: UInt32 = 0
        for index in start..<count {
            let byte = text[index]
            // The last text of an event ends in a NUL.
            if behindNUL, byte == 0, index > start { return value }
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt32(byte - 0x30))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }
}
