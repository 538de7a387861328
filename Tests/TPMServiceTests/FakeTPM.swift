import BootArena
import CompilerTestSupport
import GuestRuntime
import PolicyCompiler
import PolicyDatabase
import SystemManifest
import TPMService

/// The hypervisor, its TPM, a store and the users of the TPM, as a few arrays.
final class FakeTPM: TPMMachine {
    static let storePage = 64
    /// The page of each user, which its guest writes as it likes; and the service's store ring.
    var pages: [UInt16: [UInt8]] = [:]
    var ring = [UInt8](repeating: 0, count: 4096)
    var lives: [UInt16: DomainLife] = [:]
    var signals: [UInt16: Int] = [:]
    var time: UInt64 = 0
    /// What a guest does to its page between any two reads of the service.
    var interference: (inout [UInt8]) -> Void = { _ in }
    var interferes: UInt16?
    private(set) var mapped: [Int: UInt16] = [:]
    private(set) var ports: [UInt32: UInt16] = [:]

    // MARK: The TPM

    /// Each command that the TPM was given, with whose it was.
    private(set) var commands: [(domain: UInt16, bytes: [UInt8])] = []
    var outcome: CommandOutcome = .begun
    /// What the TPM answers, and whether it has.
    var response: [UInt8] = []
    var isDone = true
    private(set) var isRunning = false
    private(set) var wasCancelled = false
    private(set) var looks = 0

    func submit(_ command: Span<UInt8>, of domain: UInt16) -> CommandOutcome {
        precondition(!isRunning, "two commands at a time")
        guard case .begun = outcome else { return outcome }
        commands.append((domain, command.indices.map { command[$0] }))
        isRunning = true
        wasCancelled = false
        return .begun
    }

    func collectResponse(of domain: UInt16) -> Int? {
        looks += 1
        guard isDone || wasCancelled else { return nil }
        isRunning = false
        return wasCancelled ? 0 : response.count
    }

    func responseByte(at index: Int) -> UInt8 { response[index] }

    func cancelCommand(of domain: UInt16) { wasCancelled = true }

    // MARK: Grants and event channels

    func map(_ reference: UInt32, of domain: UInt16) -> SharedPage? {
        guard reference == 800 + UInt32(domain), pages[domain] != nil else { return nil }
        mapped[Int(domain)] = domain
        return SharedPage(number: Int(domain))
    }

    func unmap(_ page: SharedPage) { mapped[page.number] = nil }

    func bind(_ remotePort: UInt32, of domain: UInt16) -> UInt32? {
        guard remotePort == 20 else { return nil }
        ports[UInt32(domain) + 30] = domain
        return UInt32(domain) + 30
    }

    func close(_ port: UInt32) { ports[port] = nil }
    func signal(_ port: UInt32) {
        if let domain = ports[port] { signals[domain, default: 0] += 1 }
    }
    /// Whether the store has rung since its signal was last taken: it cannot ring again before.
    private(set) var storeHasRung = false

    func takeSignal(of port: UInt32) -> Bool {
        if port == 7 { storeHasRung = false }
        return true
    }
    func accessVector(subject: Int, object: Int, class: ObjectClass) -> AccessVector {
        AccessVector(bits: 0)
    }
    func reportDenial(subject: Int, object: Int, _ permission: Permission) {}
    func policySequence() -> UInt32 { 1 }
    func manifestPart(at offset: Int) -> ManifestPart? { nil }
    func now() -> UInt64 { time }
    func life(of domain: UInt16) -> DomainLife {
        lives[domain] ?? DomainLife(generation: 0, isRunning: false)
    }

    // MARK: Pages

    func openStore() -> StoreEnd? {
        StoreEnd(page: SharedPage(number: FakeTPM.storePage), port: 7)
    }

    private func bytes(_ page: SharedPage) -> [UInt8] {
        if page.number == FakeTPM.storePage { return ring }
        guard let domain = mapped[page.number] else { return [] }
        if interferes == domain { interference(&pages[domain, default: []]) }
        return pages[domain] ?? []
    }

    func load8(_ page: SharedPage, offset: Int) -> UInt8 {
        let bytes = bytes(page)
        return bytes.isEmpty ? 0 : bytes[offset]
    }

    func load32(_ page: SharedPage, offset: Int) -> UInt32 {
        let bytes = bytes(page)
        return bytes.isEmpty
            ? 0 : (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    func store8(_ page: SharedPage, offset: Int, _ value: UInt8) {
        if page.number == FakeTPM.storePage { return ring[offset] = value }
        if let domain = mapped[page.number] { pages[domain]?[offset] = value }
    }

    func store32(_ page: SharedPage, offset: Int, _ value: UInt32) {
        for index in 0..<4 {
            store8(
                page, offset: offset + index, UInt8(truncatingIfNeeded: value >> UInt32(8 * index)))
        }
    }

    // MARK: The store

    /// What stands in the store, by path.
    var nodes: [String: String] = [:]
    private(set) var watches: [String: String] = [:]
    /// How many bytes of an answer the store gives at a time.
    var storeStep = 1024
    private var waiting: [UInt8] = []

    private func ringWord(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(ring[offset + $1]) << UInt32(8 * $1) }
    }

    private func setRingWord(_ offset: Int, _ value: UInt32) {
        for index in 0..<4 {
            ring[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
        }
    }

    private func message(_ kind: UInt32, _ number: UInt32, _ text: String) -> [UInt8] {
        let body = Array(text.replacing("¦", with: "\0").utf8)
        return [kind, number, 0, UInt32(body.count)].flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) }
        } + body
    }

    /// Writes a node, and tells who watches it.
    func write(_ path: String, _ value: String?) {
        nodes[path] = value
        if let token = watches[path] { waiting += message(15, 0, "\(path)¦\(token)¦") }
    }

    /// Answers what stands in the service's ring.
    func serveStore() {
        var consumer = ringWord(2048)
        var taken: [UInt8] = []
        while consumer != ringWord(2052) {
            taken.append(ring[Int(consumer & 1023)])
            consumer &+= 1
        }
        setRingWord(2048, consumer)
        var rest = taken[...]
        while rest.count >= 16 {
            let start = rest.startIndex
            let length = Int(rest[start + 12])
            let text = String(
                decoding: rest[start + 16..<start + 16 + length], as: UTF8.self
            ).split(separator: "\0").map(String.init)
            answer(UInt32(rest[start]), UInt32(rest[start + 4]), text)
            rest = rest[(start + 16 + length)...]
        }
        var producer = ringWord(2060)
        for _ in 0..<storeStep where !waiting.isEmpty && producer &- ringWord(2056) < 1024 {
            ring[1024 + Int(producer & 1023)] = waiting.removeFirst()
            producer &+= 1
        }
        if producer != ringWord(2060) { storeHasRung = true }
        setRingWord(2060, producer)
    }

    private func answer(_ kind: UInt32, _ number: UInt32, _ text: [String]) {
        if kind == 4 {
            watches[text[0]] = text[1]
            waiting += message(4, number, "OK¦") + message(15, 0, "\(text[0])¦\(text[1])¦")
        } else if kind == 2, let value = nodes[text[0]] {
            waiting += message(2, number, value)
        } else {
            waiting += message(16, number, "ENOENT¦")
        }
    }
}

