import EventLog
import Foundation
import Testing
import VirtualHardware

/// The real hypervisor on emulated machines that start as a PC does: UEFI firmware (OVMF), GRUB,
/// Multiboot2 with boot services kept.
@Suite(.serialized) struct FirmwareStartTests {
    /// How many events of the firmware the hypervisor says that it took.
    private func taken(_ console: String) throws -> Int {
        let match = console.firstMatch(of: /\(casemate\) firmware: (\d+) events of its log taken/)
        let count = try #require(match, "\(console)").output.1
        return try #require(Int(count))
    }

    @Test("the firmware's log is taken whole, and guests run on all processors")
    func start() throws {
        let worker = try GuestProgram.worker(100_000)
        let system = try GuestSystem([worker, worker], fields: ["vcpus 1", "vcpus 2"])
        for (tpm, processors) in [(TPMModel.twoPointZero, 2), (.twoPointZeroCRB, 1)] {
            let outcome = try BootOutcome.boot(
                system.bundle, seconds: 400, byFirmware: true
            ) {
                $0.tpm = tpm
                $0.processorCount = processors
            }
            let console = outcome.console
            #expect(console.contains("(casemate) processors: \(processors)"), "\(console)")
            #expect(console.contains("(second) work is done"), "\(console)")
            let log = try #require(outcome.eventLog)
            let bytes = log.unicodeScalars.map { UInt8($0.value) }
            let view = try EventLogView(validating: bytes.span)
            // Policy, manifest and two compartments are ours.
            let count = view.recordCount
            #expect(count == (try taken(console)) + 4 && count > 24)
            // The first and the last that firmware does, and what GRUB does between.
            for text in [
                "Calling EFI Application from Boot Option", "grub_cmd: boot",
                "/casemate/system.bdl", "Exit Boot Services Returned with Success",
            ] {
                #expect(log.contains(text), "\(text)")
            }
        }
    }

    @Test("a broken bundle stops the machine, on both lines, behind what firmware wrote there")
    func brokenBundle() throws {
        let outcome = try BootOutcome.boot(
            Array("garbage".utf8), seconds: 400, byFirmware: true)
        let reason = "boot: the boot bundle is malformed"
        #expect(outcome.reasonOnConsole == reason, "\(outcome.console)")
        #expect(outcome.reasonOnControlLine == reason)
    }

    @Test("a disk that ends early stops the machine, after the boot loader has said why")
    func truncatedDisk() throws {
        let outcome = try BootOutcome.boot(
            Array(repeating: 0, count: 32 << 20), seconds: 400, byFirmware: true,
            diskBytes: 24 << 20)
        #expect(outcome.console.contains("attempt to read or write outside of disk"))
        // Before there is a memory map there is no control line: the console alone says why.
        let reason = "boot: not Multiboot2 with one module"
        #expect(outcome.reasonOnConsole == reason, "\(outcome.console)")
    }

    @Test("a panic's record survives the reset, the firmware and the boot loader")
    func crashRecord() throws {
        let system = try GuestSystem([GuestProgram.spinner()], fields: ["vcpus 1"])
        var socket = ""
        let outcome = try BootOutcome.boot(
            system.bundle, until: ["the last run ended in a panic: non-maskable interrupt"],
            seconds: 400, byFirmware: true
        ) {
            $0.survivesReset = true
            socket = $0.directory + "/monitor.socket"
        } command: { console in
            if console.hasSuffix("compartments: running\r\n") { return (socket, "nmi\n") }
            let isOver = console.contains("panic: ticks since reset 0x")
            return isOver ? (socket, "system_reset\n") : nil
        }
        #expect(outcome.console.contains("(casemate) panic: non-maskable interrupt"))
    }
}
