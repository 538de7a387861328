import StoreCore
import Testing

/// The classes of Xen's store advisories, each as a test named after the number.
@Suite struct AdvisoryTests {
    private func store(_ change: (inout StoreQuota) -> Void = { _ in }) throws -> TestStore {
        var quota = StoreQuota()
        change(&quota)
        let store = try TestStore(quota: quota)
        store.send("0", .write, "/one¦")
        store.send("0", .setPermissions, "/one¦n1¦")
        return store
    }

    private func expectSound(_ store: TestStore) {
        let isSound = store.core.holdsInvariants()
        #expect(isSound)
        #expect(store.send("0", .read, "/one¦") == "")
    }

    @Test("115, 353: neither root, watches nor removed nodes go around permissions")
    func permissionBypass() throws {
        let store = try store()
        store.send("0", .write, "/secret/x¦1")
        store.send("1", .watch, "/¦t¦")
        _ = store.events("1")
        store.send("0", .write, "/secret/x¦2")
        store.send("0", .remove, "/secret¦")
        #expect(store.events("1") == [])
        for payload in ["/¦n1¦", "/secret¦n1¦"] {
            #expect(store.send("1", .setPermissions, payload) == "!EACCES")
        }
        #expect(store.send("1", .remove, "/¦").hasPrefix("!"))
        #expect(store.send("1", .makeDirectory, "/new¦") == "!EACCES")
    }

    @Test("233, 330, 484: connections end, and watches are reset, at any time and once")
    func lifetimes() throws {
        let store = try store()
        try store.connect("1b", 1)
        store.send("1b", .watch, "/one¦t¦")
        #expect(store.send("1b", .transactionStart, "¦") == "1¦")
        #expect(store.send("1b", .write, "/one/x¦1", tx: 1) == "OK¦")
        #expect(store.send("1b", .resetWatches, "¦", tx: 1) == "OK¦")
        #expect(store.send("1b", .read, "/one¦", tx: 1) == "!ENOENT")
        #expect(store.events("1b") == [])
        store.disconnect("1b")
        store.disconnect("1b")
        #expect(store.send("1b", .read, "/one¦") == "CLOSE")
        let usage = try #require(store.usage(1))
        #expect((usage.watches, usage.transactions, usage.accesses) == (0, 0, 0))
        try store.core.remove(domain: 1)
        #expect(throws: StoreSetupError.wrongDomain) { try store.core.remove(domain: 1) }
        let isSound = store.core.holdsInvariants()
        #expect(isSound)
    }

    @Test("322, 483: a domain id that is used again inherits neither permissions nor counters")
    func reuse() throws {
        let store = try store()
        store.send("0", .write, "/for-one¦x")
        store.send("0", .setPermissions, "/for-one¦n0¦r1¦")
        store.send("1", .write, "/one/mine¦x")
        _ = store.send("1", .write, "/forbidden¦x")
        #expect(store.send("1", .read, "/for-one¦") == "x")
        try store.core.remove(domain: 1)
        #expect(store.send("0", .read, "/one/mine¦") == "!ENOENT")
        try store.core.declare(domain: 1, quota: StoreQuota())
        try store.connect("1", 1)
        #expect(store.send("1", .read, "/for-one¦") == "!EACCES")
        #expect(store.send("0", .getPermissions, "/for-one¦") == "n0¦r1¦")
        let usage = try #require(store.usage(1))
        #expect((usage.nodes, usage.blocks, usage.permissionLists) == (0, 0, 0))
        #expect(store.refusals(1, .permission) == 1)
        store.send("0", .setPermissions, "/for-one¦n0¦r1¦")
        #expect(store.send("1", .read, "/for-one¦") == "x")
    }

