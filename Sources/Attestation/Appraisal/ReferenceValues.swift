public import Digests
internal import EventLog

/// Decides whether a machine runs what a policy says: reference values, evidence, and the
/// appraisal of the one against the other.
///
/// For: a relying party with a file from the compiler and a file from the machine. Not for:
/// talking to a TPM, and not for deciding whom to trust: which attestation key belongs to which
/// machine is the caller's knowledge. It trusts the reference values and the nonce that it was
/// given, and nothing of the evidence. Invariants:
/// - evidence that is not understood whole is refused;
/// - no digest is believed that was not computed here from data, or signed by the TPM.

/// What a system measures when it runs as compiled: the content of `reference-values.json`.
///
/// - Invariant: *(consistent)* `system.id` is the name's, and `events` are the digests of exactly
///   the event data that the other fields give.
/// - Source: docs/abi/reference-values.md.
public struct ReferenceValues: Equatable, Sendable {
    /// The system.
    public let system: ReferenceSystem
    /// SHA-384 of `policy.30`.
    public let policy: Digest384
    /// SHA-384 of `system.manifest`.
    public let manifest: Digest384
    /// The compartments, in manifest order.
    public let compartments: [ReferenceCompartment]
    /// The events, in the order in which the machine measures them.
    public let events: [ReferenceEvent]
    /// What the boot loader measures before; nil when the machine is not started by one.
    public var bootLoader: ReferenceBootLoader?

    /// Makes the reference values of a system; the events follow from the rest.
    public init(
        system: ReferenceSystem, policy: Digest384, manifest: Digest384,
        compartments: [ReferenceCompartment], bootLoader: ReferenceBootLoader? = nil
    ) {
        self.system = system
        self.bootLoader = bootLoader
        self.policy = policy
        self.manifest = manifest
        self.compartments = compartments
        var events = [
            ReferenceEvent(subject: .policy, measuring: PolicyMeasurement(policy)),
            ReferenceEvent(subject: .manifest, measuring: ManifestMeasurement(manifest)),
        ]
        for compartment in compartments {
            events.append(
                ReferenceEvent(
                    subject: .compartment(compartment.name), pcr: .compartments,
                    eventData: compartment.eventData))
        }
        self.events = events
    }
}

/// The identity of a system.
public struct ReferenceSystem: Equatable, Sendable {
    /// The name in the system's source.
    public let name: String
    /// The manifest's system version.
    public let version: UInt64

    /// Names a system.
    public init(name: String, version: UInt64) {
        self.name = name
        self.version = version
    }

    /// Returns the manifest's system id: the first 16 bytes of SHA-384 over
    /// `casemate system ` and the name.
    public var id: [UInt8] {
        Array(SHA384.hash(Array("casemate system \(name)".utf8).span).array.prefix(16))
    }
}

/// A place in the system's source.
public struct SourceReference: Equatable, Sendable, CustomStringConvertible {
    /// The path, relative to the system's folder.
    public let file: String
    /// The line, from 1.
    public let line: Int

    /// Names a place.
    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// Returns `file:line`.
    public var description: String { "\(file):\(line)" }
}

/// A module that a compartment loads.
public struct ReferenceModule: Equatable, Sendable {
    /// The module's name in the manifest.
    public let name: String
    /// SHA-384 of the module.
    public let sha384: Digest384

    /// Names a module.
    public init(name: String, sha384: Digest384) {
        self.name = name
        self.sha384 = sha384
    }
}

/// What is measured of one compartment, and what names it to a person.
public struct ReferenceCompartment: Equatable, Sendable {
    /// The name in the system's source.
    public let name: String
    /// Where the source declares it.
    public let source: SourceReference
    /// The domain that realises it, from 1.
    public let domainID: UInt32
    /// The label as text, for people; not measured in this form.
    public let labelText: String
    /// The manifest's label record, 88 bytes.
    public let labelRecord: [UInt8]
    /// The kernel module.
    public let kernel: ReferenceModule
    /// The initrd module; `nil`: none.
    public let initrd: ReferenceModule?
    /// The command line.
    public let commandLine: String
    /// The memory.
    public let memoryInBytes: UInt64
    /// The number of virtual processors.
    public let vcpuCount: UInt32
    /// How often it may start again after a failure; not measured by itself, but the manifest is.
    public let restartLimit: UInt32
    /// Whether it starts with the machine; not measured by itself either.
    public let startsByItself: Bool

    /// Describes a compartment.
    public init(
        name: String, source: SourceReference, domainID: UInt32, labelText: String,
        labelRecord: [UInt8], kernel: ReferenceModule, initrd: ReferenceModule?,
        commandLine: String, memoryInBytes: UInt64, vcpuCount: UInt32, restartLimit: UInt32 = 0,
        startsByItself: Bool = true
    ) {
        self.name = name
        self.source = source
        self.domainID = domainID
        self.labelText = labelText
        self.labelRecord = labelRecord
        self.kernel = kernel
        self.initrd = initrd
        self.commandLine = commandLine
        self.memoryInBytes = memoryInBytes
        self.vcpuCount = vcpuCount
        self.restartLimit = restartLimit
        self.startsByItself = startsByItself
    }

    /// Returns the event data that the hypervisor measures for this compartment.
    package var eventData: [UInt8] {
        let name = Array(self.name.utf8)
        let commandLine = Array(self.commandLine.utf8)
        return CompartmentMeasurement(
            name: name.span, domainID: domainID, label: labelRecord.span, kernel: kernel.sha384,
            initrd: initrd?.sha384, commandLine: commandLine.span, memoryInBytes: memoryInBytes,
            vcpuCount: vcpuCount
        ).eventData
    }
}

/// What an event is about.
public enum EventSubject: Equatable, Sendable, CustomStringConvertible {
    /// The policy.
    case policy
    /// The system manifest.
    case manifest
    /// The compartment of this name.
    case compartment(String)

    /// Returns `policy`, `manifest` or `compartment NAME`.
    public var description: String {
        switch self {
        case .policy: "policy"
        case .manifest: "manifest"
        case .compartment(let name): "compartment \(name)"
        }
    }
}

/// One expected event: its register and the digests of its data.
public struct ReferenceEvent: Equatable, Sendable {
    /// What it is about.
    public let subject: EventSubject
    /// The register that it extends.
    public let pcr: UInt32
    /// The digest for the SHA-1 bank.
    public let sha1: Digest160
    /// The digest for the SHA-256 bank.
    public let sha256: Digest256
    /// The digest for the SHA-384 bank.
    public let sha384: Digest384

    fileprivate init(subject: EventSubject, pcr: PCRIndex, eventData: [UInt8]) {
        let digests = EventDigests(of: eventData.span)
        self.subject = subject
        self.pcr = pcr.rawValue
        sha1 = digests.sha1
        sha256 = digests.sha256
        sha384 = digests.sha384
    }

    fileprivate init(subject: EventSubject, measuring event: some Measurement) {
        self.init(subject: subject, pcr: event.pcr, eventData: event.eventData)
    }
}
