import BootArena
import CompilerTestSupport
import GuestRuntime
import PolicyCompiler
import PolicyChecks
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import StoreCore
import StoreService
import SystemManifest
import TestSupport

/// The hypervisor and the users of a store, as a few arrays.
final class FakeMachine: ServiceMachine {
    /// The ring page of each domain, which its guest writes as it likes.
    var pages: [UInt16: [UInt8]] = [:]
    var lives: [UInt16: DomainLife] = [:]
    /// Domains whose grant, or whose port, the hypervisor refuses.
    var refusedGrants: Set<UInt16> = []
    var refusedPorts: Set<UInt16> = []
    /// The signals that each domain got.
    var signals: [UInt16: Int] = [:]
    /// What the policy says; all of it unless a test says otherwise.
    var policy: (Int, Int) -> UInt32 = { _, _ in .max }
    /// What the guest of a domain does to its page between any two reads of the store.
    var interference: (inout [UInt8]) -> Void = { _ in }
    var interferes: UInt16?
    private var mapped: [Int: UInt16] = [:]
    private var ports: [UInt32: UInt16] = [:]

    var mappedCount: Int { mapped.count }
    var portCount: Int { ports.count }

    func addDomain(_ domain: UInt16, generation: UInt32 = 1) {
        pages[domain] = [UInt8](repeating: 0, count: 4096)
        lives[domain] = DomainLife(generation: generation, isRunning: true)
    }

    func map(_ reference: UInt32, of domain: UInt16) -> SharedPage? {
        guard reference == 1, pages[domain] != nil, !refusedGrants.contains(domain) else {
            return nil
        }
        let number = (0...).first { mapped[$0] == nil } ?? 0
        mapped[number] = domain
        return SharedPage(number: number)
    }

    func unmap(_ page: SharedPage) { mapped[page.number] = nil }

    func bind(_ remotePort: UInt32, of domain: UInt16) -> UInt32? {
        guard remotePort == 2, !refusedPorts.contains(domain) else { return nil }
        let port = UInt32(domain) + 10
        ports[port] = domain
        return port
    }

    func close(_ port: UInt32) { ports[port] = nil }

    func signal(_ port: UInt32) {
        if let domain = ports[port] { signals[domain, default: 0] += 1 }
    }

    func takeSignal(of port: UInt32) -> Bool { true }

    func accessVector(subject: Int, object: Int, class: ObjectClass) -> AccessVector {
        AccessVector(bits: policy(subject, object))
    }

    /// What was reported as denied: subject, object and permission.
    var denials: [String] = []

    func reportDenial(subject: Int, object: Int, _ permission: Permission) {
        denials.append("\(subject) \(object) \(String(permission.policyName))")
    }

    /// Which policy is in force.
    var sequence: UInt32 = 1
    /// Its manifest; empty: the hypervisor does not answer.
    var manifest: [UInt8] = []

    func policySequence() -> UInt32 { sequence }

    func manifestPart(at offset: Int) -> ManifestPart? {
        guard offset < manifest.count else { return nil }
        let count = min(ManifestPart.capacity, manifest.count - offset)
        var part = ManifestPart(count: count, total: manifest.count, sequence: sequence)
        for index in 0..<count { part.bytes[index] = manifest[offset + index] }
        return part
    }

    /// The clock, in microseconds.
    var time: UInt64 = 1_000_000

    func now() -> UInt64 { time }

    func life(of domain: UInt16) -> DomainLife {
        lives[domain] ?? DomainLife(generation: 0, isRunning: false)
    }

    private func interfere(_ domain: UInt16) {
        if interferes == domain { interference(&pages[domain, default: []]) }
    }

    func load8(_ page: SharedPage, offset: Int) -> UInt8 {
        guard let domain = mapped[page.number], let bytes = pages[domain] else { return 0 }
        interfere(domain)
        return bytes[offset]
    }

    func load32(_ page: SharedPage, offset: Int) -> UInt32 {
        guard let domain = mapped[page.number] else { return 0 }
        interfere(domain)
        return word(domain, offset)
    }

    func store8(_ page: SharedPage, offset: Int, _ value: UInt8) {
        guard let domain = mapped[page.number] else { return }
        pages[domain]?[offset] = value
    }

    func store32(_ page: SharedPage, offset: Int, _ value: UInt32) {
        guard let domain = mapped[page.number] else { return }
        setWord(domain, offset, value)
    }

    // MARK: The guests' side

    func word(_ domain: UInt16, _ offset: Int) -> UInt32 {
        guard let bytes = pages[domain] else { return 0 }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
    }

    func setWord(_ domain: UInt16, _ offset: Int, _ value: UInt32) {
        for index in 0..<4 {
            pages[domain]?[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index))
        }
    }

    /// Puts bytes into the guest's request ring, as far as there is room; returns how many.
    func put(_ bytes: some Collection<UInt8>, of domain: UInt16) -> Int {
        let consumer = word(domain, 2048)
        var producer = word(domain, 2052)
        var count = 0
        for byte in bytes where producer &- consumer < 1024 {
            pages[domain]?[Int(producer & 1023)] = byte
            producer &+= 1
            count += 1
        }
        setWord(domain, 2052, producer)
        return count
    }

    /// Takes what stands in the guest's response ring, at most `limit` bytes.
    func get(of domain: UInt16, limit: Int = 1024) -> [UInt8] {
        var consumer = word(domain, 2056)
        let producer = word(domain, 2060)
        var bytes: [UInt8] = []
        while consumer != producer, bytes.count < limit {
            bytes.append(pages[domain]?[1024 + Int(consumer & 1023)] ?? 0)
            consumer &+= 1
        }
        setWord(domain, 2056, consumer)
        return bytes
    }
}

