/// What `FLASK_LOAD` takes: a boot bundle without modules.
public enum PolicyArchive {
    /// Returns the archive of a policy and a manifest, each of less than 4 GiB.
    ///
    /// - Source: docs/abi/boot-bundle.md; the cpio format `newc`.
    public static func bytes(policy: [UInt8], manifest: [UInt8]) -> [UInt8] {
        var archive: [UInt8] = []
        let members: [(String, [UInt8])] = [
            ("policy", policy), ("manifest", manifest), ("TRAILER!!!", []),
        ]
        for (name, content) in members {
            archive += memberHeader(name, size: UInt64(content.count)) ?? []
            archive += content
            while archive.count % 4 != 0 { archive.append(0) }
        }
        return archive
    }
}
