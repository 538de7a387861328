import Foundation
import TestSupport
import Testing

/// The policies that questions are asked of, compiled once by Debian's checkpolicy; and those that
/// the environment names: `CASEMATE_LARGE_POLICIES`, paths with colons between.
enum Corpus {
    private static let folder = try? TemporaryFolder().path()

    static let policies: [String] = {
        let large = ProcessInfo.processInfo.environment["CASEMATE_LARGE_POLICIES"] ?? ""
        return ["linux", "xen"] + large.split(separator: ":").map(String.init)
    }()

    private static let small = ["linux": try? compile("linux"), "xen": try? compile("xen")]

    /// The path of a policy of `policies`.
    static func path(_ name: String) throws -> String {
        guard let compiled = small[name] else { return name }
        return try #require(compiled)
    }

    private static func compile(_ name: String) throws -> String {
        let folder = try #require(Self.folder)
        let output = folder + "/\(name).policy"
        let source = "Tests/PolicyFileTests/Policies/\(name).conf"
        let text = try String(
            contentsOf: RepositoryFiles.root.appending(path: source), encoding: .utf8)
        // SETools takes ASCII only; CIL has no `fscon`.
        let lines = text.split(separator: "\n").filter { line in
            line.utf8.allSatisfy { $0 < 128 } && !line.hasPrefix("fscon")
        }
        let input = folder + "/\(name).conf"
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: input))
        let arguments =
            name == "xen"
            ? ["-M", "-t", "Xen", "-c", "30"] : ["-M", "-t", "selinux", "-c", "33"]
        let run = try ToolRun("/usr/bin/checkpolicy", arguments + ["-o", output, input])
        try #require(run.status == 0, "\(run.errors)")
        return output
    }
}

/// Runs the `casemate` that was built together with the tests.
func casemate(_ arguments: [String]) throws -> ToolRun {
    let program = URL(filePath: CommandLine.arguments[0])
        .deletingLastPathComponent().appending(path: "casemate")
    return try ToolRun(program.path(percentEncoded: false), arguments)
}

@Suite(.serialized) struct SearchTests {
    /// Filters that are asked of each policy; names that only one has are refused by both.
    static let filters: [[String]] = [
        ["-A"], ["--allow"], ["--auditallow"], ["--dontaudit"], ["-T"], ["--type_change"],
        ["--type_member"], ["--allowxperm"], ["--auditallowxperm"], ["--dontauditxperm"],
        ["--role_allow"], ["--role_trans"], ["--range_trans"], ["-A", "--dontaudit", "-T"],
        ["-A", "-s", "guest_t"], ["-A", "-s", "guest_t", "-ds"], ["-A", "-s", "compartment"],
        ["-A", "-s", "compartment", "-ds"], ["-A", "-t", "devices"],
        ["-A", "-t", "devices", "-dt"], ["-A", "-t", "irq_t"], ["-A", "-t", "irq_t", "-dt"],
        ["-A", "-s", "visitor_t"], ["-A", "-s", "^(guest|dom0)_t$", "-rs"],
        ["-A", "-s", "^comp", "-rs", "-ds"], ["-A", "-t", "_t$", "-rt", "-c", "domain"],
        ["-A", "-t", "q_t", "-rt", "-dt"], ["-A", "-c", "event,grant"], ["-A", "-c", "^e", "-rc"],
        ["-A", "-p", "create"], ["-A", "-c", "event", "-p", "bind,send", "-ep"],
        ["-A", "-c", "event", "-p", "bind", "-ep"], ["-A", "-c", "event", "-p", "bind", "-Sp"],
        ["-A", "-c", "domain", "-p", "create,first", "-Sp"],
        ["-A", "-b", "is_odd"], ["-A", "-b", "is_on,is_odd", "-eb"],
        ["-A", "--auditallow", "-b", "is_on,is_odd,is_other", "-eb"],
        ["-A", "-b", "is_o.$", "-rb"],
        ["-T", "-D", "channel_t"], ["-T", "-D", "compartment"], ["-T", "-D", "^ch", "-rd"],
        ["--allowxperm", "-x", "0x8927"], ["--allowxperm", "-x", "0x8927", "-ex"],
        ["--allowxperm", "-x", "0x8910-0x8926,0x892a-0x8935", "-ex"],
        ["--allowxperm", "--auditallowxperm", "-x", "0x5000-0x5100"], ["-A", "-p", "ioctl"],
        ["--role_trans", "-s", "system_r"], ["--role_trans", "-t", "guest_t"],
        ["--role_trans", "-D", "guest_r"], ["--role_allow", "-s", "guest_r"],
        ["--role_allow", "-t", "^sys", "-rt"], ["--range_trans", "-s", "dom0_t"],
        ["--range_trans", "-D", "s1"], ["--range_trans", "-c", "event", "-t", "guest_t"],
        ["--role_allow", "--role_trans", "-s", "system_r"],
        // Of the reference policy.
        ["-A", "-s", "httpd_t"], ["-A", "-s", "httpd_t", "-c", "file", "-p", "write"],
        ["-A", "-s", "domain", "-t", "shadow_t"], ["-A", "-t", "file_type", "-dt"],
        ["-A", "-s", "httpd_t", "-t", "httpd_[a-z]+_t", "-rt", "-c", "dir", "-p", "add_name"],
        ["--dontaudit", "-s", "^user_.*_t$", "-rs", "-c", "file", "-p", "read,getattr", "-Sp"],
        ["-A", "-b", "allow_execmem,allow_execstack", "-eb"], ["-A", "-b", "^httpd_", "-rb"],
        ["-T", "-s", "initrc_t", "-c", "process"], ["-T", "-D", "domain", "-s", "init_t"],
        ["-A", "-c", "capability", "-p", "sys_admin"], ["-A", "-p", "relabelto", "-t", "etc_t"],
        ["--range_trans", "-D", "s0"], ["--role_trans", "-D", "system_r", "-s", "sysadm_r"],
    ]

