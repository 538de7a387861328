import BootArena
import PolicyDatabase

/// What a request brought about besides the reply.
public struct StoreOutcome: Equatable, Sendable {
    /// In which order the client is to get what there is for it.
    public enum Order: Equatable, Sendable {
        /// The events that wait, then the reply.
        case eventsFirst
        /// The reply, then the events.
        case replyFirst
        /// No reply: the client broke the protocol, and its connection is to be closed.
        case close
    }

    /// What its owner has to do outside the store.
    public enum Effect: Equatable, Sendable {
        /// Nothing.
        case none
        /// Serve the ring of a domain: its page, in the client's words, and event-channel port.
        case introduced(domain: UInt16, frame: UInt64, port: UInt32)
        /// Stop serving the ring of a domain.
        case released(domain: UInt16)
    }

    /// The order of reply and events.
    public let order: Order
    /// What is to be done.
    public let effect: Effect
}

extension StoreEngine {
    /// Serves one request.
    ///
    /// - Parameters:
    ///   - message: header and payload, whole.
    ///   - client: who sent it.
    /// - Returns: what to do; the reply is in `replyMessage` until the next call.
    /// - Trust: none in `message`. It must not change meanwhile: a ring's owner copies it first.
    /// - Complexity: the length of the message, the depth of the path, the quotas of the domain.
    package mutating func handle(
        _ message: Span<UInt8>, from client: StoreClient
    ) -> StoreOutcome {
        replyCount = StoreMessageHeader.sizeInBytes
        hasOutsideLabels = existingCount > 0
        existingCount = 0
        defer { if hasOutsideLabels { forgetOutsideLabels() } }
        guard let index = clientIndex(client),
            let header = StoreMessageHeader(
                validating: message, losesUpperBits: Faults.has(.xsa420)),
            message.count == StoreMessageHeader.sizeInBytes + header.length
        else {
            replyCount = 0
            return StoreOutcome(order: .close, effect: .none)
        }
        var requester = requester(index)
        let payload = message.extracting(StoreMessageHeader.sizeInBytes..<message.count)
        var effect = StoreOutcome.Effect.none
        var type = StoreMessageType(rawValue: header.type)
        do throws(StoreError) {
            guard let known = type, known != .watchEvent, known != .error else {
                throw .unknownRequest
            }
            if header.transactionID != 0 {
                requester.transaction = transaction(
                    numbered: header.transactionID, ofClientAt: index)
                guard requester.transaction != 0 else { throw .notFound }
            }
            effect = try dispatch(known, payload, requester)
        } catch {
            if existingCount > 0 {
                replyCount = 0
                return StoreOutcome(order: .eventsFirst, effect: .none)
            }
            if error == .invalid { refuse(.malformed, requester.account) }
            type = .error
            replyCount = StoreMessageHeader.sizeInBytes
            append(text: error.text)
            append(0)
        }
        Self.writeHeader(
            type ?? .error, requestID: header.requestID, transactionID: header.transactionID,
            length: replyCount - StoreMessageHeader.sizeInBytes, to: &reply)
        return StoreOutcome(order: type == .watch ? .replyFirst : .eventsFirst, effect: effect)
    }

    /// The reply to the last request; empty when there is none.
    package var replyMessage: Span<UInt8> {
        @_lifetime(borrow self) get { reply.span.extracting(first: replyCount) }
    }

    private mutating func forgetOutsideLabels() {
        for length in outsideLabels.indices { outsideLabels[length] = 0 }
    }

    func requester(_ index: Int) -> Requester {
        let client = clients[index]
        let domain = domains[Int(client.account)]
        return Requester(
            client: index, account: Int(client.account), domain: domain.domain,
            target: domain.target, isPrivileged: client.isPrivileged, label: client.label)
    }

