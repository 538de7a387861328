import ArgumentParser
import KernelPolicyLanguage
import PolicyDatabaseModel
import PolicySyntax

/// For whom a policy is compiled, as the command line says it; in capitals or not.
enum CompileTarget: String, ExpressibleByArgument, CaseIterable {
    case selinux, xen

    init?(argument: String) { self.init(rawValue: argument.lowercased()) }

    var target: PolicyFormat.Target {
        switch self {
        case .selinux: .linux
        case .xen: .xen
        }
    }
}

/// What becomes of unknown classes and permissions, as the command line says it.
enum UnknownHandlingName: String, ExpressibleByArgument, CaseIterable {
    case deny, reject, allow

    var handling: PolicyFile.UnknownHandling {
        switch self {
        case .deny: .deny
        case .reject: .reject
        case .allow: .allow
        }
    }
}

/// Reads what is compiled.
enum CompileInput {
    /// The largest source: places in it are numbers of 32 bits.
    static let largestSizeInBytes = 1 << 30

    /// Reads a source, or standard input for `-`.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error.
    static func read(_ path: String) throws -> [UInt8] {
        try path == "-"
            ? StandardInput.read(limit: largestSizeInBytes)
            : Files.read(path, limit: largestSizeInBytes)
    }
}

/// Writes what was compiled, and what is wrong.
enum CompileOutput {
    /// Returns one line that names a place and what is wrong there.
    static func line(_ error: KernelPolicyError) -> String {
        let file = DiagnosticRenderer.harmless(error.file)
        return "\(file):\(error.line):\(error.column): error[\(error.reason.rawValue)]: "
            + "\(DiagnosticRenderer.harmless(error.message))\n"
    }

    /// Writes a policy, if the command line names a file for it, and the warnings.
    ///
    /// - Throws: `ExitStatus.inputOutput`; `ExitStatus.refused` when the format has no place for
    ///   something.
    static func write(_ policy: PolicyFile, warnings: [String], to path: String?) throws {
        for warning in warnings {
            StandardError.write("casemate: warning: \(DiagnosticRenderer.harmless(warning))\n")
        }
        do {
            let bytes = try policy.encoded()
            if let path { try Files.write(bytes, to: path) }
        } catch let error as PolicyFileError {
            StandardError.write("casemate: the policy cannot be written: \(error.reason)\n")
            throw ExitStatus.refused
        }
    }
}