/// The TPM's service with the users `red`, domain 3, and `blue`, domain 4.
final class TestTPM {
    let machine = FakeTPM()
    private var slot: FakeTPM
    private(set) var server: TPMServer

    static let source = """
        system seal version 1
        target casemate

        levels low

        service store at low {
            kernel debian
            memory 64 MiB
            vcpus 1
        }

        service tpm at low {
            kernel debian
            memory 32 MiB
            vcpus 1
            uses store
            commands get_random, pcr_extend
        }

        compartment red at low {
            kernel debian
            memory 64 MiB
            vcpus 1
            uses store, tpm
        }

        compartment blue at low {
            kernel debian
            memory 64 MiB
            vcpus 1
            uses store, tpm
        }

        """

    init(connect users: [UInt16] = [3, 4]) throws {
        let system = try TestSystem(TestTPM.source)
        let bytes = system.compiled.manifest
        let manifest = try SystemManifest(validating: bytes.span, accepting: ManifestFeature.known)
        var arena = BootArena(hostSizeInBytes: TPMServer.arenaSizeInBytes(manifest))
        slot = machine
        server = try TPMServer(
            manifest, store: StoreEnd(page: SharedPage(number: FakeTPM.storePage), port: 7), slot,
            arena: &arena)
        for user in users { start(user) }
        settle()
        for user in users { connect(user) }
        settle()
    }

    static func directory(_ domain: UInt16) -> String { "/local/domain/\(domain)/device/vtpm/0" }

    /// A life of a domain begins: the store lays its nodes out.
    func start(_ domain: UInt16, generation: UInt32 = 1) {
        machine.pages[domain] = [UInt8](repeating: 0, count: 4096)
        machine.lives[domain] = DomainLife(generation: generation, isRunning: true)
        machine.write(TestTPM.directory(domain) + "/state", "1")
    }

    /// Its driver names its ring.
    func connect(_ domain: UInt16) {
        machine.write(TestTPM.directory(domain) + "/ring-ref", "\(800 + domain)")
        machine.write(TestTPM.directory(domain) + "/event-channel", "20")
        machine.write(TestTPM.directory(domain) + "/state", "3")
    }

    @discardableResult
    func round() -> Bool {
        let hasMoved = server.serveRound(&slot)
        machine.serveStore()
        return hasMoved
    }

    /// Serves, with time going by, as long as it may take.
    func settle(rounds: Int = 60) {
        for _ in 0..<rounds {
            machine.time += 1_000
            round()
        }
    }

    // MARK: The guests' side

    /// Puts a command into a user's page and submits it.
    func submit(_ command: [UInt8], of domain: UInt16, extraPages: UInt8 = 0, locality: UInt8 = 0) {
        let place = 8 + 4 * Int(extraPages)
        machine.pages[domain]?.replaceSubrange(place..<place + command.count, with: command)
        setLength(UInt32(command.count), of: domain)
        machine.pages[domain]?[5] = locality
        machine.pages[domain]?[7] = extraPages
        machine.pages[domain]?[4] = 1
    }

    func setLength(_ length: UInt32, of domain: UInt16) {
        for index in 0..<4 {
            machine.pages[domain]?[index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index))
        }
    }

    func state(of domain: UInt16) -> UInt8 { machine.pages[domain]?[4] ?? 255 }

    /// What stands in a user's page as response.
    func response(of domain: UInt16, extraPages: Int = 0) -> [UInt8] {
        let page = machine.pages[domain] ?? []
        let length = (0..<4).reduce(0) { $0 | Int(page[$1]) << (8 * $1) }
        let place = 8 + 4 * extraPages
        return Array(page[place..<min(4096, place + length)])
    }

    /// A command of ten bytes and more.
    static func command(_ code: UInt32, _ body: [UInt8] = [], tag: UInt16 = 0x8001) -> [UInt8] {
        [UInt8(tag >> 8), UInt8(tag & 255)] + bytes(UInt32(10 + body.count)) + bytes(code) + body
    }

    /// An answer without anything but a code.
    static func refusal(_ code: UInt32, tag: UInt16 = 0x8001) -> [UInt8] {
        [UInt8(tag >> 8), UInt8(tag & 255)] + bytes(10) + bytes(code)
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
    }
}
