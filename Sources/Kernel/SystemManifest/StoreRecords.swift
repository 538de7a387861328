import SecurityLattice

/// A subtree of the store that several compartments share.
public struct SubtreeRecord: ~Escapable {
    /// The name, UTF-8.
    public let name: Span<UInt8>
    /// The absolute path of its topmost node.
    public let path: Span<UInt8>
    private let fields: RecordFields

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        fields = RecordFields(manifest.bytes, at: offset)
        name = manifest.string(at: offset)
        path = manifest.string(at: offset + 8)
    }

    /// The index of the label of its nodes, 0-based.
    public var label: Int { fields.number(16) }
    /// The index of the compartment that sets permissions, 0-based.
    public var owner: Int { fields.number(20) }
    /// Where the subtree is declared.
    public var source: SourceReference { fields.source(24) }
    /// The most nodes; 0: the store's own bound.
    public var quotaInNodes: UInt64 { fields.number64(40) }
    /// The most bytes; 0: the store's own bound.
    public var quotaInBytes: UInt64 { fields.number64(48) }
    /// The most writes a second; 0: no bound.
    public var ratePerSecond: UInt64 { fields.number64(56) }

    // Who reads, and who writes: 64 bytes each, one bit for each compartment.

    /// Returns whether a compartment reads, by its index.
    public func isRead(by index: Int) -> Bool {
        fields.bytes.extracting(fields.offset + 64..<fields.offset + 128).hasBit(index)
    }

    /// Returns whether a compartment writes, by its index.
    public func isWritten(by index: Int) -> Bool {
        fields.bytes.extracting(fields.offset + 128..<fields.offset + 192).hasBit(index)
    }
}

/// Where one end of a channel leaves what the other needs to find it (`docs/abi/channels.md`).
public struct DirectoryRecord: ~Escapable {
    /// The absolute path.
    public let path: Span<UInt8>
    private let fields: RecordFields

    @_lifetime(copy manifest)
    init(_ manifest: SystemManifest, at offset: Int) {
        fields = RecordFields(manifest.bytes, at: offset)
        path = manifest.string(at: offset)
    }

    /// The index of the channel, 0-based.
    public var channel: Int { fields.number(8) }
    /// The index of the compartment that writes, 0-based.
    public var writer: Int { fields.number(12) }
    /// The index of the compartment that reads, 0-based.
    public var reader: Int { fields.number(16) }
    /// The index of the label of its nodes, 0-based.
    public var label: Int { fields.number(20) }
}

extension SystemManifest {
    /// The number of shared subtrees of the store, 0 to 1,024.
    public var subtreeCount: Int { sections[.subtrees].count }
    /// The number of directories of channels, 0 to 8,192.
    public var directoryCount: Int { sections[.directories].count }

    /// Returns a subtree.
    ///
    /// - Precondition: `index` is below `subtreeCount`.
    @_lifetime(copy self)
    public func subtree(at index: Int) -> SubtreeRecord {
        SubtreeRecord(self, at: offset(of: index, in: sections[.subtrees]))
    }

    /// Returns the directory of one way of a channel.
    ///
    /// - Precondition: `index` is below `directoryCount`.
    @_lifetime(copy self)
    public func directory(at index: Int) -> DirectoryRecord {
        DirectoryRecord(self, at: offset(of: index, in: sections[.directories]))
    }

    func validateSubtrees() throws(SystemManifestError) {
        for index in 0..<subtreeCount {
            let offset = offset(of: index, in: sections[.subtrees])
            try validateName(at: offset, index: index, in: sections[.subtrees])
            try validatePath(at: offset + 8, or: .badSubtree)
            let owner = bytes.littleEndian32(at: offset + 20)
            guard bytes.littleEndian32(at: offset + 16) < UInt32(labelCount),
                owner < UInt32(compartmentCount)
            else { throw .badIndex }
            guard bytes.littleEndian32(at: offset + 36) == 0 else { throw .reservedNotZero }
            for start in stride(from: offset + 64, to: offset + 192, by: 64) {
                let set = bytes.extracting(start..<start + 64)
                guard set.hasBit(Int(owner)), set.hasNoBit(from: compartmentCount) else {
                    throw .badSubtree
                }
            }
            try validateSourceReference(at: offset + 24)
        }
    }

    func validateDirectories() throws(SystemManifestError) {
        var last: (channel: UInt32, writer: UInt32)?
        for index in 0..<directoryCount {
            let offset = offset(of: index, in: sections[.directories])
            try validatePath(at: offset, or: .badDirectory)
            let number = bytes.littleEndian32(at: offset + 8)
            guard number < UInt32(channelCount),
                bytes.littleEndian32(at: offset + 20) < UInt32(labelCount)
            else { throw .badIndex }
            let channel = channel(at: Int(number))
            let writer = bytes.littleEndian32(at: offset + 12)
            let reader = bytes.littleEndian32(at: offset + 16)
            let (from, to) = (UInt32(channel.from), UInt32(channel.to))
            let isForward = writer == from && reader == to
            guard isForward || channel.isTwoWay && writer == to && reader == from else {
                throw .badDirectory
            }
            if let last {
                // Of one channel, the way from its first end stands before the way back.
                guard
                    number > last.channel
                        || number == last.channel && last.writer == from
                            && !isForward
                else { throw .badDirectory }
            }
            last = (number, writer)
        }
    }

    /// Checks a path of the store: absolute, and no longer than the store takes.
    private func validatePath(
        at offset: Int, or error: SystemManifestError
    ) throws(SystemManifestError) {
        try validateString(at: offset, lengths: 1...maximumPathLength)
        let path = string(at: offset)
        guard path[0] == UInt8(ascii: "/") else { throw error }
    }
}

/// The longest path of the store, in bytes.
///
/// - Source: Xen public `io/xs_wire.h`, `XENSTORE_ABS_PATH_MAX`, less what clients may add.
public let maximumPathLength = 2048

extension Span<UInt8> {
    /// Returns whether a bit is set; false for one beyond the end.
    fileprivate func hasBit(_ index: Int) -> Bool {
        index >= 0 && index / 8 < count && self[index / 8] >> UInt8(index % 8) & 1 != 0
    }

    /// Returns whether no bit from `first` on is set.
    fileprivate func hasNoBit(from first: Int) -> Bool {
        for index in first..<Swift.max(first, count * 8) where hasBit(index) { return false }
        return true
    }
}
