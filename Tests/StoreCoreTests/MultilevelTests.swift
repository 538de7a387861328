import BootArena
import StoreCore
import TestSupport
import Testing

/// One store for clients of several levels: what a low one is told must not depend on what a high
/// one does, nor on whether it is there at all. Labels are those of `TwoLevels`: 0 is the store's,
/// 1 low, 2 high.
@Suite struct MultilevelTests {
    /// A store as its service lays it out: what leads somewhere is open, each domain's directory
    /// has that domain's label. Clients: `0` the store, `1` low, of domain 1; domain 2 is high, and
    /// not there yet.
    private func store() throws -> TestStore {
        let store = try TestStore(guests: 1, labels: [0, 1], authority: TwoLevels())
        for path in ["/", "/local", "/local/domain"] {
            let bytes = Array(path.utf8)
            try store.core.openWay(bytes.span)
        }
        for domain: UInt16 in 1...2 {
            let bytes = Array("/local/domain/\(domain)".utf8)
            try store.core.label(bytes.span, StoreLabel(index: domain))
        }
        store.send("0", .setPermissions, "/¦r0¦")
        store.send("0", .makeDirectory, "/local/domain/1¦")
        store.send("0", .setPermissions, "/local/domain/1¦n1¦")
        for path in ["@introduceDomain", "@releaseDomain"] {
            store.send("0", .setPermissions, "\(path)¦r0¦")
        }
        store.send("0", .introduce, "1¦1¦1¦")
        return store
    }

    /// Starts the high domain, as the service does.
    private func start(_ store: TestStore) throws {
        try store.core.declare(
            domain: 2, quota: StoreQuota(), label: StoreLabel(index: 2))
        try store.connect("2", 2, label: 2)
        store.send("0", .makeDirectory, "/local/domain/2¦")
        store.send("0", .setPermissions, "/local/domain/2¦n2¦")
        store.send("0", .write, "/local/domain/2/name¦secret")
        store.send("0", .introduce, "2¦1¦1¦")
    }

    private func end(_ store: TestStore) throws {
        try store.core.remove(domain: 2)
        store.send("0", .remove, "/local/domain/2¦")
    }

    @Test("the directories that every store has show each client what its label permits")
    func filtered() throws {
        let store = try store()
        try start(store)
        let failures = store.run(
            """
            1 0 DIRECTORY /¦ => local¦
            1 0 DIRECTORY /local¦ => domain¦
            1 0 DIRECTORY /local/domain¦ => 1¦
            2 0 DIRECTORY /local/domain¦ => 2¦
            1 0 SET_PERMS /local/domain/1¦n1¦r2¦
            2 0 DIRECTORY /local/domain¦ => 1¦2¦
            0 0 DIRECTORY /local/domain¦ => 1¦2¦
            1 0 READ /local/domain/2¦ => !ENOENT
            1 0 READ /local/domain/2/name¦ => !ENOENT
            1 0 READ /local/domain/3/name¦ => !ENOENT
            1 0 WRITE /local/x¦v => !EACCES
            1 0 WRITE /local/domain/2¦v => !EACCES
            1 0 WRITE /local/domain/3¦v => !EACCES
            1 0 RM /local/domain¦ => !EACCES
            1 0 SET_PERMS /local¦b1¦ => !EACCES
            2 0 READ /local/domain/2/name¦ => secret
            2 0 WRITE /local/x¦v => !EACCES
            """)
        #expect(failures == [])
    }

    // MARK: Noninterference

    /// What the low client is told, reply by reply and event by event, while the high domain comes,
    /// does what its seed says, and goes; or, without a seed, is not there.
    private func lowView(_ highSeed: UInt64?, lowSeed: UInt64, leaks: Bool = false) throws
        -> [String]
    {
        let store = try store()
        var low = SeededGenerator(seed: lowSeed)
        var high = SeededGenerator(seed: highSeed ?? 0)
        var isThere = false
        var view: [String] = []
        for _ in 0..<1500 {
            if highSeed != nil {
                switch high.next() % 12 {
                case 0 where isThere:
                    try end(store)
                    isThere = false
                case 1 where !isThere:
                    try start(store)
                    isThere = true
                case 2 where isThere: store.core.noteShutdown(of: 2)
                case 3 where isThere: store.send("0", .write, "/local/domain/2/x¦\(high.next())")
                case 4 where leaks: store.send("0", .write, "/local/domain/1/x¦leak")
                case 5 where isThere: _ = store.events("2")
                default: if isThere { _ = request(store, "2", &high) }
                }
            }
            view.append(request(store, "1", &low))
            view += store.events("1")
        }
        #expect(store.isSound())
        view.append("\(try #require(store.usage(1)))")
        view += (0..<StoreRefusal.count).compactMap(StoreRefusal.init(rawValue:)).map {
            "\($0) \(store.refusals(1, $0))"
        }
        return view
    }

