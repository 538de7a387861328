import Foundation
import PolicyCompiler
import Testing
import VirtualHardware

/// I/O ports in the hands of the compartment that the policy names, on the real hypervisor.
@Suite(.serialized) struct DeviceTests {
    private func line(_ owner: String, _ ports: String = "0x2f8-0x2ff") -> String {
        """
        device line {
            owner \(owner)
            io ports "\(ports)"
            without iommu
        }
        """
    }

    @Test("COM2 is its owner's, both ways, and nobody else's")
    func owner() throws {
        let system = try GuestSystem(
            [GuestProgram.lineOwner(), GuestProgram.lineIntruder()],
            fields: ["vcpus 1", "vcpus 1"], statements: line("first"))
        let outcome = try BootOutcome.boot(system.bundle, answer: Array("heard you\n".utf8))
        #expect(String(decoding: outcome.ownersBytes, as: UTF8.self) == "hello\n")
        #expect(outcome.console.contains("(first) heard you"), "\(outcome.console)")
        #expect(outcome.console.contains("(second) the line is closed to me"))
        // What a verifier needs was sent before the line was given away.
        #expect(outcome.eventLog != nil)
    }

    @Test("without a device, COM2 is the hypervisor's, and closed to every guest")
    func nobody() throws {
        let system = try GuestSystem([GuestProgram.lineIntruder()], fields: ["vcpus 1"])
        let outcome = try BootOutcome.boot(system.bundle)
        #expect(outcome.console.contains("(first) the line is closed to me"))
        #expect(outcome.ownersBytes.isEmpty)
    }

    @Test("ports that the hypervisor uses, or that move memory, are nobody's")
    func reserved() throws {
        for ports in ["0x3f8-0x3ff", "0xcf0-0xcf8", "0x510-0x510"] {
            let system = try GuestSystem(
                [GuestProgram.spinner()], fields: ["vcpus 1"], statements: line("first", ports))
            let outcome = try BootOutcome.boot(system.bundle)
            #expect(outcome.reasonOnConsole == "device: reserved ports")
        }
    }

    @Test("a manifest that gives a device to somebody else than the policy does stops the machine")
    func forbidden() throws {
        let spinner = try GuestProgram.spinner()
        let system = try GuestSystem(
            [spinner, spinner], fields: ["vcpus 1", "vcpus 1"], statements: line("first")
        ) { $0.devices[0].owner = 1 }
        let outcome = try BootOutcome.boot(system.bundle)
        #expect(
            outcome.reasonOnConsole == "device: the policy denies it",
            "\(outcome.console)")
    }
}
