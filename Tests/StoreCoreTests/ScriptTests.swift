import StoreCore
import Testing

/// What each message type answers: lines of (client, transaction, request, reply).
@Suite struct ScriptTests {
    private func expect(_ script: String, guests: UInt16 = 3) throws {
        let store = try TestStore(guests: guests)
        let failures = store.run(script)
        #expect(failures == [])
    }

    @Test("values are written, read, listed in the order of creation, and removed")
    func values() throws {
        try expect(
            """
            0 0 READ /a¦ => !ENOENT
            0 0 WRITE /a/b/c¦value
            0 0 READ /a/b/c¦ => value
            0 0 READ /a/b¦ =>\u{20}
            0 0 WRITE /a/b/c¦other, and longer than one block of thirty-two bytes
            0 0 READ /a/b/c¦ => other, and longer than one block of thirty-two bytes
            0 0 WRITE /a/b/c¦
            0 0 READ /a/b/c¦ =>\u{20}
            0 0 MKDIR /a/z¦
            0 0 MKDIR /a/y¦
            0 0 MKDIR /a/z¦
            0 0 DIRECTORY /a¦ => b¦z¦y¦
            0 0 RM /a/z¦
            0 0 MKDIR /a/z¦
            0 0 DIRECTORY /a¦ => b¦y¦z¦
            0 0 RM /a/none¦
            0 0 RM /none/none¦ => !ENOENT
            0 0 RM /¦ => !EINVAL
            0 0 RM /a¦
            0 0 DIRECTORY /¦ =>\u{20}
            0 0 READ /a/b/c¦ => !ENOENT
            0 0 WRITE /¦root
            0 0 READ /¦ => root
            """)
    }

    @Test("malformed requests are refused and change nothing")
    func malformed() throws {
        try expect(
            """
            0 0 READ  => !EINVAL
            0 0 READ /a => !EINVAL
            0 0 READ ¦ => !EINVAL
            0 0 READ //¦ => !EINVAL
            0 0 READ /a/¦ => !EINVAL
            0 0 READ /a//b¦ => !EINVAL
            0 0 READ /a b¦ => !EINVAL
            0 0 READ /a.b¦ => !EINVAL
            0 0 READ /a:b¦ => !EINVAL
            0 0 READ /aé¦ => !EINVAL
            0 0 READ /a¦x¦ => !EINVAL
            0 0 MKDIR /a¦x => !EINVAL
            0 0 READ /a@b-c_D9¦ => !ENOENT
            0 0 READ @releaseDomain¦ => !EINVAL
            0 0 WRITE @foo¦x => !EINVAL
            0 0 MKDIR @foo¦ => !EINVAL
            0 0 RM @foo¦ => !EINVAL
            0 0 WRITE /a => !EINVAL
            0 0 DIRECTORY /¦ => \n0 0 WATCH /a¦ => !EINVAL
            0 0 WATCH /a¦t => !EINVAL
            0 0 WATCH /a¦t¦1¦ => !EINVAL
            0 0 WATCH_EVENT /a¦t¦ => !ENOSYS
            0 0 ERROR EINVAL¦ => !ENOSYS
            """)
        let store = try TestStore()
        for type in [UInt32(20), 23, 99, 65535, .max] {
            #expect(store.raw("0", type, [0]) == "!ENOSYS")
        }
    }

    @Test("a path may have 2,048 bytes as given, and not one more")
    func pathLength() throws {
        let store = try TestStore()
        for prefix in ["/", ""] {
            let longest = prefix + String(repeating: "a", count: 2048 - prefix.count)
            #expect(store.send("0", .read, longest + "¦") == "!ENOENT")
            #expect(store.send("0", .read, longest + "a¦") == "!EINVAL")
        }
    }

    @Test("a relative path starts at the client's own directory")
    func relative() throws {
        try expect(
            """
            0 0 WRITE /local/domain/1¦
            0 0 SET_PERMS /local/domain/1¦n1¦
            1 0 WRITE data/x¦mine
            1 0 READ data/x¦ => mine
            0 0 READ /local/domain/1/data/x¦ => mine
            2 0 READ data/x¦ => !EACCES
            1 0 GET_DOMAIN_PATH 7¦ => /local/domain/7¦
            1 0 GET_DOMAIN_PATH abc¦ => !EINVAL
            1 0 GET_DOMAIN_PATH -1¦ => !EINVAL
            1 0 GET_DOMAIN_PATH  => !EINVAL
            """)
    }

