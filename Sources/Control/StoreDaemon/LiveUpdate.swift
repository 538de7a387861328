import StoreCore

/// The state of the daemon in bytes, for a successor: numbers of 8 bytes, little-endian, and texts
/// with their lengths before them.
struct StateWriter {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ number: UInt64) {
        for byte in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * byte))) }
    }

    mutating func add(_ data: some Collection<UInt8>) {
        add(UInt64(data.count))
        bytes += data
    }
}

/// Reads what a `StateWriter` wrote; nil at what it did not write.
struct StateReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func number() -> UInt64? {
        guard rest.count >= 8 else { return nil }
        var number: UInt64 = 0
        for (index, byte) in rest.prefix(8).enumerated() { number |= UInt64(byte) << (8 * index) }
        rest = rest.dropFirst(8)
        return number
    }

    mutating func count(atMost limit: Int) -> Int? {
        guard let number = number(), number <= UInt64(limit) else { return nil }
        return Int(number)
    }

    mutating func data(atMost limit: Int) -> [UInt8]? {
        guard let count = count(atMost: limit), rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}

/// A connection as it is handed over.
struct SavedConnection {
    var descriptor: Int32
    var token: UInt64
    var compartment: String
    var input: [UInt8]
    var output: [UInt8]
    var waitingReplies: Int
    /// Its first request is the one for the update.
    var isSuccession: Bool
}

/// What is handed over beside the memory of the store.
struct SavedDaemon {
    /// The version of this layout, and whose it is.
    static let magic: UInt64 = 0x4353_5453_0000_0001
    /// The memory of the store starts here in the file.
    static let memoryOffset = 256 << 20

    var ready: Int32
    /// The names of all labels: the successor must have the same.
    var labels: [String]
    var state: StoreState
    var listeners: [Listener]
    var connections: [SavedConnection]

    var bytes: [UInt8] {
        var writer = StateWriter()
        writer.add(SavedDaemon.magic)
        writer.add(UInt64(ready))
        writer.add(UInt64(labels.count))
        for label in labels { writer.add(label.utf8) }
        for index in 0..<StoreState.count { writer.add(state.numbers[index]) }
        writer.add(UInt64(listeners.count))
        for listener in listeners {
            writer.add(UInt64(listener.descriptor))
            writer.add((listener.name ?? "").utf8)
        }
        writer.add(UInt64(connections.count))
        for connection in connections {
            writer.add(UInt64(connection.descriptor))
            writer.add(connection.token)
            writer.add(connection.compartment.utf8)
            writer.add(connection.input)
            writer.add(connection.output)
            writer.add(UInt64(connection.waitingReplies))
            writer.add(connection.isSuccession ? 1 : 0)
        }
        return writer.bytes
    }

    /// Reads a state; nil if it is none of this version.
    init?(_ bytes: [UInt8]) {
        var reader = StateReader(bytes)
        guard reader.number() == SavedDaemon.magic, let ready = reader.count(atMost: 65_535),
            let labelCount = reader.count(atMost: 65_535)
        else { return nil }
        self.ready = Int32(ready)
        labels = []
        for _ in 0..<labelCount {
            guard let text = reader.data(atMost: 65_535) else { return nil }
            labels.append(String(decoding: text, as: UTF8.self))
        }
        state = StoreState()
        for index in 0..<StoreState.count {
            guard let number = reader.number() else { return nil }
            state.numbers[index] = number
        }
        guard let listeners = SavedDaemon.listeners(&reader),
            let connections = SavedDaemon.connections(&reader)
        else { return nil }
        self.listeners = listeners
        self.connections = connections
    }

    init(
        ready: Int32, labels: [String], state: StoreState, listeners: [Listener],
        connections: [SavedConnection]
    ) {
        self.ready = ready
        self.labels = labels
        self.state = state
        self.listeners = listeners
        self.connections = connections
    }

    private static func listeners(_ reader: inout StateReader) -> [Listener]? {
        guard let count = reader.count(atMost: 1024) else { return nil }
        var found: [Listener] = []
        for _ in 0..<count {
            guard let number = reader.count(atMost: 65_535), let name = reader.data(atMost: 255)
            else { return nil }
            let text = String(decoding: name, as: UTF8.self)
            found.append(Listener(descriptor: Int32(number), name: text.isEmpty ? nil : text))
        }
        return found
    }

    private static func connections(_ reader: inout StateReader) -> [SavedConnection]? {
        guard let count = reader.count(atMost: 65_535) else { return nil }
        var found: [SavedConnection] = []
        for _ in 0..<count {
            guard let number = reader.count(atMost: 65_535), let token = reader.number(),
                let name = reader.data(atMost: 255),
                let input = reader.data(atMost: Connection.inputBytes),
                let output = reader.data(atMost: Connection.outputBytes),
                let waiting = reader.count(atMost: 1 << 20), let flag = reader.count(atMost: 1)
            else { return nil }
            found.append(
                SavedConnection(
                    descriptor: Int32(number), token: token,
                    compartment: String(decoding: name, as: UTF8.self), input: input,
                    output: output, waitingReplies: waiting, isSuccession: flag == 1))
        }
        return found
    }
}

extension StoreServer {
    /// Hands everything to a new process; true when that serves, and this one is to end. Otherwise
    /// nothing has changed.
    mutating func handOver(to program: String?, for requester: Connection) -> Bool {
        guard let file = memoryFile(), let pipe = newPipe() else { return false }
        defer {
            closeDescriptor(file)
            closeDescriptor(pipe.reading)
        }
        let saved = SavedDaemon(
            ready: pipe.writing, labels: policy?.names ?? [], state: core.state,
            listeners: Array(listeners.values),
            connections: connections.values.map { connection in
                SavedConnection(
                    descriptor: connection.descriptor, token: connection.client.token,
                    compartment: connection.compartment ?? "",
                    input: connection.input.array(connection.inputStart..<connection.inputEnd),
                    output: connection.output.array(
                        connection.outputStart..<connection.outputEnd),
                    waitingReplies: connection.waitingReplies,
                    isSuccession: connection === requester)
            })
        let bytes = saved.bytes
        guard bytes.count <= SavedDaemon.memoryOffset, writeFile(file, bytes),
            memory.save(to: file, at: SavedDaemon.memoryOffset)
        else { return false }
        let kept = options.arguments.split(separator: "--take-over", maxSplits: 1).first ?? []
        let isServed = startSuccessor(
            program ?? CommandLine.arguments[0],
            Array(kept) + ["--take-over", "\(file)"],
            inheriting: [file] + Array(listeners.keys) + Array(connections.keys),
            ready: pipe.writing, awaiting: pipe.reading, timeoutInMilliseconds: 60_000)
        isReplaced = isServed
        return isServed
    }

    /// Takes the connections of a predecessor over; false if one cannot be watched.
    mutating func adopt(_ saved: SavedDaemon) -> Bool {
        for listener in saved.listeners {
            guard setAdopted(listener.descriptor), add(listener) else { return false }
        }
        for record in saved.connections {
            let connection = Connection(
                descriptor: record.descriptor, client: StoreClient(token: record.token),
                compartment: record.compartment.isEmpty ? nil : record.compartment)
            connection.input.set(record.input.span, at: 0)
            connection.inputEnd = record.input.count
            connection.output.set(record.output.span, at: 0)
            connection.outputEnd = record.output.count
            connection.waitingReplies = record.waitingReplies
            connection.isSuccession = record.isSuccession
            guard setAdopted(record.descriptor), add(connection) else { return false }
        }
        return true
    }
}
