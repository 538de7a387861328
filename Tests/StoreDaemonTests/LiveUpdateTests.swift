import Foundation
import Testing
import VirtualHardware

/// A new process takes everything over, and nobody notices.
@Suite(.serialized) struct LiveUpdateTests {
    @Test("connections, watches, transactions and waiting events survive a live update")
    func update() throws {
        let daemon = try Daemon(["--no-mac"])
        let (admin, watcher) = (try daemon.connect(), try daemon.connect())
        let first = daemon.process.processIdentifier
        #expect(try ask(admin, 12, "/dir\u{0}") == "OK\u{0}")
        #expect(try ask(watcher, 4, "/w\u{0}token\u{0}") == "OK\u{0}")
        #expect(try reply(watcher) == "/w\u{0}token\u{0}")
        #expect(try ask(watcher, 6, "\u{0}") == "1\u{0}")
        #expect(try ask(watcher, 11, "/dir/inside\u{0}1", tx: 1) == "OK\u{0}")
        // Half a message of the watcher's is held while the process changes.
        let rest = message(2, "/w\u{0}")
        try watcher.writeAll(Array(rest.prefix(7)))
        #expect(try ask(admin, 11, "/w\u{0}before") == "OK\u{0}")
        #expect(try ask(admin, 0, "live-update\u{0}") == "OK\u{0}")
        for _ in 0..<500 where Daemon.serves(first) { usleep(10_000) }
        #expect(!Daemon.serves(first), "process \(first) still runs")
        #expect(try ask(admin, 11, "/w/x\u{0}after") == "OK\u{0}")
        try watcher.writeAll(Array(rest.dropFirst(7)))
        #expect(
            try [reply(watcher), reply(watcher), reply(watcher)]
                == ["/w\u{0}token\u{0}", "/w/x\u{0}token\u{0}", "before"])
        #expect(try ask(watcher, 7, "T\u{0}", tx: 1) == "OK\u{0}")
        #expect(try ask(admin, 2, "/dir/inside\u{0}") == "1")
        #expect(try ask(admin, 0, "check\u{0}") == "OK\u{0}")
        #expect(try ask(try daemon.connect(), 2, "/w/x\u{0}") == "after")
        // And again, from the successor.
        #expect(try ask(admin, 0, "live-update\u{0}") == "OK\u{0}")
        #expect(try ask(admin, 2, "/w\u{0}") == "before")
        daemon.endSuccessor()
    }

    @Test("a program that does not begin to serve changes nothing") func refused() throws {
        let daemon = try Daemon(["--no-mac"])
        let admin = try daemon.connect()
        #expect(try ask(admin, 11, "/x\u{0}1") == "OK\u{0}")
        for program in ["/bin/false", "/nonexistent"] {
            #expect(try ask(admin, 0, "live-update\u{0}\(program)\u{0}") == "EINVAL\u{0}")
        }
        #expect(try ask(admin, 2, "/x\u{0}") == "1")
        #expect(daemon.isRunning)
    }
}
