import StoreCore
import TestSupport
import Testing

/// What the manifest bounds for a subtree, counted by its label; and how many requests a domain may
/// make.
@Suite struct SubtreeTests {
    /// A store with the open subtree `/s`, of label 1, for the clients `1` of label 1 and `0`.
    private func store(_ quota: SubtreeQuota, domain: StoreQuota = StoreQuota()) throws
        -> TestStore
    {
        let store = try TestStore(
            guests: 1, quota: domain, labels: [0, 1], authority: TwoLevels())
        let path = Array("/s".utf8)
        try store.core.label(path.span, StoreLabel(index: 1))
        store.send("0", .write, "/s¦")
        store.send("0", .setPermissions, "/s¦b0¦")
        try store.core.limit(StoreLabel(index: 1), to: quota)
        return store
    }

    @Test("a subtree takes as many nodes as its quota, whoever makes them, and not one more")
    func nodes() throws {
        let store = try store(SubtreeQuota(nodes: 4))
        let failures = store.run(
            """
            1 0 WRITE /s/a/b¦v
            0 0 WRITE /s/c¦v
            1 0 WRITE /s/d¦v => !ENOSPC
            0 0 WRITE /s/d¦v => !ENOSPC
            1 0 MKDIR /s/d¦ => !ENOSPC
            1 0 WRITE /s/c¦changed
            1 0 WRITE /s/a/b¦changed
            1 0 RM /s/a¦
            1 0 WRITE /s/d/e/f¦v => !ENOSPC
            1 0 WRITE /s/d/e¦v
            """)
        #expect(failures == [])
        #expect(store.refusals(1, .subtreeNodes) == 3)
        #expect(store.refusals(0, .subtreeNodes) == 1)
        #expect(store.subtree(1)?.nodes == 4)
    }

    @Test("a subtree takes as many bytes of names and values as its quota, and not one more")
    func bytes() throws {
        // `s` and `a` are names.
        let store = try store(SubtreeQuota(sizeInBytes: 12))
        let failures = store.run(
            """
            1 0 WRITE /s/a¦0123456789 => OK¦
            1 0 WRITE /s/a¦0123456789x => !ENOSPC
            1 0 WRITE /s/b¦ => !ENOSPC
            1 0 READ /s/a¦ => 0123456789
            1 0 WRITE /s/a¦1
            1 0 WRITE /s/b¦01234567
            1 0 WRITE /s/b¦012345678 => !ENOSPC
            """)
        #expect(failures == [])
        #expect(store.refusals(1, .subtreeMemory) == 3)
        #expect(store.subtree(1)?.sizeInBytes == 12)
    }

    @Test("what a transaction makes counts when it is committed, or it is not committed")
    func transactions() throws {
        let store = try store(SubtreeQuota(nodes: 3))
        let failures = store.run(
            """
            1 0 START ¦ => 1¦
            1 1 WRITE /s/a¦v
            1 1 WRITE /s/b¦v
            1 1 END T¦
            1 0 DIRECTORY /s¦ => a¦b¦
            1 0 START ¦ => 2¦
            1 2 RM /s/a¦
            1 2 RM /s/b¦
            1 2 WRITE /s/x¦v
            1 2 WRITE /s/y¦v
            1 2 END T¦
            1 0 DIRECTORY /s¦ => x¦y¦
            1 0 START ¦ => 3¦
            1 3 RM /s/x¦
            1 3 WRITE /s/a¦v
            1 3 WRITE /s/b¦v
            1 3 END T¦ => !ENOMEM
            1 0 DIRECTORY /s¦ => x¦y¦
            """)
        #expect(failures == [])
        #expect(store.refusals(1, .subtreeNodes) == 1)
        #expect(store.subtree(1)?.nodes == 3)
        #expect(store.isSound())
    }

    @Test("a subtree changes as often in a second as its rate says, and then later")
    func rate() throws {
        let store = try store(SubtreeQuota(changesPerSecond: 3))
        #expect(store.admit("1", at: 1_000_000) == .now)
        for number in 0..<3 { #expect(store.send("1", .write, "/s/a¦\(number)") == "OK¦") }
        #expect(store.send("1", .write, "/s/a¦3") == "!EBUSY")
        #expect(store.send("1", .makeDirectory, "/s/b¦") == "!EBUSY")
        #expect(store.send("1", .remove, "/s/a¦") == "!EBUSY")
        #expect(store.send("1", .setPermissions, "/s/a¦b1¦") == "!EBUSY")
        #expect(store.send("1", .read, "/s/a¦") == "2")
        #expect(store.refusals(1, .subtreeRate) == 4)
        store.deliver(1, to: "1")
        #expect(store.admit("1", at: 1_333_000) == .now)
        #expect(store.send("1", .write, "/s/a¦4") == "!EBUSY")
        store.deliver(1, to: "1")
        #expect(store.admit("1", at: 1_334_000) == .now)
        #expect(store.send("1", .write, "/s/a¦4") == "OK¦")
        #expect(store.send("1", .write, "/s/a¦5") == "!EBUSY")
    }

    @Test("a bound must be a number, of a label that there is") func limits() throws {
        let store = try store(SubtreeQuota())
        #expect(throws: StoreSetupError.invalidQuota) {
            try store.core.limit(StoreLabel(index: 1), to: SubtreeQuota(nodes: -1))
        }
        #expect(throws: StoreSetupError.unknownLabel) {
            try store.core.limit(StoreLabel(index: 4), to: SubtreeQuota(nodes: 1))
        }
    }

    @Test("a domain whose replies are not delivered gets no more served than its quota")
    func outstanding() throws {
        var quota = StoreQuota()
        quota.requests = 3
        quota.requestsPerSecond = 0
        let store = try store(SubtreeQuota(), domain: quota)
        try store.connect("1b", 1, label: 1)
        // The connections of a domain share its quota.
        #expect(store.admit("1", at: 1) == .now)
        #expect(store.admit("1b", at: 1) == .now)
        #expect(store.admit("1", at: 1) == .now)
        #expect(store.admit("1", at: 2) == .afterDelivery)
        #expect(store.admit("1b", at: 2) == .afterDelivery)
        #expect(store.refusals(1, .requests) == 2)
        store.deliver(1, to: "1")
        #expect(store.admit("1b", at: 3) == .now)
        #expect(store.admit("1", at: 3) == .afterDelivery)
        // What was never outstanding cannot be delivered, and a closed connection holds nothing.
        store.deliver(1000, to: "1b")
        #expect(store.usage(1)?.requests == 1)
        store.disconnect("1")
        #expect(store.usage(1)?.requests == 0)
    }

    @Test("a domain makes as many requests in a second as its rate, whatever the clock does")
    func requests() throws {
        var quota = StoreQuota()
        quota.requests = 1000
        quota.requestsPerSecond = 10
        let store = try store(SubtreeQuota(), domain: quota)
        func admitted(at time: UInt64) -> Int {
            var count = 0
            while count < 100, store.admit("1", at: time) == .now { count += 1 }
            return count
        }
        #expect(admitted(at: 5_000_000) == 10)
        #expect(store.admit("1", at: 5_000_000) == .after(microseconds: 100_001))
        #expect(admitted(at: 5_050_000) == 0)
        #expect(admitted(at: 5_100_000) == 1)
        #expect(admitted(at: 5_500_000) == 4)
        // A clock that goes back gives nothing; a long time gives one second's worth.
        #expect(admitted(at: 1) == 0)
        #expect(admitted(at: 900_000_000) == 10)
        #expect(store.refusals(1, .rate) == 7)
    }
}
