import StoreCore

/// One client of a socket, with what came from it and was not served, and what it has not taken.
///
/// - Invariant (bounded): it holds `Connection.heldBytes` and no more, whatever the client does.
final class Connection {
    /// The longest message, in bytes.
    static let messageBytes = 4112
    /// The bytes that are kept of what a client sends.
    static let inputBytes = 2 * messageBytes
    /// The bytes that are kept for a client to take: twice a reply and an event of any size.
    static let outputBytes = 4 * messageBytes
    /// The memory of a connection besides the store's, in bytes.
    static let heldBytes = inputBytes + outputBytes

    let descriptor: Int32
    let client: StoreClient
    /// The name of the compartment; nil where there is no policy.
    let compartment: String?
    let input = SocketBuffer(count: Connection.inputBytes)
    var inputStart = 0
    var inputEnd = 0
    let output = SocketBuffer(count: Connection.outputBytes)
    var outputStart = 0
    var outputEnd = 0
    /// Replies in `output`.
    var waitingReplies = 0
    /// It does not take what there is for it: the system tells when it does again.
    var isBlocked = false
    /// There may be more to read that nothing announces: the last time it filled what was free.
    var mayHaveMore = false
    /// It is in the list of those that are to be served without being announced.
    var isReady = false
    var isOpen = true
    /// Its first request asked for the live update that has taken place.
    var isSuccession = false
    /// What the system was asked to tell of.
    var interest = EventQueue.Interest.input

    init(descriptor: Int32, client: StoreClient, compartment: String?) {
        self.descriptor = descriptor
        self.client = client
        self.compartment = compartment
    }

    /// Whether a reply and an event of any size fit.
    var hasRoom: Bool { output.count - outputEnd >= 2 * Connection.messageBytes }

    /// The bytes that came and were not served.
    var heldInput: Int { inputEnd - inputStart }

    func append(_ bytes: Span<UInt8>) {
        output.set(bytes, at: outputEnd)
        outputEnd += bytes.count
    }

    /// Moves what is held to the front, so that a whole message always fits.
    func makeRoom() {
        guard inputStart > 0 else { return }
        let count = heldInput
        input.moveToFront(inputStart..<inputEnd)
        (inputStart, inputEnd) = (0, count)
    }

    /// The header of the first message; nil when it is not there, or is none.
    var firstHeader: StoreMessageHeader? {
        input.withSpan(inputStart..<inputEnd) { StoreMessageHeader(validating: $0) }
    }

    /// Whether a whole message is there, or one that is none.
    var hasMessage: Bool {
        guard heldInput >= StoreMessageHeader.sizeInBytes else { return false }
        guard let header = firstHeader else { return true }
        return heldInput >= StoreMessageHeader.sizeInBytes + header.length
    }
}
