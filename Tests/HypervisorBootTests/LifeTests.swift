import Foundation
import Testing
import VirtualHardware

/// When compartments start, fail, start again and end, on the real hypervisor.
@Suite(.serialized) struct LifeTests {
    private func count(_ text: String, _ console: String) -> Int {
        console.components(separatedBy: text).count - 1
    }

    @Test("who fails starts again, measured, in clear memory, as often as it may, and no oftener")
    func restart() throws {
        let failing = try GuestProgram.witness(GuestProgram.shutDown(3))
        let system = try GuestSystem([failing], fields: ["vcpus 2\nrestart 2 times"])
        let outcome = try BootOutcome.boot(system.bundle)
        let console = outcome.console
        #expect(count("(first) memory is fresh", console) == 3, "\(console)")
        #expect(!console.contains("I was here before"))
        for line in [
            "first failed: shutdown reason 3; it is started again, 1 restarts are left",
            "first was loaded, life 2",
            "first failed: shutdown reason 3; it is started again, 0 restarts are left",
            "first was loaded, life 3",
            "first failed: shutdown reason 3; it stays down: its limit of 2 restarts is used up",
            "(casemate) every compartment has stopped",
        ] {
            #expect(console.contains(line), "\(line)\n\(console)")
        }
        // PCR 15, EV_EVENT_TAG; the tag, and the name.
        #expect(outcome.laterEvents.count == 2)
        for event in outcome.laterEvents {
            #expect(event.hasPrefix("\u{f}\0\0\0\u{6}\0\0\0"))
            #expect(event.contains("\u{4}MSC") && event.contains("first"))
        }
    }

    @Test("a triple fault is a failure, and the neighbour goes on")
    func tripleFault() throws {
        let failing = try GuestProgram.witness(GuestProgram.tripleFault)
        let system = try GuestSystem(
            [failing, GuestProgram.worker(50_000_000)],
            fields: ["vcpus 1\nrestart 1 times", "vcpus 1"])
        let outcome = try BootOutcome.boot(system.bundle) { $0.processorCount = 2 }
        let console = outcome.console
        #expect(count("(first) memory is fresh", console) == 2, "\(console)")
        #expect(count("domain 1 crashed: triple fault", console) == 2)
        #expect(console.contains("its limit of 1 restarts is used up"))
        #expect(console.contains("(second) work is done"))
        #expect(outcome.laterEvents.count == 1)
    }

    @Test("who has powered itself off has not failed")
    func powerOff() throws {
        let program = try GuestProgram.witness("cli\nhlt")
        let system = try GuestSystem([program], fields: ["vcpus 1\nrestart 5 times"])
        let outcome = try BootOutcome.boot(system.bundle)
        #expect(count("(first) memory is fresh", outcome.console) == 1)
        #expect(outcome.console.contains("(casemate) every compartment has stopped"))
        #expect(outcome.laterEvents.isEmpty)
    }

    @Test("who starts after another starts behind it")
    func order() throws {
        let system = try GuestSystem(
            [GuestProgram.worker(1_000), GuestProgram.worker(1_000)],
            fields: ["vcpus 1\nstart auto after second", "vcpus 1"])
        let console = try BootOutcome.boot(system.bundle).console
        #expect(console.contains("(casemate) started first"), "\(console)")
        #expect(console.contains("(first) work is done"))
        #expect(!console.contains("(casemate) started second"))
        #expect(console.contains("(second) work is done"))
    }

    @Test("what a compartment without a console prints is refused")
    func noConsole() throws {
        let system = try GuestSystem(
            [GuestProgram.worker(1_000), GuestProgram.worker(1_000)],
            fields: ["vcpus 1\nconsole none", "vcpus 1"])
        let console = try BootOutcome.boot(system.bundle).console
        #expect(!console.contains("(first)"))
        #expect(console.contains("denied xen { writeconsole } from first"), "\(console)")
        #expect(console.contains("(second) work is done"))
    }

    @Test("the console says as much as the command line asks for, and always what was refused")
    func logLevels() throws {
        let system = try GuestSystem(
            [GuestProgram.worker(1_000), GuestProgram.worker(1_000)],
            fields: ["vcpus 1\nconsole none", "vcpus 1"])
        func console(_ words: String) throws -> String {
            try BootOutcome.boot(system.bundle) { $0.commandLine = words }.console
        }
        let (info, debug) = ("(casemate) compartments: running", "(casemate) memory: ")
        for (words, says) in [
            ("log=error", (false, false)), ("x log=warning", (false, false)),
            ("log=info", (true, false)), ("log=debug", (true, true)), ("log=loud", (true, false)),
        ] {
            let console = try console(words)
            #expect(console.contains(info) == says.0, "\(words): \(console)")
            #expect(console.contains(debug) == says.1, "\(words): \(console)")
            #expect(console.contains("denied xen { writeconsole } from first"), "\(console)")
            #expect(console.contains("(second) work is done"))
        }
    }

    @Test("control deploys what starts by order, measured, and ends it; its memory is clear then")
    func control() throws {
        let system = try GuestSystem(
            [
                GuestProgram.controller(), GuestProgram.witness("3:  jmp 3b"),
                GuestProgram.worker(1_000),
            ],
            fields: [
                "vcpus 1", "vcpus 1\nstart manual\nuses control", "vcpus 1\nstart manual",
            ],
            names: ["control", "guest", "never"])
        let outcome = try BootOutcome.boot(system.bundle) { $0.processorCount = 2 }
        let console = outcome.console
        #expect(count("(control) it runs", console) == 2, "\(console)")
        #expect(count("(control) it is gone", console) == 2)
        #expect(count("guest is deployed by control", console) == 2)
        #expect(count("guest is ended by control", console) == 2)
        #expect(count(": guest is gone", console) == 2)
        #expect(!console.contains("I was here before"))
        #expect(!console.contains("(never)") && !console.contains("refused"))
        // Deployed, ended; each twice.
        #expect(outcome.laterEvents.count == 4)
    }

    @Test("the audit service reads what was refused to those who use it")
    func audit() throws {
        let trespasser = try GuestProgram.trespasser()
        let system = try GuestSystem(
            [trespasser, trespasser, GuestProgram.recordReader(), GuestProgram.recordReader()],
            fields: ["vcpus 1", "vcpus 1\nuses audit", "vcpus 1", "vcpus 1"],
            names: ["unseen", "seen", "audit", "curious"])
        let console = try BootOutcome.boot(system.bundle).console
        #expect(
            console.contains("(audit) audit 1: denied event { create } from seen to unseen"),
            "\(console)")
        #expect(!console.contains("(audit) audit 1: denied event { create } from unseen"))
        #expect(console.contains("(curious) records are closed to me"))
        #expect(console.contains("denied xen { clearconsole } from curious"))
    }
}
