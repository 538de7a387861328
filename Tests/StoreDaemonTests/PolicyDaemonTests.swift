import CompilerTestSupport
import Digests
import Foundation
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import SystemManifest
import Testing
import VirtualHardware

/// The daemon under a policy. Compartments `admin` and `sensor` are unclassified, `collector` is
/// secret; levels let the secret read and not write what is unclassified.
@Suite(.serialized) struct PolicyDaemonTests {
    private static let source = """
        system served version 1
        target casemate

        levels unclassified < secret

        """
        + ["admin", "sensor", "collector"].map { name in
            """
            compartment \(name) at \(name == "collector" ? "secret" : "unclassified") {
                kernel debian
                initrd "\(name).cpio"
                memory 64 MiB
                vcpus 1
            }

            """
        }.joined()

    static let observing: UInt32 =
        XenstorePermission.read.mask | XenstorePermission.list.mask
        | XenstorePermission.watch.mask
    private static let all: UInt32 = 0x1ff

    /// A daemon with a policy of these rules (subject, object, permissions) in its folder.
    static func rules(sensorReadsRoot: Bool = true) -> [(String, String, UInt32)] {
        [
            ("admin-t", "unlabeled_t", all), ("admin-t", "admin-t", all),
            ("admin-t", "sensor-t", all), ("sensor-t", "sensor-t", all),
            ("collector-t", "collector-t", all), ("collector-t", "sensor-t", all),
            ("collector-t", "unlabeled_t", observing),
        ] + (sensorReadsRoot ? [("sensor-t", "unlabeled_t", observing)] : [])
    }

