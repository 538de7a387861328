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
            #expect(outcome.reasonOnConsole == "device: reserved ports, memory or interrupts")
        }
    }

    /// A device with an interrupt line and a page of memory.
    private func timer(_ memory: String = "0xfed00000-0xfed00fff", irq: Int = 20) -> String {
        """
        device timer {
            owner first
            irq \(irq)
            io memory "\(memory)"
            without iommu
        }
        """
    }

    @Test("memory and interrupt of a device are its owner's, which it serves; who else tries ends")
    func memory() throws {
        let system = try GuestSystem(
            [GuestProgram.timerOwner(), GuestProgram.timerIntruder()],
            fields: ["vcpus 1", "vcpus 1"], statements: timer())
        let outcome = try BootOutcome.boot(system.bundle)
        for line in [
            "(first) the timer is there", "(first) it rang three times", "(first) it rings once",
            "(first) it rings again", "(second) the interrupt is closed to me",
            "domain 2 crashed: access outside its memory 0xfed00000",
            "denied resource { use } from second", "by EVTCHNOP_bind_pirq",
        ] {
            #expect(outcome.console.contains(line), "\(line)\n\(outcome.console)")
        }
        #expect(!outcome.console.contains("(first) failed"))
        #expect(!outcome.console.contains("(second) the timer is not closed to me"))
    }

    @Test("a compartment that is started again has its device's memory and interrupt again")
    func restarted() throws {
        let system = try GuestSystem(
            [GuestProgram.mortalTimerOwner(), GuestProgram.spinner()],
            fields: ["vcpus 1\nrestart 1 times", "vcpus 1"], statements: timer())
        let outcome = try BootOutcome.boot(system.bundle, until: ["(first) it rings again"]) {
            $0.processorCount = 2
        }
        for line in ["first was loaded, life 2", "(first) it rang three times"] {
            #expect(outcome.console.contains(line), "\(line)\n\(outcome.console)")
        }
        #expect(!outcome.console.contains("(first) failed"))
    }

    @Test("memory and interrupts that the hypervisor uses are nobody's")
    func reservedMemory() throws {
        for statements in [timer("0xfee00000-0xfee00fff"), timer(irq: 4)] {
            let system = try GuestSystem(
                [GuestProgram.spinner()], fields: ["vcpus 1"], statements: statements)
            let outcome = try BootOutcome.boot(system.bundle)
            #expect(outcome.reasonOnConsole == "device: reserved ports, memory or interrupts")
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
