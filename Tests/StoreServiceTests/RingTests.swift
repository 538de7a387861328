import CompilerTestSupport
import GuestRuntime
import PolicyDatabase
import StoreService
import TestSupport
import Testing

/// What a store compartment does with the rings of its users.
@Suite struct RingTests {
    @Test("each user finds itself, and only what the store laid out for it")
    func layout() throws {
        let service = try TestService()
        #expect(service.servedCount == 3)
        #expect(service.layoutRefusals == 0)
        #expect(try service.send(2, Wire.read, "name¦") == ["2 sensor"])
        #expect(try service.send(2, Wire.read, "domid¦") == ["2 2"])
        #expect(try service.send(2, Wire.read, "memory/target¦") == ["2 65536"])
        #expect(try service.send(2, Wire.directory, "cpu¦") == ["1 0¦1¦"])
        #expect(try service.send(4, Wire.directory, "cpu¦") == ["1 0¦"])
        #expect(try service.send(2, Wire.write, "data/x¦1") == ["11 OK¦"])
        #expect(try service.send(2, Wire.write, "name¦other") == ["16 EACCES¦"])
        #expect(try service.send(3, Wire.read, "/local/domain/2/data/x¦") == ["16 EACCES¦"])
        #expect(service.isSound())
    }

    /// What the compiled policy permits about the directory of `readings`: its writer, the label
    /// of compartment 1, writes; its reader, that of 2, reads. Everybody has his own nodes.
    private static func directories(_ subject: Int, _ object: Int) -> UInt32 {
        let reading =
            XenstorePermission.read.mask | XenstorePermission.list.mask
            | XenstorePermission.watch.mask
        let writing =
            XenstorePermission.write.mask | XenstorePermission.create.mask
            | XenstorePermission.remove.mask
        switch (subject, object) {
        case (2, TestService.directoryNumber): return reading | writing
        case (3, TestService.directoryNumber): return reading
        default: return subject == object ? .max : 0
        }
    }

    @Test("the ends of a channel meet in its directory, and nobody else is let in")
    func channels() throws {
        let service = try TestService { $0.policy = RingTests.directories }
        let path = "/channel/readings"
        #expect(try service.send(2, Wire.read, "\(path)/domain¦") == ["2 2"])
        #expect(try service.send(2, Wire.write, "\(path)/port¦7") == ["11 OK¦"])
        #expect(try service.send(3, Wire.read, "\(path)/port¦") == ["2 7"])
        #expect(try service.send(3, Wire.read, "\(path)/domain¦") == ["2 2"])
        #expect(try service.send(3, Wire.write, "\(path)/port¦8") == ["16 EACCES¦"])
        #expect(try service.send(3, Wire.write, "\(path)/x¦1") == ["16 EACCES¦"])
        #expect(try service.send(2, Wire.write, "\(path)/domain¦4") == ["16 EACCES¦"])
        #expect(try service.send(4, Wire.read, "\(path)/port¦") == ["16 ENOENT¦"])
        #expect(try service.send(4, Wire.directory, "/channel¦") == ["1 "])
        #expect(try service.send(3, Wire.directory, "/channel¦") == ["1 readings¦"])
        #expect(service.layoutRefusals == 0)
    }

    @Test("the directories that every store has show each user what its label permits")
    func filtered() throws {
        let service = try TestService { $0.policy = RingTests.directories }
        #expect(try service.send(2, Wire.directory, "/¦") == ["1 channel¦local¦"])
        #expect(try service.send(2, Wire.directory, "/local¦") == ["1 domain¦"])
        #expect(try service.send(2, Wire.directory, "/local/domain¦") == ["1 2¦"])
        #expect(try service.send(4, Wire.directory, "/local/domain¦") == ["1 4¦"])
        for path in ["/x", "/local/x", "/local/domain/9", "/channel/x"] {
            #expect(try service.send(2, Wire.write, "\(path)¦1") == ["16 EACCES¦"])
        }
    }

