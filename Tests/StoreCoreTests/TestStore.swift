import BootArena
import PolicyDatabase
import ReferenceMonitor
import StoreCore

/// The store as the product has it.
typealias TestStore = StoreUnderTest<NoFaults>

/// A store with clients by name, and texts in the place of bytes: `¦` stands for NUL.
final class StoreUnderTest<Faults: StoreFaults> {
    var core: StoreEngine<Faults>
    private(set) var clients: [String: StoreClient] = [:]

    /// A store with `guests` domains from 1, each with a client of its id as name, and the
    /// privileged client `0`.
    init(
        guests: UInt16 = 3, quota: StoreQuota = StoreQuota(), nodes: Int = 10_000,
        labels: [UInt16] = [0, 0, 0, 0, 0, 0], authority: some StoreAuthority = NoMandatoryControl()
    ) throws {
        let administrator = StoreQuota.administrator(nodes: nodes, blocks: 4 * nodes)
        let capacity = StoreCapacity(
            domains: 8, quota: quota, administrator: administrator, clients: 24,
            labels: authority.labelCount)
        var arena = BootArena(hostSizeInBytes: StoreEngine<Faults>.arenaSizeInBytes(capacity))
        core = try StoreEngine<Faults>(
            capacity: capacity, administrator: administrator, secret: 7, arena: &arena)
        try core.install(authority)
        for domain in 0...guests {
            if domain != 0 { try core.declare(domain: domain, quota: quota) }
            try connect("\(domain)", domain, label: labels[Int(domain)])
        }
    }

    func connect(_ name: String, _ domain: UInt16, label: UInt16 = 0) throws {
        clients[name] = try core.connect(
            domain: domain, label: StoreLabel(index: label), isPrivileged: domain == 0)
    }

    func disconnect(_ name: String) {
        if let client = clients[name] { core.disconnect(client) }
    }

    static func bytes(_ text: String) -> [UInt8] {
        Array(text.utf8.map { $0 }.split(separator: Array("¦".utf8)).joinedByNUL)
    }

    static func text(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\0", with: "¦")
    }

