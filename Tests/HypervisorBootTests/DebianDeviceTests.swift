import Foundation
import TestSupport
import Testing
import VirtualHardware

/// Debian's kernel with a device of its own, under the real hypervisor. `hypervisor/run
/// policy/systems/relay --prepare` has made the initial RAM disk that this one is laid over.
@Suite(.serialized) struct DebianDeviceTests {
    /// An ACPI table that tells of COM2, as `iasl` would compile
    ///
    ///     Scope(\_SB) { Device(COM2) { Name(_HID, EisaId("PNP0501")) Name(_UID, 2)
    ///         Name(_CRS, ResourceTemplate() {
    ///             IO(Decode16, 0x2f8, 0x2f8, 1, 8)
    ///             Interrupt(ResourceConsumer, Level, ActiveHigh) { 259 } }) } }
    ///
    /// - Source: ACPI 6.4, 5.2.6 (header), 20.2 (AML), 6.4.2.5 and 6.4.3.6 (resources).
    private var lineTable: [UInt8] {
        let resources: [UInt8] =
            [0x47, 1, 0xf8, 2, 0xf8, 2, 1, 8, 0x89, 6, 0, 1, 1, 3, 1, 0, 0, 0x79, 0]
        let device: [UInt8] =
            Array("COM2".utf8) + [8] + Array("_HID".utf8) + [0x0c, 0x41, 0xd0, 5, 1]
            + [8] + Array("_UID".utf8) + [0x0a, 2]
            + [8] + Array("_CRS".utf8) + [0x11, 22, 0x0a, 19] + resources
        let scope =
            [0x5c] + Array("_SB_".utf8) + [0x5b, 0x82, UInt8(device.count + 1)] + device
        let body = [0x10, UInt8(scope.count + 1)] + scope
        var table =
            Array("SSDT".utf8) + [UInt8(36 + body.count), 0, 0, 0, 2, 0]
            + Array("CASEMTCOM2LINE".utf8) + [1, 0, 0, 0] + Array("NONE".utf8) + [1, 0, 0, 0]
            + body
        // WRAPS: the bytes of a table add up to 0, modulo 256.
        table[9] = 0 &- table.reduce(0, &+)
        return table
    }

    /// Debian's disk of `relay`, with the table before it and another role behind it.
    private func disk(_ role: String, _ relay: [UInt8]) -> [UInt8] {
        let folders = ["kernel", "kernel/firmware", "kernel/firmware/acpi"].flatMap {
            NewcArchive.member($0, [], mode: 0o040755)
        }
        return folders + NewcArchive.archive([("kernel/firmware/acpi/line.aml", lineTable)])
            + relay + NewcArchive.member("role", Array(role.utf8), mode: 0o100755)
            + NewcArchive.archive([])
    }

    @Test(
        "unmodified Linux drives COM2 by its interrupt, when its disk has a table that tells of it")
    func line() throws {
        let folder = try #require(ProcessInfo.processInfo.environment["CASEMATE_MODULES"])
        func module(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + name)))
        }
        let role = """
            #!/bin/sh
            busybox stty -F /dev/ttyS1 raw -echo
            exec 3<>/dev/ttyS1
            echo hello >&3
            read said <&3
            echo "casemate-guest: the line said $said"
            echo "casemate-guest: interrupts" $(grep ttyS1 /proc/interrupts)
            echo "casemate-guest: done"

            """
        let system = try GuestSystem(
            """
            system lines version 1
            target casemate

            levels low

            compartment first at low {
                kernel debian
                initrd "first.cpio"
                command line "console=hvc0"
                memory 160 MiB
                vcpus 1
            }
            device line {
                owner first
                irq 3
                io ports "0x2f8-0x2ff"
                without iommu
            }
            """,
            kernels: [module("debian.vmlinux")],
            initrds: [disk(role, module("relay-first.cpio"))])
        let outcome = try BootOutcome.boot(
            system.bundle, until: ["casemate-guest: done"], seconds: 300,
            answer: Array("well done\n".utf8))
        let console = outcome.console
        #expect(String(decoding: outcome.ownersBytes, as: UTF8.self) == "hello\n", "\(console)")
        #expect(console.contains("casemate-guest: the line said well done"), "\(console)")
        // The number, how often it came, and by which way Linux has it.
        let interrupts = try #require(
            console.firstMatch(of: /interrupts \d+: (\d+) xen-pirq\S* .*ttyS1/), "\(console)")
        #expect((Int(interrupts.1) ?? 0) > 0)
    }
}