    @Test("both ends of a channel may end and start again, and what the other left is there")
    func restart() throws {
        let service = try TestService { $0.policy = RingTests.directories }
        #expect(try service.send(2, Wire.write, "/channel/readings/port¦7") == ["11 OK¦"])
        service.machine.addDomain(3, generation: 2)
        for _ in 0..<2 { _ = try service.round() }
        #expect(try service.send(3, Wire.read, "/channel/readings/port¦") == ["2 7"])
        #expect(try service.send(3, Wire.watch, "/channel/readings¦t¦").count == 2)
        service.machine.addDomain(2, generation: 2)
        for _ in 0..<2 { _ = try service.round() }
        _ = try service.settle(3)
        #expect(try service.send(3, Wire.read, "/channel/readings/port¦") == ["16 ENOENT¦"])
        #expect(try service.send(3, Wire.read, "/channel/readings/domain¦") == ["2 2"])
        #expect(try service.send(2, Wire.write, "/channel/readings/port¦8") == ["11 OK¦"])
        #expect(service.layoutRefusals == 0)
        #expect(service.isSound())
    }

    @Test("what the policy denies is denied, whatever the permissions of the node")
    func policy() throws {
        let nothing = try TestService { machine in machine.policy = { _, _ in 0 } }
        #expect(nothing.layoutRefusals == 0)
        #expect(try nothing.send(2, Wire.read, "name¦").first?.hasPrefix("16 ") == true)
        #expect(try nothing.send(2, Wire.write, "data/x¦1").first?.hasPrefix("16 ") == true)
    }

    @Test("a user makes as many requests in a second as its rate; the next waits, and is served")
    func rate() throws {
        let service = try TestService()
        var served = 0
        for _ in 0..<20_100 where service.wakeTime == nil {
            _ = service.machine.put(TestService.message(Wire.read, "domid¦"), of: 2)
            _ = try service.round()
            if !service.machine.get(of: 2).isEmpty { served += 1 }
        }
        // The layout is the store's own, and counts for nobody.
        #expect(served == 20_000)
        let wake = try #require(service.wakeTime)
        #expect(wake > service.machine.time && wake <= service.machine.time + 51)
        #expect(try service.send(3, Wire.read, "domid¦") == ["2 3"])
        service.machine.time = wake
        #expect(TestService.messages(try service.settle(2)) == ["2 2"])
    }

