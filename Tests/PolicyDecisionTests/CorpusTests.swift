import Foundation
import TestSupport
import Testing

/// Debian's reference policy in both languages; only with `--long`, since it is fetched from Debian
/// and libsepol takes minutes for a million decisions.
@Suite("libsepol judges the reference policy", .serialized, .enabled(if: TestLevel.isLong))
struct ReferencePolicyTests {
    /// Where the policies are kept from run to run.
    private static let folder = RepositoryFiles.root.appending(path: ".build/policies")

    private func path(_ name: String) -> String {
        Self.folder.appending(path: name).path(percentEncoded: false)
    }

    private func sources(_ language: String) throws -> [String] {
        let run = try ToolRun("Tests/PolicyJudge/fetch-policies", [path("")])
        try #require(run.status == 0, "\(run.errors)")
        guard language == "cil" else { return [path("reference.conf")] }
        return try FileManager.default.contentsOfDirectory(atPath: path("cil")).sorted()
            .map { path("cil/\($0)") }
    }

    @Test("a million decisions, and all labels and transitions", arguments: ["conf", "cil"])
    func plain(language: String) throws {
        try judge(language, decisions: 1_000_000, [])
    }

    @Test("without redundant rules", arguments: ["conf", "cil"])
    func optimized(language: String) throws {
        try judge(language, decisions: 100_000, ["-O"])
    }

    @Test("nothing differs between checkpolicy's policy and ours, and the same flows in both")
    func difference() throws {
        let sources = try sources("conf")
        let corpus = Corpus(names: sources, target: "selinux", version: 33)
        try corpus.ours(sources, to: path("ours"))
        try corpus.theirs(sources, to: path("theirs"))
        let program = Built.path("casemate")
        let difference = try ToolRun(
            program, ["query", "diff", path("theirs"), path("ours"), "--flows"])
        #expect(difference.status == 0, "\(difference.output.prefix(2_000))")
        #expect(difference.output == "the policies mean the same\n")
        // One rule less is a difference, and so is one flow.
        let question = ["--from", "httpd_t", "--to", "shadow_t"]
        let flow = try ToolRun(program, ["query", "flow", path("ours")] + question)
        #expect(flow.status == 0, "\(flow.errors)")
        #expect(flow.output.contains("httpd_t") && flow.output.contains("shadow_t"))
        // Of several shortest ways each shows the first by its own numbers.
        let other = try ToolRun(program, ["query", "flow", path("theirs")] + question)
        #expect(
            other.output.split(separator: "\n").first == flow.output.split(separator: "\n").first)
        let text = try String(contentsOf: URL(filePath: sources[0]), encoding: .utf8)
        let place = try #require(text.firstRange(of: "\nallow httpd_t "))
        try text.replacingCharacters(in: place, with: "\ndontaudit httpd_t ")
            .write(toFile: path("changed.conf"), atomically: true, encoding: .utf8)
        try corpus.ours([path("changed.conf")], to: path("changed"))
        let changed = try ToolRun(program, ["query", "diff", path("ours"), path("changed")])
        #expect(changed.status == 1 && changed.output.contains("httpd_t"))
    }

    private func judge(_ language: String, decisions: Int, _ options: [String]) throws {
        let sources = try sources(language)
        let corpus = Corpus(names: sources, target: "selinux", version: 33)
        // Debian's modules break rules of neverallow that its own build does not check.
        let unchecked = language == "cil" ? ["-N"] : []
        try corpus.ours(sources, to: path("ours"), options + unchecked)
        try corpus.theirs(sources, to: path("theirs"), options + unchecked)
        let judge = try Judge(path("ours"), path("theirs"), decisions: decisions)
        print("\(language) \(options):\n\(judge.output)")
        #expect(judge.status == 0, "\(judge.errors)")
        #expect(judge.counts("decisions").compared >= decisions * 9 / 10)
        #expect(judge.counts("decisions").telling > decisions / 4)
    }
}
