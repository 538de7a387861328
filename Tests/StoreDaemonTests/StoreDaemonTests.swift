import Foundation
import TestSupport
import Testing
import VirtualHardware

/// The daemon as a program, asked by raw clients and by Debian's own. One after the other: a daemon
/// started meanwhile would inherit the pipe that another test reads to its end.
@Suite(.serialized) struct StoreDaemonTests {
    @Test("it does not start without a policy unless it is told so") func refusesToStart() throws {
        let process = Process()
        let errors = Pipe()
        process.executableURL = Daemon.program
        process.arguments = ["--socket", "/nonexistent/socket"]
        process.standardError = errors
        try process.runBound()
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
        let text = String(
            decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(text.contains("--no-mac"))
    }

    @Test("requests may come together or byte by byte") func pieces() throws {
        let daemon = try Daemon()
        let client = try daemon.connect()
        try client.writeAll(message(11, "/a\0one") + message(2, "/a\0") + message(1, "/\0"))
        #expect(try [reply(client), reply(client), reply(client)] == ["OK\0", "one", "tool\0a\0"])
        for byte in message(2, "/a\0") { try client.writeAll([byte]) }
        #expect(try reply(client) == "one")
    }

    @Test("who breaks the protocol is disconnected, alone") func violation() throws {
        let daemon = try Daemon()
        let (honest, broken) = (try daemon.connect(), try daemon.connect())
        try broken.writeAll([2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 16, 0, 0])
        #expect(try broken.readSome() == [])
        try honest.writeAll(message(13, "/none\0"))
        #expect(try reply(honest) == "OK\0")
    }

    @Test("who does not read keeps nobody waiting, and loses nothing") func blocked() throws {
        let daemon = try Daemon()
        let (slow, quick) = (try daemon.connect(), try daemon.connect())
        let value = String(repeating: "v", count: 4000)
        try quick.writeAll(message(11, "/big\0" + value))
        #expect(try reply(quick) == "OK\0")
        for _ in 0..<150 { try slow.writeAll(message(2, "/big\0")) }
        for number in 0..<100 {
            try quick.writeAll(message(11, "/x\0\(number)"))
            let got = try reply(quick)
            #expect(got == "OK\0")
        }
        for _ in 0..<150 {
            let got = try reply(slow)
            #expect(got == value)
        }
    }

    @Test("a watch tells another client") func watch() throws {
        let daemon = try Daemon()
        let (watcher, writer) = (try daemon.connect(), try daemon.connect())
        try watcher.writeAll(message(4, "/w\0t\0"))
        #expect(try [reply(watcher), reply(watcher)] == ["OK\0", "/w\0t\0"])
        try writer.writeAll(message(11, "/w/x\0y"))
        #expect(try reply(writer) == "OK\0")
        #expect(try reply(watcher) == "/w/x\0t\0")
    }

    @Test("Debian's own clients work on it") func debian() throws {
        let daemon = try Daemon()
        _ = try daemon.connect()
        #expect(try daemon.run("xenstore-write", "/tool/x", "a b", "/vm", "1") == "0 ")
        #expect(try daemon.run("xenstore-read", "/tool/x") == "0 a b\n")
        #expect(try daemon.run("xenstore-list", "/") == "0 tool\nvm\n")
        #expect(try daemon.run("xenstore-chmod", "/tool", "n0", "r0") == "0 ")
        let listing =
            "/tool = \"\"   (n0,r0)\n/tool/xenstored = \"\"   (n0)\n"
            + "/tool/x = \"a b\"   (n0)\n/vm = \"1\"   (n0)\n"
        #expect(try daemon.run("xenstore-ls", "-fp") == "0 " + listing)
        #expect(try daemon.run("xenstore-exists", "/vm") == "0 ")
        #expect(try daemon.run("xenstore-rm", "/vm") == "0 ")
        #expect(try daemon.run("xenstore-exists", "/vm") == "1 ")
        #expect(try daemon.run("xenstore-read", "/vm") == "1 ")
    }
}