    private mutating func dispatch(
        _ type: StoreMessageType, _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) -> StoreOutcome.Effect {
        switch type {
        case .read: try read(payload, requester)
        case .directory: try listDirectory(payload, requester)
        case .directoryPart: try listDirectoryPart(payload, requester)
        case .getPermissions: try readPermissions(payload, requester)
        case .write: try write(payload, requester)
        case .makeDirectory: try makeDirectory(payload, requester)
        case .remove: try remove(payload, requester)
        case .setPermissions: try changePermissions(payload, requester)
        case .watch: try watch(payload, requester)
        case .unwatch: try unwatch(payload, requester)
        case .resetWatches: resetWatches(requester)
        case .transactionStart: try startTransactionReply(requester)
        case .transactionEnd: try endTransaction(payload, requester)
        case .getDomainPath: try domainPath(payload)
        case .introduce: return try introduce(payload, requester)
        case .release: return try release(payload, requester)
        case .resume: try resume(payload, requester)
        case .setTarget: try setTarget(payload, requester)
        case .isDomainIntroduced: try isIntroduced(payload, requester)
        case .control: try control(payload, requester)
        case .watchEvent, .error: throw .unknownRequest
        }
        return .none
    }

    // MARK: The reply

    static func writeHeader(
        _ type: StoreMessageType, requestID: UInt32, transactionID: UInt32, length: Int,
        to target: inout ArenaTable<UInt8>
    ) {
        var whole = target.mutableSpan
        var header = whole._mutatingExtracting(0..<StoreMessageHeader.sizeInBytes)
        header.setLittleEndian32(type.rawValue, at: 0)
        header.setLittleEndian32(requestID, at: 4)
        header.setLittleEndian32(transactionID, at: 8)
        header.setLittleEndian32(UInt32(truncatingIfNeeded: length), at: 12)
    }

    /// How many bytes still fit into the reply.
    var roomInReply: Int { Self.messageSize - replyCount }

    /// Adds a byte to the reply; it must fit.
    mutating func append(_ byte: UInt8) {
        reply[replyCount] = byte
        replyCount += 1
    }

    mutating func append(text: PackedText) {
        for index in 0..<text.count { append(text[index]) }
    }

    mutating func append(number: UInt64) {
        let digits = DecimalDigits(number)
        for index in 0..<digits.count { append(digits[index]) }
    }

    /// Adds bytes of a chain to the reply; they must fit.
    mutating func append(_ chain: UInt32, from offset: Int, count: Int) {
        blocks.copy(chain, from: offset, count: count, to: &reply, at: replyCount)
        replyCount += count
    }

    /// Answers `OK`.
    mutating func appendOK() {
        append(text: .ok)
        append(0)
    }

    // MARK: Arguments

    /// Takes over the path that is the whole payload: one text with its NUL.
    ///
    /// - Throws: `.invalid` if it is something else.
    mutating func takePath(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) {
        guard let end = payload.firstNUL(from: 0), end == payload.count - 1 else { throw .invalid }
        try setPath(payload.extracting(first: end), requester.domain)
    }

    /// Takes over a path as given.
    mutating func setPath(_ given: Span<UInt8>, _ domain: UInt16) throws(StoreError) {
        let isUnlimited = Faults.has(.xsa323)
        try path.set(
            given, domain: domain,
            maximum: isUnlimited ? StorePath.maximum : StorePath.maximumGiven,
            mayEndWithSlash: Faults.has(.xsa481))
    }

    /// Takes over the path that the payload starts with; returns the index after its NUL.
    ///
    /// - Throws: `.invalid` if there is none.
    mutating func takeFirstPath(
        _ payload: Span<UInt8>, _ requester: Requester
    ) throws(StoreError) -> Int {
        guard let end = payload.firstNUL(from: 0) else { throw .invalid }
        try setPath(payload.extracting(first: end), requester.domain)
        return end + 1
    }

    /// Reads a number that is a text with its NUL from `start`; returns also the index after it.
    ///
    /// - Throws: `.invalid` if it is none, or above `maximum`.
    func number(
        _ payload: Span<UInt8>, from start: Int, maximum: UInt64
    ) throws(StoreError) -> (value: UInt64, end: Int) {
        guard let end = payload.firstNUL(from: start),
            let value = DecimalDigits.read(payload.extracting(start..<end), maximum: maximum)
        else { throw .invalid }
        return (value, end + 1)
    }
}