    @Test("323, 420, 38, 72: lengths are checked before anything else")
    func lengths() throws {
        let store = try store()
        let client = try #require(store.clients["1"])
        let message = TestStore.message(2, 0, Array("/one\0".utf8))
        for announced in [UInt32(4), 6, 4097, 0x8000_0000, .max] {
            var wrong = message
            for byte in 0..<4 {
                wrong[12 + byte] = UInt8(truncatingIfNeeded: announced >> (8 * byte))
            }
            #expect(store.order(wrong, client) == .close)
        }
        for count in 0..<message.count {
            #expect(
                store.order(Array(message.prefix(count)), client) == .close)
        }
        expectSound(store)
    }

    @Test("324: an event that would exceed a message names the watched path instead")
    func longEvents() throws {
        let store = try store()
        let token = String(repeating: "t", count: 3900)
        #expect(store.send("1", .watch, "/one¦\(token)¦") == "OK¦")
        #expect(store.events("1") == ["/one¦\(token)"])
        let deep = "/one/" + String(repeating: "d", count: 500)
        #expect(store.send("1", .write, deep + "¦x") == "OK¦")
        #expect(store.events("1") == ["/one¦\(token)"])
        expectSound(store)
    }

    @Test("326, 416: what a client does not fetch stays in its quota, and no watch is forgotten")
    func floods() throws {
        let store = try store {
            $0.events = 8
            $0.watches = 4
        }
        for token in ["a", "b", "c", "d"] {
            #expect(store.send("1", .watch, "/one¦\(token)¦") == "OK¦")
        }
        #expect(store.send("1", .watch, "/one¦e¦") == "!E2BIG")
        #expect(store.refusals(1, .watches) == 1)
        _ = store.events("1")
        for number in 0..<500 { store.send("1", .write, "/one/n\(number % 50)¦\(number)") }
        let usage = try #require(store.usage(1))
        #expect(usage.events == 8)
        #expect(store.refusals(1, .events) == 4)
        let told = store.events("1")
        #expect(told.count == 12)
        #expect(Set(told.suffix(4)) == ["/one¦a", "/one¦b", "/one¦c", "/one¦d"])
        expectSound(store)
    }

    @Test("352: a guest cannot give its nodes away")
    func giving() throws {
        let store = try store()
        store.send("1", .write, "/one/x¦1")
        #expect(store.send("1", .setPermissions, "/one/x¦n2¦") == "!EPERM")
        #expect(store.send("0", .getPermissions, "/one/x¦") == "n1¦")
        #expect(store.usage(2)?.nodes == 0)
    }

    @Test("206: a writer cannot starve a transaction on other nodes")
    func starvation() throws {
        let store = try store()
        store.send("0", .write, "/two¦x")
        store.send("0", .transactionStart, "¦")
        store.send("0", .write, "/two¦y", tx: 1)
        for number in 0..<1000 { store.send("1", .write, "/one¦\(number)") }
        #expect(store.send("0", .transactionEnd, "T¦", tx: 1) == "OK¦")
    }

    @Test("414 to 418, 421: depth, refused requests and the end of a domain leave no half state")
    func errorPaths() throws {
        let store = try store {
            $0.nodes = 1600
            $0.blocks = 40_000
        }
        let deep = "/one" + String(repeating: "/d", count: 1022)
        #expect(store.send("1", .makeDirectory, deep + "¦") == "OK¦")
        let full = try #require(store.usage(1))
        #expect(full.nodes == 1023)
        #expect(store.send("1", .makeDirectory, "/one/e" + deep.dropFirst(4) + "¦") == "!EINVAL")
        let other = "/one/e" + String(repeating: "/d", count: 1000)
        #expect(store.send("1", .makeDirectory, other + "¦") == "!ENOSPC")
        #expect(store.usage(1) == full)
        #expect(store.send("0", .directory, "/one¦") == "d¦")
        #expect(store.send("1", .remove, "/one/d¦") == "OK¦")
        #expect(store.usage(1)?.nodes == 1)
        expectSound(store)
    }

    @Test("419: nodes of a domain go with it, also those that a transaction is making")
    func orphans() throws {
        let store = try store()
        store.send("0", .write, "/shared¦")
        store.send("0", .setPermissions, "/shared¦b0¦")
        store.send("1", .write, "/shared/one¦x")
        store.send("2", .transactionStart, "¦")
        store.send("2", .read, "/shared/one¦", tx: 1)
        store.send("0", .transactionStart, "¦")
        store.send("0", .write, "/one/child¦x", tx: 1)
        try store.core.remove(domain: 1)
        #expect(store.send("0", .directory, "/shared¦") == "")
        #expect(store.send("0", .directory, "/¦") == "shared¦")
        #expect(store.send("0", .transactionEnd, "T¦", tx: 1) == "!EAGAIN")
        #expect(store.send("2", .transactionEnd, "T¦", tx: 1) == "!EAGAIN")
        let isSound = store.core.holdsInvariants()
        #expect(isSound)
    }

    @Test("425, 440: counters never go below zero, whatever order things end in")
    func counters() throws {
        let store = try store()
        store.send("1", .write, "/one/x¦1")
        store.send("1", .transactionStart, "¦")
        store.send("1", .remove, "/one/x¦", tx: 1)
        store.send("1", .write, "/one/x¦2", tx: 1)
        store.send("1", .remove, "/one/x¦", tx: 1)
        store.send("1", .remove, "/one/x¦")
        #expect(store.send("1", .transactionEnd, "T¦", tx: 1) == "!EAGAIN")
        #expect(store.usage(1)?.nodes == 1)
        expectSound(store)
    }

    @Test("481: a path that ends with a slash is refused, above all `/local/domain/`")
    func trailingSlash() throws {
        let store = try store()
        for type in [StoreMessageType.read, .makeDirectory, .remove, .directory] {
            #expect(store.send("0", type, "/local/domain/¦") == "!EINVAL")
        }
        #expect(store.send("0", .watch, "/local/domain/¦t¦") == "!EINVAL")
    }
}
