import Foundation
import TestSupport
import Testing

/// A folder with policies that a test writes and checkpolicy compiles.
struct PolicyFolder {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    func remove() { folder.remove() }

    func path(_ name: String) -> String { folder.path(name) }

    func write(_ text: String, to name: String) throws -> String {
        try folder.write(text, to: name)
    }

    /// Compiles a source with checkpolicy.
    func compile(_ text: String, xen: Bool = false, as name: String = "policy") throws -> String {
        let input = try folder.write(text, to: name + ".conf")
        let output = folder.path(name)
        let target = xen ? ["-t", "Xen", "-c", "30"] : ["-t", "selinux", "-c", "33"]
        let levels = text.contains("\nsensitivity ") ? ["-M"] : []
        let run = try ToolRun("/usr/bin/checkpolicy", levels + target + ["-o", output, input])
        try #require(run.status == 0, "\(run.errors)")
        return output
    }
}

/// Sources of small policies.
enum SmallPolicy {
    /// Types and rules without levels, for Linux.
    static func linux(_ types: [String], _ rules: String, attributes: [String] = []) -> String {
        let names = types.map { "type \($0);\n" }.joined()
        let sets = attributes.map { "attribute \($0);\n" }.joined()
        let list = types.map { $0.split(separator: ",")[0] }.joined(separator: " ")
        let head = """
            class process
            class file
            sid kernel
            class process { transition dyntransition setexec setcurrent signal fork }
            class file { read write execute entrypoint getattr }

            """
        let roles = "role system_r;\nrole system_r types { \(list) };\n"
        let user = "user system_u roles { system_r };\n"
        let first = types[0].split(separator: ",")[0]
        let label = "sid kernel system_u:system_r:\(first)\n"
        return head + sets + "bool is_open false;\n" + names + roles + rules + "\n" + user + label
    }

    /// Two domains at two levels for Xen; the low one may map the high one's pages.
    static let levels = """
        class domain
        class event
        class grant
        sid xen
        class domain { create }
        class event { bind send create }
        class grant { map_read map_write }
        sensitivity lo;
        sensitivity hi;
        dominance { lo hi }
        category c0;
        level lo:c0;
        level hi:c0;
        mlsconstrain grant { map_read } ( l1 dom l2 or t1 == trusted );
        mlsconstrain grant { map_write } ( l1 domby l2 or t1 == trusted );
        mlsconstrain event { send } ( l1 domby l2 or t1 == trusted );
        attribute trusted;
        type xen_t;
        type low_t;
        type high_t;
        type guard_t, trusted;
        type high_to_low_t;
        role low_r;
        role low_r types { low_t };
        role high_r;
        role high_r types { high_t };
        role guard_r;
        role guard_r types { xen_t guard_t };
        allow low_t high_t:grant map_read;
        allow guard_t high_t:grant map_read;
        allow guard_t low_t:grant map_write;
        type_transition high_t low_t:event high_to_low_t;
        allow high_t high_to_low_t:event { create send };
        allow high_to_low_t low_t:event bind;
        range_transition high_t low_t:event lo;
        user low_u roles { low_r } level lo range lo;
        user high_u roles { high_r } level hi range hi;
        user guard_u roles { guard_r } level lo range lo - hi;
        sid xen guard_u:guard_r:xen_t:lo - hi

        """
}

@Suite(.serialized) struct FlowTests {
    /// Asks SETools for the direct flows, with our map of permissions; constraints it ignores.
    private static let judge = """
        import sys, setools
        p = setools.SELinuxPolicy(sys.argv[1])
        a = setools.InfoFlowAnalysis(p, setools.PermissionMap(sys.argv[2]))
        a._build_subgraph()
        for s, t in a.subG.edges():
            print(s, t)
        """

