import ArgumentParser
import PolicyAuthority
import PolicySyntax
import SystemImage

/// Reads the files of keys; says on standard error what is wrong with one. What stands in a private
/// key's file is never part of a message.
enum KeyFiles {
    /// The most bytes of a key's file.
    private static let limit = 1 << 16
    /// Why a private key is not used.
    static let openReason = "others can read this private key; give it mode 0600, or a new key"

    /// What a file holds.
    enum Content {
        /// A key, and whether it is the private half.
        case key(AuthorityPublicKey, isPrivate: Bool)
        /// A private key that others can read.
        case open
        /// No key, or nothing that can be read.
        case none
    }

    /// Returns what a file holds.
    static func look(at path: String) -> Content {
        guard let bytes = try? readQuietly(path) else { return .none }
        let pem = String(decoding: bytes, as: UTF8.self)
        if let key = try? AuthorityPublicKey(pem: pem) { return .key(key, isPrivate: false) }
        guard let key = try? AuthorityPrivateKey(pem: pem) else { return .none }
        return isPrivate(path) ? .key(key.publicKey, isPrivate: true) : .open
    }

    /// Reads a private key.
    ///
    /// - Throws: `ExitStatus.inputOutput` when it cannot be read; `ExitStatus.refused` when it is
    ///   no private key, or others can read it.
    static func privateKey(_ path: String) throws -> AuthorityPrivateKey {
        let bytes = try Files.read(path, limit: limit)
        let key: AuthorityPrivateKey
        do throws(AuthorityKeyError) {
            key = try AuthorityPrivateKey(pem: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw refuse(path, error.message)
        }
        guard isPrivate(path) else { throw refuse(path, openReason) }
        return key
    }

    /// Reads a public key.
    ///
    /// - Throws: `ExitStatus.inputOutput`; `ExitStatus.refused` when it is no public key.
    static func publicKey(_ path: String) throws -> AuthorityPublicKey {
        let bytes = try Files.read(path, limit: limit)
        do throws(AuthorityKeyError) {
            return try AuthorityPublicKey(pem: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw refuse(path, error.message)
        }
    }

    /// Reads the public half of a key of either kind.
    ///
    /// - Throws: as `privateKey` and `publicKey`.
    static func any(_ path: String) throws -> (key: AuthorityPublicKey, isPrivate: Bool) {
        _ = try Files.read(path, limit: limit)
        switch look(at: path) {
        case .key(let key, let isPrivate): return (key, isPrivate)
        case .open: throw refuse(path, openReason)
        case .none: throw refuse(path, "it is no ECDSA P-384 key in PEM")
        }
    }

    private static func readQuietly(_ path: String) throws(FileError) -> [UInt8] {
        let file = try InputFile(reading: path)
        guard file.sizeInBytes <= UInt64(limit) else {
            throw FileError(path: path, reason: "it is too large")
        }
        return try file.contents()
    }

    private static func isPrivate(_ path: String) -> Bool {
        (try? PrivateFile.isPrivate(path)) ?? false
    }

    private static func refuse(_ path: String, _ reason: String) -> ExitCode {
        StandardError.write("casemate: `\(DiagnosticRenderer.harmless(path))`: \(reason)\n")
        return ExitStatus.refused
    }
}
