import StoreCore
import Testing

/// Each quota: the last that fits, the first that does not, its own reason, and the way back.
@Suite struct QuotaTests {
    private func store(_ change: (inout StoreQuota) -> Void) throws -> TestStore {
        var quota = StoreQuota()
        change(&quota)
        let store = try TestStore(quota: quota)
        store.send("0", .write, "/one¦")
        store.send("0", .setPermissions, "/one¦n1¦")
        return store
    }

    @Test("nodes") func nodes() throws {
        let store = try store { $0.nodes = 10 }
        for number in 1...9 { #expect(store.send("1", .makeDirectory, "/one/\(number)¦") == "OK¦") }
        #expect(store.send("1", .makeDirectory, "/one/10¦") == "!ENOSPC")
        #expect(store.refusals(1, .nodes) == 1)
        #expect(store.send("1", .write, "/one/9¦still") == "OK¦")
        #expect(store.send("0", .write, "/one/10¦by the administrator") == "OK¦")
        #expect(store.usage(1)?.nodes == 10)
        #expect(store.send("1", .remove, "/one/1¦") == "OK¦")
        #expect(store.send("1", .makeDirectory, "/one/11¦") == "OK¦")
    }

    @Test("the size of a node, as Xen counts it") func nodeSize() throws {
        let store = try store { _ in }
        let value = String(repeating: "v", count: 2015)
        #expect(store.send("1", .write, "/one¦\(value)") == "OK¦")
        #expect(store.send("1", .write, "/one¦\(value)v") == "!ENOSPC")
        #expect(store.send("1", .write, "/one/new¦\(value)v") == "!ENOSPC")
        #expect(store.refusals(1, .nodeSize) == 2)
        #expect(store.send("1", .write, "/one¦") == "OK¦")
        for number in 1...424 {
            #expect(store.send("1", .makeDirectory, "/one/n\(number)¦") == "OK¦")
        }
        #expect(store.send("1", .makeDirectory, "/one/n425¦") == "!ENOSPC")
    }

    @Test("memory") func memory() throws {
        let store = try store { $0.blocks = 40 }
        let value = String(repeating: "v", count: 900)
        #expect(store.send("1", .write, "/one/a¦\(value)") == "OK¦")
        #expect(store.send("1", .write, "/one/b¦\(value)") == "!ENOSPC")
        #expect(store.refusals(1, .memory) == 1)
        #expect(store.send("0", .write, "/one/b¦\(value)") == "OK¦")
        #expect(store.send("1", .write, "/one/a¦") == "OK¦")
        #expect(store.send("1", .write, "/one/c¦\(value)") == "OK¦")
    }

    @Test("transactions, and the nodes that one touches") func transactions() throws {
        let store = try store {
            $0.transactions = 2
            $0.transactionNodes = 5
        }
        #expect(store.send("1", .transactionStart, "¦") == "1¦")
        #expect(store.send("1", .transactionStart, "¦") == "2¦")
        #expect(store.send("1", .transactionStart, "¦") == "!ENOSPC")
        #expect(store.refusals(1, .transactions) == 1)
        for number in 1...4 {
            #expect(store.send("1", .write, "/one/\(number)¦", tx: 1) == "OK¦")
        }
        #expect(store.send("1", .write, "/one/5¦", tx: 1) == "!ENOSPC")
        #expect(store.refusals(1, .transactionNodes) == 1)
        #expect(store.send("1", .transactionEnd, "T¦", tx: 1) == "!ENOMEM")
        #expect(store.send("1", .directory, "/one¦") == "")
        #expect(store.send("1", .transactionEnd, "T¦", tx: 2) == "OK¦")
        #expect(store.send("1", .transactionStart, "¦") == "3¦")
        #expect(store.usage(1)?.nodes == 1)
    }

    @Test("different permission lists") func permissionLists() throws {
        let store = try store { $0.permissionLists = 3 }
        for (number, expected) in [(1, "OK¦"), (2, "OK¦"), (3, "!ENOSPC"), (2, "OK¦")] {
            store.send("1", .makeDirectory, "/one/\(number)¦")
            #expect(store.send("1", .setPermissions, "/one/\(number)¦n1¦r\(number)¦") == expected)
        }
        #expect(store.refusals(1, .permissionLists) == 1)
    }

    @Test("one domain at all its limits takes nothing from another") func isolation() throws {
        let store = try store { $0.blocks = 2000 }
        store.send("0", .write, "/two¦")
        store.send("0", .setPermissions, "/two¦n2¦")
        let value = String(repeating: "v", count: 1000)
        for number in 0..<2000 { store.send("1", .write, "/one/\(number)¦\(value)") }
        for number in 0..<200 { store.send("1", .watch, "/one¦\(number)¦") }
        for _ in 0..<20 { store.send("1", .transactionStart, "¦") }
        for number in 0..<50 {
            #expect(store.send("2", .write, "/two/\(number)¦\(value)") == "OK¦")
        }
        let isSound = store.core.holdsInvariants()
        #expect(isSound)
    }

    @Test("quotas that do not fit together are refused when a domain is declared")
    func reservation() throws {
        let store = try TestStore(guests: 3)
        var quota = StoreQuota()
        quota.nodes = 1_000_000
        #expect(throws: StoreSetupError.capacityExceeded) {
            try store.core.declare(domain: 9, quota: quota)
        }
        quota.nodes = -1
        #expect(throws: StoreSetupError.invalidQuota) {
            try store.core.declare(domain: 9, quota: quota)
        }
        #expect(throws: StoreSetupError.wrongDomain) {
            try store.core.declare(domain: 3, quota: StoreQuota())
        }
        try store.core.declare(domain: 9, quota: StoreQuota())
    }
}