    private static func edges(_ text: String) -> Set<String> {
        var edges: Set<String> = []
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == ":" }.map(String.init)
            for target in words.dropFirst() { edges.insert("\(words[0]) \(target)") }
        }
        return edges
    }

    @Test("direct flows are those of seinfoflow under the same map", arguments: Corpus.policies)
    func seinfoflow(policy: String) throws {
        let path = try Corpus.path(policy)
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let map = try casemate(["query", "flow", path, "--print-map"])
        try #require(map.status == 0)
        let mapFile = try folder.write(map.output, to: "map")
        let theirs = try ToolRun("/usr/bin/python3", ["-c", Self.judge, path, mapFile])
        try #require(theirs.status == 0, "\(theirs.errors)")
        for arguments in [[], ["--map", mapFile]] {
            let ours = try casemate(
                ["query", "flow", path, "--pairs", "--list", "--direct", "--no-levels"] + arguments)
            #expect(Self.edges(ours.output) == Self.edges(theirs.output))
            #expect(!Self.edges(ours.output).isEmpty)
        }
    }

    @Test("constraints close what a rule opens, when levels are considered")
    func levels() throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let path = try folder.compile(SmallPolicy.levels, xen: true)
        func flow(_ arguments: String...) throws -> ToolRun {
            try casemate(["query", "flow", path] + arguments)
        }
        // The direct mapping is withheld; the guard is trusted, and passes it on.
        let through = try flow("--from", "high_t", "--to", "low_t", "--brief")
        #expect(through.status == 0)
        #expect(through.output.contains("guard_t@lo-hi"), "\(through.output)")
        let around = try flow("--from", "high_t", "--to", "low_t", "--never", "guard_t")
        #expect(around.status == 1, "\(around.output)")
        // Without levels the mapping looks open.
        let blind = try flow("--from", "high_t", "--to", "low_t", "--no-levels", "--brief")
        #expect(blind.output.hasPrefix("path 1: 1 step\n"), "\(blind.output)")
        // Given levels are taken as said.
        let equal = try flow("--from", "high_t@lo", "--to", "low_t@lo", "--never", "guard_t")
        #expect(equal.status == 0)
        // A channel's label may have any of them then.
        let ends = ["--from", "high_t@hi", "--to", "low_t@lo", "--never", "guard_t"]
        let loose = try casemate(["query", "flow", path, "--brief"] + ends)
        #expect(loose.output.contains("high_to_low_t@hi -> low_t@lo"), "\(loose.output)")
        let given = try casemate(
            ["query", "flow", path] + ends + ["--never", "high_to_low_t"])
        #expect(given.status == 1, "\(given.output)")
        #expect(try flow("--from", "high_t@top", "--to", "low_t").status == 1)
    }

    @Test("ways pass what they must and never what they must not")
    func ways() throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let path = try folder.compile(
            SmallPolicy.linux(
                ["a_t", "b_t", "g_t", "x_t", "y_t"],
                """
                allow a_t g_t:file write;
                allow b_t g_t:file read;
                allow a_t x_t:file write;
                allow b_t x_t:file read;
                if (is_open) { allow a_t y_t:file write; }
                allow b_t y_t:file read;
                """))
        func flow(_ arguments: String...) throws -> ToolRun {
            try casemate(["query", "flow", path, "--from", "a_t", "--to", "b_t"] + arguments)
        }
        #expect(try flow("--brief").output.hasPrefix("path 1: 2 steps\n"))
        let all = try flow("--all-shortest", "--brief")
        #expect(all.output.split(separator: "\n").count { $0.hasPrefix("path") } == 3)
        let cut = try flow("--all", "3", "--brief", "--limit", "2")
        #expect(cut.output.contains("there are more ways"))
        let asIs = try flow("--all-shortest", "--brief", "--booleans-as-is")
        #expect(!asIs.output.contains("y_t"))
        let open = try flow("--boolean", "is_open=true", "--via", "y_t", "--brief")
        #expect(open.output.contains("a_t -> y_t"))
        #expect(try flow("--booleans-as-is", "--via", "y_t").status == 1)
        #expect(try flow("--never", "g_t", "--never", "x_t", "--never", "y_t").status == 1)
        #expect(
            try flow("--never", "g_t", "--never", "y_t").output.contains(
                "    allow a_t x_t:file write;"))
        #expect(try flow("--via", "nobody_t").status == 1)
        let back = try casemate(["query", "flow", path, "--to", "b_t"])
        #expect(back.output == "a_t\ng_t\nx_t\ny_t\n")
        let pairs = try casemate(["query", "flow", path, "--pairs"])
        #expect(pairs.output.contains("pairs: 7\n"), "\(pairs.output)")
    }

    @Test("requirements in the notation of IFCIL hold or fail, with a way that shows it")
    func requirements() throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let path = try folder.compile(
            SmallPolicy.linux(
                ["DB", "http", "net", "anon", "home"],
                """
                allow anon DB:file read;
                allow http anon:file read;
                allow http DB:file write;
                allow http net:file { read write };
                """))
        let file = try folder.write(
            """
            (type DB)
            ;IFL; (F1) net +> http +> DB ;IFL;
            ;IFL; (F2) DB +> http +> net ;IFL;
            ;IFL; (S1) DB +> net : DB [read]> anon +> net ;IFL;
            ;IFL; (S2) ~DB +> home ;IFL;
            ;IFL; (X1) ~net > http ;IFL;
            ;IFL; (X2) DB +> net : DB [write]> anon +> net ;IFL;
            ;IFL; (X3) DB > net ;IFL;
            ;IFL; (X4) x +> y ;IFL;
            """, to: "requirements")
        let run = try casemate(["query", "assert", path, file])
        #expect(run.status == 1)
        for (name, word) in [
            ("F1", "holds"), ("F2", "holds"), ("S1", "holds"), ("S2", "holds"), ("X1", "FAILS"),
            ("X2", "FAILS"), ("X3", "FAILS"), ("X4", "unknown"),
        ] { #expect(run.output.contains("(\(name)) \(word): "), "\(name): \(run.output)") }
        #expect(run.output.contains("  net -> http\n"))
        let inMacro = try folder.write(
            """
            (macro in_out ((type net) (type http)) ; not this: (macro other
                ;IFL; (M1) net +> http ;IFL;
            )
            (call in_out (net http)
                ;IFL; (M2:M1) net +> http ;IFL;
            )
            """, to: "macro")
        let other = try casemate(["query", "assert", path, inMacro])
        #expect(other.status == 1)
        #expect(other.output.contains("(M1) unknown: ") && other.output.contains("`in_out`"))
        #expect(other.output.contains("(M2:M1) holds: "))
        let broken = try folder.write("(B) a b > c\n", to: "broken")
        #expect(try casemate(["query", "assert", path, broken]).status == 1)
    }

    @Test("a requirement in a macro is checked for each call, in a block for each inheritance")
    func requirementsOfCalls() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let source = try folder.write(
            """
            (sid kernel) (sidorder (kernel)) (class process (fork)) (class file (read write))
            (classorder (process file)) (sensitivity s0) (sensitivityorder (s0)) (category c0)
            (categoryorder (c0)) (sensitivitycategory s0 (c0)) (role object_r) (role r) (user u)
            (userrole u r) (userlevel u (s0)) (userrange u ((s0) (s0 (c0)))) (type ta)
            (roletype r ta) (sidcontext kernel (u r ta ((s0) (s0)))) (type tb) (type tc)
            (macro may ((type from) (type to))
                (allow to from (file (read)))
                ;IFL; (M1) from > to ;IFL;
                ;IFL; (M2) ~to > from ;IFL;
            )
            (macro never_called ((type x))
                ;IFL; (M3) x > x ;IFL;
            )
            (call may (ta tb)
                ;IFL; (R1:M1) ta > tb ;IFL;
            )
            (block b (type x) (type y)
                ;IFL; (B1) x > y ;IFL;
                (call may (x y)))
            (block c (blockinherit b) (allow c.x c.y (file (read))))
            (optional o
                ;IFL; (O1) ta > tc ;IFL;
                (allow none ta (file (read))))
            ;IFL; (T1) ta > b.y ;IFL;

            """, to: "policy.cil")
        let path = folder.path("policy.33")
        try #require(
            try casemate(["compile", "-M", "-t", "selinux", "-c", "33", "-o", path, source]).status
                == 0)
        let run = try casemate(["query", "assert", path, source])
        #expect(run.status == 1)
        let lines = run.output.split(separator: "\n").map(String.init)
        for (begin, end) in [
            ("(M1) holds: ta > tb (for ", "policy.cil:14)"),
            ("(M1) holds: b.x > b.y (for ", "policy.cil:19)"),
            ("(M1) holds: c.x > c.y (for ", "policy.cil:19)"),
            ("(M2) holds: ~tb > ta (for ", ":14)"), ("(M2) holds: ~b.y > b.x (for ", ":19)"),
            ("(M2) FAILS: ~c.y > c.x (for ", ":19)"), ("(M3) holds: x > x", "x > x"),
            ("(R1:M1) holds: ta > tb", "tb"), ("(B1) holds: b.x > b.y", "b.y"),
            ("(B1) holds: c.x > c.y (for ", "policy.cil:20)"), ("(O1) holds: ta > tc", "tc"),
            ("(T1) FAILS: ta > b.y", "b.y"),
        ] {
            #expect(
                lines.contains { $0.hasPrefix(begin) && $0.hasSuffix(end) },
                "\(begin): \(run.output)")
        }
        #expect(run.output.contains("  nothing calls or inherits what it stands in\n"))
        // One whole policy in two files; and a file that is no whole policy.
        let text = try String(contentsOf: URL(filePath: source), encoding: .utf8)
        let cut = try #require(text.firstRange(of: "(macro never_called"))
        let first = try folder.write(String(text[..<cut.lowerBound]), to: "first.cil")
        let second = try folder.write(String(text[cut.lowerBound...]), to: "second.cil")
        let both = try casemate(["query", "assert", path, first, second])
        #expect(both.output.contains("second.cil:"))
        #expect(both.output.contains("(M2) FAILS: ~c.y > c.x"))
        let part = try casemate(["query", "assert", path, second])
        #expect(part.output.contains("(M3) unknown: ") && part.status == 1)
    }
}
