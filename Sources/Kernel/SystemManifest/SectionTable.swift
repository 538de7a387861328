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

    /// The size of one record, in bytes.
    var recordSize: Int {
        switch self {
        case .strings, .certificate: 1
        case .sources: 56
        case .labels: 88
        case .modules: 72
        case .compartments: 104
        case .channels: 48
        case .channelOrder: 4
        case .subtrees: 192
        case .directories, .deviceRanges: 24
        case .devices: 32
        case .exemptions, .storeQuotas: 40
        }
    }

    /// The numbers of records that a manifest may have.
    var recordCounts: ClosedRange<Int> {
        switch self {
        case .strings, .certificate: 1...Int(maximumFileSize)
        case .sources: 1...64
        case .labels: 1...16384
        case .modules: 1...1024
        case .compartments: 1...512
        case .storeQuotas: 0...512
        case .channels, .channelOrder: 0...4096
        case .subtrees, .devices: 0...1024
        case .directories: 0...8192
        case .deviceRanges, .exemptions: 0...4096
        }
    }
}

/// Where one section stands.
struct Section {
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
    private(set) var strings = Section()
    private(set) var sources = Section()
    private(set) var labels = Section()
    private(set) var modules = Section()
    private(set) var compartments = Section()
    private(set) var channels = Section()
    private(set) var certificate = Section()
    private(set) var channelOrder = Section()
    private(set) var subtrees = Section()
    private(set) var directories = Section()
    private(set) var devices = Section()
    private(set) var deviceRanges = Section()
    private(set) var exemptions = Section()
    private(set) var storeQuotas = Section()

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
            place(section, kind)
        }
        guard nextOffset == bytes.count else { throw .badSectionPlacement }
        try requireCounts()
        let isCertified = bytes.littleEndian64(at: 24) & ManifestFeature.certificate != 0
        guard isCertified == (certificate.count > 0) else { throw .certificateMismatch }
    }

    private static func section(
        _ kind: SectionKind, entry: Int, at offset: Int, in bytes: Span<UInt8>
    ) throws(SystemManifestError) -> Section {
        guard bytes.littleEndian32(at: entry + 4) == UInt32(kind.recordSize) else {
            throw .badRecordSize
        }
        guard bytes.littleEndian64(at: entry + 8) == UInt64(offset) else {
            throw .badSectionPlacement
        }
        guard let length = Int(exactly: bytes.littleEndian64(at: entry + 16)),
            length <= bytes.count - offset
        else { throw .badSectionPlacement }
        guard length % kind.recordSize == 0 else { throw .badRecordSize }
        let count = length / kind.recordSize
        guard kind.recordCounts.contains(count) else { throw .badRecordCount }
        return Section(offset: offset, count: count, recordSize: kind.recordSize)
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

    private mutating func place(_ section: Section, _ kind: SectionKind) {
        switch kind {
        case .strings: strings = section
        case .sources: sources = section
        case .labels: labels = section
        case .modules: modules = section
        case .compartments: compartments = section
        case .channels: channels = section
        case .certificate: certificate = section
        case .channelOrder: channelOrder = section
        case .subtrees: subtrees = section
        case .directories: directories = section
        case .devices: devices = section
        case .deviceRanges: deviceRanges = section
        case .exemptions: exemptions = section
        case .storeQuotas: storeQuotas = section
        }
    }

    /// Refuses a file in which a section from 1 to 6 is missing; offset 0 means just that. The
    /// order of channels is as long as they are many.
    private func requireCounts() throws(SystemManifestError) {
        guard strings.offset > 0, sources.offset > 0, labels.offset > 0, modules.offset > 0,
            compartments.offset > 0, channels.offset > 0, channelOrder.count == channels.count
        else { throw .badRecordCount }
    }
}
