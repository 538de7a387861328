import SystemManifest

/// The numbers that labels have in the service's store: 0 is the hypervisor's, then come the
/// compartments', then one for each subtree and for each directory of a channel that is laid out:
/// each can be bounded for itself. What two of them may do is the hypervisor's answer.
enum NodeLabels {
    /// How many there are.
    static func count(_ manifest: borrowing SystemManifest) -> Int {
        firstOfDirectories(manifest) + servedDirectories(manifest, before: manifest.directoryCount)
    }

    private static func firstOfDirectories(_ manifest: borrowing SystemManifest) -> Int {
        1 + manifest.compartmentCount + manifest.subtreeCount
    }

    private static func servedDirectories(
        _ manifest: borrowing SystemManifest, before end: Int
    ) -> Int {
        var count = 0
        for index in 0..<end where isServed(index, manifest) { count += 1 }
        return count
    }

    /// Whether a directory is laid out: both ends use the store.
    static func isServed(_ directory: Int, _ manifest: borrowing SystemManifest) -> Bool {
        let record = manifest.directory(at: directory)
        return manifest.compartment(at: record.writer).uses(.store)
            && manifest.compartment(at: record.reader).uses(.store)
    }

    /// The number of a subtree's label.
    static func ofSubtree(_ index: Int, _ manifest: borrowing SystemManifest) -> UInt16 {
        UInt16(truncatingIfNeeded: 1 + manifest.compartmentCount + index)
    }

    /// The number of the label of a directory that is laid out.
    ///
    /// - Complexity: the number of directories.
    static func ofDirectory(_ index: Int, _ manifest: borrowing SystemManifest) -> UInt16 {
        UInt16(
            truncatingIfNeeded: firstOfDirectories(manifest)
                + servedDirectories(manifest, before: index))
    }

    /// The hypervisor's number of a label of the store: its own is 0, then come the compartments',
    /// the subtrees' and all directories', in the manifest's order.
    ///
    /// - Complexity: the number of directories.
    static func hypervisorNumber(_ label: Int, _ manifest: borrowing SystemManifest) -> Int {
        let first = firstOfDirectories(manifest)
        guard label >= first else { return label }
        var left = label - first
        for index in 0..<manifest.directoryCount where isServed(index, manifest) {
            if left == 0 { return first + index }
            left -= 1
        }
        return 0
    }

    /// The hypervisor's number of a label of the store, when another manifest is in force than the
    /// one that the store was made from: what it names is found by its path.
    ///
    /// - Returns: nil when the manifest in force has no such subtree or directory.
    /// - Complexity: the number of subtrees or directories of both.
    static func hypervisorNumber(
        _ label: Int, _ manifest: borrowing SystemManifest,
        in present: borrowing SystemManifest
    ) -> Int? {
        guard label > manifest.compartmentCount else { return label }
        let name = UInt16(truncatingIfNeeded: label)
        if label < firstOfDirectories(manifest) {
            return subtree(of: name, manifest, in: present).map {
                1 + present.compartmentCount + $0
            }
        }
        return directory(of: name, manifest, in: present).map {
            firstOfDirectories(present) + $0
        }
    }

    /// The index of a label's subtree in the manifest in force; nil: it has none of its path.
    static func subtree(
        of label: UInt16, _ manifest: borrowing SystemManifest,
        in present: borrowing SystemManifest
    ) -> Int? {
        let path = manifest.subtree(at: Int(label) - 1 - manifest.compartmentCount).path
        for index in 0..<present.subtreeCount
        where isEqual(present.subtree(at: index).path, path) { return index }
        return nil
    }

    /// The index of a label's directory in the manifest in force; nil: it has none of its path.
    static func directory(
        of label: UInt16, _ manifest: borrowing SystemManifest,
        in present: borrowing SystemManifest
    ) -> Int? {
        let place = hypervisorNumber(Int(label), manifest) - firstOfDirectories(manifest)
        let path = manifest.directory(at: place).path
        for index in 0..<present.directoryCount
        where isEqual(present.directory(at: index).path, path) { return index }
        return nil
    }

    private static func isEqual(_ first: Span<UInt8>, _ second: Span<UInt8>) -> Bool {
        guard first.count == second.count else { return false }
        for index in first.indices where first[index] != second[index] { return false }
        return true
    }
}
