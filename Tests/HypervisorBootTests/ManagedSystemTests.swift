import ControlFrames
import Foundation
import PolicyAuthority
import TestSupport
import Testing
import VirtualHardware

/// A running machine in the hands of operators, and of somebody who has its control line: Debian
/// guests under the real hypervisor, the agent in one of them. One boot, in steps.
@Suite(.serialized) struct ManagedSystemTests {
    /// The domain of `worker`.
    private let worker: UInt16 = 3

    @Test("orders are carried out if they are signed here and now; nothing else changes anything")
    func orders() throws {
        let machine = try RunningMachine()
        defer { machine.end() }
        try lists(machine)
        try deploys(machine)
        try refusesForgeries(machine)
        try refusesReplays(machine)
        try survivesGarbage(machine)
        try destroys(machine)
        try tells(machine)
        try attests(machine)
        try refusesCommands(machine)
    }

    private func lists(_ machine: RunningMachine) throws {
        let run = try machine.tool("list", "--json")
        #expect(run.status == 0, "\(run.errors)")
        for part in [
            "\"system\": \"managed\"", "\"state\": \"absent\"", "\"saidBy\": \"control\"",
            "\"saidBy\": \"terminal\"",
        ] {
            #expect(run.output.contains(part), "\(part)\n\(run.output)")
        }
        #expect(try machine.state(of: "sensor") == "running")
    }

