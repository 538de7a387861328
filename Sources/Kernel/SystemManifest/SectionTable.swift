/// The kinds of section, in the order in which they stand in a manifest.
enum SectionKind: UInt32 {
    case strings = 1
    case sources
    case labels
    case modules
    case compartments
    case channels
    case certificate
    case channelOrder
    case subtrees
    case directories
    case devices
    case deviceRanges
    case exemptions
    case storeQuotas
    case tpmCommands

    /// The size of one record, in bytes, and the numbers of records that a manifest may have.
    var shape: (recordSize: Int, counts: ClosedRange<Int>) {
        switch self {
        case .strings, .certificate: (1, 1...Int(maximumFileSize))
        case .sources: (56, 1...64)
        case .labels: (88, 1...16384)
        case .modules: (72, 1...1024)
        case .compartments: (104, 1...512)
        case .channels: (48, 0...4096)
        case .channelOrder: (4, 0...4096)
        case .subtrees: (192, 0...1024)
        case .directories: (24, 0...8192)
        case .devices: (32, 0...1024)
        case .deviceRanges: (24, 0...4096)
        case .exemptions: (40, 0...4096)
        case .storeQuotas: (40, 0...512)
        case .tpmCommands: (56, 0...1)
        }
    }
}

/// Where one section stands.
struct Section: BitwiseCopyable {
    var offset = 0
    var count = 0
    var recordSize = 1

    /// The offset after the last record.
    var end: Int { offset + count * recordSize }
}

/// Where the sections of a manifest stand.
///
/// - Invariant (inside): every section lies inside the file and overlaps no other.
struct SectionTable {
    /// Where each stands, by its kind.
    private var all = InlineArray<16, Section>(repeating: Section())

    /// Where the section of a kind stands; at 0 for one that is left out.
    subscript(kind: SectionKind) -> Section { all[Int(kind.rawValue)] }

    /// Reads the section directory.
    ///
    /// - Precondition: the header was validated, so `bytes` holds at least 320 bytes.
    init(validating bytes: Span<UInt8>) throws(SystemManifestError) {
        let count = bytes.littleEndian32(at: 288)
        guard count >= 1, count <= 16 else { throw .badSectionDirectory }
        let directoryEnd = headerSize + 24 * Int(count)
        guard bytes.count >= directoryEnd else { throw .truncated }
        var nextOffset = directoryEnd
        var lastKind: UInt32 = 0
        for index in 0..<Int(count) {
            let entry = headerSize + 24 * index
            let rawKind = bytes.littleEndian32(at: entry)
            guard rawKind > lastKind, let kind = SectionKind(rawValue: rawKind) else {
                throw .badSectionDirectory
            }
            lastKind = rawKind
            let section = try SectionTable.section(kind, entry: entry, at: nextOffset, in: bytes)
            nextOffset = try SectionTable.paddedEnd(of: section, in: bytes)
            all[Int(rawKind)] = section
        }
        guard nextOffset == bytes.count else { throw .badSectionPlacement }
        try requireCounts()
        let isCertified = bytes.littleEndian64(at: 24) & ManifestFeature.certificate != 0
        guard isCertified == (self[.certificate].count > 0) else { throw .certificateMismatch }
    }

    private static func section(
        _ kind: SectionKind, entry: Int, at offset: Int, in bytes: Span<UInt8>
    ) throws(SystemManifestError) -> Section {
        let (size, counts) = kind.shape
        guard bytes.littleEndian32(at: entry + 4) == UInt32(size) else { throw .badRecordSize }
        guard bytes.littleEndian64(at: entry + 8) == UInt64(offset),
            let length = Int(exactly: bytes.littleEndian64(at: entry + 16)),
            length <= bytes.count - offset
        else { throw .badSectionPlacement }
        guard length % size == 0 else { throw .badRecordSize }
        let count = length / size
        guard counts.contains(count) else { throw .badRecordCount }
        return Section(offset: offset, count: count, recordSize: size)
    }

    /// Returns the first multiple of 8 at or after the section's end, having checked the padding.
    private static func paddedEnd(
        of section: Section, in bytes: Span<UInt8>
    ) throws(SystemManifestError) -> Int {
        let padded = (section.end + 7) & ~7
        guard padded <= bytes.count else { throw .badSectionPlacement }
        guard bytes.isZero(section.end..<padded) else { throw .reservedNotZero }
        return padded
    }

    /// Refuses a file in which a section from 1 to 6 is missing; offset 0 means just that. The
    /// order of channels is as long as they are many.
    private func requireCounts() throws(SystemManifestError) {
        for kind in 1...6 where all[kind].offset == 0 { throw .badRecordCount }
        guard self[.channelOrder].count == self[.channels].count else { throw .badRecordCount }
    }
}