    static func write(
        _ rules: [(String, String, UInt32)], to daemon: Daemon,
        _ change: (inout SystemManifestModel) -> Void = { _ in }
    ) throws {
        let compiled = try TestSystem(source).compiled
        var file = try PolicyFile(validating: compiled.policy)
        func number(_ name: String) throws -> UInt16 {
            try UInt16(#require(file.types.symbols.first { $0.name == name }?.number))
        }
        for (subject, object, permissions) in rules {
            var rule = PolicyFile.AccessRule()
            rule.source = try number(subject)
            rule.target = try number(object)
            rule.objectClass = 14
            rule.data = permissions
            file.accessRules.rules.append(rule)
        }
        let policy = try file.encoded()
        var model = compiled.model
        change(&model)
        var manifest = model.encoded
        let digest = SHA384.hash(policy.span)
        for index in 0..<48 { manifest[56 + index] = digest.bytes[index] }
        try Data(policy).write(to: URL(filePath: daemon.path("policy")))
        try Data(manifest).write(to: URL(filePath: daemon.path("manifest")))
    }

    static let contexts = """
        # The last line that matches counts.
        /                     system_u:object_r:unlabeled_t:unclassified
        /shared/[a-z]+        label1_u:compartment_r:sensor-t:unclassified
        /odd(/.*)?            <<none>>

        """

    static let sockets = ["admin=admin", "sensor=sensor", "collector=collector"]

    static func options(_ daemon: Daemon) -> [String] {
        [
            "--policy", daemon.path("policy"), "--manifest", daemon.path("manifest"),
            "--file-contexts", daemon.path("contexts"),
        ]
    }

    static func start(_ rules: [(String, String, UInt32)] = rules()) throws -> Daemon {
        let daemon = try Daemon(nil)
        try write(rules, to: daemon)
        try Data(contexts.utf8).write(to: URL(filePath: daemon.path("contexts")))
        try daemon.start(options(daemon), at: sockets)
        _ = try daemon.connect("admin")
        return daemon
    }

    @Test("each socket's clients see and do what their compartment's label permits")
    func labels() throws {
        let daemon = try PolicyDaemonTests.start()
        func run(_ name: String, _ words: String...) throws -> String {
            switch words.count {
            case 2: try daemon.run(words[0], words[1], socket: name)
            default: try daemon.run(words[0], words[1], words[2], socket: name)
            }
        }
        #expect(try run("admin", "xenstore-write", "/tool/x", "1") == "0 ")
        #expect(try run("sensor", "xenstore-write", "/local/domain/2/data", "s") == "0 ")
        #expect(try run("collector", "xenstore-write", "/local/domain/3/data", "c") == "0 ")
        #expect(try run("collector", "xenstore-read", "/local/domain/3/data") == "0 c\n")
        #expect(try run("collector", "xenstore-list", "/local/domain") == "0 3\n")
        // The level of the collector's nodes is above the others': for them they do not exist.
        #expect(try run("sensor", "xenstore-list", "/local/domain") == "0 2\n")
        #expect(try run("admin", "xenstore-list", "/local/domain") == "0 1\n2\n")
        #expect(try run("admin", "xenstore-read", "/local/domain/3/data") == "1 ")
        #expect(try run("sensor", "xenstore-write", "/tool/x", "2") == "1 ")
        let client = try daemon.connect("sensor")
        #expect(try ask(client, 11, "/tool/x\u{0}2") == "EACCES\u{0}")
        #expect(try ask(client, 2, "/local/domain/3\u{0}") == "ENOENT\u{0}")
        let writer = try daemon.connect("collector")
        #expect(try ask(writer, 11, "/local/domain/2/data\u{0}down") == "EACCES\u{0}")
    }

    @Test("a compartment is held to the quota that its manifest gives it, others to the general")
    func quotas() throws {
        let daemon = try Daemon(nil)
        try PolicyDaemonTests.write(PolicyDaemonTests.rules(), to: daemon) { model in
            model.compartments[0].service = .store
            model.compartments[1].uses = [.store]
            var quota = StoreQuotaRecord(compartment: 1)
            quota.nodes = 3
            quota.watches = 1
            model.storeQuotas = [quota]
        }
        try Data(PolicyDaemonTests.contexts.utf8).write(
            to: URL(filePath: daemon.path("contexts")))
        try daemon.start(PolicyDaemonTests.options(daemon), at: PolicyDaemonTests.sockets)
        let (admin, sensor) = (try daemon.connect("admin"), try daemon.connect("sensor"))
        let answers = try (0..<4).map { try ask(sensor, 11, "/local/domain/2/n\($0)\u{0}1") }
        #expect(answers.first == "OK\u{0}" && answers.last == "ENOSPC\u{0}")
        #expect(try ask(admin, 0, "stat\u{0}2\u{0}").contains("nodes 3/3"))
        #expect(try ask(admin, 0, "stat\u{0}2\u{0}").contains("watches 0/1"))
        #expect(try ask(admin, 0, "stat\u{0}3\u{0}").contains("watches 0/128"))
    }

    @Test("a refusal is counted and explained: the rule, or the levels") func explained() throws {
        let daemon = try PolicyDaemonTests.start()
        let (admin, sensor) = (try daemon.connect("admin"), try daemon.connect("sensor"))
        #expect(try ask(admin, 11, "/tool/x\u{0}1") == "OK\u{0}")
        #expect(try ask(admin, 14, "/tool/x\u{0}b1\u{0}") == "OK\u{0}")
        #expect(try ask(sensor, 11, "/tool/x\u{0}2") == "EACCES\u{0}")
        let rule = "no rule `allow sensor-t unlabeled_t : xenstore { write }`"
        #expect(daemon.errors.contains(rule))
        #expect(try ask(admin, 0, "stat\u{0}").contains(rule))
        #expect(try ask(admin, 0, "stat\u{0}2\u{0}").contains("refused label 1"))
        #expect(try ask(admin, 0, "stat\u{0}").contains("mandatory control: policy "))
        #expect(try ask(sensor, 0, "stat\u{0}") == "EACCES\u{0}")
        let label = "system_u:object_r:unlabeled_t:unclassified\u{0}"
        #expect(try ask(admin, 0, "label\u{0}/tool\u{0}") == label)
    }

    @Test("a file of contexts labels new nodes; what it does not name inherits")
    func fileContexts() throws {
        let daemon = try PolicyDaemonTests.start()
        let admin = try daemon.connect("admin")
        #expect(try ask(admin, 11, "/shared/a/deep\u{0}1") == "OK\u{0}")
        let sensor = "label1_u:compartment_r:sensor-t:unclassified\u{0}"
        #expect(try ask(admin, 0, "label\u{0}/shared/a\u{0}") == sensor)
        #expect(try ask(admin, 0, "label\u{0}/shared/a/deep\u{0}") == sensor)
        #expect(try ask(admin, 6, "\u{0}") == "1\u{0}")
        #expect(try ask(admin, 11, "/shared/b\u{0}1", tx: 1) == "OK\u{0}")
        #expect(try ask(admin, 7, "T\u{0}", tx: 1) == "OK\u{0}")
        #expect(try ask(admin, 0, "label\u{0}/shared/b\u{0}") == sensor)
        #expect(try ask(admin, 0, "label\u{0}/shared\u{0}") != sensor)
    }

    @Test("it does not start with a policy, manifest or context that does not fit")
    func refusesToStart() throws {
        let daemon = try Daemon(nil)
        try PolicyDaemonTests.write(PolicyDaemonTests.rules(), to: daemon)
        func expectRefusal(_ file: String, _ bytes: Data, _ reason: String) throws {
            let url = URL(filePath: daemon.path(file))
            let kept = try? Data(contentsOf: url)
            try bytes.write(to: url)
            try daemon.start(PolicyDaemonTests.options(daemon), at: PolicyDaemonTests.sockets)
            for _ in 0..<300 where daemon.isRunning { usleep(10_000) }
            #expect(!daemon.isRunning)
            #expect(daemon.errors.contains(reason))
            if let kept { try kept.write(to: url) }
        }
        let contexts = Data(PolicyDaemonTests.contexts.utf8)
        let junk = Data("/x not-a-context\n".utf8)
        try expectRefusal("contexts", junk, "`not-a-context` is no context of the policy")
        let impossible = Data("/x system_u:compartment_r:sensor-t:secret\n".utf8)
        try expectRefusal("contexts", impossible, "is not valid in the policy")
        try contexts.write(to: URL(filePath: daemon.path("contexts")))
        var policy = try Data(contentsOf: URL(filePath: daemon.path("policy")))
        policy[policy.count - 1] ^= 1
        try expectRefusal("policy", policy, "casemate-xenstored:")
        try expectRefusal("manifest", Data(), "casemate-xenstored:")
    }

    @Test("a peer that nobody named is refused; one that is named by its user id is served")
    func peers() throws {
        let daemon = try Daemon(nil)
        try PolicyDaemonTests.write(PolicyDaemonTests.rules(), to: daemon)
        try Data(PolicyDaemonTests.contexts.utf8).write(
            to: URL(filePath: daemon.path("contexts")))
        let other = PolicyDaemonTests.options(daemon) + ["--peer", "\(getuid() + 1)=admin"]
        try daemon.start(other, at: ["socket"])
        #expect(try daemon.connect().readSome() == [])
        let own = try Daemon(nil)
        try PolicyDaemonTests.write(PolicyDaemonTests.rules(), to: own)
        try Data(PolicyDaemonTests.contexts.utf8).write(to: URL(filePath: own.path("contexts")))
        let named = PolicyDaemonTests.options(own) + ["--peer", "\(getuid())=sensor"]
        try own.start(named, at: ["socket"])
        #expect(try ask(own.connect(), 1, "/local/domain\u{0}") == "2\u{0}")
    }

    @Test("a new policy takes back what it no longer permits, and says what that was")
    func reload() throws {
        let daemon = try PolicyDaemonTests.start()
        let (admin, sensor) = (try daemon.connect("admin"), try daemon.connect("sensor"))
        #expect(try ask(admin, 11, "/tool/x\u{0}1") == "OK\u{0}")
        #expect(try ask(admin, 14, "/tool/x\u{0}n0\u{0}r2\u{0}") == "OK\u{0}")
        #expect(try ask(sensor, 2, "/tool/x\u{0}") == "1")
        #expect(try ask(sensor, 4, "/tool\u{0}token\u{0}") == "OK\u{0}")
        #expect(try reply(sensor) == "/tool\u{0}token\u{0}")
        #expect(try ask(sensor, 4, "/local/domain/2\u{0}kept\u{0}") == "OK\u{0}")
        #expect(try reply(sensor) == "/local/domain/2\u{0}kept\u{0}")
        #expect(try ask(sensor, 6, "\u{0}") == "1\u{0}")
        #expect(try ask(sensor, 2, "/tool/x\u{0}", tx: 1) == "1")
        try PolicyDaemonTests.write(PolicyDaemonTests.rules(sensorReadsRoot: false), to: daemon)
        let report = try ask(admin, 0, "reload\u{0}")
        for line in [
            "3 revoked", "revoked watch of domain 2: /tool",
            "revoked transaction of domain 2: /tool/x",
            "revoked permission of domain 2: /tool/x",
        ] {
            #expect(report.contains(line), "\(report)")
        }
        // What may not be read is as if it were not there.
        #expect(try ask(sensor, 2, "/tool/x\u{0}") == "ENOENT\u{0}")
        #expect(try ask(sensor, 7, "T\u{0}", tx: 1) == "EAGAIN\u{0}")
        #expect(try ask(admin, 3, "/tool/x\u{0}") == "n0\u{0}n2\u{0}")
        #expect(try ask(admin, 11, "/tool/y\u{0}2") == "OK\u{0}")
        // Still only the watch that was not taken back tells.
        #expect(try ask(sensor, 11, "/local/domain/2/a\u{0}1") == "/local/domain/2/a\u{0}kept\u{0}")
    }
}
