import FoundationEssentials
import PolicySyntax
import VirtualHardware

/// The private folder of one run, for one machine at a time; a temporary one is removed with its
/// owner.
final class RunDirectory {
    let path: String
    private let isTemporary: Bool
    private let lock: Descriptor

    /// Makes the folder, or takes one that is there, which must be private already.
    ///
    /// - Parameters:
    ///   - named: its path; nil: a temporary one.
    ///   - needs: how many bytes are going to be written into it, at most.
    /// - Throws: `.fileFailed` when it is not ours alone, is in use, or has not so much room;
    ///   `.systemCall`.
    init(_ named: String?, needs: UInt64 = 0) throws(VirtualHardwareError) {
        if let named {
            path =
                named.hasPrefix("/")
                ? named : FileManager.default.currentDirectoryPath + "/\(named)"
            isTemporary = false
            try makePrivateDirectory(path, mayTighten: false)
        } else {
            path = try makeTemporaryDirectory()
            isTemporary = true
        }
        guard let lock = try lockDirectory(path) else {
            throw .fileFailed(
                path, reason: "another machine runs in it; name another with --run-directory")
        }
        self.lock = lock
        try requireRoom(needs)
    }

    /// A full disk in the middle would take the record of what happened, and the TPM's state.
    private func requireRoom(_ needs: UInt64) throws(VirtualHardwareError) {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
        guard let free = attributes?[.systemFreeSize] as? UInt64, free < needs else { return }
        throw .fileFailed(
            path,
            reason:
                "the disk has \(free >> 20) MiB left, and the machine needs \(needs >> 20) MiB; "
                + "name a folder elsewhere with --run-directory")
    }

    deinit {
        if isTemporary { removeTemporaryDirectory(path) }
    }
}
