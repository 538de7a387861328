import Foundation
import PolicyDatabaseModel
import TestSupport
import Testing

/// A failure of a compiler, not of what is tested.
struct CompilerError: Error {
    let message: String
}

/// A policy that another project's compiler wrote, and what it was asked to write.
struct ForeignPolicy: Sendable, CustomTestStringConvertible {
    enum Compiler: String, Sendable, CaseIterable { case checkpolicy, secilc }

    let compiler: Compiler
    let target: PolicyFormat.Target
    let version: UInt32
    /// Whether the policy has levels. Linux's versions before 19 have no place for them.
    var hasLevels = true

    var testDescription: String {
        "\(compiler.rawValue), \(target.rawValue) \(version)\(hasLevels ? "" : ", no levels")"
    }

    /// Each compiler, for Xen and for Linux, at every version that they write, with and without
    /// levels.
    static let all: [ForeignPolicy] = {
        var found: [ForeignPolicy] = []
        for compiler in Compiler.allCases {
            for format in PolicyFormat.all {
                let without = ForeignPolicy(
                    compiler: compiler, target: format.target, version: format.version,
                    hasLevels: false)
                found.append(without)
                var with = without
                with.hasLevels = true
                if format.version >= 19 { found.append(with) }
            }
        }
        return found
    }()

    /// Each compiler, for Linux, at the oldest versions of each form.
    static let oldest = Compiler.allCases.flatMap { compiler in
        [
            ForeignPolicy(compiler: compiler, target: .linux, version: 15, hasLevels: false),
            ForeignPolicy(compiler: compiler, target: .linux, version: 18, hasLevels: false),
            ForeignPolicy(compiler: compiler, target: .linux, version: 19),
        ]
    }

    /// The newest for each target.
    static let newest = Compiler.allCases.flatMap {
        [
            ForeignPolicy(compiler: $0, target: .xen, version: 30),
            ForeignPolicy(compiler: $0, target: .linux, version: 33),
        ]
    }

    /// Compiles the sources of `Policies` that belong to the compiler and target.
    ///
    /// A compiler refuses what a version cannot say: then the source goes without those lines.
    func compiled() throws -> [UInt8] {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let output = folder.path("policy")
        let xen = target == .xen
        let run: ToolRun
        switch compiler {
        case .checkpolicy:
            let source = try folder.write(
                try source(xen ? "xen.conf" : "linux.conf"), to: "policy.conf")
            run = try ToolRun(
                "/usr/bin/checkpolicy",
                (hasLevels ? ["-M"] : [])
                    + ["-t", xen ? "Xen" : "selinux", "-c", "\(version)", "-o", output, source])
        case .secilc:
            let common = try folder.write(try source("common.cil"), to: "common.cil")
            let special = try folder.write(
                try source(xen ? "xen.cil" : "linux.cil"), to: "special.cil")
            run = try ToolRun(
                "/usr/bin/secilc",
                [
                    "-t", xen ? "xen" : "selinux", "-c", "\(version)", "-o", output,
                    "-f", folder.path("contexts"), common, special,
                ])
        }
        guard run.status == 0 else { throw CompilerError(message: run.output + run.errors) }
        return try RepositoryFiles.bytes(of: folder.url("policy"))
    }

    private func source(_ name: String) throws -> String {
        let url = RepositoryFiles.root.appending(path: "Tests/PolicyFileTests/Policies/\(name)")
        let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n")
        let kept = lines.filter { !isTooNew($0) && (hasLevels || !isAboutLevels($0)) }
        let text = kept.map { hasLevels ? String($0) : withoutLevels($0) }
        return text.joined(separator: "\n") + "\n"
    }

    /// Whether checkpolicy takes a line only with levels.
    private func isAboutLevels(_ line: Substring) -> Bool {
        let starts = [
            "sensitivity", "category", "dominance", "level", "mls", "range_transition",
            "default_range",
        ]
        return starts.contains { line.hasPrefix($0) }
    }

    /// The line without the levels of a user or of labels; for secilc, without their meaning.
    private func withoutLevels(_ line: Substring) -> String {
        String(line).replacing("(mls true)", with: "(mls false)")
            .replacing(/\ level s[^;]*;/, with: ";")
            .replacing(/(_u:[a-z_]+_r:[a-z0-9_]+):s[0-9][^ ;]*( - s[^ ;]*)?/) { "\($0.output.1)" }
    }

    /// Whether a line says what the version cannot: extended permissions, 64-bit I/O memory.
    private func isTooNew(_ line: Substring) -> Bool {
        let starts = [
            "allowxperm", "auditallowxperm", "dontauditxperm", "iomemcon 0x100000000",
            "(allowx", "(auditallowx", "(dontauditx",
        ]
        return version < 30 && starts.contains { line.hasPrefix($0) }
    }
}