    @Test("permissions bind guests: owner, entries, default, and nothing below a closed node")
    func permissions() throws {
        try expect(
            """
            0 0 WRITE /d¦v
            0 0 GET_PERMS /d¦ => n0¦
            1 0 READ /d¦ => !EACCES
            1 0 READ /d/none¦ => !EACCES
            1 0 READ /none¦ => !EACCES
            0 0 SET_PERMS /d¦r1¦b2¦n3¦
            0 0 GET_PERMS /d¦ => r1¦b2¦n3¦
            1 0 READ /d¦ => v
            2 0 WRITE /d¦w
            3 0 READ /d¦ => !EACCES
            2 0 WRITE /d/two¦x
            0 0 GET_PERMS /d/two¦ => r2¦b2¦n3¦
            1 0 READ /d/two¦ => x
            1 0 WRITE /d/two¦y => !EACCES
            1 0 RM /d/two¦ => !EACCES
            1 0 READ /d/none¦ => !ENOENT
            2 0 SET_PERMS /d¦b2¦ => !EACCES
            1 0 SET_PERMS /d¦n2¦ => !EPERM
            1 0 SET_PERMS /d¦n1¦r2¦r3¦r4¦r5¦r6¦ => !ENOSPC
            1 0 SET_PERMS /d¦w1¦
            3 0 READ /d¦ => !EACCES
            3 0 WRITE /d¦z
            0 0 SET_PERMS /d¦ => !EINVAL
            0 0 SET_PERMS /d¦n1 => !EINVAL
            0 0 SET_PERMS /d¦x1¦ => !EINVAL
            0 0 SET_PERMS /d¦r¦ => !EINVAL
            0 0 SET_PERMS /d¦r5x¦ => !EINVAL
            0 0 SET_PERMS /d¦n0¦r-1¦ => !EINVAL
            0 0 SET_PERMS /d¦n 0¦ => !EINVAL
            0 0 SET_PERMS /d¦n0x10¦ => !EINVAL
            0 0 SET_PERMS /d¦n32752¦ => !EINVAL
            0 0 SET_PERMS /d¦n9¦ => !ENOENT
            0 0 SET_PERMS /d¦n0¦r9¦
            0 0 GET_PERMS /d¦ => n0¦r9¦
            0 0 SET_PERMS @releaseDomain¦n0¦r1¦
            0 0 SET_PERMS @foo¦n0¦ => !EINVAL
            1 0 SET_PERMS @releaseDomain¦n1¦ => !EINVAL
            """)
    }

    @Test("transactions start, see their own changes, and end")
    func transactions() throws {
        try expect(
            """
            0 0 START ¦ => 1¦
            0 1 START ¦ => !EBUSY
            0 1 WRITE /a/b¦x
            0 1 READ /a/b¦ => x
            0 0 READ /a/b¦ => !ENOENT
            0 1 DIRECTORY /¦ => a¦
            0 0 DIRECTORY /¦ => \n0 1 END X¦ => !EINVAL
            0 1 END T => !EINVAL
            0 1 END  => !EINVAL
            0 1 END T¦
            0 1 END T¦ => !ENOENT
            0 0 END T¦ => !ENOENT
            0 9 READ /a¦ => !ENOENT
            0 0 READ /a/b¦ => x
            0 0 START  => 2¦
            0 2 RM /a¦
            0 2 READ /a/b¦ => !ENOENT
            0 2 DIRECTORY /¦ => \n0 2 WRITE /a/c¦new
            0 2 DIRECTORY /a¦ => c¦
            0 2 END F¦
            0 0 DIRECTORY /a¦ => b¦
            0 0 START ¦ => 3¦
            0 3 RM /a¦
            0 3 WRITE /a/c¦new
            0 3 END T¦
            0 0 DIRECTORY /a¦ => c¦
            1 3 READ /a¦ => !ENOENT
            """)
    }

