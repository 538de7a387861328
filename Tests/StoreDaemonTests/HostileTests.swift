import Foundation
import Testing
import VirtualHardware

/// Clients that mean harm: whatever they do, others are served and memory stays in its bound.
@Suite(.serialized) struct HostileTests {
    /// `MSG_NOSIGNAL` and `MSG_DONTWAIT` of send(2).
    private static let flags: Int32 = 0x4040

    /// Sends without waiting for room; false when the other side takes no more.
    private func push(_ bytes: [UInt8], to client: Descriptor) -> Bool {
        unsafe bytes.withUnsafeBytes {
            unsafe send(
                client.number, $0.baseAddress, $0.count, HostileTests.flags
            )
        } == bytes.count
    }

    private func expectServed(_ client: Descriptor, _ number: Int) throws {
        let got = try ask(client, 11, "/honest\u{0}\(number)")
        #expect(got == "OK\u{0}")
    }

    @Test("1,000 connections that never read cost their bound, and nobody else's turn")
    func neverReading() throws {
        let daemon = try Daemon(["--no-mac"])
        let honest = try daemon.connect()
        let value = String(repeating: "v", count: 4000)
        #expect(try ask(honest, 11, "/big\u{0}" + value) == "OK\u{0}")
        let before = daemon.residentBytes()
        var silent: [Descriptor] = []
        for number in 0..<1000 {
            let client = try daemon.connect()
            for _ in 0..<40 where !push(message(2, "/big\u{0}"), to: client) { break }
            silent.append(client)
            if number.isMultiple(of: 100) { try expectServed(honest, number) }
        }
        // 24,672 bytes each, and what the allocator adds.
        #expect(daemon.residentBytes() - before < 1000 * 40_000)
        try expectServed(honest, 1000)
        silent.removeAll()
        try expectServed(honest, 1001)
    }

    @Test("a flood of watches that is never read stays in its quotas") func watchFlood() throws {
        let daemon = try Daemon(["--no-mac"])
        let (honest, flood) = (try daemon.connect(), try daemon.connect())
        for number in 0..<20_000 {
            if !push(message(4, "/w\u{0}token \(number)\u{0}"), to: flood) { break }
        }
        let before = daemon.residentBytes()
        for number in 0..<2000 { try expectServed(honest, number) }
        for number in 0..<200 {
            let got = try ask(honest, 11, "/w/\(number)\u{0}x")
            #expect(got == "OK\u{0}")
        }
        #expect(daemon.residentBytes() - before < 8 << 20)
    }

    @Test("more nodes than there is room for are refused, and what was there stays")
    func nodeFlood() throws {
        let daemon = try Daemon(["--no-mac", "--nodes", "2000"])
        let client = try daemon.connect()
        let attempts =
            ProcessInfo.processInfo.environment["CASEMATE_TEST_LEVEL"] == "long"
            ? 10_000_000 : 20_000
        var refused = 0
        for number in 0..<attempts {
            let got = try ask(client, 12, "/n/\(number)\u{0}")
            if got == "ENOSPC\u{0}" { refused += 1 }
        }
        #expect(refused == attempts - 2000 + 4)
        #expect(try ask(client, 12, "/n/1\u{0}") == "OK\u{0}")
        #expect(try ask(client, 0, "check\u{0}") == "OK\u{0}")
    }

    @Test("malformed headers end their own connection") func headers() throws {
        let daemon = try Daemon(["--no-mac"])
        let honest = try daemon.connect()
        for length in [UInt32(4097), 0x7fff_ffff, 0x8000_0000, .max] {
            let broken = try daemon.connect()
            try broken.writeAll(
                [2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
                    + (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) })
            #expect(try broken.readSome() == [])
            try expectServed(honest, Int(length >> 8))
        }
    }

    @Test("a client that is gone after any byte of a request leaves nothing") func killed() throws {
        let daemon = try Daemon(["--no-mac"])
        let honest = try daemon.connect()
        let whole =
            message(4, "/k\u{0}t\u{0}") + message(6, "\u{0}") + message(11, "/k\u{0}v", tx: 1)
        for count in 0..<whole.count {
            let client = try daemon.connect()
            try client.writeAll(Array(whole.prefix(count)))
        }
        try expectServed(honest, 1)
        #expect(try ask(honest, 2, "/k\u{0}") == "ENOENT\u{0}")
        var text = ""
        for _ in 0..<100 {
            text = try ask(honest, 0, "stat\u{0}0\u{0}")
            if text.contains("watches 0/"), text.contains("transactions 0/") { break }
            usleep(10_000)
        }
        #expect(text.contains("watches 0/") && text.contains("transactions 0/"), "\(text)")
        #expect(try ask(honest, 0, "check\u{0}") == "OK\u{0}")
    }
}
