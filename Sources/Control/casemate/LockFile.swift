import PolicyCompiler
import PolicySemantics
import PolicySyntax

/// The lock beside a source, as `casemate build` meets it.
struct LockFile {
    private let path: String
    private let policy: SystemPolicy
    private let found: [(entry: SystemLock.Entry, compartment: SystemPolicy.Compartment)]
    /// What the names of the source now stand for.
    let lock: SystemLock
    /// Path and content, when the file is to be written.
    private(set) var toWrite: (path: String, bytes: [UInt8])?
    /// What differs from the lock that was there, a line for each entry.
    private(set) var changes: [String] = []

    init(
        source: SystemSource, policy: SystemPolicy,
        found: [(entry: SystemLock.Entry, compartment: SystemPolicy.Compartment)]
    ) {
        path = "\(source.folder)/\(SystemLock.fileName)"
        self.policy = policy
        self.found = found
        lock = SystemLock(system: policy.name, found.map(\.entry))
    }

    /// Compares with the file, and decides whether it is to be written.
    ///
    /// - Parameter isLocked: whether the file is to hold, and not to be written.
    /// - Returns: what is not as the file says; empty unless it is to hold.
    /// - Throws: `ExitStatus.inputOutput` when the file is there and cannot be read.
    mutating func update(isLocked: Bool) throws -> [Diagnostic] {
        guard Files.exists(path) else {
            guard !isLocked else {
                return [
                    Diagnostic(
                        .lockMissing, at: policy.source,
                        "there is no `\(SystemLock.fileName)` beside the source",
                        help: "build once without --locked, and keep the file that it writes")
                ]
            }
            toWrite = (path, lock.encoded)
            return []
        }
        let bytes = try Files.read(path)
        let old = SystemLock(json: bytes)
        guard isLocked else {
            if bytes != lock.encoded { toWrite = (path, lock.encoded) }
            changes = old.map { lock.changes(since: $0) } ?? []
            return []
        }
        guard let old, old.system == policy.name else {
            return [
                Diagnostic(
                    .lockMalformed, at: policy.source,
                    "`\(SystemLock.fileName)` is malformed, or of another system")
            ]
        }
        return old.drift(found, policy)
    }
}