/// A store of three users, with what is needed to speak to it. The store is domain 1; 2 and 3 are
/// joined by the channel `readings`, and 4 by none.
final class TestService {
    let system: TestSystem
    let machine: FakeMachine
    private var server: StoreServer
    private var machineSlot: FakeMachine

    static let source = """
        system shop version 1
        target casemate

        levels low

        service store at low {
            kernel debian
            memory 64 MiB
            vcpus 1
        }

        compartment sensor at low {
            kernel debian
            memory 64 MiB
            vcpus 2
            uses store
        }

        compartment collector at low {
            kernel debian
            memory 64 MiB
            vcpus 1
            uses store
        }

        compartment other at low {
            kernel debian
            memory 64 MiB
            vcpus 1
            uses store
        }

        channel readings: sensor -> collector signal

        """

    convenience init(prepare: (FakeMachine) -> Void = { _ in }) throws {
        try self.init(TestSystem(TestService.source), users: [2, 3, 4], prepare: prepare)
    }

    /// The store of a system, whose domains `users` run.
    init(
        _ system: TestSystem, users: [UInt16], prepare: (FakeMachine) -> Void = { _ in }
    ) throws {
        self.system = system
        machine = FakeMachine()
        for domain in users { machine.addDomain(domain) }
        prepare(machine)
        let bytes = system.compiled.manifest
        let manifest = try SystemManifest(validating: bytes.span, accepting: ManifestFeature.known)
        var arena = BootArena(hostSizeInBytes: StoreServer.arenaSizeInBytes(manifest))
        var slot = machine
        server = try StoreServer.make(for: manifest, secret: 5, &slot, arena: &arena)
        machineSlot = slot
        for _ in 0..<2 { _ = try round() }
    }

    /// The domain of a compartment.
    func domain(named name: String) -> UInt16? {
        let index = system.proved.policy.compartments.firstIndex { $0.name == name }
        return index.map { UInt16($0 + 1) }
    }

    var servedCount: Int { server.servedCount }
    var wakeTime: UInt64? { server.wakeTime }
    /// The hypervisor's number of the label of `/channel/readings`.
    static let directoryNumber = 5
    var layoutRefusals: Int { server.layoutRefusals }
    var revokedCount: Int { server.revokedCount }
    func isSound() -> Bool { server.holdsInvariants() }

    func round() throws -> Bool {
        let bytes = system.compiled.manifest
        let manifest = try SystemManifest(validating: bytes.span, accepting: ManifestFeature.known)
        return server.serveRound(manifest, &machineSlot)
    }

    /// Serves until nothing moves any more, and collects what a guest is told meanwhile.
    func settle(_ domain: UInt16, rounds: Int = 2000) throws -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<rounds {
            let hasMoved = try round()
            bytes += machine.get(of: domain)
            if !hasMoved { break }
        }
        return bytes
    }

    /// Sends one request and returns type and payload of each message that comes.
    func send(
        _ domain: UInt16, _ type: UInt32, _ payload: String, transaction: UInt32 = 0
    ) throws -> [String] {
        var request = TestService.message(type, payload, transaction: transaction)[...]
        var bytes: [UInt8] = []
        while !request.isEmpty {
            request = request.dropFirst(machine.put(request, of: domain))
            bytes += try settle(domain)
        }
        return TestService.messages(bytes)
    }

    static func message(_ type: UInt32, _ payload: String, transaction: UInt32 = 0) -> [UInt8] {
        let bytes = Array(payload.replacing("¦", with: "\0").utf8)
        return header(type, UInt32(bytes.count), transaction: transaction) + bytes
    }

    static func header(
        _ type: UInt32, _ length: UInt32, transaction: UInt32 = 0
    ) -> [UInt8] {
        [type, 9, transaction, length].flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(8 * $0)) }
        }
    }

    /// Splits what came into messages, as `type payload`; NULs are shown as `¦`.
    static func messages(_ bytes: [UInt8]) -> [String] {
        var rest = bytes[...]
        var found: [String] = []
        while rest.count >= 16 {
            let start = rest.startIndex
            let length = Int(rest[start + 12]) | Int(rest[start + 13]) << 8
            let payload = rest[start + 16..<start + 16 + length]
            found.append(
                "\(rest[start]) "
                    + String(decoding: payload, as: UTF8.self).replacing("\0", with: "¦"))
            rest = rest[(start + 16 + length)...]
        }
        return found
    }
}

/// The numbers of the messages that the tests send.
enum Wire {
    static let directory: UInt32 = 1
    static let read: UInt32 = 2
    static let watch: UInt32 = 4
    static let start: UInt32 = 6
    static let write: UInt32 = 11
    static let remove: UInt32 = 13
    static let setPermissions: UInt32 = 14
    static let isIntroduced: UInt32 = 17
}
