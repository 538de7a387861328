import BootArena
import StoreCore
import VirtualHardware

/// A socket that clients connect to.
struct Listener {
    /// The socket.
    let descriptor: Int32
    /// The compartment for which its clients speak; nil where their user id says it.
    let name: String?
}

/// Serves one store to the clients of Unix sockets.
///
/// A client gets no more served while it does not take its replies: then nothing of it is read, so
/// what is kept for it is `Connection.heldBytes`, and in the store what its quotas allow. In one
/// turn a client gets at most `requestsPerTurn` requests served, and `Connection.outputBytes`.
struct StoreServer: ~Copyable {
    /// The most requests of one client that are served before the next client's turn.
    static let requestsPerTurn = 32

    var core: StoreCore
    var policy: StorePolicy?
    let options: DaemonOptions
    let memory: SystemMemory
    private(set) var listeners: [Int32: Listener] = [:]
    /// By descriptor.
    private(set) var connections: [Int32: Connection] = [:]
    /// Those again, each at the index of its descriptor: what each turn looks up.
    private var table: [Connection?] = []
    /// By what the store calls them.
    private var clients: [UInt64: Connection] = [:]
    private var queue: EventQueue
    /// Those that have something to be served that nothing announces.
    private var ready: [Connection] = []
    /// Those that wait for a time, in microseconds.
    private var delayed: [(until: UInt64, connection: Connection)] = []
    private var now: UInt64 = 0
    private var log = RefusalLog()
    /// By domain, the last refusal that was said.
    private(set) var lastRefusals: [UInt16: String] = [:]
    /// Whether a successor has taken over.
    var isReplaced = false

    init(
        _ core: consuming StoreCore, policy: StorePolicy?, options: DaemonOptions,
        memory: SystemMemory, queue: EventQueue
    ) {
        self.core = core
        self.policy = policy
        self.options = options
        self.memory = memory
        self.queue = queue
        log.skip(to: self.core.lastRefusal.sequence)
    }

    /// Adds a socket to accept connections from; false if it cannot be watched.
    mutating func add(_ listener: Listener) -> Bool {
        guard queue.watch(listener.descriptor, isNew: true, .input, once: false) else {
            return false
        }
        listeners[listener.descriptor] = listener
        return true
    }

    /// Adds a connection; false if it cannot be watched.
    mutating func add(_ connection: Connection) -> Bool {
        guard queue.watch(connection.descriptor, isNew: true, .input, once: true) else {
            return false
        }
        connections[connection.descriptor] = connection
        let number = Int(connection.descriptor)
        while table.count <= number { table.append(nil) }
        table[number] = connection
        clients[connection.client.token] = connection
        makeReady(connection)
        return true
    }

    /// Serves until a successor has taken over.
    mutating func run() {
        while !isReplaced {
            let count = queue.wait(timeoutInMilliseconds: timeout())
            now = monotonicMicroseconds()
            for index in 0..<count where !isReplaced {
                let number = Int(queue.descriptor(at: index))
                if number < table.count, let connection = table[number] {
                    connection.mayHaveMore = true
                    // Who waits for a turn gets one, not two.
                    if !connection.isReady { turn(connection) }
                } else if listeners[Int32(number)] != nil {
                    accept(Int32(number))
                }
            }
            serveReady()
            // Whoever was told of a change gets it now, if there is room.
            while !isReplaced, let client = core.nextClientWithEvents() {
                if let connection = clients[client.token] { flush(connection) }
            }
        }
    }

    private func timeout() -> Int32 {
        guard ready.isEmpty else { return 0 }
        guard !delayed.isEmpty else { return -1 }
        guard let first = delayed.map(\.until).min() else { return -1 }
        return first > now ? Int32(min(1000, (first - now) / 1000 + 1)) : 0
    }

