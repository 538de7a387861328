import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct DecisionTests {
    private static let domains = SmallPolicy.linux(
        ["a_t, domain", "b_t, domain", "c_t", "d_t", "b_exec_t", "c_exec_t"],
        """
        allow a_t b_t:process transition;
        allow a_t b_exec_t:file execute;
        allow b_t b_exec_t:file entrypoint;
        type_transition a_t b_exec_t:process b_t;
        allow domain c_t:process transition;
        allow domain c_exec_t:file execute;
        allow c_t c_exec_t:file entrypoint;
        allow b_t self:process setexec;
        allow c_t d_t:process dyntransition;
        allow c_t self:process setcurrent;
        allow d_t a_t:process dyntransition;
        """, attributes: ["domain"])

    private static func pairs(_ text: String, after mark: String) -> Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.contains(" -> ") }.map { line in
                let words = line.split(separator: " ")
                let arrow = words.firstIndex(of: "->") ?? 1
                return "\(words[arrow - 1]) \(words[arrow + 1])"
            })
    }

    @Test("a domain's transitions are those of sedta")
    func sedta() throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let path = try folder.compile(Self.domains)
        for domain in ["a_t", "b_t", "c_t", "d_t"] {
            let theirs = try ToolRun("/usr/bin/sedta", ["-p", path, "-s", domain])
            let ours = try casemate(["query", "transition", path, "--from", domain])
            #expect(
                Self.pairs(ours.output, after: "") == Self.pairs(theirs.output, after: ""),
                "\(domain)")
        }
        let way = try casemate(["query", "transition", path, "--from", "a_t", "--to", "d_t"])
        #expect(
            way.output == "path 1:\n  a_t -> b_t by b_exec_t\n  b_t -> c_t by c_exec_t\n"
                + "  c_t -> d_t at once\n")
        let none = try casemate(["query", "transition", path, "--from", "d_t", "--to", "a_t"])
        #expect(none.status == 1)
    }

    @Test(
        "transitions of the reference policy are those of sedta",
        arguments: Corpus.policies.dropFirst(2))
    func large(policy: String) throws {
        for arguments in [
            ["-s", "httpd_t"], ["-s", "init_t"], ["-s", "user_t", "-t", "passwd_t"],
        ] {
            let shortest = arguments.count > 2 ? ["-S"] : []
            let theirs = try ToolRun("/usr/bin/sedta", ["-p", policy] + arguments + shortest)
            let names = ["-s": "--from", "-t": "--to"]
            let ours = try casemate(
                ["query", "transition", policy, "--limit", "1000"]
                    + arguments.map { names[$0] ?? $0 })
            #expect(
                Self.pairs(ours.output, after: "") == Self.pairs(theirs.output, after: ""),
                "\(arguments)")
        }
    }

    @Test("a decision is traced to its rules, its conditions and its constraints")
    func why() throws {
        let path = try Corpus.path("linux")
        func why(_ arguments: String...) throws -> ToolRun {
            try casemate(["query", "why", path] + arguments)
        }
        let granted = try why("dom0_t", "guest_t", "domain", "first")
        #expect(granted.status == 0)
        #expect(granted.output.contains("allow dom0_t guest_t:domain { create destroy first };"))
        let denied = try why("guest_t", "xen_t", "xen", "a")
        #expect(denied.status == 1)
        #expect(denied.output.contains("no rule allows it"))
        #expect(denied.output.contains("dontaudit"))
        #expect(denied.output.contains("smallest rule: allow guest_t xen_t:xen a;"))
        // Types leave the levels open; labels decide.
        let open = try why("guest_t", "channel_t", "event", "send")
        #expect(open.output.contains("depends on what the question leaves open"))
        let up = try why(
            "guest_u:guest_r:guest_t:s1:c1", "system_u:object_r:channel_t:s2:c1", "event", "send")
        #expect(up.status == 0, "\(up.output)")
        let down = try why(
            "guest_u:guest_r:guest_t:s1:c1", "system_u:object_r:channel_t:s0", "event", "send")
        #expect(down.status == 1)
        #expect(down.output.contains("(FAILS)"))
        let conditional = try why(
            "loader_t", "guest_t", "grant", "map_read", "--boolean", "is_odd=true")
        #expect(conditional.output.contains("does not hold now"), "\(conditional.output)")
        #expect(try why("compartment", "guest_t", "domain", "first").status == 1)
        #expect(try why("dom0_t", "guest_t", "domain", "fly").status == 1)
    }

    @Test("denials are read as Linux and as Xen print them")
    func denials() throws {
        let path = try Corpus.path("linux")
        let linux =
            "type=AVC msg=audit(1700000000.1:42): avc:  denied  { send bind } for  pid=1 "
            + "comm=\"x\" scontext=guest_u:guest_r:guest_t:s1:c1 "
            + "tcontext=system_u:object_r:channel_t:s0 tclass=event permissive=0"
        let run = try casemate(["query", "why", path, "--denied", linux])
        #expect(run.output.contains("  send: denied\n"), "\(run.output)\(run.errors)")
        #expect(run.output.contains("  bind: granted\n"))
        let xen =
            "(XEN) avc:  denied  { create } for domid=0 target=1 "
            + "scontext=system_u:system_r:loader_t:s0 tcontext=guest_u:guest_r:guest_t:s1:c1 "
            + "tclass=domain"
        let other = try casemate(["query", "why", path, "--denied", xen, "--json"])
        let value = try JSONSerialization.jsonObject(with: Data(other.output.utf8))
        #expect((value as? [Any])?.count == 1)
        // A line of another policy is said and left out, and the others are explained.
        let foreign = linux.replacing("tclass=event", with: "tclass=binder")
        let mixed = try casemate(["query", "why", path, "--denied", foreign + "\n" + linux])
        #expect(mixed.status == 1 && mixed.errors.contains("no class `binder`"))
        #expect(mixed.output.contains("  send: denied\n"))
        #expect(try casemate(["query", "why", path, "--denied", "all is well"]).status == 1)
    }
}