    @Test("a user is held to the quota that its system gives it, and nobody else is")
    func quotas() throws {
        let quotas = """
                uses store
                quota store 30 nodes
                quota store 2 watches
                quota store 1 transactions
                quota store 1 KiB per node
                quota store 10 per second
            """
        let parts = TestService.source.split(
            separator: "    uses store", maxSplits: 1, omittingEmptySubsequences: false)
        let service = try TestService(
            TestSystem(parts.joined(separator: quotas)), users: [2, 3, 4])
        #expect(service.layoutRefusals == 0)
        let long = String(repeating: "x", count: 1100)
        for (user, isBound) in [(UInt16(2), true), (3, false)] {
            func answers(_ type: UInt32, _ payload: String) throws -> String {
                service.machine.time += 2_000_000
                let answers = try service.send(user, type, payload)
                return answers.first { !$0.hasPrefix("15 ") } ?? ""
            }
            #expect(
                try answers(Wire.write, "data/long¦\(long)")
                    == (isBound ? "16 ENOSPC¦" : "11 OK¦"))
            for token in 0..<2 {
                #expect(try answers(Wire.watch, "data¦\(token)¦") == "4 OK¦")
            }
            #expect(try answers(Wire.watch, "data¦2¦") == (isBound ? "16 E2BIG¦" : "4 OK¦"))
            #expect(try answers(Wire.start, "¦").hasPrefix("6 "))
            #expect(try answers(Wire.start, "¦").hasPrefix(isBound ? "16 ENOSPC" : "6 "))
            let made = try (0..<40).filter { try answers(Wire.write, "data/n\($0)¦1") == "11 OK¦" }
            #expect(isBound ? (15..<30).contains(made.count) : made.count == 40, "\(made.count)")
        }
        // Ten a second for one, while the other is served as fast as it asks.
        service.machine.time += 2_000_000
        for user in [UInt16(2), 3] {
            var served = 0
            for _ in 0..<15 {
                _ = service.machine.put(TestService.message(Wire.read, "domid¦"), of: user)
                _ = try service.round()
                if !service.machine.get(of: user).isEmpty { served += 1 }
            }
            #expect(user == 2 ? served == 10 : served == 15, "\(served)")
        }
        #expect(service.isSound())
    }

    @Test("a request in two pieces is one request, wherever it is cut")
    func pieces() throws {
        let service = try TestService()
        let message = TestService.message(
            Wire.write, "data/long¦\(String(repeating: "v", count: 200))")
        for cut in 1..<message.count {
            #expect(service.machine.put(message[..<cut], of: 2) == cut)
            #expect(try service.settle(2).isEmpty)
            _ = service.machine.put(message[cut...], of: 2)
            #expect(TestService.messages(try service.settle(2)) == ["11 OK¦"])
        }
    }

    @Test("an index further away than the ring is long stops the ring, and only it")
    func indices() throws {
        for (offset, distance): (Int, UInt32) in [(2052, 1025), (2052, .max), (2056, 1)] {
            let service = try TestService()
            if offset == 2056 { _ = service.machine.put(TestService.message(2, "name¦"), of: 2) }
            service.machine.setWord(2, offset, service.machine.word(2, offset) &+ distance)
            for _ in 0..<3 { _ = try service.round() }
            #expect(service.machine.word(2, 2072) == 2)
            #expect(service.servedCount == 2)
            #expect(try service.send(3, Wire.read, "name¦") == ["2 collector"])
            // The guest may connect again; what it watched is gone, what it owns is there.
            service.machine.setWord(2, 2068, 1)
            _ = try service.round()
            #expect(service.machine.word(2, 2068) == 0)
            #expect(service.machine.word(2, 2072) == 0)
            #expect(try service.send(2, Wire.read, "name¦") == ["2 sensor"])
        }
        // Just inside: a full ring is no error.
        let service = try TestService()
        _ = service.machine.put(TestService.message(Wire.write, "data/a¦b"), of: 2)
        let rest = [UInt8](repeating: 0, count: 1024 - Int(service.machine.word(2, 2052)))
        _ = service.machine.put(rest, of: 2)
        _ = try service.round()
        #expect(service.machine.word(2, 2072) == 0)
    }

    @Test("a header that announces too much stops the ring; the longest message does not")
    func lengths() throws {
        for length: UInt32 in [4097, 0x8000_0000, .max] {
            let service = try TestService()
            _ = service.machine.put(TestService.header(Wire.write, length), of: 2)
            _ = try service.round()
            #expect(service.machine.word(2, 2072) == 3)
            #expect(service.servedCount == 2)
        }
        let service = try TestService()
        let value = String(repeating: "x", count: 4096 - "data/a¦".utf8.count + 1)
        let replies = try service.send(2, Wire.write, "data/a¦" + value)
        #expect(replies == ["16 ENOSPC¦"])
        #expect(service.servedCount == 3)
    }

    @Test("a guest that floods its ring does not keep the others waiting")
    func fairness() throws {
        let service = try TestService()
        let request = TestService.message(Wire.read, "name¦")
        for _ in 0..<200 {
            while service.machine.put(request, of: 2) == request.count {}
            service.machine.setWord(2, 2052, service.machine.word(2, 2048) &+ 1024)
            _ = service.machine.put(request, of: 3)
            _ = try service.round()
            #expect(TestService.messages(service.machine.get(of: 3)) == ["2 collector"])
            _ = service.machine.get(of: 2)
        }
    }

    @Test("for a guest that does not read, nothing is taken and nothing is lost")
    func silentReader() throws {
        let service = try TestService()
        #expect(try service.send(2, Wire.watch, "data¦tok¦") == ["4 OK¦", "15 data¦tok¦"])
        let request = TestService.message(Wire.write, "data/x¦1")
        var sent = 0
        for _ in 0..<300 {
            if service.machine.word(2, 2052) &- service.machine.word(2, 2048)
                <= UInt32(1024 - request.count)
            {
                _ = service.machine.put(request, of: 2)
                sent += 1
            }
            _ = try service.round()
        }
        // Two rings full of them, and no more.
        #expect(sent < 100)
        var bytes: [UInt8] = []
        for _ in 0..<500 {
            bytes += service.machine.get(of: 2, limit: 100)
            _ = try service.round()
        }
        let messages = TestService.messages(bytes)
        #expect(messages.filter { $0 == "11 OK¦" }.count == sent)
        #expect(messages.contains("15 data/x¦tok¦"))
        #expect(service.isSound())
    }

    @Test("events that a request causes come before its reply, also when others cause more")
    func eventsBeforeReply() throws {
        let service = try TestService()
        _ = try service.send(2, Wire.watch, "data¦tok¦")
        #expect(
            try service.send(2, Wire.write, "data/x¦1") == ["15 data/x¦tok¦", "11 OK¦"])
    }
}
