import Foundation
import TestSupport
import Testing

/// The system of two levels in the hands of its operators: what docs/operation.md shows. One boot,
/// in steps.
@Suite(.serialized) struct ManagedGuardTests {
    @Test(
        "a running guard is listed, audited, worked in, and its way down closed by a newer policy")
    func operate() throws {
        let machine = try RunningMachine("guard")
        defer { machine.end() }
        try machine.wait(for: "(audit) ", "read audit 4: ", seconds: 240)
        try lists(machine)
        try audits(machine)
        try maintains(machine)
        try closes(machine)
    }

    private func lists(_ machine: RunningMachine) throws {
        let run = try machine.tool("list")
        #expect(run.status == 0, "\(run.errors)")
        let lines = run.output.split(separator: "\n").map { line in
            line.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
        }
        #expect(lines.count == 14)
        let maintenance = lines.first { $0.first == "maintenance" } ?? []
        #expect(maintenance.prefix(3) == ["maintenance", "8", "absent"])
        #expect(maintenance.suffix(2) == ["unclassified", "control"])
        let running = lines.filter { $0.contains("running") && $0.last == "terminal" }
        #expect(running.count == 12, "\(run.output)")
    }

    private func audits(_ machine: RunningMachine) throws {
        let run = try machine.tool("audit")
        #expect(run.status == 0)
        for sentence in [
            "denied event { create } from red_app to black_app by EVTCHNOP_alloc_unbound; ",
            "denied grant { map_read } from red_app to black_app by GNTTABOP_map_grant_ref; ",
            "denied xenstore { write } from red_app to black_app by the store; ",
            "denied xenstore { write } from red_app to admin by the store; ",
        ] {
            let line = run.output.split(separator: "\n").first { $0.contains(sentence) } ?? ""
            #expect(line.contains(/; system\.casemate:\d+: ./), "\(sentence)\n\(run.output)")
        }
        // Control is not cleared for what red_app tried: the trail is secret, and it is not.
        let records = try machine.tool("audit", "--records")
        #expect(records.status == 1)
        #expect(records.errors == "refused: the policy does not let control do this\n")
    }

    private func maintains(_ machine: RunningMachine) throws {
        let deployed = try machine.tool("deploy", "maintenance", "--key", machine.keyPath)
        #expect(deployed.status == 0, "\(deployed.errors)")
        #expect(deployed.output == "deployed: `maintenance`, domain 8, life 2, running\n")
        try machine.wait(for: "(maintenance) ", "the guard's marking is `RELEASABLE TO ALL`")
        try machine.wait(for: "(audit) ", "log of maintenance: the desk is open")
        // The role and the shell start beside each other; who types before the shell is there
        // types to nobody.
        try machine.wait(for: "(maintenance) ", "casemate-guest: shell ready")
        let terminal = try TerminalProgram(
            ".build/release/casemate console maintenance --run '\(machine.directory)'")
        try terminal.wait(for: "attached")
        for _ in 0..<60 where !terminal.screen.contains("/ # ") {
            try terminal.type("\r")
            Thread.sleep(forTimeInterval: 0.5)
        }
        try terminal.type("xenstore-ls /guard/filter\r")
        try terminal.wait(for: "forbidden = \"codename,grid reference\"")
        try terminal.type("\u{1d}")
        #expect(terminal.end() == 0)
        let destroyed = try machine.tool("destroy", "maintenance", "--key", machine.keyPath)
        #expect(destroyed.status == 0, "\(destroyed.errors)")
        #expect(try machine.state(of: "maintenance") == "absent")
        try machine.wait(for: "(audit) ", "the log of maintenance ends")
    }

    /// Loads a policy without the way through the content guard; it is signed, and newer.
    private func closes(_ machine: RunningMachine) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let source = RepositoryFiles.root.appending(path: "policy/systems/guard/system.casemate")
        let closed = ["channel to_guard", "channel from_guard", "exempt content_guard"]
        let text = try String(contentsOf: source, encoding: .utf8)
            .replacing("guard version 1", with: "guard version 2")
            .split(separator: "\n", omittingEmptySubsequences: false)
            .filter { line in !closed.contains { line.hasPrefix($0) } }
        let next = try folder.write(text.joined(separator: "\n"), to: "system.casemate")
        let built = try ToolRun(
            ".build/release/casemate",
            [
                "build", next, "--output", folder.path("v2"), "--sign", machine.keyPath,
                "--replaces", ".build/systems/guard/system.manifest",
            ])
        #expect(built.status == 0, "\(built.errors)")
        let run = try machine.tool(
            "load", folder.path("v2"), "--key", machine.keyPath, "--yes", "--system", next)
        #expect(run.status == 0, "\(run.errors)")
        for part in [
            "- channel to_guard: red_app <-> content_guard ring 8 pages",
            "- flow content_guard -> black_app", "- flow red_app -> content_guard",
            "loaded: policy 2 since the boot is in force", "event channel, port ",
            "  mappings 0 to 7 of content_guard, with red_app",
            "  mappings 0 to 7 of black_app, with content_guard",
        ] {
            #expect(run.output.contains(part), "\(part)\n\(run.output)")
        }
        // What it still permits goes on, and a verifier is told.
        #expect(try machine.state(of: "black_app") == "running")
        let answer = try machine.attest(successors: [folder.path("v2/reference-values.json")])
        #expect(answer.status == 0, "\(answer.errors)")
        #expect(
            machine.quoted == "quoted: a TPM 2.0, through the agent in the control compartment\n")
        for line in [
            "since its boot: deployed compartment `maintenance`",
            "since its boot: ended compartment `maintenance`",
            "since its boot: policy replaced by",
        ] {
            #expect(answer.output.contains(line), "\(line)\n\(answer.output)")
        }
    }
}
