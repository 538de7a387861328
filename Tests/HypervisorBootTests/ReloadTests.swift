import CompilerTestSupport
import Digests
import TestSupport
import Testing
import VirtualHardware

/// A policy that is replaced while its system runs, on the real hypervisor.
@Suite(.serialized) struct ReloadTests {
    private static let statements = """
        device line {
            owner loader
            io ports "0x2f8-0x2ff"
            without iommu
        }
        assert only loader may load policy
        """

    /// `loader`, and two that are joined by a ring as long as the policy says so.
    private func system(_ statements: String = "") throws -> GuestSystem {
        try GuestSystem(
            [GuestProgram.loader(), GuestProgram.sender(), GuestProgram.receiver()],
            fields: ["vcpus 1\nmay load policy", "vcpus 1", "vcpus 1"],
            names: ["loader", "sender", "receiver"],
            statements: ReloadTests.statements + "\n" + statements)
    }

    /// A system as another version, which replaces one.
    private struct Successor {
        private(set) var policy: [UInt8]
        private(set) var manifest: [UInt8]

        init(_ system: GuestSystem, version: UInt8, replacing old: [UInt8]) {
            var manifest = system.manifest
            manifest.replaceSubrange(48..<56, with: [version, 0, 0, 0, 0, 0, 0, 0])
            manifest.replaceSubrange(104..<152, with: SHA384.hash(old.span).array)
            policy = system.policy
            self.manifest = manifest
        }

        /// Replaces the policy by another one.
        mutating func take(policy: [UInt8]) {
            self.policy = policy
            manifest.replaceSubrange(56..<104, with: SHA384.hash(policy.span).array)
        }

        /// What the loader takes: the size, little-endian, and the archive.
        var order: [UInt8] {
            let archive = NewcArchive.archive([("policy", policy), ("manifest", manifest)])
            return (0..<4).map { UInt8(truncatingIfNeeded: archive.count >> (8 * $0)) } + archive
        }

        /// PCR 15 after it was measured: tag and size, little-endian, then the digests of policy
        /// and manifest and the version.
        var register: [UInt8] {
            let event: [UInt8] =
                [5, 0x4d, 0x53, 0x43, 104, 0, 0, 0] + SHA384.hash(policy.span).array
                + SHA384.hash(manifest.span).array + manifest[48..<56]
            let extended = [UInt8](repeating: 0, count: 32) + SHA256.hash(event.span).array
            return SHA256.hash(extended.span).array
        }
    }

    @Test("a load takes a live ring and its events; a refused one says why, and takes nothing")
    func load() throws {
        let first = try system("channel readings: sender -> receiver ring 1 pages")
        let second = try system()
        let next = Successor(second, version: 2, replacing: first.manifest)
        let stranger = Successor(second, version: 2, replacing: second.manifest)
        let orders = [stranger.order, next.order, [0, 0, 0, 0]]
        let moments = ["(loader) refused, reason e", ": policy 2 in force"]
        let outcome = try BootOutcome.boot(
            first.bundle, readingChangesAfter: moments, { $0.processorCount = 2 },
            orders: { console in
                if console.contains("(loader) loaded") { return orders[2] }
                if console.contains(moments[0]) { return orders[1] }
                return console.contains("(receiver) joined") ? orders[0] : nil
            })
        let console = outcome.console
        for line in [
            ": reload refused: manifest: it does not replace the present one",
            ": policy 2 in force, system version 2, revoked: 2",
            ": revoked event channel ", ": revoked mapping 0 of receiver",
            "(loader) loaded, took 2", "(sender) ringing is refused",
            "(sender) waiting is refused", "(receiver) the page is blank",
            "(receiver) the port is closed", "(receiver) mapping is refused",
            "(casemate) every compartment has stopped",
        ] {
            #expect(console.contains(line), "\(line)\n\(console)")
        }
        #expect(!console.contains("failed"))
        // Nothing was gone when the first one had been refused.
        let refused = try #require(console.firstRange(of: moments[0]))
        for line in ["ringing is refused", "the page is blank"] {
            let place = try #require(console.firstRange(of: line))
            #expect(place.lowerBound > refused.upperBound)
        }
        #expect(outcome.changes[moments[0]] == [UInt8](repeating: 0, count: 32))
        #expect(outcome.changes[moments[1]] == next.register)
    }

    @Test("a load takes a device's memory and interrupt from who uses them")
    func device() throws {
        let timer = """
            device timer {
                owner reader
                irq 20
                io memory "0xfed00000-0xfed00fff"
                without iommu
            }
            """
        let systems = try [timer, ""].map {
            try GuestSystem(
                [GuestProgram.loader(), GuestProgram.timerReader()],
                fields: ["vcpus 1\nmay load policy", "vcpus 1"], names: ["loader", "reader"],
                statements: ReloadTests.statements + "\n" + $0)
        }
        // The devices stay what they are; the policy no longer gives the second to anybody.
        var next = Successor(systems[0], version: 2, replacing: systems[0].manifest)
        next.take(policy: systems[1].policy)
        let outcome = try BootOutcome.boot(
            systems[0].bundle, { $0.processorCount = 2 },
            orders: { console in
                if console.contains("(loader) loaded") { return [0, 0, 0, 0] }
                return console.contains("(reader) the timer is there") ? next.order : nil
            })
        for line in [
            ": policy 2 in force, system version 2, revoked: 2",
            ": revoked I/O memory 4275044352 of reader", ": revoked interrupt line 20 of reader",
            "domain 2 crashed: access outside its memory 0xfed00000", "(loader) loaded, took 2",
        ] {
            #expect(outcome.console.contains(line), "\(line)\n\(outcome.console)")
        }
    }

    @Test("who may not load a policy loads none")
    func notPermitted() throws {
        let statements = ReloadTests.statements.replacing("owner loader", with: "owner intruder")
        let system = try GuestSystem(
            [GuestProgram.spinner(), GuestProgram.loader()],
            fields: ["vcpus 1\nmay load policy", "vcpus 1"], names: ["loader", "intruder"],
            statements: statements)
        let load = Successor(system, version: 2, replacing: system.manifest).order
        // No reason is told.
        let outcome = try BootOutcome.boot(
            system.bundle, until: ["(intruder) refused, reason `"],
            orders: { $0.contains("compartments: running") ? load : nil })
        #expect(
            outcome.console.contains(
                "denied security { load_policy } from intruder to the hypervisor by FLASK_LOAD"),
            "\(outcome.console)")
        #expect(!outcome.console.contains("in force"))
    }
}