    static func message(
        _ type: UInt32, _ transaction: UInt32, _ payload: [UInt8], id: UInt32 = 77
    ) -> [UInt8] {
        [type, id, transaction, UInt32(payload.count)].flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
        } + payload
    }

    /// Sends a request and returns the payload of the reply.
    @discardableResult
    func send(
        _ client: String, _ type: StoreMessageType, _ payload: String, tx: UInt32 = 0
    ) -> String {
        raw(client, type.rawValue, Self.bytes(payload), tx: tx)
    }

    func raw(_ client: String, _ type: UInt32, _ payload: [UInt8], tx: UInt32 = 0) -> String {
        guard let sender = clients[client] else { return "no client" }
        let message = Self.message(type, tx, payload)
        let outcome = core.handle(message.span, from: sender)
        if outcome.order == .close { return "CLOSE" }
        let bytes = core.replyBytes()
        guard bytes.count >= 16, bytes[4] == 77,
            bytes[12...13].elementsEqual(
                [UInt8(truncatingIfNeeded: bytes.count - 16), UInt8((bytes.count - 16) >> 8)])
        else { return "malformed reply" }
        let isError = bytes[0] == 16
        let text = Self.text(bytes[16...])
        return isError ? "!" + text.dropLast() : text
    }

    func order(_ message: [UInt8], _ client: StoreClient) -> StoreOutcome.Order {
        core.handle(message.span, from: client).order
    }

    func subtree(_ label: UInt16) -> SubtreeUsage? {
        core.subtree(StoreLabel(index: label))?.usage
    }

    /// Whether a client's next request is to be served now.
    func admit(_ client: String, at now: UInt64) -> StoreAdmission? {
        clients[client].map { core.admit($0, at: now) }
    }

    func deliver(_ count: Int, to client: String) {
        if let client = clients[client] { core.noteDelivered(count, to: client) }
    }

    func isSound() -> Bool { core.holdsInvariants() }

    func usage(_ domain: UInt16) -> StoreUsage? { core.usage(of: domain) }

    func refusals(_ domain: UInt16, _ reason: StoreRefusal) -> UInt32 {
        core.refusals(of: domain, reason)
    }

    /// Fetches all events of a client, as `path¦token`.
    func events(_ client: String) -> [String] {
        guard let receiver = clients[client] else { return [] }
        var found: [String] = []
        while core.nextEvent(for: receiver) {
            let bytes = core.eventBytes()
            found.append(String(Self.text(bytes[16...]).dropLast()))
        }
        return found
    }

    /// Runs lines of `client transaction TYPE payload => reply`; returns those that went otherwise.
    /// An error is written `!ENOENT`; `client events` compares what waits, separated by blanks.
    func run(_ script: String) -> [String] {
        var failures: [String] = []
        for line in script.split(separator: "\n") where !line.hasPrefix("#") {
            let halves = line.split(
                separator: " => ", maxSplits: 1, omittingEmptySubsequences: false)
            let words = halves[0].split(separator: " ", omittingEmptySubsequences: false)
            let expected = halves.count > 1 ? String(halves[1]) : "OK¦"
            let got: String
            if words[1] == "events" {
                got = events(String(words[0])).joined(separator: " ")
            } else {
                let payload = words.dropFirst(3).joined(separator: " ")
                got = send(
                    String(words[0]), Self.type(String(words[2])), payload,
                    tx: UInt32(words[1]) ?? 0)
            }
            if got != expected { failures.append("\(line) but got \(got)") }
        }
        if !core.holdsInvariants() { failures.append("an invariant does not hold") }
        return failures
    }

    static func type(_ name: String) -> StoreMessageType {
        let names: [String: StoreMessageType] = [
            "CONTROL": .control, "DIRECTORY": .directory, "READ": .read,
            "GET_PERMS": .getPermissions, "WATCH": .watch, "UNWATCH": .unwatch,
            "START": .transactionStart, "END": .transactionEnd, "INTRODUCE": .introduce,
            "RELEASE": .release, "GET_DOMAIN_PATH": .getDomainPath, "WRITE": .write,
            "MKDIR": .makeDirectory, "RM": .remove, "SET_PERMS": .setPermissions,
            "WATCH_EVENT": .watchEvent, "ERROR": .error,
            "IS_DOMAIN_INTRODUCED": .isDomainIntroduced, "RESUME": .resume,
            "SET_TARGET": .setTarget, "RESET_WATCHES": .resetWatches,
            "DIRECTORY_PART": .directoryPart,
        ]
        return names[name] ?? .error
    }
}

extension StoreEngine {
    fileprivate borrowing func replyBytes() -> [UInt8] { array(replyMessage) }
    fileprivate borrowing func eventBytes() -> [UInt8] { array(eventMessage) }

    private borrowing func array(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in span.indices { bytes.append(span[index]) }
        return bytes
    }
}

extension Array<ArraySlice<UInt8>> {
    /// The parts with a NUL between each two.
    fileprivate var joinedByNUL: [UInt8] { Array<UInt8>(joined(separator: [0])) }
}

extension [UInt8] {
    fileprivate func split(separator: [UInt8]) -> [ArraySlice<UInt8>] {
        var parts: [ArraySlice<UInt8>] = []
        var start = 0
        var index = 0
        while index + separator.count <= count {
            if self[index..<index + separator.count].elementsEqual(separator) {
                parts.append(self[start..<index])
                index += separator.count
                start = index
            } else {
                index += 1
            }
        }
        parts.append(self[start...])
        return parts
    }
}

/// Label 0 is trusted; 1 is low; 2 is high, which may read low; 3 may write but not read low.
struct TwoLevels: StoreAuthority {
    var isSecret = true
    var labelCount: Int { 4 }

    func decide(
        subject: StoreLabel, object: StoreLabel, permission: Permission
    ) -> AccessDecision {
        let isReading =
            permission == XenstorePermission.read || permission == XenstorePermission.list
            || permission == XenstorePermission.watch
        switch (subject.index, object.index) {
        case (0, _): return .allowed
        case (1, 1), (2, 2), (3, 3): return .allowed
        case (_, 0), (2, 1): return isReading ? .allowed : .denied
        case (3, 1): return isReading ? .denied : .allowed
        default: return .denied
        }
    }

    func isPresenceSecret(from subject: StoreLabel, object: StoreLabel) -> Bool { isSecret }
}
