public import PolicyCompiler
import SystemManifest

/// A manifest that uses every kind of record, which no system does that is compiled today.
public enum WholeManifest {
    private static let place = SourceReference(source: 0, line: 3, column: 9)

    /// Returns the minimal system with something in every section.
    public static func whole() throws -> SystemManifestModel {
        var model = try TestSystem.minimal().compiled.model
        model.compartments[0].startsAutomatically = false
        model.compartments[0].uses = [.store]
        model.compartments[0].schedule = .fixed(slotInMicroseconds: 100)
        model.compartments[0].restartLimit = 3
        model.compartments[0].integrityRank = 2
        model.compartments[1].hasConsole = false
        model.compartments[1].service = .store
        model.compartments[1].mayLoadPolicy = true
        model.compartments[1].mayRelabel = true
        model.compartments[1].startRank = 1
        model.compartments[1].schedule = .fair(weight: 65_535, capInPercent: 800)
        model.channels[0].ratePerSecond = 5
        for (name, kind) in [
            ("alpha", ChannelKind.ring), ("zulu", .store), ("beta", .block), ("mike", .network),
            ("echo", .signal),
        ] {
            var channel = SystemManifestModel.Channel(name: name, from: 1, to: 0, place: place)
            channel.kind = kind
            channel.isTwoWay = kind != .store
            channel.pages = kind == .ring ? 256 : 0
            model.channels.append(channel)
        }
        model.subtrees = [
            SystemManifestModel.Subtree(
                name: "filter", path: "/guard/filter", label: 0, owner: 1, readers: [0, 1],
                writers: [1], place: place)
        ]
        model.subtrees[0].quotaInNodes = 7
        model.directories = [
            SystemManifestModel.Directory(
                path: "/channel/alpha", channel: 1, writer: 1, reader: 0, label: 0),
            SystemManifestModel.Directory(
                path: "/channel/alpha/back", channel: 1, writer: 0, reader: 1, label: 1),
            SystemManifestModel.Directory(
                path: "/channel/zulu", channel: 2, writer: 1, reader: 0, label: 0),
        ]
        model.devices = [
            SystemManifestModel.Device(
                name: "disk", owner: 0, needsIOMMU: true, pciAddress: 0x12_0a1b,
                ranges: [.init(kind: .memory, first: 0x1000, last: 0x1fff)], place: place),
            SystemManifestModel.Device(
                name: "keys", owner: 1, needsIOMMU: false, pciAddress: nil,
                ranges: [
                    .init(kind: .memory, first: 0x2000, last: 0x2000),
                    .init(kind: .interrupt, first: 255, last: 255),
                    .init(kind: .ports, first: 0x60, last: 0x64),
                ], place: place),
        ]
        model.exemptions = [
            SystemManifestModel.Exemption(
                subject: 0, from: .channel(1), to: .use(.store, by: 0), reason: "checked",
                place: place),
            SystemManifestModel.Exemption(
                subject: 1, from: .subtree(0), to: .channel(5), reason: "", place: place),
        ]
        model.storeQuotas = [StoreQuotaRecord(compartment: 0)]
        model.storeQuotas[0].nodes = 40
        model.storeQuotas[0].memoryInBytes = 8192
        model.hasFurtherClaims = true
        return model
    }

    /// The same, with the fields of a signature filled, whoever made it.
    public static func signed() throws -> [UInt8] {
        var bytes = try whole().encoded
        for index in SystemManifest.signaturePlace { bytes[index] = 1 }
        for index in 160..<192 { bytes[index] = 1 }
        bytes[SystemManifest.signatureAlgorithmPlace.lowerBound] = 1
        return bytes
    }
}
