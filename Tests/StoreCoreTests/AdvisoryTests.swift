import StoreCore
import Testing

/// The published mistake that is put back for a test, if any.
enum InjectedFault: StoreFaults {
    @TaskLocal static var point: FaultPoint?

    static func has(_ point: FaultPoint) -> Bool { InjectedFault.point == point }
}

/// The classes of Xen's store advisories: for each a test of its number, which passes, and fails
/// where the mistake is put back.
@Suite struct AdvisoryTests {
    typealias Store = StoreUnderTest<InjectedFault>

    /// What went otherwise than it should.
    struct Findings {
        var texts: [String] = []

        mutating func expect(_ isRight: Bool, _ text: String) {
            if !isRight { texts.append(text) }
        }

        mutating func expect(_ got: String, _ expected: String, _ text: String) {
            if got != expected { texts.append("\(text): \(got)") }
        }

        mutating func expectSound(_ store: Store) {
            let isSound = store.core.holdsInvariants()
            expect(isSound, "an invariant does not hold")
        }
    }

    /// Runs a scenario as the product is, and with the mistake.
    private func check(
        _ point: FaultPoint, _ scenario: (inout Findings) throws -> Void
    ) throws {
        var sound = Findings()
        try scenario(&sound)
        #expect(sound.texts == [])
        let broken = try InjectedFault.$point.withValue(point) {
            var findings = Findings()
            try scenario(&findings)
            return findings.texts
        }
        #expect(!broken.isEmpty, "the mistake of \(point) is not noticed")
    }

    /// A store in which domain 1 owns `/one`.
    private func store(_ change: (inout StoreQuota) -> Void = { _ in }) throws -> Store {
        var quota = StoreQuota()
        change(&quota)
        let store = try Store(quota: quota)
        store.send("0", .write, "/one¦")
        store.send("0", .setPermissions, "/one¦n1¦")
        return store
    }

    @Test("115: watches tell nothing that their owner may not read") func xsa115() throws {
        try check(.xsa115) { findings in
            let store = try store()
            store.send("0", .write, "/secret/x¦1")
            store.send("1", .watch, "/¦t¦")
            _ = store.events("1")
            store.send("0", .write, "/secret/x¦2")
            store.send("0", .remove, "/secret¦")
            findings.expect(store.events("1") == [], "an event for a closed node")
        }
    }

    @Test("206: a writer cannot starve a transaction on other nodes") func xsa206() throws {
        try check(.xsa206) { findings in
            let store = try store()
            store.send("0", .write, "/two¦x")
            store.send("0", .transactionStart, "¦")
            store.send("0", .write, "/two¦y", tx: 1)
            for number in 0..<1000 { store.send("1", .write, "/one¦\(number)") }
            findings.expect(store.send("0", .transactionEnd, "T¦", tx: 1), "OK¦", "the end")
        }
    }

    @Test("233: a connection ends once, and not its successor") func xsa233() throws {
        try check(.xsa233) { findings in
            let store = try store()
            try store.connect("old", 1)
            let old = try #require(store.clients["old"])
            store.disconnect("old")
            try store.connect("new", 1)
            store.core.disconnect(old)
            findings.expect(store.send("new", .read, "/one¦"), "", "the successor")
        }
    }

    @Test("272: the quota of nodes holds, in whatever order things are asked")
    func xsa272() throws {
        try check(.xsa272) { findings in
            let store = try store { $0.nodes = 5 }
            for number in 1...4 { store.send("1", .makeDirectory, "/one/\(number)¦") }
            findings.expect(
                store.send("1", .makeDirectory, "/one/5¦"), "!ENOSPC", "one node too many")
        }
    }

    @Test("322: permissions of a domain that is gone are not its successor's")
    func xsa322() throws {
        try check(.xsa322) { findings in
            let store = try store()
            store.send("0", .write, "/for-one¦x")
            store.send("0", .setPermissions, "/for-one¦n0¦r1¦")
            findings.expect(store.send("1", .read, "/for-one¦"), "x", "before")
            try store.core.remove(domain: 1)
            try store.core.declare(domain: 1, quota: StoreQuota())
            try store.connect("1", 1)
            findings.expect(store.send("1", .read, "/for-one¦"), "!EACCES", "the successor")
            findings.expect(store.send("0", .getPermissions, "/for-one¦"), "n0¦r1¦", "the list")
        }
    }

    @Test("323: a path is measured as it is given") func xsa323() throws {
        try check(.xsa323) { findings in
            let store = try store()
            let longest = "/" + String(repeating: "a", count: 2047)
            findings.expect(store.send("0", .write, "\(longest)¦x"), "OK¦", "2048 bytes")
            findings.expect(store.send("0", .write, "\(longest)a¦x"), "!EINVAL", "2049 bytes")
        }
    }

