import BootArena
import Foundation
import StoreCore
import TestSupport
import VirtualHardware

/// What one store said: type and payload of the reply, NULs as `¦`.
struct Answer: Equatable, CustomStringConvertible {
    var type: UInt32
    var text: String
    var description: String { type == 16 ? "!" + text : text }
    var isError: Bool { type == 16 }
}

/// Debian's C xenstored, with domain 0 on its socket and domains 1 to 3 on rings.
final class Reference {
    private let process = Process()
    private let folder: URL
    private let socket: Descriptor
    private var rings: [RingClient] = []
    /// The events that each domain was told, as `path¦token`.
    var events: [[String]] = [[], [], [], []]

    /// Starts it with `Tests/ReferenceStore/run`; nil when it does not start.
    init?(script: String) {
        folder = FileManager.default.temporaryDirectory.appending(path: "ref-\(UUID())")
        try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let path = folder.path(percentEncoded: false)
        process.executableURL = URL(filePath: script)
        process.arguments = [path]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        guard (try? process.runBound()) != nil else { return nil }
        var found: Descriptor?
        for _ in 0..<500 where found == nil {
            found = try? connectUnix("\(path)/run/socket")
            if found == nil { usleep(10_000) }
        }
        guard let found else { return nil }
        socket = found
        for domain in 1...3 {
            guard let ring = RingClient(folder: path, domain: domain),
                ask(0, 8, "\(domain)¦1¦\(1000 + domain)¦", 0).text == "OK¦"
            else { return nil }
            rings.append(ring)
        }
    }

    deinit {
        // It inherits the blocked signals of who starts it: nothing less ends it.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try? FileManager.default.removeItem(at: folder)
    }

    private func receive(_ domain: Int) -> [UInt8]? {
        guard domain == 0 else { return rings[domain - 1].receive() }
        guard let header = try? socket.readExactly(16),
            let body = try? socket.readExactly(Int(header[12]) + Int(header[13]) << 8)
        else { return nil }
        return header + body
    }

    /// Asks, and keeps the events that come before the reply.
    func ask(_ domain: Int, _ type: UInt32, _ payload: String, _ tx: UInt32) -> Answer {
        let message = Pair.message(type, payload, tx)
        if domain == 0 {
            guard (try? socket.writeAll(message)) != nil else { return Answer(type: 99, text: "") }
        } else {
            rings[domain - 1].send(message)
        }
        while let got = receive(domain) {
            let text = Pair.text(got[16...])
            guard got[0] == 15 else { return Answer(type: UInt32(got[0]), text: text) }
            events[domain].append(String(text.dropLast()))
        }
        return Answer(type: 99, text: "no reply")
    }

    /// Fetches the events of all domains: they stand before the reply to another request.
    func settle() { for domain in 0..<4 { _ = ask(domain, 10, "\(domain)¦", 0) } }
}

/// Our store, with the same domains.
final class Ours {
    private var core: StoreCore
    private let clients: [StoreClient]
    var events: [[String]] = [[], [], [], []]

    private init(_ core: consuming StoreCore, _ clients: [StoreClient]) {
        self.core = core
        self.clients = clients
    }

    static func make() throws -> Ours {
        var quota = StoreQuota(nodes: 1000)
        quota.requestsPerSecond = 0
        let administrator = StoreQuota.administrator(nodes: 20_000, blocks: 80_000)
        let capacity = StoreCapacity(
            domains: 3, quota: quota, administrator: administrator, clients: 8)
        var arena = BootArena(hostSizeInBytes: StoreCore.arenaSizeInBytes(capacity))
        var core = try StoreCore(
            capacity: capacity, administrator: administrator, secret: 3, arena: &arena)
        try core.install(NoMandatoryControl())
        var clients: [StoreClient] = []
        for domain: UInt16 in 0..<4 {
            if domain > 0 { try core.declare(domain: domain, quota: quota) }
            clients.append(
                try core.connect(
                    domain: domain, label: StoreLabel(index: 0), isPrivileged: domain == 0))
        }
        let ours = Ours(core, clients)
        _ = ours.ask(0, 12, "/tool/xenstored¦", 0)
        for domain in 1...3 { _ = ours.ask(0, 8, "\(domain)¦1¦1¦", 0) }
        return ours
    }

    func ask(_ domain: Int, _ type: UInt32, _ payload: String, _ tx: UInt32) -> Answer {
        let message = Pair.message(type, payload, tx)
        _ = core.handle(message.span, from: clients[domain])
        let bytes = core.replyBytes()
        for other in 0..<4 {
            while core.nextEvent(for: clients[other]) {
                let text = Pair.text(core.eventBytes().dropFirst(16))
                events[other].append(String(text.dropLast()))
            }
        }
        guard bytes.count >= 16 else { return Answer(type: 99, text: "no reply") }
        return Answer(type: UInt32(bytes[0]), text: Pair.text(bytes[16...]))
    }

    func isSound() -> Bool { core.holdsInvariants() }
}

extension StoreCore {
    fileprivate borrowing func replyBytes() -> [UInt8] { StoreCore.array(replyMessage) }
    fileprivate borrowing func eventBytes() -> [UInt8] { StoreCore.array(eventMessage) }

    private static func array(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        for index in span.indices { bytes.append(span[index]) }
        return bytes
    }
}

/// What both speak.
enum Pair {
    static func message(_ type: UInt32, _ payload: String, _ tx: UInt32) -> [UInt8] {
        let bytes = payload.utf8.count
        var body: [UInt8] = []
        body.reserveCapacity(bytes)
        for character in payload.unicodeScalars {
            body.append(character == "¦" ? 0 : UInt8(truncatingIfNeeded: character.value))
        }
        return [type, 7, tx, UInt32(body.count)].flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
        } + body
    }

    static func text(_ bytes: some Collection<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\0", with: "¦")
    }
}
