import Foundation
import TestSupport
import Testing
import VirtualHardware

/// Debian's kernel with several virtual processors on several processors, under the real
/// hypervisor. `hypervisor/run policy/systems/relay --prepare` has made the initial RAM disks.
@Suite(.serialized) struct DebianProcessorTests {
    private func module(_ name: String) throws -> [UInt8] {
        let folder = try #require(ProcessInfo.processInfo.environment["CASEMATE_MODULES"])
        return [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + name)))
    }

    /// The warnings that Linux gives under stock Xen 4.17, without numbers.
    private func knownWarnings() throws -> Set<String> {
        let file = RepositoryFiles.root.appending(path: "Tests/HypervisorBenchmark/Stock/warnings")
        let text = try String(contentsOf: file, encoding: .utf8)
        return Set(
            text.split(separator: "\n").filter { !$0.hasPrefix("# ") }.map { String($0) })
    }

    @Test("two Debian guests of two processors each run on two, and warn of nothing new")
    func pair() throws {
        let compartment = { (name: String) in
            """
            compartment \(name) at low {
                kernel debian
                initrd "relay-\(name).cpio"
                command line "console=hvc0"
                memory 160 MiB
                vcpus 2
            }

            """
        }
        let kernel = try module("debian.vmlinux")
        let system = try GuestSystem(
            """
            system pair version 1
            target casemate

            levels low

            \(compartment("first"))
            \(compartment("second"))
            channel one: first -> second signal
            """,
            kernels: [kernel, kernel],
            initrds: [module("relay-first.cpio"), module("relay-second.cpio")])
        let expected = [
            "(casemate) processors: 2", "(first) casemate-guest: 2 processors",
            "(second) casemate-guest: 2 processors",
            "(first) casemate-guest: shell ready", "(second) casemate-guest: shell ready",
            // These may stand behind a shell's prompt. Where the second passes the signal on,
            // nobody is.
            "casemate-guest: signalled on one", "casemate-guest: event received on one",
            "casemate-guest: bind on two refused: EPERM",
        ]
        let outcome = try BootOutcome.boot(system.bundle, until: expected, seconds: 300) {
            $0.processorCount = 2
        }
        let console = outcome.console
        for line in expected { #expect(console.contains(line), "\(line)\n\(console)") }
        for trouble in ["crashed", "panic", "Call Trace", "BUG:"] {
            #expect(console.firstRange(of: trouble) == nil, "\(console)")
        }
        let known = try knownWarnings()
        let mark = "casemate-guest: warning: "
        let warnings = console.split(whereSeparator: \.isNewline).compactMap { line in
            line.range(of: mark).map { KernelWarning.plain(String(line[$0.upperBound...])) }
        }
        // Both kernels gave some: they were looked at.
        #expect(warnings.count > 4, "\(console)")
        #expect(Set(warnings).subtracting(known) == [])
    }
}
