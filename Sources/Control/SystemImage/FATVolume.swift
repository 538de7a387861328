/// The plan of a FAT32 volume: where each file and folder lies, and the bytes that say so.
///
/// For: an EFI system partition that is written once. Every file lies in one piece, in the order in
/// which it was named. No time, no random number, no name of this computer gets in.
/// - Source: Microsoft, FAT: General Overview of On-Disk Format 1.03; UEFI 2.10, 13.3.
struct FATVolume {
    /// A file or a folder, by its place in the plan.
    private struct Node {
        let name: [UInt8]
        let isFolder: Bool
        let sizeInBytes: UInt64
        /// Indices of what lies in a folder.
        var children: [Int] = []
        var parent = 0
        var firstCluster: UInt32 = 0
        var clusterCount: UInt32 = 0
    }

    static var sectorSize: Int { 512 }
    private static var reservedSectors: Int { 32 }
    /// The fewest clusters that make a volume FAT32.
    private static var fewestClusters: UInt64 { 65_600 }

    private var nodes: [Node] = []
    private let sectorsPerCluster: Int
    private let clusterCount: UInt32
    private let tableSectors: Int
    private let usedClusters: UInt32
    private let serial: UInt32

    /// Plans a volume.
    ///
    /// - Parameters:
    ///   - files: paths with slashes, each part at most eight characters, a dot and three; sizes.
    ///   - serial: the volume's serial number.
    /// - Returns: nil when a name does not fit, or a file has 4 GiB or more.
    init?(_ files: [(path: String, sizeInBytes: UInt64)], serial: UInt32) {
        var nodes = [Node(name: [], isFolder: true, sizeInBytes: 0)]
        for file in files {
            guard file.sizeInBytes < 1 << 32 else { return nil }
            var folder = 0
            let parts = file.path.split(separator: "/")
            for (index, part) in parts.enumerated() {
                guard let name = FATVolume.shortName(part) else { return nil }
                let isFolder = index + 1 < parts.count
                if let known = nodes[folder].children.first(where: { nodes[$0].name == name }) {
                    guard isFolder, nodes[known].isFolder else { return nil }
                    folder = known
                    continue
                }
                nodes.append(
                    Node(
                        name: name, isFolder: isFolder,
                        sizeInBytes: isFolder ? 0 : file.sizeInBytes, parent: folder))
                nodes[folder].children.append(nodes.count - 1)
                folder = nodes.count - 1
            }
        }
        let bytes = files.reduce(UInt64(0)) { $0 + $1.sizeInBytes }
        sectorsPerCluster = bytes < 512 << 20 ? 2 : 8
        let clusterSize = UInt64(sectorsPerCluster * FATVolume.sectorSize)
        var next: UInt32 = 2
        for index in nodes.indices {
            let size =
                nodes[index].isFolder
                ? UInt64(nodes[index].children.count + 3) * 32 : nodes[index].sizeInBytes
            let count = UInt32((size + clusterSize - 1) / clusterSize)
            nodes[index].clusterCount = count
            nodes[index].firstCluster = count == 0 ? 0 : next
            next += count
        }
        self.nodes = nodes
        self.serial = serial
        usedClusters = next - 2
        let wanted = max(UInt64(usedClusters) + 1024, FATVolume.fewestClusters)
        clusterCount = UInt32(wanted)
        tableSectors = Int((wanted + 2) * 4 + 511) / FATVolume.sectorSize
    }

    /// A name of eight characters and three, padded with blanks.
    private static func shortName(_ text: Substring) -> [UInt8]? {
        let parts = text.uppercased().split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let stem = parts.first, !stem.isEmpty, stem.utf8.count <= 8,
            parts.count == 1 || (1...3).contains(parts[1].utf8.count),
            parts.joined().utf8.allSatisfy({
                (0x41...0x5a).contains($0) || (0x30...0x39).contains($0)
            })
        else { return nil }
        func padded(_ part: Substring, _ count: Int) -> [UInt8] {
            Array(part.utf8) + Array(repeating: 0x20, count: count - part.utf8.count)
        }
        return padded(stem, 8) + padded(parts.count == 2 ? parts[1] : "", 3)
    }

    /// How many sectors the volume has.
    var sectorCount: Int {
        FATVolume.reservedSectors + 2 * tableSectors + Int(clusterCount) * sectorsPerCluster
    }

