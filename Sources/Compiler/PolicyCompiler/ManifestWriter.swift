import Digests
public import PolicyDatabase
import SecurityLattice
import SystemManifest

extension SystemManifestModel {
    /// The manifest as a file, without a signature.
    public var encoded: [UInt8] {
        var writer = ManifestWriter()
        writer.write(self)
        return writer.file(self)
    }

    /// The 88 bytes of a label's record.
    public static func labelRecord(_ label: SecurityContext) -> [UInt8] {
        var writer = ByteWriter()
        writer.write32(label.user)
        writer.write32(label.role)
        writer.write32(label.type)
        writer.write32(label.range.low.sensitivity.databaseValue)
        writer.write32(label.range.high.sensitivity.databaseValue)
        writer.write32(0)
        for level in [label.range.low, label.range.high] {
            for index in 0..<4 { writer.write64(level.categories.word(at: index)) }
        }
        return writer.bytes
    }
}

/// Collects the sections of a manifest; equal strings are stored once.
private struct ManifestWriter {
    private var strings = ByteWriter()
    private var places: [String: (UInt32, UInt32)] = [:]
    private var sections: [(kind: UInt32, recordSize: UInt32, bytes: [UInt8])] = []

    mutating func write(_ model: SystemManifestModel) {
        add(2, 56, model.sources.map { record($0) })
        add(3, 88, model.labels.map { SystemManifestModel.labelRecord($0) })
        add(4, 72, model.modules.map { record($0) })
        add(5, 104, model.compartments.enumerated().map { record($1, $0) })
        add(6, 48, model.channels.map { record($0) })
        addOptional(7, 1, [model.certificate])
        addOptional(8, 4, ManifestWriter.order(of: model.channels))
        addOptional(9, 192, model.subtrees.map { record($0) })
        addOptional(10, 24, model.directories.map { record($0) })
        addOptional(11, 32, model.devices.map { record($0) })
        addOptional(12, 24, ManifestWriter.ranges(of: model.devices))
        addOptional(13, 40, model.exemptions.map { record($0) })
        addOptional(14, 40, model.storeQuotas.map { ManifestWriter.record($0) })
        addOptional(
            15, 56,
            model.tpmCommands.isEmpty
                ? [] : [ManifestWriter.record(ofCommands: model.tpmCommands)])
        sections.insert((1, 1, strings.bytes), at: 0)
    }

    func file(_ model: SystemManifestModel) -> [UInt8] {
        var body = ByteWriter()
        var directory = ByteWriter()
        let start = 320 + 24 * sections.count
        for section in sections {
            directory.write32(section.kind)
            directory.write32(section.recordSize)
            directory.write64(UInt64(start + body.bytes.count))
            directory.write64(UInt64(section.bytes.count))
            body.write(section.bytes)
            body.pad()
        }
        let size = start + body.bytes.count
        return header(model, size) + directory.bytes + body.bytes
    }

