import Foundation
import Testing
import VirtualHardware

/// What the world switch keeps of a guest, seen by guests that look at nothing else.
@Suite(.serialized) struct ProcessorStateTests {
    private func count(_ text: String, _ console: String) -> Int {
        console.components(separatedBy: text).count - 1
    }

    /// Two guests by turns on one processor, in slots of half a millisecond; the first lives twice.
    private func boot(switches: Int) throws -> String {
        let programs = try [
            GuestProgram.keeper(mark: 1, switches: switches, then: GuestProgram.shutDown(3)),
            GuestProgram.keeper(mark: 2, switches: switches * 3 / 2, then: "cli\nhlt"),
        ]
        let system = try GuestSystem(
            programs,
            fields: [
                "vcpus 1\nschedule fixed slot 500 us\nrestart 1 times",
                "vcpus 1\nschedule fixed slot 500 us",
            ])
        return try BootOutcome.boot(system.bundle).console
    }

    @Test("a guest finds its x87, SSE, AVX and debug registers as it left them; a life finds none")
    func registers() throws {
        let console = try boot(switches: 2_000)
        for name in ["first", "second"] {
            #expect(console.contains("(\(name)) there is AVX"), "\(console)")
            #expect(console.contains("(\(name)) registers are kept"), "\(console)")
        }
        #expect(count("(first) registers are clean", console) == 2, "\(console)")
        #expect(count("(first) registers are kept", console) == 2, "\(console)")
        #expect(count("(second) registers are clean", console) == 1, "\(console)")
        #expect(!console.contains("a register changed"), "\(console)")
        #expect(!console.contains("registers are not clean"), "\(console)")
        #expect(console.contains("(casemate) every compartment has stopped"), "\(console)")
    }
}
