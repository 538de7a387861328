internal import ControlFrames
public import Digests

/// A disk with one EFI system partition, for firmware to boot from: a GUID partition table around
/// a FAT32 volume.
///
/// Equal files make equal disks: what must be unique, the GUIDs and the serial number, is made of
/// the files' own digest.
/// - Source: UEFI 2.10, chapter 5 and 13.3.
public struct DiskImage {
    /// One file of the volume.
    public struct File {
        /// Its path, parts of at most eight characters, a dot and three, between slashes.
        public let path: String
        /// Its content.
        public let content: Content

        /// Names a file.
        public init(path: String, content: Content) {
            self.path = path
            self.content = content
        }
    }

    /// What a file holds.
    public enum Content {
        /// These bytes.
        case bytes([UInt8])
        /// What the file of this computer holds that has this digest.
        case file(String, Digest384)
    }

    private let files: [File]
    private let volume: FATVolume
    private let identity: [UInt8]
    private let sizes: [UInt64]
    private let imagePath: String

    private static var firstSector: Int { 2048 }
    private static var tableSectors: Int { 33 }

    /// Plans a disk.
    ///
    /// - Parameters:
    ///   - identity: a digest of all that is in the files, at least 32 bytes.
    ///   - path: what the disk will be called, for messages.
    /// - Throws: for a file that cannot be opened, or does not fit.
    public init(
        _ files: [File], identity: [UInt8], path: String
    ) throws(FileError) {
        var sizes: [UInt64] = []
        for file in files {
            switch file.content {
            case .bytes(let bytes): sizes.append(UInt64(bytes.count))
            case .file(let path, _): sizes.append(try InputFile(reading: path).sizeInBytes)
            }
        }
        let serial = identity.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let plan = FATVolume(zip(files, sizes).map { ($0.path, $1) }, serial: serial)
        guard let plan, identity.count >= 32 else {
            throw FileError(path: path, reason: "a file is too large, or has too long a name")
        }
        self.files = files
        self.sizes = sizes
        self.identity = identity
        imagePath = path
        volume = plan
    }

    /// How many sectors the disk has: the last table behind the partition, and whole mebibytes.
    private var sectorCount: Int {
        (DiskImage.firstSector + volume.sectorCount + DiskImage.tableSectors + 2047) / 2048 * 2048
    }

    /// The disk's size in bytes.
    public var sizeInBytes: UInt64 { UInt64(sectorCount * FATVolume.sectorSize) }

    /// Writes the disk.
    ///
    /// - Throws: when a file cannot be read or written, or has changed since it was hashed.
    public func write<Output: ByteOutput & ~Copyable>(
        to output: inout Output
    ) throws(FileError) {
        let entries = partitionEntries
        try output.write(protectiveRecord.span)
        try output.write(header(own: 1, other: sectorCount - 1, table: 2, entries).span)
        try output.write(entries.span)
        try writeZeros((DiskImage.firstSector - 34) * FATVolume.sectorSize, to: &output)
        try output.write(volume.metadata(firstSector: DiskImage.firstSector).span)
        for content in volume.contents {
            switch content {
            case .bytes(let bytes): try output.write(bytes.span)
            case .file(let number, let padding):
                try write(files[number].content, sizes[number], to: &output)
                try writeZeros(padding, to: &output)
            }
        }
        try writeZeros(volume.freeBytes, to: &output)
        let end = DiskImage.firstSector + volume.sectorCount
        let rest = sectorCount - DiskImage.tableSectors - end
        try writeZeros(rest * FATVolume.sectorSize, to: &output)
        try output.write(entries.span)
        let last = sectorCount - 1
        try output.write(header(own: last, other: 1, table: last - 32, entries).span)
    }

    private func write<Output: ByteOutput & ~Copyable>(
        _ content: Content, _ size: UInt64, to output: inout Output
    ) throws(FileError) {
        switch content {
        case .bytes(let bytes): try output.write(bytes.span)
        case .file(let path, let digest):
            var file = try InputFile(reading: path)
            var hash = SHA384()
            var rest = size
            var isAtEnd = false
            while rest > 0, !isAtEnd {
                isAtEnd = try !file.readOn { (bytes) throws(FileError) in
                    guard bytes.count <= rest else { return }
                    rest -= UInt64(bytes.count)
                    hash.update(bytes)
                    try output.write(bytes)
                }
            }
            guard rest == 0, hash.finalize() == digest else {
                throw FileError(path: path, reason: "it changes while it is read")
            }
        }
    }

    private func writeZeros<Output: ByteOutput & ~Copyable>(
        _ count: Int, to output: inout Output
    ) throws(FileError) {
        let zeros = [UInt8](repeating: 0, count: min(count, 1 << 20))
        var rest = count
        while rest > 0 {
            let part = min(rest, zeros.count)
            try output.write(zeros.span.extracting(first: part))
            rest -= part
        }
    }

    // MARK: The partition table

    /// The protective master boot record: one partition of type EE over everything.
    private var protectiveRecord: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 446)
        bytes += [0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff] + little(1, 4) + little(sectorCount - 1, 4)
        return bytes + [UInt8](repeating: 0, count: 48) + [0x55, 0xaa]
    }

    /// 128 entries, of which the first is the EFI system partition.
    private var partitionEntries: [UInt8] {
        let type: [UInt8] = [
            0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
            0xc9, 0x3b,
        ]
        var entry = type + guid("partition") + little(DiskImage.firstSector, 8)
        entry += little(DiskImage.firstSector + volume.sectorCount - 1, 8) + little(0, 8)
        entry += "casemate".utf8.flatMap { [$0, 0] }
        return entry + [UInt8](repeating: 0, count: 128 * 128 - entry.count)
    }

    private func header(own: Int, other: Int, table: Int, _ entries: [UInt8]) -> [UInt8] {
        var bytes = Array("EFI PART".utf8) + little(0x1_0000, 4) + little(92, 4) + little(0, 8)
        bytes += little(own, 8) + little(other, 8) + little(34, 8) + little(sectorCount - 34, 8)
        bytes += guid("disk") + little(table, 8) + little(128, 4) + little(128, 4)
        bytes += little(Int(CRC32.checksum(of: entries.span)), 4)
        bytes.replaceSubrange(16..<20, with: little(Int(CRC32.checksum(of: bytes.span)), 4))
        return bytes + [UInt8](repeating: 0, count: 512 - bytes.count)
    }

    /// A GUID (RFC 9562, version 8) that belongs to these files and this use.
    private func guid(_ use: String) -> [UInt8] {
        var bytes = Array(SHA256.hash((identity + Array(use.utf8)).span).array.prefix(16))
        bytes[7] = bytes[7] & 0x0f | 0x80
        bytes[8] = bytes[8] & 0x3f | 0x80
        return bytes
    }
}