    /// A line without what the two write differently: the order within a condition, and the quotes
    /// of names.
    static func comparable(_ line: Substring) -> String {
        let plain = line.filter { $0 != "\"" }
        guard let open = plain.range(of: " [ "), let close = plain.range(of: " ]:") else {
            return plain
        }
        // The condition's words; brackets stand differently.
        let words = plain[open.upperBound..<close.lowerBound].split(separator: " ")
            .filter { $0 != "(" && $0 != ")" }.sorted().joined(separator: " ")
        return plain[..<open.lowerBound] + " [ " + words + plain[close.lowerBound...]
    }

    static func lines(_ text: String) -> [String] {
        text.split(separator: "\n").map(comparable).sorted()
    }

    @Test("a search finds exactly what sesearch finds", arguments: Corpus.policies)
    func equality(policy: String) throws {
        let path = try Corpus.path(policy)
        var answered = 0
        for filter in Self.filters {
            let theirs = try ToolRun("/usr/bin/sesearch", filter + [path])
            let ours = try casemate(["query", "search", path] + filter)
            guard theirs.status == 0 else {
                #expect(ours.status == 1, "\(filter): \(theirs.output) \(ours.output.prefix(200))")
                continue
            }
            answered += 1
            #expect(ours.status == 0, "\(filter): \(ours.errors)")
            #expect(Self.lines(ours.output) == Self.lines(theirs.output), "\(filter)")
        }
        #expect(answered > 30)
    }

    @Test("the counts are those of seinfo", arguments: Corpus.policies)
    func counts(policy: String) throws {
        let path = try Corpus.path(policy)
        let theirs = try ToolRun("/usr/bin/seinfo", [path])
        let ours = try casemate(["query", "info", path])
        let (expected, found) = (Self.counts(theirs.output), Self.counts(ours.output))
        for (name, count) in expected where !name.hasPrefix("Neverallow") {
            #expect(found[name] == count, "\(name)")
        }
        #expect(found.count > 25)
    }

    /// The numbers by their names; a line has one or two of them.
    private static func counts(_ text: String) -> [String: String] {
        var counts: [String: String] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("  ") {
            let parts = line.split(separator: ":").map {
                $0.split(separator: " ").map(String.init)
            }
            guard let name = parts.first?.joined(separator: " ") else { continue }
            if parts.count > 1 { counts[name] = parts[1].first }
            if parts.count > 2 {
                counts[parts[1].dropFirst().joined(separator: " ")] = parts[2].first
            }
        }
        return counts
    }

    /// Components whose statements both write alike.
    @Test(
        "the statements of a component are those of seinfo",
        arguments: [
            ("types", "-t"), ("booleans", "-b"), ("users", "-u"), ("categories", "--category"),
            ("sensitivities", "--sensitivity"), ("fsuses", "--fs_use"), ("nodecons", "--nodecon"),
            ("portcons", "--portcon"), ("netifcons", "--netifcon"), ("capabilities", "--polcap"),
            ("genfscons", "--genfscon"), ("initialsids", "--initialsid"),
            ("ibpkeycons", "--ibpkeycon"), ("ibendportcons", "--ibendportcon"),
            ("typebounds", "--typebounds"), ("attributes", "-a"),
        ])
    func statements(component: String, option: String) throws {
        let path = try Corpus.path("linux")
        let theirs = try ToolRun("/usr/bin/seinfo", ["-x", "--flat", path, option])
        let ours = try casemate(["query", "info", path, "-x", "--list", component])
        try #require(theirs.status == 0)
        func lines(_ text: String) -> [String] {
            text.split(separator: "\n").map { line in
                // The order within braces is anybody's.
                line.split(separator: "{").map { part in
                    part.split(separator: " ").sorted().joined(separator: " ")
                }.joined(separator: " { ")
            }.filter { !$0.hasSuffix(" \(component):") }.sorted()
        }
        #expect(lines(ours.output) == lines(theirs.output))
        #expect(!lines(ours.output).isEmpty)
    }

    @Test("what the policy does not have is refused, and so is what is no pattern")
    func refusals() throws {
        let path = try Corpus.path("linux")
        for (arguments, words) in [
            (["-A", "-s", "nobody_t"], "`nobody_t`"), (["-A", "-c", "nothing"], "`nothing`"),
            (["-A", "-p", "fly"], "`fly`"), (["-A", "-b", "is_no"], "`is_no`"),
            (["-A", "-s", "(", "-rs"], "`(`"), (["-A", "-s", "[z-a]", "-rs"], "range"),
            (["--range_trans", "-D", "s9"], "`s9`"),
        ] {
            let run = try casemate(["query", "search", path] + arguments)
            #expect(run.status == 1)
            #expect(run.errors.contains(words), "\(arguments): \(run.errors)")
            #expect(run.output.isEmpty)
        }
        #expect(try casemate(["query", "search", path, "-x", "0x12345"]).status == 64)
        #expect(try casemate(["query", "info", "/nowhere"]).status == 74)
        #expect(try casemate(["query", "info", "Package.swift"]).status == 1)
    }

    @Test("a search as JSON has the rules and their number")
    func json() throws {
        let path = try Corpus.path("linux")
        let run = try casemate(["query", "search", path, "-A", "-s", "dom0_t", "--json"])
        let value = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
        let document = try #require(value as? [String: Any])
        let rules = try #require(document["rules"] as? [[String: Any]])
        #expect(document["count"] as? Int == rules.count)
        #expect(rules.contains { $0["class"] as? String == "domain" })
    }
}