    private mutating func serveReady() {
        if !delayed.isEmpty {
            for waiting in delayed where waiting.until <= now { ready.append(waiting.connection) }
            delayed.removeAll { $0.until <= now }
        }
        guard !ready.isEmpty else { return }
        let turns = ready
        ready.removeAll(keepingCapacity: true)
        for connection in turns where connection.isOpen && !isReplaced {
            connection.isReady = false
            turn(connection)
        }
    }

    private mutating func makeReady(_ connection: Connection) {
        guard !connection.isReady else { return }
        connection.isReady = true
        ready.append(connection)
    }

    // MARK: Clients

    private mutating func accept(_ descriptor: Int32) {
        guard let listener = listeners[descriptor], let number = acceptWithoutWaiting(descriptor)
        else { return }
        guard let connection = identify(number, listener), add(connection) else {
            closeDescriptor(number)
            return
        }
        connection.isReady = false
        ready.removeLast()
    }

    /// Returns the connection of a peer; nil for one that nobody named.
    private mutating func identify(_ number: Int32, _ listener: Listener) -> Connection? {
        guard hostPermits(number) else { return nil }
        guard let policy else {
            let label = StoreLabel(index: 0)
            guard let client = try? core.connect(domain: 0, label: label, isPrivileged: true)
            else { return nil }
            return Connection(descriptor: number, client: client, compartment: nil)
        }
        let name = listener.name ?? peerUser(number).flatMap { options.peers[$0] }
        guard let compartment = policy.compartments.first(where: { $0.name == name }) else {
            return nil
        }
        let isPrivileged = policy.mayAdminister(compartment.label)
        guard
            let client = try? core.connect(
                domain: compartment.domain, label: compartment.label, isPrivileged: isPrivileged)
        else { return nil }
        return Connection(descriptor: number, client: client, compartment: compartment.name)
    }

    mutating func close(_ connection: Connection) {
        guard connection.isOpen else { return }
        connection.isOpen = false
        connections[connection.descriptor] = nil
        table[Int(connection.descriptor)] = nil
        clients[connection.client.token] = nil
        core.disconnect(connection.client)
        closeDescriptor(connection.descriptor)
    }

    /// Closes the connections that the store has closed itself.
    mutating func closeForgotten() {
        for connection in connections.values where !core.isOpen(connection.client) {
            close(connection)
        }
    }

    // MARK: A turn

    private mutating func turn(_ connection: Connection) {
        if connection.isBlocked {
            guard send(connection) else { return close(connection) }
            if connection.isBlocked { return }
            appendEvents(connection)
        } else if connection.mayHaveMore {
            guard receive(connection) else { return close(connection) }
        }
        let isDelayed: Bool
        switch handle(connection) {
        case .close: return close(connection)
        case .delayed: isDelayed = true
        case .done: isDelayed = false
        }
        if isReplaced { return }
        guard send(connection) else { return close(connection) }
        if !connection.isBlocked, !isDelayed, connection.mayHaveMore || connection.hasMessage {
            makeReady(connection)
        }
        watch(connection, isDelayed: isDelayed)
    }

    private mutating func flush(_ connection: Connection) {
        guard !connection.isBlocked else { return }
        appendEvents(connection)
        guard send(connection) else { return close(connection) }
        watch(connection, isDelayed: false)
        // What found no room follows in the next turn.
        if !connection.isBlocked, core.hasEvent(for: connection.client) { makeReady(connection) }
    }

    private mutating func watch(_ connection: Connection, isDelayed: Bool) {
        let interest: EventQueue.Interest =
            connection.isBlocked ? .output : isDelayed ? .nothing : .input
        guard interest != connection.interest else { return }
        connection.interest = interest
        if !queue.watch(connection.descriptor, isNew: false, interest, once: true) {
            close(connection)
        }
    }

