import Foundation
import Testing

/// Guests that are no Linux, as they come from Debian.
@Suite(.serialized) struct CompatibilityTests {
    private func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: path)))
    }

    @Test("Debian's GRUB for PVH, 32-bit code without paging, reaches its prompt")
    func grub() throws {
        let modules = try #require(ProcessInfo.processInfo.environment["CASEMATE_MODULES"])
        let system = try GuestSystem(
            """
            system loader version 1
            target casemate

            levels low

            service store at low {
                kernel "store.elf"
                memory 64 MiB
                vcpus 1
            }

            compartment loader at low {
                kernel debian
                memory 128 MiB
                vcpus 1
                uses store
            }
            """,
            kernels: [
                bytes(modules + "/store.elf"),
                bytes("/usr/lib/grub-xen/grub-i386-xen_pvh.bin"),
            ])
        let outcome = try BootOutcome.boot(system.bundle, until: ["grub>"])
        #expect(outcome.console.contains("(loader) "))
        #expect(!outcome.console.contains("crashed"), "\(outcome.console)")
    }
}
