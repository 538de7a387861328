import Foundation
import PolicyChecks
import PolicySyntax
import TestSupport
import Testing

/// One leak to plant into a good system: a change of its text, and how it must be found.
struct Leak: Sendable, CustomTestStringConvertible {
    let system: String
    let what: String
    /// What is replaced, every time that it stands there, and by what; nil: nothing.
    var replacing: [(String, String)] = []
    /// Lines to add at the end.
    var adding: String = ""
    /// The rule that must find it, and the links of the chain that it must show.
    let code: String
    let path: [String]

    var testDescription: String { "\(system): \(what)" }
}

/// Method: each system of `policy/systems` is proved as it stands; then one line is added, moved,
/// widened or taken away so that something leaks, and the leak must be reported by the right rule
/// with the right chain of links.
@Suite("leaks planted into the systems") struct LeakTests {
    static let guardLeaks = [
        Leak(
            system: "guard", what: "a channel past both gateways",
            adding: "channel leak: red_app -> black_app signal",
            code: "POL-FLW-005", path: ["red_mail", "leak"]),
        Leak(
            system: "guard", what: "a cable between the networks",
            adding: "channel cable: red_net <-> black_net net",
            code: "POL-FLW-005", path: ["red_mail", "cable"]),
        Leak(
            system: "guard", what: "the audit trail signals a lower compartment",
            adding: "channel back: audit -> black_app signal",
            code: "POL-FLW-003", path: ["back"]),
        Leak(
            system: "guard", what: "the audit trail is exempt",
            replacing: [("service audit at secret", "service audit at unclassified..secret")],
            adding: """
                channel back: audit -> black_app signal
                exempt audit log_red_app -> back reason "convenient"
                """,
            code: "POL-FLW-003", path: ["back"]),
        Leak(
            system: "guard", what: "the log leads both ways",
            replacing: [("except admin) -> audit", "except admin) <-> audit")],
            code: "POL-FLW-003", path: ["log_black_net"]),
        Leak(
            system: "guard", what: "a wider range of the relay",
            replacing: [
                (
                    "compartment black_app at unclassified",
                    "compartment black_app at unclassified..secret"
                )
            ],
            code: "POL-FLW-003", path: ["black_mail"]),
        Leak(
            system: "guard", what: "an exemption of the store moved to another user",
            replacing: [
                (
                    "exempt store red_app.store -> red_app.store",
                    "exempt store red_app.store -> black_app.store"
                )
            ],
            code: "POL-FLW-005", path: ["red_mail", "red_app.store", "black_app.store"]),
        Leak(
            system: "guard", what: "one terminal for both levels",
            adding: """
                exempt console red_net.console -> black_net.console reason "one screen"
                """,
            code: "POL-FLW-005",
            path: ["red_mail", "red_net.console", "black_net.console"]),
        Leak(
            system: "guard", what: "the store without an exemption for the relay",
            replacing: [
                (
                    "exempt store black_app.store -> black_app.store "
                        + "reason \"each sees what it wrote, report 18\"\n", ""
                )
            ],
            code: "POL-FLW-001", path: []),
        Leak(
            system: "guard", what: "the guard's exemption moved to a new way out",
            replacing: [
                (
                    "exempt content_guard to_guard -> from_guard",
                    "exempt content_guard to_guard -> drop"
                )
            ],
            adding: "channel drop: content_guard -> black_net ring 1 pages",
            code: "POL-FLW-001", path: []),
        Leak(
            system: "guard", what: "readers and writers of the filter widened",
            replacing: [
                (
                    "    readers content_guard",
                    "    readers content_guard, black_app\n    writers red_app"
                )
            ],
            code: "POL-FLW-005", path: ["red_mail", "filter"]),
        Leak(
            system: "guard", what: "a second way for the administrator",
            adding: "channel extra: admin -> content_guard signal",
            code: "POL-FLW-006", path: ["extra"]),
        Leak(
            system: "guard", what: "the relay asks the administrator",
            adding: "channel ask: black_app -> admin signal",
            code: "POL-FLW-003", path: ["ask"]),
        Leak(
            system: "guard", what: "the relay asks, and the administrator judges",
            adding: """
                channel ask: black_app -> admin signal
                exempt admin ask -> admin.store reason "it knows what it does"
                """,
            code: "POL-FLW-003", path: ["ask"]),
        Leak(
            system: "guard", what: "the relay has the TPM, too",
            replacing: [
                (
                    "\"mail-relay.cpio\"\n    command line \"console=hvc0 quiet\"\n"
                        + "    memory 192 MiB\n    vcpus 1\n    uses store,",
                    "\"mail-relay.cpio\"\n    command line \"console=hvc0 quiet\"\n"
                        + "    memory 192 MiB\n    vcpus 1\n    uses tpm, store,"
                )
            ],
            code: "POL-FLW-003", path: ["black_app.tpm"]),
        Leak(
            system: "guard", what: "the desk has the TPM without the agent",
            replacing: [("uses store, console, audit, control", "uses store, console, audit, tpm")],
            code: "POL-FLW-005", path: ["maintenance.tpm"]),
        Leak(
            system: "guard", what: "the administrator may load a policy",
            replacing: [
                ("    initrd \"admin.cpio\"", "    initrd \"admin.cpio\"\n    may load policy")
            ],
            code: "POL-ADM-001", path: []),
    ]