    private mutating func receive(_ connection: Connection) -> Bool {
        connection.makeRoom()
        let start = connection.inputEnd
        guard start < connection.input.count else { return true }
        guard
            let count = connection.input.receive(from: connection.descriptor, at: start)
        else {
            connection.mayHaveMore = false
            return true
        }
        connection.inputEnd += count
        // Less than there was room for is all that was there (epoll(7), question 9).
        connection.mayHaveMore = connection.inputEnd == connection.input.count
        return count > 0
    }

    private enum TurnEnd { case done, delayed, close }

    /// Serves the whole messages that are there, while replies fit.
    private mutating func handle(_ connection: Connection) -> TurnEnd {
        var served = 0
        appendEvents(connection)
        while served < StoreServer.requestsPerTurn, connection.hasRoom, connection.hasMessage,
            !isReplaced
        {
            switch core.admit(connection.client, at: now) {
            case .now: break
            case .afterDelivery:
                guard send(connection) else { return .close }
                // Of what was taken at once the replies are delivered: the next may go on.
                if connection.isBlocked || connection.waitingReplies > 0 { return .done }
                if served == 0 { return .done }
                served = StoreServer.requestsPerTurn
                continue
            case .after(let microseconds):
                delayed.append((now + microseconds, connection))
                return .delayed
            }
            served += 1
            guard handleFirst(connection) else { return .close }
        }
        return .done
    }

    /// Serves the first message; false if the client broke the protocol.
    private mutating func handleFirst(_ connection: Connection) -> Bool {
        guard let header = connection.firstHeader else { return false }
        let start = connection.inputStart
        let end = start + StoreMessageHeader.sizeInBytes + header.length
        if header.type == StoreMessageType.control.rawValue {
            let message = connection.input.array(start..<end)
            if let reply = control(message.span, header, connection) {
                if isReplaced { return true }
                connection.append(reply.span)
                connection.inputStart = end
                connection.waitingReplies += 1
                return true
            }
        }
        let outcome = ask(connection, start..<end)
        noteRefusal()
        connection.inputStart = end
        switch outcome.order {
        case .close: return false
        case .eventsFirst:
            appendEvents(connection)
            connection.append(core.replyMessage)
        case .replyFirst:
            connection.append(core.replyMessage)
            appendEvents(connection)
        }
        connection.waitingReplies += 1
        return true
    }

    /// Gives a message to the store, whose labels are looked up if it asks for them.
    private mutating func ask(_ connection: Connection, _ range: Range<Int>) -> StoreOutcome {
        let client = connection.client
        let outcome = connection.input.withSpan(range) { core.handle($0, from: client) }
        guard core.isWaitingForLabels else { return outcome }
        if let policy { StoreSetUp.provideLabels(policy, &core) }
        return connection.input.withSpan(range) { core.handle($0, from: client) }
    }

    /// Says why the last request was refused, if it was, and nobody was told lately.
    private mutating func noteRefusal() {
        guard log.note(core.lastRefusal, now) else { return }
        let text = explanation(of: core.lastRefusal)
        lastRefusals[core.lastRefusal.domain] = text
        StandardError.write(text + "\n")
    }

    static func array(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in span.indices { bytes.append(span[index]) }
        return bytes
    }

    private mutating func appendEvents(_ connection: Connection) {
        while connection.hasRoom, core.nextEvent(for: connection.client) {
            connection.append(core.eventMessage)
        }
    }

    /// Writes what there is; false if the client is gone.
    private mutating func send(_ connection: Connection) -> Bool {
        let (start, end) = (connection.outputStart, connection.outputEnd)
        if start < end {
            guard
                let count = connection.output.send(start..<end, to: connection.descriptor)
            else { return false }
            connection.outputStart += count
        }
        connection.isBlocked = connection.outputStart < end
        guard !connection.isBlocked else { return true }
        (connection.outputStart, connection.outputEnd) = (0, 0)
        core.noteDelivered(connection.waitingReplies, to: connection.client)
        connection.waitingReplies = 0
        return true
    }
}
