import Foundation
import TestSupport
import Testing

/// Programs that were built beside the tests.
enum Built {
    static func path(_ name: String) -> String {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: name)
            .path(percentEncoded: false)
    }
}

/// libsepol as a judge of two policies, in a process of its own: it keeps one policy for a process.
struct Judge {
    let status: Int32
    let output: String
    let errors: String

    /// Asks `policy-judge` whether two policies decide and label alike.
    ///
    /// - Parameter decisions: how many triples of source, target and class are asked.
    init(_ first: String, _ second: String, decisions: Int = 40_000) throws {
        let seed = SeededGenerator.announced(20_261_123).seed
        let run = try ToolRun(
            Built.path("policy-judge"),
            ["--decisions", "\(decisions)", "--seed", "\(seed)", first, second])
        (status, output, errors) = (run.status, run.output, run.errors)
    }

    /// How much was compared of what a line of the output names, and how much said something.
    func counts(_ what: String) -> (compared: Int, telling: Int) {
        let line = output.split(separator: "\n").first { $0.hasPrefix(what) } ?? ""
        let numbers = line.split { !$0.isNumber }.compactMap { Int($0) }
        return numbers.count >= 3 ? (numbers[0], numbers[1]) : (0, 0)
    }
}

/// Runs `casemate` and expects it to succeed.
func casemate(_ arguments: [String]) throws {
    let run = try ToolRun(Built.path("casemate"), arguments)
    try #require(run.status == 0, "\(arguments): \(run.errors)")
}

/// Runs one of Debian's compilers and expects it to succeed.
func reference(_ program: String, _ arguments: [String]) throws {
    let run = try ToolRun("/usr/bin/" + program, arguments)
    try #require(run.status == 0, "\(program) \(arguments): \(run.errors)")
}

/// A source that is compiled twice.
struct Corpus: Sendable, CustomTestStringConvertible {
    let names: [String]
    let target: String
    let version: Int
    var isMultilevel = true

    var testDescription: String { "\(names) \(target) \(version)" }
    var isIntermediate: Bool { names[0].hasSuffix(".cil") }

    /// Every statement of both languages, for both targets.
    static let all: [Corpus] =
        (24...33).map { Corpus(names: ["linux.conf"], target: "selinux", version: $0) }
        + [24, 30].map { Corpus(names: ["xen.conf"], target: "xen", version: $0) }
        + [30, 33].map {
            Corpus(names: ["common.cil", "linux.cil"], target: "selinux", version: $0)
        }
        + [24, 30].map { Corpus(names: ["common.cil", "xen.cil"], target: "xen", version: $0) }
        + [Corpus(names: ["containers.cil"], target: "selinux", version: 33)]

    /// Writes the sources into a folder, without what Debian's tools refuse in the version or have
    /// wrong in it: before version 26 they drop role transitions by the number of their class.
    func write(to folder: TemporaryFolder) throws -> [String] {
        try names.map { name in
            let url = RepositoryFiles.root.appending(
                path: "Tests/PolicyFileTests/Policies/\(name)")
            let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
            let kept = lines.filter { line in
                let isRoleTransition =
                    line.hasPrefix("role_transition") || line.hasPrefix("(roletransition")
                let isNew =
                    line.contains("xperm ") || line.hasPrefix("iomemcon 0x100000000")
                return !(version < 26 && isRoleTransition)
                    && !(version < 30 && isNew && !isIntermediate)
            }
            return try folder.write(kept.joined(separator: "\n") + "\n", to: name)
        }
    }

    /// Compiles with `casemate`.
    func ours(_ sources: [String], to policy: String, _ more: [String] = []) throws {
        try casemate(
            ["compile", "-M", "-t", target, "-c", "\(version)", "-o", policy] + more + sources)
    }

    /// Compiles with checkpolicy or secilc.
    func theirs(_ sources: [String], to policy: String, _ more: [String] = []) throws {
        if isIntermediate {
            let labels = more.contains("-f") ? [] : ["-f", "/dev/null"]
            try reference(
                "secilc",
                ["-M", "true", "-t", target, "-c", "\(version)", "-o", policy] + labels + more
                    + sources)
        } else {
            try reference(
                "checkpolicy",
                [
                    "-M", "-t", target == "xen" ? "Xen" : "selinux", "-c", "\(version)", "-o",
                    policy,
                ] + more + sources)
        }
    }
}