    /// Everything before the first file: boot sectors, both tables, and the folders where they lie
    /// before it.
    func metadata(firstSector: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: FATVolume.reservedSectors * FATVolume.sectorSize)
        let boot = bootSector(firstSector: firstSector)
        bytes.replaceSubrange(0..<512, with: boot)
        bytes.replaceSubrange(512..<1024, with: informationSector)
        bytes.replaceSubrange(6 * 512..<7 * 512, with: boot)
        bytes.replaceSubrange(7 * 512..<8 * 512, with: informationSector)
        return bytes + table + table
    }

    /// What fills the clusters, in their order: folders as bytes, files by their number.
    var contents: [Content] {
        var file = 0
        return nodes.indices.map { index in
            let size = Int(nodes[index].clusterCount) * sectorsPerCluster * FATVolume.sectorSize
            if nodes[index].isFolder { return .bytes(folder(index, size)) }
            file += 1
            return .file(file - 1, padding: size - Int(nodes[index].sizeInBytes))
        }
    }

    /// What lies in a run of clusters.
    enum Content {
        case bytes([UInt8])
        case file(Int, padding: Int)
    }

    /// The free clusters at the end.
    ///
    /// - Units: bytes.
    var freeBytes: Int {
        Int(clusterCount - usedClusters) * sectorsPerCluster * FATVolume.sectorSize
    }

    private func bootSector(firstSector: Int) -> [UInt8] {
        var bytes: [UInt8] = [0xeb, 0x58, 0x90] + Array("CASEMATE".utf8)
        bytes += little(512, 2) + [UInt8(sectorsPerCluster)]
        bytes += little(FATVolume.reservedSectors, 2) + [2] + little(0, 4) + [0xf8] + little(0, 2)
        bytes += little(63, 2) + little(255, 2) + little(firstSector, 4) + little(sectorCount, 4)
        bytes += little(tableSectors, 4) + little(0, 4) + little(2, 4) + little(1, 2) + little(6, 2)
        bytes += [UInt8](repeating: 0, count: 12) + [0x80, 0, 0x29] + little(Int(serial), 4)
        bytes += Array("CASEMATE   FAT32   ".utf8)
        return bytes + [UInt8](repeating: 0, count: 510 - bytes.count) + [0x55, 0xaa]
    }

    private var informationSector: [UInt8] {
        var bytes = Array("RRaA".utf8) + [UInt8](repeating: 0, count: 480) + Array("rrAa".utf8)
        bytes += little(Int(clusterCount - usedClusters), 4) + little(Int(usedClusters) + 2, 4)
        return bytes + [UInt8](repeating: 0, count: 14) + [0x55, 0xaa]
    }

    private var table: [UInt8] {
        var entries: [UInt32] = [0x0fff_fff8, 0x0fff_ffff]
        entries.reserveCapacity(tableSectors * 128)
        for node in nodes where node.clusterCount > 0 {
            for cluster in 1..<node.clusterCount { entries.append(node.firstCluster + cluster) }
            entries.append(0x0fff_ffff)
        }
        entries += [UInt32](repeating: 0, count: tableSectors * 128 - entries.count)
        return entries.flatMap { little(Int($0), 4) }
    }

    private func folder(_ index: Int, _ size: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        if index == 0 {
            bytes += entry(Array("CASEMATE   ".utf8), attribute: 8, cluster: 0, size: 0)
        } else {
            let parent = nodes[index].parent == 0 ? 0 : nodes[nodes[index].parent].firstCluster
            let own = nodes[index].firstCluster
            bytes += entry(Array(".          ".utf8), attribute: 0x10, cluster: own, size: 0)
            bytes += entry(Array("..         ".utf8), attribute: 0x10, cluster: parent, size: 0)
        }
        for child in nodes[index].children.map({ nodes[$0] }) {
            bytes += entry(
                child.name, attribute: child.isFolder ? 0x10 : 0x21, cluster: child.firstCluster,
                size: child.sizeInBytes)
        }
        return bytes + [UInt8](repeating: 0, count: size - bytes.count)
    }

    /// A folder's entry, of 1 January 1980, the first day that the format knows.
    private func entry(
        _ name: [UInt8], attribute: UInt8, cluster: UInt32, size: UInt64
    ) -> [UInt8] {
        let day = little(0x21, 2)
        return name + [attribute, 0, 0] + little(0, 2) + day + day + little(Int(cluster >> 16), 2)
            + little(0, 2) + day + little(Int(cluster & 0xffff), 2) + little(Int(size), 4)
    }
}

/// A number's low bytes, the least significant first.
func little(_ number: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
}
