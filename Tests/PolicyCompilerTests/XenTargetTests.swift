import CompilerTestSupport
import Foundation
import PolicyChecks
import PolicyCompiler
import PolicyDatabase
import PolicyDatabaseModel
import PolicySemantics
import PolicySyntax
import SystemManifest
import TestSupport
import Testing

@Suite("stock Xen as a target")
struct XenTargetTests {
    /// Two levels, a guard with exemptions between them, and integrity, for both targets.
    private func text(_ version: String = "4.17") -> String {
        func compartment(_ name: String, _ label: String, _ more: String = "") -> String {
            """

            compartment \(name) at \(label) {
                kernel debian
                initrd "\(name).cpio"
                memory 128 MiB
                vcpus 1
            \(more)}

            """
        }
        return """
            system relay version 1
            target casemate
            target xen "\(version)"

            levels low < high
            integrity plain < trusted

            """ + compartment("red", "high integrity plain")
                + compartment("black", "low integrity plain")
                + compartment(
                    "judge", "low..high integrity trusted",
                    "    command line \"console=hvc0 say=\\\"so\\\"\"\n"
                        + "    schedule fair weight 512 cap 40 percent\n")
                    + """

                    channel into: red <-> judge ring 4 pages
                    channel out: judge <-> black ring 4 pages
                    channel alarm: black -> red signal

                    exempt judge into -> out reason "it judges"
                    exempt judge out -> into reason "it judges"

                    assert never high -> low except via judge
                    """
    }

    private func result(_ text: String) -> CheckResult {
        CheckResult.check(SourceFile(name: "system.casemate", text: text))
    }

    private func build(_ text: String) throws -> (XenSystem, SystemPolicy) {
        let result = result(text)
        #expect(result.diagnostics.isEmpty, "\(result.diagnostics.map(\.message))")
        let policy = try #require(result.proved?.policy.aimed(at: .xen))
        let modules = policy.compartments.map {
            CompartmentModules(
                kernel: TestSystem.module("vmlinux", .kernel),
                initrd: TestSystem.module("\($0.name).cpio", .initrd))
        }
        return (try XenSystem(policy, modules: modules), policy)
    }

    @Test(
        "the policy is what every known Xen loads, and nothing in it is in vain",
        arguments: SystemPolicy.Target.xenVersions)
    func accepted(_ version: String) throws {
        let (system, _) = try build(text(version))
        let file = try PolicyFile(validating: system.policy)
        let map = try #require(XenClassMap.of(version: version))
        #expect(file.objections(of: map).isEmpty)
        #expect(system.policyFileName == "xenpolicy-\(version)")
        // Another Xen's numbers are not these, where any differ.
        for other in XenClassMap.all where other.classes != map.classes {
            #expect(!file.objections(of: other).isEmpty, "\(other.version)")
        }
    }

    @Test("seinfo and sesearch read it, and find what was declared and no more")
    func tools() throws {
        let (system, policy) = try build(text())
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let path = folder.path("policy")
        try Data(system.policy).write(to: URL(filePath: path))
        let counts = try ToolRun("/usr/bin/seinfo", [path])
        #expect(counts.status == 0 && counts.output.contains(/Target Policy:\s+xen/))
        #expect(counts.output.contains("Classes:              13"))
        // Who may send to the end that the guard holds towards the low side: the guard alone.
        let senders = try ToolRun(
            "/usr/bin/sesearch",
            ["--allow", "-t", "judge-to-black", "-c", "event", "-p", "send", path])
        #expect(senders.output == "allow judge-t judge-to-black:event { create send status };\n")
        // Nobody but the first domain has power over a compartment.
        let powers = try ToolRun(
            "/usr/bin/sesearch", ["--allow", "-c", "domain", "-p", "destroy", path])
        let holders = Set(powers.output.split(separator: "\n").map { $0.split(separator: " ")[1] })
        #expect(holders == ["dom0_t", "xenboot_t"])
        // And not even that one changes the policy.
        let loaders = try ToolRun(
            "/usr/bin/sesearch", ["--allow", "-c", "security", "-p", "load_policy", path])
        #expect(loaders.output.isEmpty)
        #expect(policy.compartments.count == 3)
    }

    @Test("a domain's configuration has its label, its kernel and its share of the processor")
    func configurations() throws {
        let (system, policy) = try build(text())
        #expect(system.domains.map(\.fileName) == ["red.cfg", "black.cfg", "judge.cfg"])
        let kernel = try #require(system.modules.first { $0.module.kind == .kernel }).fileName
        let initrd = try #require(system.modules.first { $0.module.name == "judge.cpio" }).fileName
        #expect(
            system.domains[2].text == """
                # Written by `casemate build --target xen`: change the system's source instead.
                name = "judge"
                type = "pvh"
                seclabel = "label3_u:compartment_r:judge-t:low-high"
                kernel = "\(kernel)"
                ramdisk = "\(initrd)"
                cmdline = "console=hvc0 say=\\"so\\""
                memory = 128
                maxmem = 128
                vcpus = 1
                cpu_weight = 512
                cap = 40
                on_poweroff = "destroy"
                on_reboot = "destroy"
                on_crash = "destroy"

                """)
        #expect(system.modules.count == policy.compartments.count + 1)
    }

    @Test("what Xen does not enforce is refused, and what it leaves open is said")
    func refusals() throws {
        let open = result(text()).targetDiagnostics(for: .xen)
        #expect(open.allSatisfy { $0.severity == .warning && $0.code == .targetOpen })
        #expect(open.contains { $0.message.contains("how many pages `into` has") })
        #expect(open.contains { $0.message.contains("the first domain") })
        #expect(result(text()).targetDiagnostics(for: .casemate).isEmpty)
        let changes: [(String, String, String)] = [
            ("ring 4 pages", "ring 4 pages rate 10 per second", "POL-TGT-007"),
            (
                "channel alarm: black -> red signal", "channel alarm: black -> red block",
                "POL-TGT-005"
            ),
            ("    command line", "    restart 3 times\n    command line", "POL-TGT-012"),
            ("    command line", "    console none\n    command line", "POL-TGT-012"),
        ]
        for (old, new, code) in changes {
            let changed = text().replacing(old, with: new)
            #expect(changed != text())
            let found = result(changed).targetDiagnostics(for: .xen).filter {
                $0.severity == .error
            }
            #expect(Set(found.map(\.code.id)) == [code], "\(new)")
            #expect(throws: CompilationError.notEnforced(code: code)) { _ = try build(changed) }
        }
    }

    @Test("a target that the system does not list is refused")
    func listed() {
        let single = text().replacing("target xen \"4.17\"\n", with: "")
        #expect(result(single).targetDiagnostics(for: .xen).map(\.code) == [.targetListed])
        let twice = text().replacing(
            "target casemate\n", with: "target casemate\ntarget casemate\n")
        #expect(result(twice).diagnostics.map(\.code.id) == ["POL-NAM-010"])
    }
}
