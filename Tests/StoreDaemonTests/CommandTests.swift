import Foundation
import TestSupport
import Testing

/// `casemate xenstored` and `casemate xenstore`, as a shell runs them.
@Suite(.serialized) struct StoreCommandTests {
    private func casemate(_ words: String...) throws -> (status: Int32, text: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = Daemon.program.deletingLastPathComponent()
            .appending(path: "casemate")
        process.arguments = words
        process.standardOutput = output
        process.standardError = output
        try process.runBound()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    @Test("the daemon is reached through casemate, and gets all words") func passes() throws {
        let refused = try casemate("xenstored", "--nodes", "0")
        #expect(refused.status == 2)
        #expect(refused.text.contains("casemate-xenstored: "))
        #expect(try casemate("xenstored", "--unheard-of").text.contains("`--unheard-of`"))
    }

    @Test("stat says which quota, how full, and by which rule something was refused")
    func stat() throws {
        let daemon = try PolicyDaemonTests.start()
        let (admin, sensor) = (try daemon.connect("admin"), try daemon.connect("sensor"))
        #expect(try ask(admin, 11, "/tool/x\u{0}1") == "OK\u{0}")
        #expect(try ask(admin, 14, "/tool/x\u{0}b1\u{0}") == "OK\u{0}")
        #expect(try ask(sensor, 11, "/tool/x\u{0}2") == "EACCES\u{0}")
        let shown = try casemate("xenstore", "stat", "--socket", daemon.path("admin"), "2")
        #expect(shown.status == 0)
        for line in [
            "domain 2 sensor", "  watches 0/128", "  refused label 1",
            "no rule `allow sensor-t unlabeled_t : xenstore { write }`",
        ] {
            #expect(shown.text.contains(line), "\(shown.text)")
        }
        let document = try casemate("xenstore", "stat", "--json", "--socket", daemon.path("admin"))
        let decoded = try JSONSerialization.jsonObject(with: Data(document.text.utf8))
        let domains = try #require((decoded as? [String: Any])?["domains"] as? [[String: Any]])
        #expect(domains.compactMap { $0["domain"] as? Int } == [0, 1, 2, 3])
        #expect((domains[2]["lastRefusal"] as? String)?.contains("sensor-t unlabeled_t") == true)
        let other = try casemate("xenstore", "stat", "--socket", daemon.path("sensor"))
        #expect(other.status == 1 && other.text.contains("EACCES"))
        #expect(try casemate("xenstore", "stat", "--socket", daemon.path("nobody")).status == 74)
    }

    @Test("ls shows each node with its value, permissions and label") func list() throws {
        let daemon = try PolicyDaemonTests.start()
        let admin = try daemon.connect("admin")
        #expect(try ask(admin, 11, "/tool/x\u{0}a\"b") == "OK\u{0}")
        let text = try casemate(
            "xenstore", "ls", "--labels", "--permissions", "--socket", daemon.path("admin"))
        #expect(text.status == 0)
        let label = "system_u:object_r:unlabeled_t:unclassified"
        #expect(text.text.contains("/tool/x = \"a\\x22b\"   (r0)   \(label)\n"), "\(text.text)")
        #expect(text.text.contains("/local/domain/2 = \"\""))
        // What is secret from the administrator's label is left out.
        #expect(!text.text.contains("/local/domain/3"))
        let json = try casemate(
            "xenstore", "ls", "--json", "--socket", daemon.path("admin"), "/tool")
        let nodes = try JSONSerialization.jsonObject(with: Data(json.text.utf8))
        #expect((nodes as? [[String: Any]])?.count == 3)
        let none = try casemate("xenstore", "ls", "--socket", daemon.path("admin"), "/none")
        #expect(none.status == 1 && none.text.contains("ENOENT"))
    }
}