    static let otherLeaks = [
        Leak(
            system: "minimal", what: "a way back",
            adding: "channel back: collector -> sensor signal",
            code: "POL-FLW-003", path: ["back"]),
        Leak(
            system: "tenants", what: "a mirror that listens",
            replacing: [("mirror -> amber_shop", "mirror <-> amber_shop")],
            code: "POL-CFL-001", path: ["amber_updates", "birch_updates"]),
        Leak(
            system: "tenants", what: "a store that joins the competitors",
            adding: "exempt store amber_shop.store -> birch_shop.store reason \"faster\"",
            code: "POL-CFL-001", path: ["amber_shop.store", "birch_shop.store"]),
        Leak(
            system: "tenants", what: "a broker who knows both",
            adding: """
                compartment broker at customer:amber,birch {
                    kernel debian
                    memory 64 MiB
                    vcpus 1
                }
                channel one: amber_books -> broker signal
                channel two: birch_books -> broker signal
                """,
            code: "POL-CFL-002", path: ["one", "two"]),
        Leak(
            system: "tenants", what: "the mirror with a customer's label",
            replacing: [("compartment mirror at open", "compartment mirror at customer:amber")],
            code: "POL-FLW-001", path: []),
        Leak(
            system: "factory", what: "the sensors reach the controller",
            adding: "channel wire: sensors -> controller signal",
            code: "POL-INT-004", path: []),
        Leak(
            system: "factory", what: "the sensors reach the controller past the checker",
            adding: "channel wire: sensors -> controller signal",
            code: "POL-FLW-003", path: ["wire"]),
        Leak(
            system: "factory", what: "the engineer past the checker",
            adding: "channel short: engineer -> controller signal",
            code: "POL-FLW-005", path: ["short"]),
        Leak(
            system: "factory", what: "the office answers",
            replacing: [
                ("channel alarms: sensors -> historian", "channel alarms: sensors <-> historian")
            ],
            code: "POL-FLW-003", path: ["alarms"]),
        Leak(
            system: "factory", what: "a compartment without a slot",
            replacing: [("    schedule fixed slot 1 ms\n    console none\n", "    console none\n")],
            code: "POL-LIV-003", path: []),
        Leak(
            system: "workstation", what: "the screen pastes from the vault",
            adding: "exempt screen vault_window -> office_window reason \"copy and paste\"",
            code: "POL-FLW-003", path: ["vault_window", "office_window"]),
        Leak(
            system: "workstation", what: "the vault's disk is the browser's too",
            adding: "channel cache: browser <-> disk_driver block",
            code: "POL-FLW-003", path: ["vault_disk", "cache"]),
        Leak(
            system: "workstation", what: "the screen pastes from the office",
            replacing: [("exempt screen browser_window", "exempt screen office_window")],
            code: "POL-FLW-005", path: ["office_window", "browser_window"]),
        Leak(
            system: "workstation", what: "two owners of one card",
            adding: """
                device spare {
                    owner vault
                    pci "0000:03:00.0"
                }
                """,
            code: "POL-DEV-001", path: []),
    ]

