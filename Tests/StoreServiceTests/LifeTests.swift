import GuestRuntime
import StoreService
import TestSupport
import Testing

/// What a store does when its users end, and when they attack.
@Suite struct LifeTests {
    @Test("the successor of a domain finds nothing of it")
    func reuse() throws {
        let service = try TestService()
        _ = try service.send(2, Wire.write, "data/secret¦1")
        _ = try service.send(2, Wire.watch, "data¦tok¦")
        let (pages, ports) = (service.machine.mappedCount, service.machine.portCount)
        service.machine.addDomain(2, generation: 2)
        _ = try service.round()
        _ = try service.round()
        #expect(service.servedCount == 3)
        #expect(service.machine.mappedCount == pages)
        #expect(service.machine.portCount == ports)
        #expect(try service.send(2, Wire.read, "data/secret¦") == ["16 ENOENT¦"])
        // No watch of the predecessor fires.
        #expect(try service.send(2, Wire.write, "data/y¦1") == ["11 OK¦"])
        #expect(service.layoutRefusals == 0)
        #expect(service.isSound())
    }

    @Test("a domain that ends is forgotten, and its pages and port are given back")
    func end() throws {
        let service = try TestService()
        _ = try service.send(2, Wire.write, "/channel/readings/port¦7")
        service.machine.lives[2] = DomainLife(generation: 1, isRunning: false)
        _ = try service.round()
        #expect(service.servedCount == 2)
        #expect(service.machine.mappedCount == 2)
        #expect(service.machine.portCount == 2)
        let found = try service.send(3, Wire.read, "/channel/readings/port¦")
        #expect(found.first?.hasPrefix("16 ") == true)
        #expect(service.layoutRefusals == 0)
    }

    @Test("a user whose grant or port is refused is left out, and gives back what it got")
    func refused() throws {
        let service = try TestService { machine in
            machine.refusedGrants = [2]
            machine.refusedPorts = [3]
        }
        #expect(service.servedCount == 1)
        #expect(service.machine.mappedCount == 1)
        #expect(try service.send(4, Wire.read, "name¦") == ["2 other"])
        // Nothing is tried again for the same life.
        #expect(try service.round() == false)
    }

    @Test("a page that changes at every read harms nobody but its guest")
    func interference() throws {
        var generator = SeededGenerator.announced(41)
        let service = try TestService()
        var shared = generator
        service.machine.interferes = 2
        service.machine.interference = { page in
            // Most often an index or the header of a request, which decide most.
            let place =
                [
                    2048, 2052, 2056, 2060, 2068, 2072, Int.random(in: 0..<4096, using: &shared),
                    Int.random(in: 0..<64, using: &shared),
                ].randomElement(using: &shared) ?? 0
            for index in place..<min(place + 4, 4096) {
                page[index] = UInt8(truncatingIfNeeded: shared.next() >> 20) & 0x1f
            }
        }
        for turn in 0..<TestLevel.repetitions(4000) {
            service.machine.setWord(2, 2052, service.machine.word(2, 2048) &+ 900)
            if turn % 3 == 0 { service.machine.setWord(2, 2068, 1) }
            // Fewer in a second than its rate.
            service.machine.time += 100
            _ = service.machine.put(TestService.message(Wire.read, "name¦"), of: 3)
            _ = try service.round()
            let told = TestService.messages(service.machine.get(of: 3))
            #expect(told == ["2 collector"])
        }
        #expect(service.isSound())
        #expect(service.layoutRefusals == 0)
        _ = generator.next()
    }

    @Test("random requests of all users keep every invariant")
    func random() throws {
        var generator = SeededGenerator.announced(42)
        let service = try TestService()
        let paths = ["data/a", "data/a/b", "/", "data", "@releaseDomain", "/local/domain/3/data/a"]
        for turn in 0..<TestLevel.repetitions(3000) {
            let domain = UInt16.random(in: 2...4, using: &generator)
            let type = UInt32.random(in: 0...24, using: &generator)
            let path = paths.randomElement(using: &generator) ?? "/"
            let payload = "\(path)¦" + (Bool.random(using: &generator) ? "n\(domain)¦" : "x")
            let replies = try service.send(
                domain, type, payload, transaction: UInt32.random(in: 0...1, using: &generator))
            #expect(replies.filter { !$0.hasPrefix("15 ") }.count == 1)
            if turn % 400 == 399 {
                let next = (service.machine.lives[domain]?.generation ?? 0) + 1
                service.machine.addDomain(domain, generation: next)
                _ = try service.round()
                _ = try service.round()
                #expect(service.isSound())
            }
        }
        #expect(service.isSound())
        #expect(service.servedCount == 3)
    }
}