    private func header(_ model: SystemManifestModel, _ size: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Array("CASEMATE".utf8))
        writer.write32(1)
        writer.write32(320)
        writer.write64(UInt64(size))
        writer.write64(model.requiredFeatures)
        writer.write(SystemManifestModel.systemID(of: model.systemName))
        writer.write64(model.systemVersion)
        writer.write(model.policyDigest.array)
        // Predecessor, signature algorithm, rollback counter, key id, signature: none.
        writer.writeZeros(288 - 104)
        writer.write32(UInt32(sections.count))
        writer.writeZeros(28)
        return writer.bytes
    }

    private mutating func add(_ kind: UInt32, _ recordSize: UInt32, _ records: [[UInt8]]) {
        sections.append((kind, recordSize, records.flatMap { $0 }))
    }

    /// A section without content is left out.
    private mutating func addOptional(
        _ kind: UInt32, _ recordSize: UInt32, _ records: [[UInt8]]
    ) {
        if records.contains(where: { !$0.isEmpty }) { add(kind, recordSize, records) }
    }

    // MARK: Records

    private mutating func record(_ source: SystemManifestModel.Source) -> [UInt8] {
        var writer = ByteWriter()
        writeString(source.name, &writer)
        writer.write(source.digest.array)
        return writer.bytes
    }

    private mutating func record(_ module: SystemManifestModel.Module) -> [UInt8] {
        var writer = ByteWriter()
        writeString(module.name, &writer)
        writer.write64(module.sizeInBytes)
        writer.write(module.digest.array)
        writer.write32(module.kind.rawValue)
        writer.write32(0)
        return writer.bytes
    }

    private mutating func record(
        _ compartment: SystemManifestModel.Compartment, _ index: Int
    ) -> [UInt8] {
        var writer = ByteWriter()
        writeString(compartment.name, &writer)
        writeString(compartment.commandLine, &writer)
        writer.write32(UInt32(index) + 1)
        writer.write32(UInt32(compartment.label))
        writer.write32(UInt32(compartment.kernel))
        writer.write32(compartment.initrd.map { UInt32($0) } ?? 0xffff_ffff)
        writer.write64(compartment.memoryInBytes)
        writer.write32(compartment.vcpuCount)
        writer.write32(
            (compartment.startsAutomatically ? 0 : 1) | (compartment.hasConsole ? 0 : 2))
        write(compartment.place, &writer)
        writer.write32(compartment.service?.rawValue ?? 0)
        writer.write32(compartment.uses.reduce(0) { $0 | $1.bit })
        writer.write32((compartment.mayLoadPolicy ? 1 : 0) | (compartment.mayRelabel ? 2 : 0))
        switch compartment.schedule {
        case .automatic: writer.write32s(0, 0, 0, 0)
        case .fixed(let slot): writer.write32s(1, slot, 0, 0)
        case .fair(let weight, let cap): writer.write32s(2, 0, weight, cap)
        }
        writer.write32(compartment.restartLimit)
        writer.write32(compartment.startRank)
        writer.write32(compartment.integrityRank)
        writer.write32(0)
        return writer.bytes
    }

    private mutating func record(_ channel: SystemManifestModel.Channel) -> [UInt8] {
        var writer = ByteWriter()
        writeString(channel.name, &writer)
        writer.write32(UInt32(channel.from))
        writer.write32(UInt32(channel.to))
        writer.write32(channel.kind.rawValue)
        writer.write32(channel.isTwoWay ? 1 : 0)
        write(channel.place, &writer)
        writer.write32(channel.pages)
        writer.write64(channel.ratePerSecond)
        return writer.bytes
    }

    /// The indices of channels in rising order of their names' bytes.
    private static func order(of channels: [SystemManifestModel.Channel]) -> [[UInt8]] {
        let names = channels.map { Array($0.name.utf8) }
        return names.indices.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }.map {
            var writer = ByteWriter()
            writer.write32(UInt32($0))
            return writer.bytes
        }
    }

    private mutating func record(_ subtree: SystemManifestModel.Subtree) -> [UInt8] {
        var writer = ByteWriter()
        writeString(subtree.name, &writer)
        writeString(subtree.path, &writer)
        writer.write32(UInt32(subtree.label))
        writer.write32(UInt32(subtree.owner))
        write(subtree.place, &writer)
        writer.write32(0)
        writer.write64(subtree.quotaInNodes)
        writer.write64(subtree.quotaInBytes)
        writer.write64(subtree.ratePerSecond)
        for members in [subtree.readers, subtree.writers] {
            var set = Array(repeating: UInt8(0), count: 64)
            for index in members where set.indices.contains(index / 8) {
                set[index / 8] |= 1 << UInt8(index % 8)
            }
            writer.write(set)
        }
        return writer.bytes
    }

    /// One bit for each command, by its code.
    private static func record(ofCommands codes: [UInt32]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 56)
        for code in codes where code < 448 { bytes[Int(code / 8)] |= 1 << UInt8(code % 8) }
        return bytes
    }

    private static func record(_ quota: StoreQuotaRecord) -> [UInt8] {
        var writer = ByteWriter()
        writer.write32s(
            UInt32(quota.compartment), quota.nodes, quota.nodeSizeInBytes, quota.watches,
            quota.transactions, quota.requests, quota.requestsPerSecond, 0)
        writer.write64(quota.memoryInBytes)
        return writer.bytes
    }

    private mutating func record(_ directory: SystemManifestModel.Directory) -> [UInt8] {
        var writer = ByteWriter()
        writeString(directory.path, &writer)
        for number in [directory.channel, directory.writer, directory.reader, directory.label] {
            writer.write32(UInt32(number))
        }
        return writer.bytes
    }

    private mutating func record(_ device: SystemManifestModel.Device) -> [UInt8] {
        var writer = ByteWriter()
        writeString(device.name, &writer)
        writer.write32(UInt32(device.owner))
        writer.write32((device.needsIOMMU ? 1 : 0) | (device.pciAddress == nil ? 0 : 2))
        writer.write32(device.pciAddress ?? 0)
        write(device.place, &writer)
        return writer.bytes
    }

    /// The ranges of all devices, in rising order of kind and first number.
    private static func ranges(of devices: [SystemManifestModel.Device]) -> [[UInt8]] {
        let all = devices.enumerated().flatMap { index, device in
            device.ranges.map { (index, $0) }
        }
        let sorted = all.sorted {
            ($0.1.kind.rawValue, $0.1.first, $0.0) < ($1.1.kind.rawValue, $1.1.first, $1.0)
        }
        return sorted.map { index, range in
            var writer = ByteWriter()
            writer.write32(UInt32(index))
            writer.write32(range.kind.rawValue)
            writer.write64(range.first)
            writer.write64(range.last)
            return writer.bytes
        }
    }

    private mutating func record(_ exemption: SystemManifestModel.Exemption) -> [UInt8] {
        var writer = ByteWriter()
        writer.write32(UInt32(exemption.subject))
        for link in [exemption.from, exemption.to] {
            // Two numbers of 16 bits, then one of 32.
            switch link {
            case .channel(let index): writer.write32s(1, UInt32(index))
            case .use(let service, let user):
                writer.write32s(2 | service.rawValue << 16, UInt32(user))
            case .subtree(let index): writer.write32s(3, UInt32(index))
            }
        }
        write(exemption.place, &writer)
        writeString(exemption.reason, &writer)
        return writer.bytes
    }

    private func write(_ place: SourceReference, _ writer: inout ByteWriter) {
        writer.write32(UInt32(place.source))
        writer.write32(place.line)
        writer.write32(place.column)
    }

    private mutating func writeString(_ text: String, _ writer: inout ByteWriter) {
        let place: (UInt32, UInt32)
        if let known = places[text] {
            place = known
        } else {
            place = (UInt32(strings.bytes.count), UInt32(text.utf8.count))
            strings.write(Array(text.utf8))
            places[text] = place
        }
        writer.write32(place.0)
        writer.write32(place.1)
    }
}

extension ByteWriter {
    fileprivate mutating func write32s(_ values: UInt32...) {
        for value in values { write32(value) }
    }
}
