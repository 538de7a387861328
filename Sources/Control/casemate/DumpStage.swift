import ArgumentParser
import PolicyChecks
import PolicyCompiler
import PolicySemantics
import PolicyDatabaseModel
import PolicySyntax

/// A stage between source and policy, whose result `casemate build --dump` shows.
enum DumpStage: String, ExpressibleByArgument, CaseIterable {
    /// What the source says, names unresolved.
    case parse
    /// What it means: indices instead of names.
    case resolve
    /// What was proved of it.
    case check
    /// The rules of the policy, read back from its bytes.
    case policy

    /// Shows the stage's result of a source, as far as the source has one.
    ///
    /// - Throws: `ExitStatus.refused`, after diagnostics were shown, when the stage or one before
    ///   it refuses the source.
    func show(_ source: SystemSource) throws {
        let result = source.check()
        let renderer = source.renderer(of: result)
        switch self {
        case .parse:
            let trees = [source.file] + result.modules
            let parsed = trees.map { ($0.name, Parser.parse($0)) }
            let diagnostics = parsed.flatMap { $0.1.diagnostics }
            Diagnostics.show(diagnostics, renderer)
            guard !diagnostics.refuse else { throw ExitStatus.refused }
            let text = parsed.map { "file \($0.0)\n\($0.1.tree.listing)" }.joined()
            try StandardOutput.write(text)
        case .resolve:
            guard let policy = result.policy else {
                Diagnostics.show(result.diagnostics, renderer)
                throw ExitStatus.refused
            }
            try StandardOutput.write(policy.listing)
        case .check:
            Diagnostics.show(result.diagnostics, renderer)
            try StandardOutput.write(result.listing)
            if result.proved == nil { throw ExitStatus.refused }
        case .policy:
            let diagnostics = result.diagnostics + result.targetDiagnostics
            Diagnostics.show(diagnostics, renderer)
            guard let proved = result.proved, !diagnostics.refuse else { throw ExitStatus.refused }
            try StandardOutput.write(try DumpStage.rules(proved))
        }
    }

    /// The rules of a system's policy, read from the bytes that `build` would write.
    private static func rules(_ system: ProvedSystem) throws -> String {
        do {
            let bytes = try LoweredPolicy(system.policy).database.encoded()
            return try PolicyFile(validating: bytes).listing
        } catch {
            StandardError.write("casemate: a defect of the compiler: \(error)\n")
            throw ExitStatus.refused
        }
    }
}
