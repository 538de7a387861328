import PolicyAuthority

/// Reads manifests that a command line names.
enum ManifestFile {
    /// Reads the manifest that another one replaces.
    ///
    /// - Throws: `ExitStatus.inputOutput`, after the reason was written to standard error, when it
    ///   cannot be read or is none.
    static func read(_ path: String) throws -> ManifestFacts {
        let bytes = try Files.read(path)
        do throws(BuildRefusal) {
            return try ManifestFacts(validating: bytes)
        } catch {
            throw Files.fail(path, error.message)
        }
    }
}
