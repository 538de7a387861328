import BootArena
import StoreCore

/// Serves one store to the clients of one Unix socket, all of which speak for domain 0.
///
/// A client gets no more served while it does not take its replies: then nothing of it is read, so
/// what is kept for it is one input and one output buffer, and what its quotas allow.
struct StoreServer: ~Copyable {
    /// The bytes that are kept for a client in each direction.
    private static let bufferSize = 32768

    private struct Connection {
        let client: StoreClient
        var input = [UInt8](repeating: 0, count: StoreServer.bufferSize)
        var inputStart = 0
        var inputEnd = 0
        var output = [UInt8](repeating: 0, count: StoreServer.bufferSize)
        var outputStart = 0
        var outputEnd = 0
        var isBlocked = false

        /// Whether a reply and an event of any size fit.
        var hasRoom: Bool { output.count - outputEnd >= 2 * 4112 }

        mutating func append(_ bytes: Span<UInt8>) {
            for index in bytes.indices { output[outputEnd + index] = bytes[index] }
            outputEnd += bytes.count
        }
    }

    private var core: StoreCore
    private var queue: EventQueue
    private let listener: Int32
    private var connections: [Int32: Connection] = [:]

    init(_ core: consuming StoreCore, queue: EventQueue, listener: Int32) {
        self.core = core
        self.queue = queue
        self.listener = listener
    }

    /// Serves as long as the socket can be watched: for ever.
    mutating func run() {
        let isWatched = queue.watch(listener, isNew: true, writes: false)
        while isWatched {
            for number in queue.wait() {
                if number == listener { accept() } else { serve(number) }
            }
            // Whoever was told of a change gets it now, if there is room.
            for (number, connection) in connections
            where !connection.isBlocked && core.hasEvent(for: connection.client) {
                flush(number)
            }
        }
    }

    private mutating func accept() {
        guard let number = acceptWithoutWaiting(listener) else { return }
        let label = StoreLabel(index: 0)
        guard let client = try? core.connect(domain: 0, label: label, isPrivileged: true),
            queue.watch(number, isNew: true, writes: false)
        else {
            closeDescriptor(number)
            return
        }
        connections[number] = Connection(client: client)
    }

    private mutating func close(_ number: Int32) {
        guard let connection = connections.removeValue(forKey: number) else { return }
        core.disconnect(connection.client)
        closeDescriptor(number)
    }

    private mutating func serve(_ number: Int32) {
        guard var connection = connections.removeValue(forKey: number) else { return }
        var isOpen = true
        if !connection.isBlocked { isOpen = receive(number, &connection) }
        // What was read and found no room waits in the input, and nothing would announce it: go on
        // until all is served or the client does not take more.
        isOpen = isOpen && send(number, &connection)
        var served = -1
        while isOpen, !connection.isBlocked, served != connection.inputStart {
            served = connection.inputStart
            isOpen = handle(&connection) && send(number, &connection)
        }
        connections[number] = connection
        if !isOpen { close(number) }
    }

    private mutating func flush(_ number: Int32) {
        guard var connection = connections.removeValue(forKey: number) else { return }
        appendEvents(&connection)
        let isOpen = send(number, &connection)
        connections[number] = connection
        if !isOpen { close(number) }
    }

    private func receive(_ number: Int32, _ connection: inout Connection) -> Bool {
        if connection.inputStart > 0 {
            let count = connection.inputEnd - connection.inputStart
            for index in 0..<count {
                connection.input[index] = connection.input[connection.inputStart + index]
            }
            (connection.inputStart, connection.inputEnd) = (0, count)
        }
        let start = connection.inputEnd
        guard let count = readWithoutWaiting(number, into: &connection.input, from: start) else {
            return true
        }
        connection.inputEnd += count
        return count > 0
    }

    /// Serves the whole messages that are there, while replies fit; false if the client broke the
    /// protocol.
    private mutating func handle(_ connection: inout Connection) -> Bool {
        while connection.hasRoom {
            guard let (order, size) = handleFirst(connection) else { return true }
            connection.inputStart += size
            switch order {
            case .close: return false
            case .eventsFirst:
                appendEvents(&connection)
                connection.append(core.replyMessage)
            case .replyFirst:
                connection.append(core.replyMessage)
                appendEvents(&connection)
            }
        }
        return true
    }

    /// Serves the first message; returns its size, nil when it is not whole.
    private mutating func handleFirst(
        _ connection: Connection
    ) -> (StoreOutcome.Order, size: Int)? {
        let held = connection.inputEnd - connection.inputStart
        guard held >= StoreMessageHeader.sizeInBytes else { return nil }
        let bytes = connection.input.span.extracting(connection.inputStart..<connection.inputEnd)
        guard let header = StoreMessageHeader(validating: bytes) else { return (.close, 0) }
        let size = StoreMessageHeader.sizeInBytes + header.length
        guard held >= size else { return nil }
        let outcome = core.handle(bytes.extracting(first: size), from: connection.client)
        return (outcome.order, size)
    }

    private mutating func appendEvents(_ connection: inout Connection) {
        while connection.hasRoom, core.nextEvent(for: connection.client) {
            connection.append(core.eventMessage)
        }
    }

    /// Writes what there is; false if the client is gone.
    private func send(_ number: Int32, _ connection: inout Connection) -> Bool {
        let (start, end) = (connection.outputStart, connection.outputEnd)
        if start < end {
            guard let count = writeWithoutWaiting(number, connection.output, from: start, to: end)
            else { return false }
            connection.outputStart += count
        }
        let isBlocked = connection.outputStart < end
        if !isBlocked { (connection.outputStart, connection.outputEnd) = (0, 0) }
        guard isBlocked != connection.isBlocked else { return true }
        connection.isBlocked = isBlocked
        return queue.watch(number, isNew: false, writes: isBlocked)
    }
}