    private func deploys(_ machine: RunningMachine) throws {
        let run = try machine.tool("deploy", "worker", "--key", machine.keyPath)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.output == "deployed: `worker`, domain 3, life 2, running\n")
        #expect(try machine.state(of: "worker") == "running")
        try machine.wait(for: "(worker) ", "casemate-guest: at work")
        // It runs already: the hypervisor refuses, and nothing changes.
        let again = try machine.tool("deploy", "worker", "--key", machine.keyPath)
        #expect(again.status == 1)
        #expect(again.errors == "refused: it does not fit what the compartment is doing now\n")
        let other = try machine.tool("deploy", "sensor", "--key", machine.keyPath)
        #expect(other.status == 1 && other.errors.contains("does not say `start manual`"))
    }

    private func refusesForgeries(_ machine: RunningMachine) throws {
        var line = try RawLine(machine)
        _ = try line.open()
        let body = ControlPayload.order(domain: worker, name: "worker")
        try line.send(line.sender.frame(.destroy, body + [UInt8](repeating: 0, count: 96)))
        #expect(try line.refusal() == .notAuthorized)
        try line.send(line.order(.destroy, domain: worker, by: AuthorityPrivateKey()))
        #expect(try line.refusal() == .notAuthorized)
        // What control may not order, however well it is signed: the policy decides.
        try line.send(line.order(.destroy, domain: 4, by: machine.key))
        #expect(try line.refusal() == .hypervisor)
        #expect(machine.count("(control) ", "the signature is not the authority's") == 2)
        try machine.wait(
            for: "(casemate) ", "denied domain { getdomaininfo } from control to sensor")
    }

    private func refusesReplays(_ machine: RunningMachine) throws {
        let recorded = try recordedOrder(machine)
        let run = try machine.tool("deploy", "worker", "--key", machine.keyPath)
        #expect(run.status == 0, "\(run.errors)")
        // Everything as it went over the line, to a new session with another challenge.
        do {
            var line = try RawLine(machine)
            try line.send(recorded)
            #expect(try line.next() == .opened)
            #expect(try line.refusal() == .notAuthorized)
        }
        #expect(try machine.state(of: "worker") == "running")
    }

    /// Ends the worker, and returns the bytes that did it. Sent twice they end the session.
    private func recordedOrder(_ machine: RunningMachine) throws -> [UInt8] {
        var line = try RawLine(machine)
        let opening = try line.open()
        let order = try line.order(.destroy, domain: worker, by: machine.key)
        try line.send(order)
        #expect(try line.refusal() == nil)
        try line.send(order)
        #expect(try line.next() == .closed)
        return opening + order
    }

    private func survivesGarbage(_ machine: RunningMachine) throws {
        for count in [10, 24, 60] {
            var line = try RawLine(machine)
            _ = try line.open()
            try line.send(
                Array(line.order(.destroy, domain: worker, by: machine.key).prefix(count)))
        }
        do {
            var line = try RawLine(machine)
            _ = try line.open()
            try line.send(Array(line.sender.frame(.tpmCommand, ManagedCommands.random).prefix(30)))
        }
        do {
            let line = try RawLine(machine)
            var random = SeededGenerator(seed: 11)
            try line.send(random.bytes(3000) + Array("CMCF".utf8))
        }
        #expect(try machine.state(of: "worker") == "running")
    }

    private func destroys(_ machine: RunningMachine) throws {
        let run = try machine.tool("destroy", "worker", "--key", machine.keyPath)
        #expect(run.status == 0, "\(run.errors)")
        #expect(try machine.state(of: "worker") == "absent")
        try machine.wait(for: "(casemate) ", ": worker is gone")
        // Deployed twice, ended twice; nobody else was touched.
        #expect(machine.count("(casemate) ", ": worker is ended by control") == 2)
        #expect(machine.count("(casemate) ", "is deployed by control") == 2)
        #expect(try machine.state(of: "collector") == "running")
    }

    /// PCR 15 has all of it, and a verifier that enrolled the machine's key by way of its agent is
    /// told, by that way; and by the other.
    private func attests(_ machine: RunningMachine) throws {
        let key = try machine.enrol()
        let answer = try machine.attest(key: key)
        #expect(answer.status == 0, "\(answer.errors)")
        #expect(
            machine.quoted == "quoted: a TPM 2.0, through the agent in the control compartment\n")
        // The agent has read what the hypervisor had sent, and what it has measured since.
        let (quoted, noted) = try machine.eventLogs()
        #expect(quoted == noted)
        #expect(try machine.attest(through: "interposer", key: key).status == 0)
        #expect(machine.quoted.contains("through the interposer"), "\(machine.quoted)")
        for line in [
            "accepted: the machine runs `managed` version 1",
            "since its boot: deployed compartment `worker` 2 times",
            "since its boot: ended compartment `worker` 2 times by order",
        ] {
            #expect(answer.output.contains(line), "\(line)\n\(answer.output)")
        }
    }

    /// A command that the policy does not list is refused and recorded; what is listed, and orders
    /// beside it, are answered each for itself.
    private func refusesCommands(_ machine: RunningMachine) throws {
        var line = try RawLine(machine)
        _ = try line.open()
        #expect(try line.runTPMCommand(ManagedCommands.random) == 0)
        #expect(try line.runTPMCommand(ManagedCommands.clear) == 0x120)
        #expect(try line.runTPMCommand([1, 2, 3]) == nil)
        try machine.expectRefusedCommand()
        // Both at once: two answers, each with the number of its request.
        let first = line.sender.next
        try line.send(
            line.sender.frame(.tpmCommand, ManagedCommands.random)
                + line.sender.frame(.list, ControlPayload.list([worker])))
        var answered: [UInt32: ControlFrameKind] = [:]
        for _ in 0..<2 {
            let kind = try line.next()
            let answer = try ControlAnswer(validating: line.last.span, kind: kind)
            answered[answer.request ?? 0] = kind
        }
        #expect(answered == [first: .tpmResponse, first + 1: .domains])
    }

    private func tells(_ machine: RunningMachine) throws {
        let audit = try machine.tool("audit")
        #expect(audit.status == 0)
        #expect(audit.output.contains("worker is ended by control (2 times)"), "\(audit.output)")
        // The control compartment of this system may not read the records.
        let records = try machine.tool("audit", "--records")
        #expect(records.status == 1)
        #expect(records.errors == "refused: the policy does not let control do this\n")
        #expect(try machine.tool("list").status == 0)
        let nowhere = try ToolRun(".build/release/casemate", ["list", "--run", "/nowhere"])
        #expect(nowhere.status == 74)
        #expect(nowhere.errors == "casemate: no machine runs in `/nowhere`\n")
    }
}

/// Commands of the TPM, for a machine whose policy lists some.
enum ManagedCommands {
    /// `TPM2_GetRandom` of 8 bytes, which is listed.
    static let random: [UInt8] = [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7B, 0, 8]
    /// `TPM2_Clear` of the lockout hierarchy, which no list can hold.
    static let clear: [UInt8] =
        [0x80, 2, 0, 0, 0, 27, 0, 0, 1, 0x26, 0x40, 0, 0, 0x0C, 0, 0, 0, 9, 0x40, 0, 0, 9]
        + [0, 0, 0, 0, 0]
    /// `TPM_ForceClear` of TPM 1.2, likewise.
    static let forceClear: [UInt8] = [0, 0xC1, 0, 0, 0, 10, 0, 0, 0, 0x5D]
}

extension RunningMachine {
    /// Expects that a refused command of the control compartment was recorded, with its line.
    func expectRefusedCommand() throws {
        let sentence =
            "denied xen { firmware } from control to the hypervisor by the TPM's command"
        try wait(for: "(casemate) ", sentence)
        let audit = try tool("audit").output
        let line = audit.split(separator: "\n").first { $0.contains(sentence) } ?? ""
        #expect(line.contains(/; \w+\.casemate:\d+: compartment control is not/), "\(audit)")
    }
}
