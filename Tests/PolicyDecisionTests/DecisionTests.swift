import Foundation
import TestSupport
import Testing

/// libsepol's security server, asked the same of what we compile and of what Debian's tools do.
@Suite("libsepol judges compiled policies") struct PolicyDecisionTests {
    @Test("every statement decides and labels as the reference's does", arguments: Corpus.all)
    func everyStatement(corpus: Corpus) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let sources = try corpus.write(to: folder)
        try corpus.ours(sources, to: folder.path("ours"))
        try corpus.theirs(sources, to: folder.path("theirs"))
        let judge = try Judge(folder.path("ours"), folder.path("theirs"))
        #expect(judge.status == 0, "\(judge.output)\(judge.errors)")
        #expect(judge.counts("decisions").compared > 30_000)
        #expect(judge.counts("decisions").telling > 1_000, "\(judge.output)")
        #expect(judge.counts("transitions, members").telling > 100, "\(judge.output)")
    }

    @Test(
        "without redundant rules a policy decides as it did, and as the reference's without them",
        arguments: Corpus.all)
    func optimized(corpus: Corpus) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let sources = try corpus.write(to: folder)
        try corpus.ours(sources, to: folder.path("plain"))
        try corpus.ours(sources, to: folder.path("ours"), ["-O"])
        try corpus.theirs(sources, to: folder.path("theirs"), ["-O"])
        for other in ["plain", "theirs"] {
            let judge = try Judge(folder.path("ours"), folder.path(other), decisions: 20_000)
            #expect(judge.status == 0, "\(other): \(judge.output)\(judge.errors)")
        }
        func size(_ name: String) throws -> Int {
            try RepositoryFiles.bytes(of: folder.url(name)).count
        }
        #expect(try size("ours") <= size("plain"))
    }

    @Test("a rule that another covers goes, in each of its forms, and what is left decides alike")
    func redundantRules() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let url = RepositoryFiles.root.appending(
            path: "Tests/PolicyFileTests/Policies/linux.conf")
        let more = """
            allow privileged guest_t:domain { create destroy };
            allow dom0_t guest_t:domain create;
            auditallow privileged privileged:domain first;
            auditallow dom0_t loader_t:domain first;
            dontaudit privileged guest_t:event { send };
            dontaudit dom0_t guest_t:event { send bind };
            allowxperm privileged guest_t:file ioctl { 0x4000-0x40ff };
            allowxperm dom0_t guest_t:file ioctl { 0x4001 0x5001 };
            if (is_odd) { allow dom0_t guest_t:domain create; }
            attribute nobody;
            allow nobody guest_t:event send;

            """
        var lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
        let place = try #require(lines.firstIndex { $0.hasPrefix("role ") })
        lines.insert(contentsOf: more.split(separator: "\n"), at: place)
        let source = try folder.write(lines.joined(separator: "\n") + "\n", to: "policy.conf")
        let corpus = Corpus(names: ["policy.conf"], target: "selinux", version: 33)
        try corpus.ours([source], to: folder.path("plain"))
        try corpus.ours([source], to: folder.path("ours"), ["-O"])
        try corpus.theirs([source], to: folder.path("theirs"), ["-O"])
        for other in ["plain", "theirs"] {
            let judge = try Judge(folder.path("ours"), folder.path(other))
            #expect(judge.status == 0, "\(other): \(judge.output)\(judge.errors)")
        }
        func found(_ policy: String, _ arguments: [String]) throws -> String {
            try ToolRun(
                Built.path("casemate"),
                ["query", "search", folder.path(policy), "-ds", "-dt"] + arguments
            ).output
        }
        let asked = ["--allow", "-s", "dom0_t", "-t", "guest_t", "-c", "domain"]
        #expect(try found("plain", asked).contains("create"))
        #expect(try !found("ours", asked).contains("create"))
        let recorded = ["--auditallow", "-s", "dom0_t", "-t", "loader_t", "-c", "domain"]
        #expect(try found("plain", recorded).contains("first"))
        #expect(try !found("ours", recorded).contains("first"))
        let hidden = ["--dontaudit", "-s", "dom0_t", "-t", "guest_t", "-c", "event"]
        #expect(try found("plain", hidden).contains("send"))
        #expect(try found("ours", hidden).contains("bind"))
        #expect(try !found("ours", hidden).contains("send"))
    }

    @Test("a binary is written in another version, and decides as it did", arguments: Corpus.all)
    func binary(corpus: Corpus) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let sources = try corpus.write(to: folder)
        try corpus.theirs(sources, to: folder.path("theirs"))
        try casemate(
            [
                "compile", "-b", "-c", "\(corpus.version)", "-o", folder.path("again"),
                folder.path("theirs"),
            ])
        let judge = try Judge(folder.path("theirs"), folder.path("again"), decisions: 20_000)
        #expect(judge.status == 0, "\(judge.output)\(judge.errors)")
        // The newest as the one before.
        guard corpus.version == 33, corpus.names != ["containers.cil"] else { return }
        try casemate(
            ["compile", "-b", "-c", "32", "-o", folder.path("older"), folder.path("theirs")])
        #expect(try RepositoryFiles.bytes(of: folder.url("older"))[16] == 32)
        let second = try Judge(folder.path("theirs"), folder.path("older"), decisions: 20_000)
        #expect(second.status == 0, "\(second.output)\(second.errors)")
    }

    @Test(
        "what is decompiled and compiled by the reference decides as it did",
        arguments: Corpus.all, ["conf", "cil"])
    func decompiled(corpus: Corpus, language: String) throws {
        // CIL has no statement for `fscon`, and before version 26 for role transitions.
        // Types in blocks have points in their names, and `r1` is a word of policy.conf.
        guard corpus.version >= 30, corpus.names != ["containers.cil"] else { return }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let sources = try corpus.write(to: folder)
        try corpus.ours(sources, to: folder.path("ours"))
        let text = folder.path("again.\(language)")
        try casemate(["decompile", folder.path("ours"), "--to", language, "-o", text])
        let again = Corpus(
            names: ["again.\(language)"], target: corpus.target, version: corpus.version)
        // policy.conf does not say what becomes of the unknown; `common.cil` allows it.
        let unknown = language == "conf" && corpus.names[0] == "common.cil" ? ["-U", "allow"] : []
        try again.theirs([text], to: folder.path("again"), unknown)
        let judge = try Judge(folder.path("ours"), folder.path("again"), decisions: 20_000)
        let hasFileSystems = language == "cil" && corpus.names == ["linux.conf"]
        #expect(
            judge.status == 0 || hasFileSystems && onlyFileSystems(judge.output),
            "\(judge.output)\(judge.errors)")
    }

    /// Whether all that differs are labels of file systems, which CIL has no statement for.
    private func onlyFileSystems(_ output: String) -> Bool {
        output.split(separator: "\n").filter { $0.hasPrefix("different") }
            .allSatisfy { $0.hasPrefix("different file system") }
    }

    @Test("the labels of files are written as secilc writes them")
    func fileContexts() throws {
        let paths = [
            "/a", "/a.*", "/a\\\\.b", "/ab", "/a[bc]d", "/a(/.*)?", "/a<b", "/b\\\\", "/", "/a/b/c",
            "/a\\\\", "/z{1}", "/a|b", "/x+y", "/^x", "/q$", "/\\\\*x",
        ]
        let kinds = ["file", "any", "dir", "char", "block", "socket", "pipe", "symlink"]
        let ranges = [
            "((s0) (s0))", "((s0) (s0 (c0)))", "((s0 (c0)) (s1 (c0 c1 c2 c3)))",
            "((s0 (c0)) (s0 (c0)))", "((s0) (s0 (c0 c2 c5)))", "((s0) (s0 (c0 c1)))",
            "((s0) (s1 (range c0 c5)))",
        ]
        var source = """
            (sid kernel) (sidorder (kernel)) (class process (fork)) (class file (read))
            (classorder (process file)) (sensitivity s0) (sensitivity s1)
            (sensitivityorder (s0 s1)) (category c0) (category c1) (category c2) (category c3)
            (category c5) (categoryorder (c0 c1 c2 c3 c5))
            (sensitivitycategory s0 (c0 c1 c2 c3 c5)) (sensitivitycategory s1 (c0 c1 c2 c3 c5))
            (role object_r) (role r) (user u) (userrole u r) (userrole u object_r)
            (userlevel u (s0)) (userrange u ((s0) (s1 (range c0 c5)))) (type ta) (roletype r ta)
            (roletype object_r ta) (sidcontext kernel (u r ta ((s0) (s0))))
            (allow ta ta (process (fork))) (block b (type x) (roletype object_r x))

            """
        for (index, path) in paths.enumerated() {
            for (step, kind) in kinds.enumerated() where (index + step) % 3 != 0 {
                let type = step % 2 == 0 ? "ta" : "b.x"
                let label =
                    (index + step) % 5 == 0
                    ? "()" : "(u object_r \(type) \(ranges[(index * 3 + step) % ranges.count]))"
                source += "(filecon \"\(path)\" \(kind) \(label))\n"
            }
        }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let corpus = Corpus(names: ["labels.cil"], target: "selinux", version: 33)
        let file = try folder.write(source, to: "labels.cil")
        try corpus.ours([file], to: folder.path("ours"), ["-f", folder.path("ours.fc")])
        try corpus.theirs([file], to: folder.path("theirs"), ["-f", folder.path("theirs.fc")])
        let ours = try String(contentsOf: folder.url("ours.fc"), encoding: .utf8)
        #expect(try ours == String(contentsOf: folder.url("theirs.fc"), encoding: .utf8))
        #expect(ours.split(separator: "\n").count > 80)
    }
}