    /// A random request of a guest: about itself, the other, and what leads to both.
    private func request(
        _ store: TestStore, _ client: String, _ generator: inout SeededGenerator
    ) -> String {
        let tops = [
            "/", "/local", "/local/domain", "/local/domain/1", "/local/domain/2", "/local/domain/3",
        ]
        let top = tops[Int.random(in: 0..<tops.count, using: &generator)]
        let name = ["", "/a", "/b", "/a/c"][Int.random(in: 0..<4, using: &generator)]
        let path = top == "/" ? (name.isEmpty ? "/" : name) : top + name
        let special = [
            "@introduceDomain", "@releaseDomain", "@releaseDomain/2", "@releaseDomain/1",
        ][
            Int.random(in: 0..<4, using: &generator)]
        let tx = UInt32.random(in: 0...4, using: &generator)
        let kind: (StoreMessageType, String)
        switch Int.random(in: 0..<16, using: &generator) {
        case 0, 1: kind = (.read, "\(path)¦")
        case 2, 3: kind = (.write, "\(path)¦\(generator.next() % 1000)")
        case 4: kind = (.makeDirectory, "\(path)¦")
        case 5: kind = (.remove, "\(path)¦")
        case 6, 7: kind = (.directoryPart, "\(path)¦0¦")
        case 8: kind = (.directory, "\(path)¦")
        case 9:
            kind = (.setPermissions, "\(path)¦b\(UInt32.random(in: 0...3, using: &generator))¦")
        case 10: kind = (.getPermissions, "\(path)¦")
        case 11: kind = (.watch, "\(generator.next() % 2 == 0 ? special : path)¦t¦")
        case 12: kind = (.unwatch, "\(generator.next() % 2 == 0 ? special : path)¦t¦")
        case 13: return store.send(client, .transactionStart, "¦")
        case 14: kind = (.isDomainIntroduced, "2¦")
        default: kind = (.transactionEnd, "T¦")
        }
        return store.send(client, kind.0, kind.1, tx: tx)
    }

    @Test("what a low client is told does not depend on a high domain's coming, doing and going")
    func noninterference() throws {
        var generator = SeededGenerator.announced(206)
        for _ in 0..<10 {
            let seed = generator.next()
            let alone = try lowView(nil, lowSeed: seed)
            #expect(alone.contains("OK¦"))
            for _ in 0..<2 {
                let beside = try lowView(generator.next(), lowSeed: seed)
                #expect(beside == alone, "low seed \(seed)")
            }
        }
    }

    @Test("the test of lives sees a leak") func noninterferenceCanary() throws {
        #expect(try lowView(nil, lowSeed: 1) != lowView(2, lowSeed: 1, leaks: true))
    }

    @Test("the generation of a list, and a transaction that saw it, follow what its reader knows")
    func generations() throws {
        let store = try store()
        let list = "/local/domain¦0¦"
        let low = store.send("1", .directoryPart, list)
        store.send("1", .transactionStart, "¦")
        store.send("1", .directory, "/local/domain¦", tx: 1)
        try start(store)
        #expect(store.send("1", .directoryPart, list) == low)
        #expect(store.send("1", .transactionEnd, "T¦", tx: 1) == "OK¦")
        let high = store.send("2", .directoryPart, list)
        store.send("2", .transactionStart, "¦")
        store.send("2", .directory, "/local/domain¦", tx: 1)
        store.send("0", .remove, "/local/domain/1¦")
        #expect(store.send("2", .directoryPart, list) != high)
        #expect(store.send("1", .directoryPart, list) != low)
        #expect(store.send("2", .transactionEnd, "T¦", tx: 1) == "!EAGAIN")
        #expect(store.isSound())
    }

    @Test("the start and end of a domain are told to whom the policy lets read its label")
    func lives() throws {
        let store = try store()
        try store.connect("low", 1, label: 1)
        for path in ["@introduceDomain", "@releaseDomain", "@releaseDomain/2", "@releaseDomain/1"] {
            store.send("1", .watch, "\(path)¦t¦")
        }
        _ = store.events("1")
        try start(store)
        store.core.noteShutdown(of: 2)
        try end(store)
        #expect(store.events("1") == [])
        // High is told of low, and each variant of its own domain only.
        try start(store)
        for path in ["@releaseDomain", "@releaseDomain/1", "@releaseDomain/3"] {
            store.send("2", .watch, "\(path)¦t¦")
        }
        _ = store.events("2")
        store.core.noteShutdown(of: 1)
        #expect(Set(store.events("2")) == ["@releaseDomain¦t", "@releaseDomain/1¦t"])
        #expect(Set(store.events("1")) == ["@releaseDomain¦t", "@releaseDomain/1¦t"])
        store.core.noteShutdown(of: 2)
        #expect(store.events("2") == ["@releaseDomain¦t"])
        #expect(store.events("1") == [])
    }

    @Test("a transaction cannot write over what is secret from its client")
    func hidden() throws {
        let store = try TestStore(labels: [0, 1, 2, 3], authority: TwoLevels())
        for (path, label): (String, UInt16) in [("/low", 1), ("/low/x", 2)] {
            let bytes = Array(path.utf8)
            try store.core.label(bytes.span, StoreLabel(index: label))
        }
        let failures = store.run(
            """
            0 0 WRITE /low¦v
            0 0 SET_PERMS /low¦b0¦
            1 0 START ¦ => 1¦
            0 0 WRITE /low/x¦secret
            1 1 WRITE /low/x/y¦over => !EACCES
            1 1 END T¦
            0 0 READ /low/x¦ => secret
            0 0 RM /low/x¦
            1 0 START ¦ => 2¦
            1 2 READ /low/x¦ => !ENOENT
            0 0 WRITE /low/x¦secret
            1 2 END T¦
            0 0 READ /low/x¦ => secret
            """)
        #expect(failures == [])
    }

    @Test("whether another domain exists cannot be asked by giving it a node")
    func owners() throws {
        let store = try store()
        store.send("1", .write, "/local/domain/1/a¦v")
        let absent = store.send("1", .setPermissions, "/local/domain/1/a¦n2¦")
        try start(store)
        #expect(store.send("1", .setPermissions, "/local/domain/1/a¦n2¦") == absent)
        #expect(store.send("1", .setPermissions, "/local/domain/1/a¦n1¦r2¦") == "OK¦")
        #expect(store.send("0", .setPermissions, "/local/domain/1/a¦n3¦") == "!ENOENT")
    }
}
