public import FlowCertificate
public import PolicyDatabase
public import ReferenceMonitor
public import SystemManifest

/// One thing that a new policy took from a domain.
public struct Revocation: BitwiseCopyable {
    /// What it was.
    public enum Kind: BitwiseCopyable, Equatable {
        /// An event channel, by the port of the domain that is named first; both ends are gone.
        case channel(port: EventChannelPort)
        /// A port that waited for the other domain.
        case unbound(port: EventChannelPort)
        /// A mapping of one of the other domain's frames, by its handle.
        case mapping(handle: UInt32)
        /// An event that was sent by the other domain and not taken yet.
        case pending(port: EventChannelPort)
        /// A port of a virtual interrupt, or for the domain's own use.
        case interrupt(port: EventChannelPort)
        /// A range of a device, by its first port, address or interrupt line.
        case device(DeviceRangeKind, first: UInt64)
    }

    /// What it was.
    public let kind: Kind
    /// Whose it was.
    public let holder: DomainID
    /// Whom it joined the holder with; the hypervisor for interrupts.
    public let other: DomainID

    /// The kind's number and that of the port or handle (`docs/abi/hypercalls.md`).
    var numbers: (kind: UInt16, number: UInt32) {
        switch kind {
        case .channel(let port): (1, port.number)
        case .unbound(let port): (2, port.number)
        case .mapping(let handle): (3, handle)
        case .pending(let port): (4, port.number)
        case .interrupt(let port): (5, port.number)
        case .device(let kind, let first):
            (kind == .ports ? 6 : (kind == .memory ? 7 : 8), UInt32(truncatingIfNeeded: first))
        }
    }

    /// The number of the port or handle.
    public var number: UInt32 { numbers.number }

    /// What the kind is called.
    public var name: StaticString {
        switch kind {
        case .channel: "event channel"
        case .unbound: "unbound port"
        case .mapping: "mapping"
        case .pending: "pending event"
        case .interrupt: "interrupt"
        case .device(let kind, _):
            kind == .ports ? "I/O ports" : (kind == .memory ? "I/O memory" : "interrupt line")
        }
    }
}

/// Why a new policy was refused. Nothing changed then.
public enum ReloadRefusal: Error, Equatable {
    /// The buffer is no archive of a policy and a manifest, and of nothing else.
    case malformed
    /// The manifest is refused.
    case manifest(SystemManifestError)
    /// The policy is not the one that the manifest names.
    case policyDiffers
    /// The manifest's system version is not above the present one's.
    case versionNotRising
    /// The manifest does not name the present one as its predecessor.
    case otherPredecessor
    /// Another system, other compartments, modules, resources, services or devices.
    case systemDiffers
    /// The policy is refused.
    case policy(PolicyDatabaseError)
    /// The policy does not fit the manifest's labels.
    case monitor(ReferenceMonitorError)
    /// The manifest carries no flow certificate.
    case noCertificate
    /// The flow certificate is refused.
    case certificate(FlowCertificateError)
    /// A compartment's label would change, and the caller may not relabel.
    case relabelNotPermitted
    /// The TPM or its log did not take the measurement.
    case notMeasured

    /// The number of the reason (`docs/abi/hypercalls.md`).
    public var number: UInt32 {
        switch self {
        case .malformed: 1
        case .manifest: 2
        case .policyDiffers: 3
        case .versionNotRising: 4
        case .otherPredecessor: 5
        case .systemDiffers: 6
        case .policy: 7
        case .monitor: 8
        case .noCertificate: 9
        case .certificate: 10
        case .relabelNotPermitted: 11
        case .notMeasured: 12
        }
    }

    /// A short reason for the console, ASCII.
    public var reason: StaticString {
        switch self {
        case .malformed: "not an archive of a policy and a manifest"
        case .manifest(let error): error.reason
        case .policyDiffers: "policy: not the one that the manifest names"
        case .versionNotRising: "manifest: its system version is not above the present one"
        case .otherPredecessor: "manifest: it does not replace the present one"
        case .systemDiffers: "manifest: compartments, modules or resources differ"
        case .policy(let error): error.reason
        case .monitor(let error): error.reason
        case .noCertificate: "manifest: no flow certificate"
        case .certificate(let error): error.reason
        case .relabelNotPermitted: "manifest: a label differs, and the caller may not relabel"
        case .notMeasured: "measurement: it could not be measured"
        }
    }
}