    /// What one client does in a transaction, what another does meanwhile, and what the end
    /// answers.
    @Test(
        "a transaction conflicts exactly when something that it touched has changed",
        arguments: [
            ("READ /d/x¦", "WRITE /d/x¦1", "!EAGAIN"),
            ("READ /d/x¦", "WRITE /d/y¦1", "OK¦"),
            ("WRITE /d/x¦2", "WRITE /d/x¦1", "!EAGAIN"),
            ("WRITE /d/x¦2", "WRITE /d/y¦1", "OK¦"),
            ("READ /d/none¦", "WRITE /d/none¦1", "!EAGAIN"),
            ("GET_PERMS /d/x¦", "SET_PERMS /d/x¦n0¦r1¦", "!EAGAIN"),
            ("READ /d/x¦", "SET_PERMS /d/x¦n0¦r1¦", "!EAGAIN"),
            ("WRITE /d/n1¦2", "WRITE /d/n2¦1", "!EAGAIN"),
            ("DIRECTORY /d¦", "WRITE /d/n2¦1", "!EAGAIN"),
            ("DIRECTORY /d¦", "WRITE /d/x¦1", "OK¦"),
            ("DIRECTORY /d¦", "RM /d/x¦", "!EAGAIN"),
            ("READ /d/x¦", "RM /d/x¦", "!EAGAIN"),
            ("READ /d/x¦", "RM /d¦", "!EAGAIN"),
            ("READ /d¦", "WRITE /d/s/t¦1", "OK¦"),
            ("RM /d/s¦", "WRITE /d/s/t¦1", "!EAGAIN"),
            ("RM /d/s¦", "WRITE /d/s/new¦1", "!EAGAIN"),
            ("RM /d/s¦", "WRITE /d/x¦1", "OK¦"),
            ("RM /d/s¦", "RM /d/x¦", "!EAGAIN"),
            ("MKDIR /d/x¦", "WRITE /d/x¦1", "!EAGAIN"),
        ])
    func conflicts(inside: String, outside: String, end: String) throws {
        let store = try TestStore()
        let failures = store.run(
            """
            0 0 WRITE /d/x¦0
            0 0 WRITE /d/y¦0
            0 0 WRITE /d/s/t¦0
            0 0 START ¦ => 1¦
            """)
        #expect(failures == [])
        let words = inside.split(separator: " ", maxSplits: 1).map(String.init)
        let got = store.send("0", TestStore.type(words[0]), words[1], tx: 1)
        #expect(!got.hasPrefix("!") || words[1] == "/d/none¦")
        let others = outside.split(separator: " ", maxSplits: 1).map(String.init)
        #expect(store.send("0", TestStore.type(others[0]), others[1]) == "OK¦")
        #expect(store.send("0", .transactionEnd, "T¦", tx: 1) == end)
        let isSound = store.core.holdsInvariants()
        #expect(isSound)
    }

    @Test("what a transaction makes and removes again changes nothing for another")
    func netNothing() throws {
        try expect(
            """
            0 0 MKDIR /d¦
            0 0 START ¦ => 1¦
            0 0 START ¦ => 2¦
            0 1 DIRECTORY /d¦ => \n0 2 WRITE /d/x¦1
            0 2 RM /d/x¦
            0 2 END T¦
            0 1 END T¦
            """)
    }

    @Test("a second removal in a transaction does not forget what changed since the first")
    func removedTwice() throws {
        try expect(
            """
            0 0 WRITE /d/s/t¦0
            0 0 START ¦ => 1¦
            0 1 RM /d/s¦
            0 1 WRITE /d/s¦again
            0 0 WRITE /d/s/t¦outside
            0 1 RM /d/s¦
            0 1 END T¦ => !EAGAIN
            0 0 READ /d/s/t¦ => outside
            """)
    }

    @Test("a transaction that looks below what it removed is committed, and lists what it made")
    func belowRemoved() throws {
        try expect(
            """
            0 0 WRITE /d/s/t¦0
            0 0 START ¦ => 1¦
            0 1 RM /d¦
            0 1 READ /d/s/t¦ => !ENOENT
            0 1 WRITE /d/s/u¦1
            0 1 DIRECTORY /d/s¦ => u¦
            0 1 END T¦
            0 0 DIRECTORY /d/s¦ => u¦
            0 0 START ¦ => 2¦
            0 2 RM /d¦
            0 2 READ /d/s/u¦ => !ENOENT
            0 0 WRITE /d/s/u¦outside
            0 2 END T¦ => !EAGAIN
            """)
    }

    @Test("watches report their path at once, then changes there and below, to those who may read")
    func watches() throws {
        try expect(
            """
            0 0 WRITE /d/x¦0
            0 0 SET_PERMS /d¦n0¦r1¦
            0 0 WATCH /d¦t¦
            0 events => /d¦t
            0 0 WATCH /d¦t¦ => !EEXIST
            0 0 WATCH /d¦u¦
            0 0 WATCH /d/x¦¦
            0 events => /d¦u /d/x¦
            1 0 WATCH /d¦one¦
            1 events => /d¦one
            0 0 UNWATCH /d¦u¦
            0 0 UNWATCH /d¦u¦ => !ENOENT
            0 0 UNWATCH /d¦ => !EINVAL
            0 0 WRITE /d/x¦1
            0 events => /d/x¦t /d/x¦
            1 events => \n0 0 WRITE /d¦1
            0 events => /d¦t
            1 events => /d¦one
            0 0 MKDIR /d¦
            0 events => \n0 0 RM /d¦
            0 events => /d/x¦ /d¦t
            1 events => /d¦one
            2 0 WATCH rel/x¦r¦
            2 events => rel/x¦r
            0 0 WRITE /local/domain/2/rel/x¦1
            0 0 SET_PERMS /local/domain/2/rel/x¦n2¦
            2 events => rel/x¦r
            2 0 RESET_WATCHES ¦
            0 0 WRITE /local/domain/2/rel/x¦2
            2 events => \n2 0 UNWATCH rel/x¦r¦ => !ENOENT
            """)
    }

