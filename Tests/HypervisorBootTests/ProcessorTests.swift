import Foundation
import Testing
import VirtualHardware

/// The real hypervisor on emulated machines of several processors, with guests of a few
/// instructions.
@Suite(.serialized) struct ProcessorTests {
    @Test("every processor of the machine starts, and all guests run to their end")
    func processors() throws {
        let worker = try GuestProgram.worker(1_000_000)
        let system = try GuestSystem(
            [worker, worker, worker], fields: ["vcpus 1", "vcpus 2", "vcpus 8"])
        for count in [1, 2, 4] {
            let outcome = try BootOutcome.boot(system.bundle) { $0.processorCount = count }
            let console = outcome.console
            #expect(console.contains("(casemate) processors: \(count)"), "\(console)")
            for name in ["first", "second", "third"] {
                #expect(console.contains("(\(name)) work is done"), "\(console)")
            }
            #expect(console.contains("(casemate) every compartment has stopped"), "\(console)")
            #expect(!console.contains("panic"))
        }
    }

    @Test("a hostile guest ends itself and nobody else")
    func hostile() throws {
        let system = try GuestSystem(
            [GuestProgram.hostile(), GuestProgram.worker(50_000_000)],
            fields: ["vcpus 1", "vcpus 1"])
        for count in [1, 2] {
            let outcome = try BootOutcome.boot(system.bundle) { $0.processorCount = count }
            let console = outcome.console
            for part in ["ports", "hypercalls", "registers"] {
                #expect(console.contains("(first) \(part) are done"), "\(console)")
            }
            #expect(console.contains("(casemate) domain 1 crashed: triple fault"), "\(console)")
            #expect(console.contains("(second) work is done"), "\(console)")
            #expect(console.contains("(casemate) every compartment has stopped"), "\(console)")
        }
    }

    /// What the hypervisor says a domain ran, and how long there was, in microseconds.
    private func time(_ domain: Int, _ console: String) throws -> (ran: Double, all: Double) {
        let prefix = "(casemate) domain \(domain) ran "
        let line = console.split(whereSeparator: \.isNewline).first { $0.hasPrefix(prefix) }
        let numbers = try #require(line, "\(console)").dropFirst(prefix.count)
            .split(separator: " ").compactMap { Double($0) }
        try #require(numbers.count == 2, "\(console)")
        return (numbers[0], numbers[1])
    }

    /// What keeps a processor: its guest, which never leaves it, or the hypervisor, which its guest
    /// asks without end.
    enum Neighbour: CaseIterable {
        case spinner, asker

        var program: GuestProgram {
            get throws {
                try self == .spinner ? GuestProgram.spinner() : GuestProgram.asker()
            }
        }
    }

    @Test(
        "a neighbour that never leaves the processor leaves a guest nine tenths of its half",
        arguments: Neighbour.allCases)
    func spinningNeighbour(_ neighbour: Neighbour) throws {
        let system = try GuestSystem(
            [GuestProgram.worker(400_000_000), neighbour.program],
            fields: ["vcpus 1", "vcpus 4"])
        let outcome = try BootOutcome.boot(system.bundle, until: ["us since the start"]) {
            $0.countsInstructions = true
        }
        let time = try time(1, outcome.console)
        #expect(time.ran >= 0.9 * time.all / 2, "\(outcome.console)")
        #expect(time.ran <= 1.1 * time.all / 2, "\(outcome.console)")
    }

    @Test("a non-maskable interrupt stops the machine with a sentence, which the next boot repeats")
    func crashRecord() throws {
        let system = try GuestSystem([GuestProgram.spinner()], fields: ["vcpus 1"])
        var socket = ""
        let outcome = try BootOutcome.boot(
            system.bundle, until: ["the last run ended in a panic: non-maskable interrupt"]
        ) {
            $0.survivesReset = true
            socket = $0.directory + "/monitor.socket"
        } command: { console in
            if console.hasSuffix("compartments: running\r\n") { return (socket, "nmi\n") }
            let isOver = console.contains("panic: ticks since reset 0x")
            return isOver ? (socket, "system_reset\n") : nil
        }
        #expect(outcome.console.contains("(casemate) panic: non-maskable interrupt"))
        #expect(!outcome.console.contains("domain 1 crashed"))
    }
}