    @Test("324: an event that exceeds a message names the watched path") func xsa324() throws {
        try check(.xsa324) { findings in
            let store = try store()
            let token = String(repeating: "t", count: 3900)
            store.send("1", .watch, "/one¦\(token)¦")
            _ = store.events("1")
            let deep = "/one/" + String(repeating: "d", count: 500)
            findings.expect(store.send("1", .write, deep + "¦x"), "OK¦", "the write")
            let client = try #require(store.clients["1"])
            let isThere = store.core.nextEvent(for: client)
            let count = store.core.eventMessage.count
            findings.expect(isThere && count == 16 + 5 + 3901, "the event has \(count) bytes")
        }
    }

    @Test("325: a domain that takes nothing ends as every other") func xsa325() throws {
        try check(.xsa325) { findings in
            let store = try store()
            store.send("1", .watch, "/one¦t¦")
            try store.core.remove(domain: 1)
            findings.expect(store.send("1", .read, "/¦"), "CLOSE", "its connection")
        }
    }

    @Test("326: what a client does not fetch stays in its quota, and nothing is lost")
    func xsa326() throws {
        try check(.xsa326) { findings in
            let store = try store { $0.events = 8 }
            for token in ["a", "b", "c", "d"] { store.send("1", .watch, "/one¦\(token)¦") }
            _ = store.events("1")
            for number in 0..<500 { store.send("1", .write, "/one/n\(number % 50)¦\(number)") }
            findings.expect((store.usage(1)?.events ?? 0) == 8, "events beyond the quota")
            let told = store.events("1")
            findings.expect(
                Set(told.suffix(4)) == ["/one¦a", "/one¦b", "/one¦c", "/one¦d"], "what is told")
        }
    }

    @Test("330: a reset leaves no watch") func xsa330() throws {
        try check(.xsa330) { findings in
            let store = try store()
            for number in 0..<100 { store.send("1", .watch, "/one¦\(number)¦") }
            store.send("1", .resetWatches, "¦")
            findings.expect(store.usage(1)?.watches == 0, "watches after the reset")
            findings.expect(store.events("1") == [], "events after the reset")
        }
    }

    @Test("352: a guest cannot give its nodes away") func xsa352() throws {
        try check(.xsa352) { findings in
            let store = try store()
            store.send("1", .write, "/one/x¦1")
            findings.expect(store.send("1", .setPermissions, "/one/x¦n2¦"), "!EPERM", "giving")
            findings.expect(store.usage(2)?.nodes == 0, "the other's nodes")
        }
    }

    @Test("353: only the owner changes permissions, above all the root's") func xsa353() throws {
        try check(.xsa353) { findings in
            let store = try store()
            store.send("0", .setPermissions, "/¦r0¦")
            for payload in ["/¦b0¦", "/¦r0¦w1¦"] {
                findings.expect(
                    store.send("1", .setPermissions, payload), "!EACCES", "the root's permissions")
            }
            findings.expect(store.send("1", .remove, "/¦").hasPrefix("!"), "the root's removal")
        }
    }

    @Test("414: a transaction in which something was refused leaves nothing") func xsa414() throws {
        try check(.xsa414) { findings in
            let store = try store { $0.nodes = 4 }
            store.send("1", .transactionStart, "¦")
            for number in 1...5 { store.send("1", .write, "/one/\(number)¦", tx: 1) }
            findings.expect(store.send("1", .transactionEnd, "T¦", tx: 1), "!ENOMEM", "the end")
            findings.expect(store.send("1", .directory, "/one¦"), "", "what is left")
            findings.expectSound(store)
        }
    }

    @Test("415: no node stays without the one above it") func xsa415() throws {
        try check(.xsa415) { findings in
            let store = try store()
            store.send("1", .write, "/one/a/b/c¦x")
            store.send("1", .remove, "/one/a¦")
            findings.expect(store.usage(1)?.nodes == 1, "nodes are still counted")
            findings.expectSound(store)
        }
    }

    @Test("416: memory for a client that does not read is in its quota") func xsa416() throws {
        try check(.xsa416) { findings in
            let store = try store {
                $0.blocks = 200
                $0.events = 1000
            }
            store.send("1", .watch, "/one¦t¦")
            let name = String(repeating: "n", count: 600)
            store.send("1", .write, "/one/\(name)0¦")
            for number in 1..<100 { store.send("0", .write, "/one/\(name)\(number)¦") }
            findings.expect((store.usage(1)?.blocks ?? 0) <= 200, "blocks beyond the quota")
            findings.expectSound(store)
        }
    }

    @Test("417: nodes of a domain that is gone are not its successor's") func xsa417() throws {
        try check(.xsa417) { findings in
            let store = try store()
            store.send("1", .write, "/one/mine¦x")
            try store.core.remove(domain: 1)
            findings.expect(store.send("0", .read, "/one/mine¦"), "!ENOENT", "the node")
            findings.expect(store.send("0", .directory, "/¦"), "", "what is left")
        }
    }

