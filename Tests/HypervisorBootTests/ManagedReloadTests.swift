import ControlFrames
import Foundation
import PolicyAuthority
import SystemManifest
import TestSupport
import Testing
import VirtualHardware

/// A running machine gets a newer policy that takes a channel away while it is used. One boot.
@Suite(.serialized) struct ManagedReloadTests {
    /// A build of the system `managed`, changed.
    private struct Release {
        let folder: String
        let source: String

        /// - Parameters:
        ///   - replacing: the manifest that it replaces.
        ///   - key: who signs it; nil: nobody.
        ///   - hasChannel: whether it has the channel `readings`.
        init(
            _ machine: RunningMachine, in folder: TemporaryFolder, _ name: String, version: Int,
            replacing: String, key: String?, hasChannel: Bool = false
        ) throws {
            let text = String(
                decoding: try RepositoryFiles.bytes(
                    of: RepositoryFiles.root.appending(
                        path: "policy/systems/managed/system.casemate")), as: UTF8.self)
            let lines = text.replacing("version 1", with: "version \(version)")
                .split(separator: "\n", omittingEmptySubsequences: false)
                .filter { hasChannel || !$0.hasPrefix("channel readings") }
            source = try folder.write(lines.joined(separator: "\n"), to: "\(name).casemate")
            self.folder = folder.path(name)
            let signing = key.map { ["--sign", $0, "--replaces", replacing] } ?? []
            let run = try ToolRun(
                ".build/release/casemate", ["build", source, "--output", self.folder] + signing)
            guard run.status == 0 else { throw RunningMachine.Failure(message: run.errors) }
        }

