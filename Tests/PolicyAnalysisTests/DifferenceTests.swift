import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct DifferenceTests {
    @Test("a policy means the same by checkpolicy and by us", arguments: ["linux", "xen"])
    func compilers(name: String) throws {
        let theirs = try Corpus.path(name)
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let ours = folder.path("ours")
        let target = name == "xen" ? ["-t", "xen", "-c", "30"] : ["-t", "selinux", "-c", "33"]
        let source = theirs.replacing(".policy", with: ".conf")
        let compiled = try casemate(["compile", "-M", "-o", ours] + target + [source])
        try #require(compiled.status == 0, "\(compiled.errors)")
        let run = try casemate(["query", "diff", theirs, ours, "--flows"])
        #expect(run.output == "the policies mean the same\n")
        #expect(run.status == 0)
    }

    private static let types = ["a_t, all", "b_t, all", "c_t"]

    private static func policy(_ rules: String) -> String {
        SmallPolicy.linux(types, rules, attributes: ["all"])
    }

    @Test("rules for an attribute and for its types are the same, and one more is seen")
    func expansion() throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let one = try folder.compile(
            Self.policy("allow all c_t:file { read write };"), as: "one")
        let two = try folder.compile(
            Self.policy(
                "allow a_t c_t:file read;\nallow a_t c_t:file write;\n"
                    + "allow b_t c_t:file { read write };"), as: "two")
        #expect(try casemate(["query", "diff", one, two]).status == 0)
        let three = try folder.compile(
            Self.policy("allow a_t c_t:file { read write };\nallow b_t c_t:file read;"),
            as: "three")
        let run = try casemate(["query", "diff", one, three, "--flows"])
        #expect(run.status == 1)
        #expect(
            run.output.hasPrefix(
                "access rules: 1 removed, 0 added\n  - allow b_t c_t:file write;\n"))
        #expect(run.output.contains("direct flows: 1 removed, 0 added\n  - b_t -> c_t\n"))
        let back = try casemate(["query", "diff", three, one])
        #expect(back.output.contains("  + allow b_t c_t:file write;\n"))
    }

    @Test("conditions are compared by what they mean")
    func conditions() throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let one = try folder.compile(
            Self.policy("if (is_open) { allow a_t c_t:file read; }"), as: "one")
        let same = try folder.compile(
            Self.policy("if (!is_open) { } else { allow a_t c_t:file read; }"), as: "same")
        let other = try folder.compile(
            Self.policy("if (!is_open) { allow a_t c_t:file read; }"), as: "other")
        #expect(try casemate(["query", "diff", one, same]).status == 0)
        #expect(try casemate(["query", "diff", one, other]).status == 1)
    }

    @Test(
        "a binary written as a source compiles to what it was",
        arguments: Corpus.policies, ["conf", "cil"])
    func decompiling(policy: String, language: String) throws {
        let path = try Corpus.path(policy)
        let isXen = policy == "xen"
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let source = folder.path("source")
        let written = try casemate(["decompile", path, "--to", language, "-o", source])
        try #require(written.status == 0, "\(written.errors)")
        let output = folder.path("again")
        let target = isXen ? ["-t", "xen", "-c", "30"] : ["-t", "selinux", "-c", "33"]
        var compilers: [(String, [String])] = []
        if language == "conf" {
            compilers.append(("/usr/bin/checkpolicy", ["-M"] + target + ["-o", output, source]))
        } else {
            compilers.append(
                (
                    "/usr/bin/secilc",
                    target + ["-N", "-X", "0", "-G", "-f", "/dev/null", "-o", output, source]
                ))
        }
        for (program, arguments) in compilers {
            let run = try ToolRun(program, arguments)
            try #require(run.status == 0, "\(run.errors) \(run.output)")
            let difference = try casemate(["query", "diff", path, output, "--limit", "5"])
            #expect(difference.status == 0, "\(program): \(difference.output)")
        }
        if language == "conf" {
            let ours = try casemate(["compile", "-M", "-N", "-o", output] + target + [source])
            try #require(ours.status == 0, "\(ours.errors)")
            #expect(try casemate(["query", "diff", path, output]).status == 0)
        }
    }

    @Test("a binary with every statement comes back from policy.conf", arguments: [true, false])
    func everyStatement(xen: Bool) throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        let source = "Tests/PolicyFileTests/Policies/\(xen ? "xen" : "linux").conf"
        let text = try String(
            contentsOf: RepositoryFiles.root.appending(path: source), encoding: .utf8)
        let path = try folder.compile(text, xen: xen)
        let written = try casemate(["decompile", path])
        #expect(written.status == 0 && written.errors.isEmpty, "\(written.errors)")
        let again = try folder.compile(written.output, xen: xen, as: "again")
        let difference = try casemate(["query", "diff", path, again])
        #expect(difference.status == 0, "\(difference.output)")
    }

    @Test("a policy for Xen in the compartment language is proved, and says what it leaves out")
    func migration() throws {
        let folder = try PolicyFolder()
        defer { folder.remove() }
        for (name, policy) in [
            ("levels", try folder.compile(SmallPolicy.levels, xen: true, as: "levels")),
            ("every", try Corpus.path("xen")),
        ] {
            let source = folder.path(name + ".casemate")
            let written = try casemate(["migrate", policy, "--name", name, "-o", source])
            try #require(written.status == 0, "\(written.errors)")
            let text = try String(contentsOfFile: source, encoding: .utf8)
            let check = try casemate(["check", source])
            #expect(check.status == 0, "\(name): \(check.errors)\n\(text)")
            #expect(text.contains("// Not said above:\n"))
            guard name == "levels" else { continue }
            #expect(text.contains("compartment low at lo {"), "\(text)")
            #expect(text.contains("compartment guard at lo..hi {"), "\(text)")
            // What the guard passes down needs an exemption, which only a person can name.
            #expect(text.contains("`guard` to `low"), "\(text)")
        }
        #expect(try casemate(["migrate", try Corpus.path("linux")]).status == 1)
    }
}
