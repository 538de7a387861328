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
        add(5, 72, model.compartments.enumerated().map { record($1, $0) })
        add(6, 48, model.channels.map { record($0) })
        if !model.certificate.isEmpty { add(7, 1, [model.certificate]) }
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
        writer.write64(model.certificate.isEmpty ? 0 : 1)
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
        writer.write32(0)
        write(compartment.place, &writer)
        writer.writeZeros(12)
        return writer.bytes
    }

    private mutating func record(_ channel: SystemManifestModel.Channel) -> [UInt8] {
        var writer = ByteWriter()
        writeString(channel.name, &writer)
        writer.write32(UInt32(channel.from))
        writer.write32(UInt32(channel.to))
        writer.write32(ChannelKind.oneWaySignal.rawValue)
        writer.write32(0)
        write(channel.place, &writer)
        writer.writeZeros(12)
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
