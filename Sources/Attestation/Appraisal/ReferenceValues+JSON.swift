internal import Digests
internal import FoundationEssentials

/// Why a file is not reference values that this version understands.
public enum ReferenceValuesError: Error, Equatable {
    /// The file is not JSON of the documented shape; the text says what is wrong.
    case malformed(String)
    /// The format version is not 1.
    case unknownFormatVersion(Int)
    /// A must-understand feature is named that this version does not know; `boot-loader` is the
    /// only one that is defined.
    case unknownFeature(String)
    /// The system's id is not the one of its name.
    case systemIDMismatch
    /// The events are not those that the other fields give.
    case eventsInconsistent

    /// The stable code of the error.
    public var code: String {
        switch self {
        case .malformed: "ATT-REF-001"
        case .unknownFormatVersion: "ATT-REF-002"
        case .unknownFeature: "ATT-REF-003"
        case .systemIDMismatch: "ATT-REF-004"
        case .eventsInconsistent: "ATT-REF-005"
        }
    }

    /// Returns one line for a person.
    public var message: String {
        switch self {
        case .malformed(let what): "the reference values are malformed: \(what)"
        case .unknownFormatVersion(let version):
            "the reference values have format version \(version), this program knows 1"
        case .unknownFeature(let name):
            "the reference values require the feature `\(name)`, which this program does not know"
        case .systemIDMismatch: "the reference values' system id is not the one of its name"
        case .eventsInconsistent:
            "the reference values' events are not those of its policy, manifest and compartments"
        }
    }
}

extension ReferenceValues {
    /// Returns the bytes of `reference-values.json`: sorted keys, a final newline, the same bytes
    /// for the same values.
    public func encoded() -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let text = try? encoder.encode(Document(self)) else {
            preconditionFailure("a document of strings and integers is always encodable")
        }
        return Array(text) + [0x0A]
    }

    /// Reads `reference-values.json`.
    ///
    /// - Trust: the file is the relying party's own. It is checked for consistency, not for
    ///   authenticity.
    /// - Throws: `ReferenceValuesError`, each case for the reason of its name.
    public init(json: [UInt8]) throws(ReferenceValuesError) {
        let document: Document
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(json))
        } catch {
            throw .malformed(describe(error))
        }
        guard document.formatVersion == 1 else {
            throw .unknownFormatVersion(document.formatVersion)
        }
        for feature in document.requiredFeatures where feature != bootLoaderFeature {
            throw .unknownFeature(feature)
        }
        guard (document.bootLoader != nil) == document.requiredFeatures.contains(bootLoaderFeature)
        else { throw .malformed("`bootLoader` and its feature come together") }
        var compartments: [ReferenceCompartment] = []
        for entry in document.compartments { compartments.append(try entry.value()) }
        self.init(
            system: ReferenceSystem(name: document.system.name, version: document.system.version),
            policy: try digest(document.policy.sha384),
            manifest: try digest(document.manifest.sha384),
            compartments: compartments, bootLoader: try document.bootLoader?.value())
        guard hexadecimalText(system.id) == document.system.id else { throw .systemIDMismatch }
        guard document.events == events.map(Document.Event.init) else { throw .eventsInconsistent }
    }
}

/// The file's shape; its field names are the format's.
private struct Document: Codable {
    struct System: Codable {
        let name: String
        let id: String
        let version: UInt64
    }
    struct File: Codable {
        let sha384: String
    }
    struct Source: Codable {
        let file: String
        let line: Int
    }
    struct Label: Codable {
        let text: String
        let record: String
    }
    struct Module: Codable {
        let name: String
        let sha384: String
    }
    struct Compartment: Codable {
        let name: String
        let source: Source
        let domainID: UInt32
        let label: Label
        let kernel: Module
        let initrd: Module?
        let commandLine: String
        let memoryInBytes: UInt64
        let vcpuCount: UInt32
        let restartLimit: UInt32?
        let startsByItself: Bool?
    }
    struct Event: Codable, Equatable {
        let subject: String
        let pcr: UInt32
        let sha1: String
        let sha256: String
        let sha384: String
    }
    struct BootEvent: Codable {
        let pcr: UInt32
        let text: String
        let sha1: String
        let sha256: String
        let sha384: String
    }
    struct BootLoader: Codable {
        let events: [BootEvent]
    }
    let formatVersion: Int
    let requiredFeatures: [String]
    let bootLoader: BootLoader?
    let system: System
    let policy: File
    let manifest: File
    let compartments: [Compartment]
    let events: [Event]

