import BootArena
import CompilerTestSupport
import PolicyCompiler
import PolicyDatabase
import ReferenceMonitor
import StoreCore
import SystemManifest
import TestSupport
import Testing

/// What labels permit, whatever Xen's permissions say. Labels are those of `TwoLevels`: client `0`
/// is trusted, `1` low, `2` high, `3` may write but not read low.
@Suite struct PolicyTests {
    private func store(isSecret: Bool = true) throws -> TestStore {
        let store = try TestStore(
            labels: [0, 1, 2, 3], authority: TwoLevels(isSecret: isSecret))
        try label(store, "/low", 1)
        try label(store, "/high", 2)
        try label(store, "/low/hidden", 2)
        for path in ["/low", "/high"] {
            store.send("0", .write, "\(path)¦v")
            store.send("0", .setPermissions, "\(path)¦b0¦")
        }
        return store
    }

    private func label(_ store: TestStore, _ path: String, _ label: UInt16) throws {
        let bytes = Array(path.utf8)
        try store.core.label(bytes.span, StoreLabel(index: label))
    }

    @Test("before a policy is installed nothing is allowed, not even to domain 0")
    func closed() throws {
        let quota = StoreQuota.administrator(nodes: 10, blocks: 100)
        let capacity = StoreCapacity(
            domains: 0, quota: StoreQuota(), administrator: quota, clients: 1)
        var arena = BootArena(hostSizeInBytes: StoreCore.arenaSizeInBytes(capacity))
        var core = try StoreCore(
            capacity: capacity, administrator: quota, secret: 1, arena: &arena)
        #expect(throws: StoreSetupError.unknownLabel) {
            _ = try core.connect(domain: 0, label: StoreLabel(index: 0), isPrivileged: true)
        }
    }

    @Test("the rows of a policy without rules for the store permit nothing")
    func emptyPolicy() throws {
        let system = try TestSystem.minimal()
        let policy = try PolicyDatabase(validating: system.compiled.policy.span)
        let manifest = try SystemManifest(validating: system.compiled.manifest.span)
        var arena = BootArena(hostSizeInBytes: 8 << 20)
        let monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
        let authority = MonitorAuthority(monitor)
        for subject in 0..<authority.labelCount {
            for object in 0..<authority.labelCount {
                for bit in 0..<ObjectClass.xenstore.permissionCount {
                    let permission = try #require(Permission(.xenstore, at: bit))
                    let decision = authority.decide(
                        subject: StoreLabel(index: UInt16(subject)),
                        object: StoreLabel(index: UInt16(object)), permission: permission)
                    #expect(decision == .denied)
                }
            }
        }
        let beyond = authority.decide(
            subject: StoreLabel(index: 9999), object: StoreLabel(index: 0),
            permission: XenstorePermission.read)
        #expect(beyond == .denied)
    }

    @Test("reading up, writing down and writing to the unlabelled are refused")
    func levels() throws {
        let store = try store(isSecret: false)
        let failures = store.run(
            """
            1 0 READ /low¦ => v
            1 0 READ /high¦ => !EACCES
            1 0 DIRECTORY /high¦ => !EACCES
            1 0 GET_PERMS /high¦ => !EACCES
            1 0 WRITE /high¦x => !EACCES
            1 0 WRITE /high/new¦x => !EACCES
            1 0 WATCH /high¦t¦ => !EACCES
            1 0 RM /high¦ => !EACCES
            2 0 READ /low¦ => v
            2 0 WRITE /low¦x => !EACCES
            2 0 WRITE /low/new¦x => !EACCES
            2 0 SET_PERMS /low¦b2¦ => !EACCES
            2 0 WRITE /high/new¦x
            1 0 WRITE /low/new¦x
            3 0 READ /low/new¦ => !EACCES
            3 0 WRITE /low/new¦blind
            0 0 READ /low/new¦ => blind
            """)
        #expect(failures == [])
        #expect(store.refusals(1, .label) == 7)
    }

    @Test("where presence is secret, what may not be read answers as if it were absent")
    func secrets() throws {
        let store = try store()
        store.send("0", .write, "/low/hidden/x¦h")
        store.send("0", .write, "/low/shown¦s")
        store.send("0", .setPermissions, "/low¦b0¦")
        let failures = store.run(
            """
            0 0 DIRECTORY /low¦ => hidden¦shown¦
            1 0 DIRECTORY /low¦ => shown¦
            2 0 DIRECTORY /low¦ => hidden¦shown¦
            1 0 DIRECTORY_PART /low¦0¦ => 6¦shown¦¦
            1 0 READ /low/hidden¦ => !ENOENT
            1 0 READ /low/none¦ => !ENOENT
            1 0 READ /low/hidden/x¦ => !ENOENT
            1 0 READ /low/none/x¦ => !ENOENT
            1 0 RM /low/hidden¦
            0 0 READ /low/hidden/x¦ => h
            1 0 RM /low¦ => !EACCES
            1 0 WATCH /low/hidden¦t¦
            1 events => /low/hidden¦t
            0 0 WRITE /low/hidden¦changed
            1 events => \n1 0 START ¦ => 1¦
            1 1 READ /low/hidden¦ => !ENOENT
            0 0 WRITE /low/hidden¦again
            1 1 END T¦
            """)
        #expect(failures == [])
    }

    @Test("a watch fires only for who may read the node now, by label and by permission")
    func watches() throws {
        let store = try store()
        for client in ["1", "2"] { store.send(client, .watch, "/¦t¦") }
        for client in ["1", "2"] { #expect(store.events(client) == ["/¦t"]) }
        store.send("0", .write, "/high¦1")
        #expect((store.events("1"), store.events("2")) == ([], ["/high¦t"]))
        store.send("0", .write, "/low¦1")
        #expect((store.events("1"), store.events("2")) == (["/low¦t"], ["/low¦t"]))
        store.send("0", .setPermissions, "/low¦n0¦r2¦")
        #expect((store.events("1"), store.events("2")) == ([], ["/low¦t"]))
    }

    // MARK: Noninterference

    /// What client `1` is told, reply by reply and event by event, while client `2` does what
    /// another seed says, or nothing.
    private func lowView(_ highSeed: UInt64?, lowSeed: UInt64, leaks: Bool) throws -> [String] {
        let store = try store()
        if leaks { try label(store, "/leak", 1) }
        for path in ["/low/d", "/high/d"] {
            store.send("0", .write, "\(path)¦")
            store.send("0", .setPermissions, "\(path)¦b0¦")
        }
        var low = SeededGenerator(seed: lowSeed)
        var high = SeededGenerator(seed: highSeed ?? 0)
        var view: [String] = []
        for _ in 0..<2000 {
            if highSeed != nil {
                _ = randomRequest(store, "2", &high)
                if high.next() % 4 == 0 { _ = store.events("2") }
                if leaks, high.next() % 64 == 0 { store.send("0", .write, "/low/d/a¦leak") }
            }
            view.append(randomRequest(store, "1", &low))
            view += store.events("1")
        }
        let usage = try #require(store.usage(1))
        view.append("\(usage)")
        view += (0..<StoreRefusal.count).compactMap(StoreRefusal.init(rawValue:)).map {
            "\($0) \(store.refusals(1, $0))"
        }
        return view
    }

    private func randomRequest(
        _ store: TestStore, _ client: String, _ generator: inout SeededGenerator
    ) -> String {
        let top = ["/low/d", "/high/d", "/low", "/high", ""][
            Int.random(in: 0..<5, using: &generator)]
        let path = top + "/" + ["a", "b", "c"][Int.random(in: 0..<3, using: &generator)]
        let tx = UInt32.random(in: 0...4, using: &generator)
        let request: (StoreMessageType, String)
        switch Int.random(in: 0..<12, using: &generator) {
        case 0, 1: request = (.read, "\(path)¦")
        case 2, 3, 4: request = (.write, "\(path)¦\(generator.next())")
        case 5: request = (.remove, "\(path)¦")
        case 6: request = (.directoryPart, "\(top.isEmpty ? "/" : top)¦0¦")
        case 7: request = (.setPermissions, "\(path)¦b\(client)¦")
        case 8: request = (.watch, "\(path)¦t¦")
        case 9: request = (.unwatch, "\(path)¦t¦")
        case 10: return store.send(client, .transactionStart, "¦")
        default: request = (.transactionEnd, "T¦")
        }
        return store.send(client, request.0, request.1, tx: tx)
    }

    @Test("what a low client is told does not depend on what a high one does")
    func noninterference() throws {
        var generator = SeededGenerator.announced(115)
        for _ in 0..<10 {
            let seed = generator.next()
            let alone = try lowView(nil, lowSeed: seed, leaks: false)
            #expect(alone.contains("OK¦"))
            for _ in 0..<2 {
                let beside = try lowView(generator.next(), lowSeed: seed, leaks: false)
                #expect(beside == alone, "low seed \(seed)")
            }
        }
    }

    @Test("the noninterference test sees a leak") func noninterferenceCanary() throws {
        let alone = try lowView(nil, lowSeed: 1, leaks: true)
        let beside = try lowView(2, lowSeed: 1, leaks: true)
        #expect(beside != alone)
    }
}
