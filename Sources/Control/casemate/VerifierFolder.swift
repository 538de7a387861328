import Appraisal
import ArgumentParser
import FoundationEssentials
import PolicyAuthority
import PolicySyntax
import SystemImage
import VerifierState

/// A verifier's folder: what it remembers, and the key with which it signs its answers.
struct VerifierFolder {
    private let path: String
    let state: VerifierState

    private static let stateFile = "/state.sqlite"
    private var keyPath: String { path + "/token-key.pem" }

    /// Opens a folder that is there.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    init(opening path: String) throws {
        guard Files.exists(path + VerifierFolder.stateFile) else {
            throw Files.fail(path, "no verifier keeps its state here; `attest machine add` begins")
        }
        try self.init(path)
    }

    /// Opens a folder, or makes a new one that only its owner reads, with a new key.
    ///
    /// - Throws: `ExitStatus.inputOutput`.
    init(creating path: String) throws {
        if !Files.exists(path + VerifierFolder.stateFile) {
            do {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: true,
                    attributes: [.posixPermissions: 0o700])
            } catch { throw Files.fail(path, "no folder can be made there") }
        }
        try self.init(path)
        guard !Files.exists(keyPath) else { return }
        let key = AuthorityPrivateKey()
        do throws(FileError) {
            try PrivateFile.write(Array(key.secretPEM.utf8), to: keyPath)
        } catch {
            throw Files.fail(error.path, error.reason)
        }
        try Files.write(Array(key.publicKey.pem.utf8), to: keyPath + ".pub")
    }

    private init(_ path: String) throws {
        self.path = path
        do throws(VerifierStateError) {
            state = try VerifierState(path: path + VerifierFolder.stateFile)
        } catch {
            throw Files.fail(path, error.message)
        }
    }

    /// Asks the state; says on standard error what it refuses.
    ///
    /// - Throws: `ExitStatus.inputOutput` when the state cannot be used; `ExitStatus.refused`.
    static func refusing<Value>(
        _ body: () throws(VerifierStateError) -> Value
    ) throws -> Value {
        do throws(VerifierStateError) {
            return try body()
        } catch {
            StandardError.write(
                "refused[\(error.code)]: \(DiagnosticRenderer.harmless(error.message))\n")
            throw error.exitStatus
        }
    }

    /// Signs an answer.
    ///
    /// - Throws: `ExitStatus.inputOutput`, `ExitStatus.refused` when the key cannot be used.
    func sign(_ token: AttestationToken) throws -> String {
        let key = try KeyFiles.privateKey(keyPath)
        guard let text = token.signed(by: { key.signature(for: $0) }) else {
            throw Files.fail(keyPath, "it does not sign")
        }
        return text
    }
}

extension VerifierStateError {
    /// Whether the file is to blame, not what was asked.
    var exitStatus: ExitCode {
        if case .unusable = self { return ExitStatus.inputOutput }
        return ExitStatus.refused
    }
}