    init(_ values: ReferenceValues) {
        formatVersion = 1
        requiredFeatures = values.bootLoader == nil ? [] : [bootLoaderFeature]
        bootLoader = values.bootLoader.map { BootLoader(events: $0.events.map(BootEvent.init)) }
        system = System(
            name: values.system.name, id: hexadecimalText(values.system.id),
            version: values.system.version)
        policy = File(sha384: values.policy.hexadecimal)
        manifest = File(sha384: values.manifest.hexadecimal)
        compartments = values.compartments.map(Compartment.init)
        events = values.events.map(Event.init)
    }
}

/// The feature of a file that says what the boot loader measures.
private let bootLoaderFeature = "boot-loader"

extension Document.BootEvent {
    init(_ event: BootLoaderEvent) {
        pcr = event.pcr
        text = event.text
        sha1 = event.sha1.hexadecimal
        sha256 = event.sha256.hexadecimal
        sha384 = event.sha384.hexadecimal
    }

    func value() throws(ReferenceValuesError) -> BootLoaderEvent {
        guard pcr == 8 || pcr == 9, let sha1 = Digest160(hexadecimal: sha1),
            let sha256 = Digest256(hexadecimal: sha256), let sha384 = Digest384(hexadecimal: sha384)
        else { throw .malformed("an event of the boot loader is not of PCR 8 or 9, or no digest") }
        return BootLoaderEvent(pcr: pcr, text: text, sha1: sha1, sha256: sha256, sha384: sha384)
    }
}

extension Document.BootLoader {
    func value() throws(ReferenceValuesError) -> ReferenceBootLoader {
        var values: [BootLoaderEvent] = []
        for event in events { values.append(try event.value()) }
        return ReferenceBootLoader(events: values)
    }
}

extension Document.Event {
    init(_ event: ReferenceEvent) {
        subject = event.subject.description
        pcr = event.pcr
        sha1 = event.sha1.hexadecimal
        sha256 = event.sha256.hexadecimal
        sha384 = event.sha384.hexadecimal
    }
}

extension Document.Module {
    init(_ module: ReferenceModule) {
        name = module.name
        sha384 = module.sha384.hexadecimal
    }

    func value() throws(ReferenceValuesError) -> ReferenceModule {
        ReferenceModule(name: name, sha384: try digest(sha384))
    }
}

extension Document.Compartment {
    init(_ compartment: ReferenceCompartment) {
        name = compartment.name
        source = Document.Source(file: compartment.source.file, line: compartment.source.line)
        domainID = compartment.domainID
        label = Document.Label(
            text: compartment.labelText, record: hexadecimalText(compartment.labelRecord))
        kernel = Document.Module(compartment.kernel)
        initrd = compartment.initrd.map(Document.Module.init)
        commandLine = compartment.commandLine
        memoryInBytes = compartment.memoryInBytes
        vcpuCount = compartment.vcpuCount
        restartLimit = compartment.restartLimit == 0 ? nil : compartment.restartLimit
        startsByItself = compartment.startsByItself ? nil : false
    }

    func value() throws(ReferenceValuesError) -> ReferenceCompartment {
        guard let record = bytesOfHexadecimal(label.record), record.count == 88 else {
            throw .malformed("a label record is not 88 bytes in hexadecimal")
        }
        return ReferenceCompartment(
            name: name, source: SourceReference(file: source.file, line: source.line),
            domainID: domainID, labelText: label.text, labelRecord: record,
            kernel: try kernel.value(), initrd: try initrdValue(), commandLine: commandLine,
            memoryInBytes: memoryInBytes, vcpuCount: vcpuCount, restartLimit: restartLimit ?? 0,
            startsByItself: startsByItself ?? true)
    }

    private func initrdValue() throws(ReferenceValuesError) -> ReferenceModule? {
        guard let initrd else { return nil }
        return try initrd.value()
    }
}

/// Reads a SHA-384 digest in hexadecimal.
private func digest(_ text: String) throws(ReferenceValuesError) -> Digest384 {
    guard let digest = Digest384(hexadecimal: text) else {
        throw .malformed("a SHA-384 digest is not 96 hexadecimal digits")
    }
    return digest
}

/// Says where a JSON file leaves its documented shape.
package func describe(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "not JSON" }
    switch error {
    case .keyNotFound(let key, let context):
        return "`\(path(context.codingPath + [key]))` is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
        return "`\(path(context.codingPath))` has the wrong type"
    case .dataCorrupted(let context):
        let place = path(context.codingPath)
        return place.isEmpty ? "not JSON" : "`\(place)` has an impossible value"
    @unknown default: return "not of the documented shape"
    }
}

/// Returns the dotted path of a JSON field.
private func path(_ keys: [any CodingKey]) -> String {
    keys.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
}
