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

    var testDescription: String { "\(compiler.rawValue), \(target.rawValue) \(version)" }

    /// Each compiler, for Xen and for Linux, at every version that is read.
    static let all = Compiler.allCases.flatMap { compiler in
        PolicyFormat.all.map {
            ForeignPolicy(compiler: compiler, target: $0.target, version: $0.version)
        }
    }

    /// Each compiler, for Linux, at the versions with levels that are too old to be read.
    static let tooOld = Compiler.allCases.flatMap { compiler in
        [19].map { ForeignPolicy(compiler: compiler, target: .linux, version: $0) }
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
                ["-M", "-t", xen ? "Xen" : "selinux", "-c", "\(version)", "-o", output, source])
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
        return lines.filter { !isTooNew($0) }.joined(separator: "\n") + "\n"
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