    @Test("a committed transaction reports each changed path once, another nothing")
    func transactionEvents() throws {
        try expect(
            """
            0 0 WRITE /d/x¦0
            0 0 WATCH /d¦t¦
            0 events => /d¦t
            0 0 START ¦ => 1¦
            0 1 WRITE /d/x¦1
            0 1 WRITE /d/new/n¦1
            0 1 WRITE /d/x¦2
            0 events => \n0 1 END T¦
            0 events => /d/x¦t /d/new/n¦t
            0 0 START ¦ => 2¦
            0 2 WRITE /d/x¦3
            0 2 END F¦
            0 events => \n0 0 READ /d/x¦ => 2
            """)
    }

    @Test("domains are introduced, released and watched; guests may not ask")
    func domains() throws {
        try expect(
            """
            0 0 WATCH @introduceDomain¦i¦
            0 0 WATCH @releaseDomain¦r¦
            0 events => @introduceDomain¦i @releaseDomain¦r
            1 0 WATCH @introduceDomain¦i¦
            1 events => @introduceDomain¦i
            0 0 IS_DOMAIN_INTRODUCED 2¦ => F¦
            0 0 IS_DOMAIN_INTRODUCED 0¦ => T¦
            0 0 IS_DOMAIN_INTRODUCED 32752¦ => T¦
            0 0 IS_DOMAIN_INTRODUCED x¦ => !EINVAL
            0 0 INTRODUCE 2¦1¦0¦ => !EINVAL
            0 0 INTRODUCE 2¦1¦ => !EINVAL
            0 0 INTRODUCE 7¦1¦1¦ => !ENOENT
            0 0 INTRODUCE 2¦1¦1¦
            0 events => @introduceDomain¦i
            1 events => \n0 0 INTRODUCE 2¦1¦1¦
            0 events => \n0 0 IS_DOMAIN_INTRODUCED 2¦ => T¦
            0 0 RESUME 2¦
            0 0 RESUME 3¦ => !ENOENT
            0 0 RESUME 0¦ => !EINVAL
            0 0 SET_TARGET 2¦3¦ => !ENOENT
            0 0 SET_TARGET 2¦ => !EINVAL
            0 0 INTRODUCE 3¦1¦1¦
            0 0 WRITE /three¦x
            0 0 SET_PERMS /three¦n3¦
            2 0 READ /three¦ => !EACCES
            0 0 SET_TARGET 2¦3¦
            2 0 READ /three¦ => x
            0 0 RELEASE 0¦ => !EINVAL
            0 0 RELEASE 7¦ => !ENOENT
            0 0 RELEASE 3¦
            0 events => @introduceDomain¦i @releaseDomain¦r
            0 0 READ /three¦ => !ENOENT
            1 0 CONTROL check¦ => !EACCES
            1 0 INTRODUCE 2¦1¦1¦ => !EACCES
            1 0 RELEASE 2¦ => !EACCES
            1 0 RESUME 2¦ => !EACCES
            1 0 SET_TARGET 1¦2¦ => !EACCES
            1 0 IS_DOMAIN_INTRODUCED 2¦ => !EACCES
            0 0 CONTROL check¦
            0 0 CONTROL HELP¦ => !EINVAL
            0 0 CONTROL  => !EINVAL
            """)
    }

    @Test("a long list comes in parts of whole names, with a generation that tells of changes")
    func parts() throws {
        let store = try TestStore()
        let names = (0..<900).map { "name\($0)" }
        for name in names { store.send("0", .makeDirectory, "/d/\(name)¦") }
        #expect(store.send("0", .directory, "/d¦") == "!E2BIG")
        var offset = 0
        var list = ""
        var generations: Set<Substring> = []
        while true {
            let reply = store.send("0", .directoryPart, "/d¦\(offset)¦")
            let head = reply.split(separator: "¦", maxSplits: 1)
            generations.insert(head[0])
            let part = reply.dropFirst(head[0].count + 1)
            list += part
            offset += part.count
            if part.isEmpty || part.hasSuffix("¦¦") || part == "¦" { break }
        }
        #expect(list == names.joined(separator: "¦") + "¦¦")
        #expect(generations.count == 1)
        let before = store.send("0", .directoryPart, "/d¦99999¦")
        #expect(before == "\(generations.first ?? "")¦¦")
        store.send("0", .write, "/d/name1¦x")
        #expect(store.send("0", .directoryPart, "/d¦99999¦") == before)
        store.send("0", .makeDirectory, "/d/one-more¦")
        #expect(store.send("0", .directoryPart, "/d¦99999¦") != before)
        for wrong in ["-1", "x", ""] {
            #expect(store.send("0", .directoryPart, "/d¦\(wrong)¦") == "!EINVAL")
        }
        #expect(store.send("0", .directoryPart, "/d¦") == "!EINVAL")
    }
}