        /// What is sent to the agent.
        var archive: [UInt8] {
            get throws {
                func bytes(_ name: String) throws -> [UInt8] {
                    [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + name)))
                }
                return NewcArchive.archive([
                    ("policy", try bytes("policy.30")),
                    ("manifest", try bytes("system.manifest")),
                ])
            }
        }
    }

    /// What the collector says about the channel's directory, and when there is nothing.
    private let shown = "the store shows "
    private let nothing = "the store shows nothing of readings"
    private let booted = ".build/systems/managed/system.manifest"

    /// The machine has a TPM 1.2: that of `ManagedSystemTests` has a 2.0.
    @Test("a signed newer policy takes a live channel away; nothing else changes anything")
    func load() throws {
        let machine = try RunningMachine(tpm: "1.2")
        defer { machine.end() }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try machine.wait(for: "(collector) ", "read 3 on readings", seconds: 120)
        // The sender has left its port in the channel's directory.
        try machine.wait(for: "(collector) ", shown, count: 1, besides: nothing)
        try refusesOthers(machine, folder)
        #expect(machine.count("(collector) ", "is blank") == 0)
        #expect(machine.count("(sensor) ", "signal refused") == 0)
        let next = try Release(
            machine, in: folder, "next", version: 2, replacing: booted, key: machine.keyPath)
        let empty = machine.count("(collector) ", nothing)
        try loads(machine, next)
        try machine.wait(for: "(collector) ", nothing, count: empty + 1)
        // A verifier who knows the release accepts the machine; another one does not.
        let key = try machine.enrol()
        let known = try machine.attest(
            successors: [next.folder + "/reference-values.json"], key: key)
        #expect(known.status == 0, "\(known.errors)")
        #expect(
            machine.quoted == "quoted: a TPM 1.2, through the agent in the control compartment\n")
        #expect(known.output.contains("since its boot: policy replaced by"), "\(known.output)")
        #expect(try machine.attest().status == 1)
        do {
            var line = try RawLine(machine)
            _ = try line.open()
            #expect(try line.runTPMCommand(ManagedCommands.forceClear) == 8)
            try machine.expectRefusedCommand()
        }
        try storeFollows(machine, folder, next)
    }

    /// What the store shows of the channel: nothing while the policy does not have it, and all of
    /// it when a later policy has it again. The store was not started anew.
    private func storeFollows(
        _ machine: RunningMachine, _ folder: TemporaryFolder, _ present: Release
    ) throws {
        let empty = machine.count("(collector) ", nothing)
        try machine.wait(
            for: "(casemate) ",
            "denied xenstore { read } from collector to the hypervisor by the store")
        let again = try Release(
            machine, in: folder, "again", version: 3,
            replacing: present.folder + "/system.manifest", key: machine.keyPath, hasChannel: true)
        let run = try machine.tool(
            "load", again.folder, "--key", machine.keyPath, "--yes", "--system", again.source)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output.contains("+ channel readings: sensor -> collector ring 4 pages"))
        try machine.wait(for: "(casemate) ", "policy 3 in force, system version 3")
        try machine.wait(for: "(collector) ", shown, count: 2, besides: nothing)
        #expect(machine.count("(collector) ", nothing) == empty)
        #expect(try machine.state(of: "collector") == "running")
    }

    /// What is not signed by the authority, or not newer, is refused by the tool, and by the agent
    /// or the hypervisor when somebody sends it all the same.
    private func refusesOthers(_ machine: RunningMachine, _ folder: TemporaryFolder) throws {
        let foreignKey = folder.path("foreign.pem")
        let foreign = AuthorityPrivateKey()
        try Data(foreign.secretPEM.utf8).write(to: URL(filePath: foreignKey))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: foreignKey)
        let unsigned = try Release(
            machine, in: folder, "unsigned", version: 2, replacing: booted, key: nil)
        let other = try Release(
            machine, in: folder, "foreign", version: 2, replacing: booted, key: foreignKey)
        let newest = try Release(
            machine, in: folder, "newest", version: 3, replacing: booted, key: machine.keyPath)
        // It replaces a manifest that does not run.
        let skipping = try Release(
            machine, in: folder, "skipping", version: 4,
            replacing: newest.folder + "/system.manifest", key: machine.keyPath)
        for (release, code, reason) in [
            (unsigned, "BLD-SIG-001", ControlRefusal.unsignedManifest),
            (other, "BLD-SIG-002", .foreignManifest), (skipping, "BLD-PRE-002", .policy),
        ] {
            let run = try machine.tool("load", release.folder, "--key", machine.keyPath, "--yes")
            #expect(run.status == 1 && run.errors.contains("refused[\(code)]"), "\(run.errors)")
            var line = try RawLine(machine)
            _ = try line.open()
            try line.send(line.load(release.archive, by: machine.key))
            #expect(try line.refusal() == reason)
        }
        do {
            // The right policy, by an order that the authority did not sign.
            var line = try RawLine(machine)
            _ = try line.open()
            try line.send(line.load(newest.archive, by: foreign))
            #expect(try line.refusal() == .notAuthorized)
        }
        try machine.wait(for: "(casemate) ", "reload refused: ")
        #expect(machine.count("(casemate) ", " in force, system version") == 0)
        #expect(try machine.attest().status == 0)
    }

    private func loads(_ machine: RunningMachine, _ next: Release) throws {
        let run = try machine.tool(
            "load", next.folder, "--key", machine.keyPath, "--yes", "--system", next.source)
        #expect(run.status == 0, "\(run.errors)")
        for text in [
            "- channel readings: sensor -> collector ring 4 pages", "flows:",
            "loaded: policy 2 since the boot is in force", "taken away: 2",
            "event channel, port ", "mapping ", " of collector, with sensor",
        ] {
            #expect(run.output.contains(text), "\(text)\n\(run.output)")
        }
        try machine.wait(for: "(sensor) ", "signal refused on readings: EPERM")
        try machine.wait(for: "(collector) ", "the page of readings is blank")
        try machine.wait(for: "(casemate) ", "policy 2 in force, system version 2")
        // It is in force: it is not newer than itself, and everything else goes on.
        let again = try machine.tool("load", next.folder, "--key", machine.keyPath, "--yes")
        #expect(again.status == 1 && again.errors.contains("BLD-VER-001"), "\(again.errors)")
        let deployed = try machine.tool("deploy", "worker", "--key", machine.keyPath)
        #expect(deployed.status == 0, "\(deployed.errors)")
        #expect(try machine.state(of: "sensor") == "running")
    }
}