    static let allLeaks =
        guardLeaks + otherLeaks + SystemLeaks.minimal + SystemLeaks.tenants + SystemLeaks.factory
        + SystemLeaks.workstation

    static let systems = ["minimal", "guard", "tenants", "factory", "workstation"]

    @Test("every system has ten leaks or more, of several rules", arguments: systems)
    func enough(system: String) {
        let leaks = Self.allLeaks.filter { $0.system == system }
        #expect(leaks.count >= 10)
        #expect(Set(leaks.map(\.what)).count == leaks.count)
        #expect(Set(leaks.map(\.code)).count >= 3)
    }

    @Test("the canary, whose every claim is false, is refuted in every claim") func canary() throws
    {
        let path = "policy/conformance/reject/flw-003-canary.casemate"
        let bytes = try RepositoryFiles.bytes(of: RepositoryFiles.root.appending(path: path))
        let result = CheckResult.check(SourceFile(name: "canary", bytes: bytes))
        let report = try #require(result.report)
        #expect(result.proved == nil)
        #expect(report.verdicts.count >= 4)
        #expect(!report.verdicts.contains(.holds))
        let codes = Set(result.diagnostics.map(\.code.id))
        let claims: Set = [
            "POL-FLW-001", "POL-FLW-003", "POL-FLW-005", "POL-FLW-006", "POL-CFL-001",
            "POL-ADM-001", "POL-INT-004",
        ]
        #expect(claims.isSubset(of: codes), "\(claims.subtracting(codes))")
    }

    private func text(of system: String) throws -> String {
        let file = RepositoryFiles.root.appending(path: "policy/systems/\(system)/system.casemate")
        return String(decoding: try RepositoryFiles.bytes(of: file), as: UTF8.self)
    }

    private func check(_ text: String, of system: String) -> CheckResult {
        let folder = RepositoryFiles.root.appending(path: "policy/systems/\(system)")
        return CheckResult.check(SourceFile(name: "system.casemate", text: text)) { name in
            (try? RepositoryFiles.bytes(of: folder.appending(path: name)))
                .map { SourceFile(name: name, bytes: $0) }
        }
    }

    /// The links of a chain, as the notes of a diagnostic name them.
    private func links(of diagnostic: Diagnostic) -> [String] {
        diagnostic.notes.compactMap { note in
            guard let mark = note.message.range(of: "through `") else { return nil }
            return String(note.message[mark.upperBound...].dropLast())
        }
    }

    @Test("each is found by its rule and its chain", arguments: allLeaks)
    func found(leak: Leak) throws {
        var text = try text(of: leak.system)
        for (old, new) in leak.replacing {
            #expect(text.contains(old), "the system has changed: `\(old)`")
            text = text.replacing(old, with: new)
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).count
        text += leak.adding + "\n"
        let result = check(text, of: leak.system)
        #expect(result.policy != nil, "\(result.diagnostics.map(\.message))")
        #expect(result.proved == nil)
        let found = result.diagnostics.filter { $0.code.id == leak.code && $0.severity == .error }
        let chains = found.map { links(of: $0) }
        #expect(chains.contains(leak.path), "\(leak.code): \(chains)")
        if leak.adding.split(separator: "\n").count == 1, !leak.path.isEmpty,
            leak.code.hasPrefix("POL-FLW")
        {
            let help = found.first { links(of: $0) == leak.path }?.help ?? ""
            #expect(help.hasPrefix("the least to remove: line \(lines)"), "\(help)")
        }
    }

    @Test("the systems are proved as they stand, so that each leak is the change's") func sound()
        throws
    {
        for system in Self.systems {
            #expect(check(try text(of: system), of: system).proved != nil, "\(system)")
        }
    }

    @Test("taking away any one exemption of the guard refuses it") func everyExemption() throws {
        let lines = try text(of: "guard").split(separator: "\n", omittingEmptySubsequences: false)
        let exemptions = lines.indices.filter { lines[$0].hasPrefix("exempt ") }
        #expect(exemptions.count >= 10)
        for index in exemptions {
            var fewer = lines
            fewer.remove(at: index)
            let result = check(fewer.joined(separator: "\n"), of: "guard")
            #expect(result.policy != nil && result.proved == nil, "\(lines[index])")
        }
    }
}