    @Test("418: however deep a tree is, it goes whole") func xsa418() throws {
        try check(.xsa418) { findings in
            let store = try store {
                $0.nodes = 1600
                $0.blocks = 40_000
            }
            let deep = "/one" + String(repeating: "/d", count: 1022)
            findings.expect(store.send("1", .makeDirectory, deep + "¦"), "OK¦", "making it")
            findings.expect(store.send("1", .remove, "/one/d¦"), "OK¦", "removing it")
            findings.expect(store.usage(1)?.nodes == 1, "nodes are still counted")
            findings.expectSound(store)
        }
    }

    @Test("419: what another removes is no longer counted") func xsa419() throws {
        try check(.xsa419) { findings in
            let store = try store()
            store.send("0", .setPermissions, "/one¦b1¦")
            store.send("2", .write, "/one/two¦x")
            findings.expect(store.usage(2)?.nodes == 1, "one node is counted")
            try store.core.remove(domain: 1)
            findings.expect(store.usage(2)?.nodes == 0, "no node is counted")
            findings.expectSound(store)
        }
    }

    @Test("420: lengths are checked in all their bits") func xsa420() throws {
        try check(.xsa420) { findings in
            let store = try store()
            let client = try #require(store.clients["1"])
            let message = TestStore.message(2, 0, Array("/one\0".utf8))
            for announced in [UInt32(4), 6, 4097, 0x4000_0005, 0x8000_0005, 0xc000_0005, .max] {
                var wrong = message
                for byte in 0..<4 {
                    wrong[12 + byte] = UInt8(truncatingIfNeeded: announced >> (8 * byte))
                }
                findings.expect(store.order(wrong, client) == .close, "length \(announced)")
            }
            for count in 0..<message.count {
                let part = Array(message.prefix(count))
                findings.expect(store.order(part, client) == .close, "\(count) bytes")
            }
        }
    }

    @Test("421: nodes that a transaction makes are counted") func xsa421() throws {
        try check(.xsa421) { findings in
            let store = try store { $0.nodes = 5 }
            store.send("1", .transactionStart, "¦")
            for number in 1...6 { store.send("1", .write, "/one/\(number)¦", tx: 1) }
            findings.expect(store.send("1", .transactionEnd, "T¦", tx: 1), "!ENOMEM", "the end")
            findings.expect((store.usage(1)?.nodes ?? 9) <= 5, "nodes beyond the quota")
        }
    }

    @Test("481: a path that ends with a slash is refused, above all `/local/domain/`")
    func xsa481() throws {
        try check(.xsa481) { findings in
            let store = try store()
            for type in [StoreMessageType.read, .directory, .getPermissions] {
                findings.expect(store.send("0", type, "/local/domain/¦"), "!EINVAL", "\(type)")
            }
            findings.expect(store.send("0", .watch, "/local/domain/¦t¦"), "!EINVAL", "a watch")
        }
    }

    @Test("483: counters of a domain that is gone are not its successor's") func xsa483() throws {
        try check(.xsa483) { findings in
            let store = try store()
            store.send("1", .write, "/one/mine¦x")
            store.send("1", .write, "/forbidden¦x")
            try store.core.remove(domain: 1)
            try store.core.declare(domain: 1, quota: StoreQuota())
            let usage = try #require(store.usage(1))
            findings.expect(
                (usage.nodes, usage.blocks, usage.permissionLists) == (0, 0, 0), "\(usage)")
            findings.expect(store.refusals(1, .permission) == 0, "refusals")
        }
    }

    @Test("484: watches are reset inside a transaction, and it ends") func xsa484() throws {
        try check(.xsa484) { findings in
            let store = try store()
            store.send("1", .watch, "/one¦t¦")
            store.send("1", .transactionStart, "¦")
            store.send("1", .write, "/one/x¦1", tx: 1)
            findings.expect(store.send("1", .resetWatches, "¦", tx: 1), "OK¦", "the reset")
            findings.expect(store.send("1", .read, "/one¦", tx: 1), "!ENOENT", "the transaction")
            findings.expect(store.usage(1)?.watches == 0, "watches after the reset")
        }
    }

    @Test("419: nodes that a transaction is making go with their domain") func orphans() throws {
        let store = try store()
        store.send("0", .write, "/shared¦")
        store.send("0", .setPermissions, "/shared¦b0¦")
        store.send("1", .write, "/shared/one¦x")
        store.send("2", .transactionStart, "¦")
        store.send("2", .read, "/shared/one¦", tx: 1)
        store.send("0", .transactionStart, "¦")
        store.send("0", .write, "/one/child¦x", tx: 1)
        try store.core.remove(domain: 1)
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
        let isSound = store.core.holdsInvariants()
        #expect(isSound)
    }
}
