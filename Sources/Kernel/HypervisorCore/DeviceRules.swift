import PolicyDatabase
public import ReferenceMonitor
public import SystemManifest

/// Whose a device is.
public enum DeviceRules {
    /// A range of a device, by its index in the manifest.
    @inline(never)
    public static func range(_ index: Int, _ manifest: borrowing SystemManifest) -> DeviceRange {
        let record = manifest.deviceRange(at: index)
        return DeviceRange(
            index: index, owner: manifest.device(at: record.device).owner, kind: record.kind,
            first: record.first, last: record.last)
    }

    /// Whether the policy gives a device's range to a compartment, also without an IOMMU: there is
    /// none.
    @inline(never)
    public static func permits(
        _ owner: Int, range: Int, _ monitor: borrowing ReferenceMonitor
    ) -> Bool {
        let vector = monitor.accessVector(
            source: monitor.label(ofCompartment: owner),
            target: monitor.label(ofDeviceRange: range), class: .resource)
        return vector.contains(ResourcePermission.use)
            && vector.contains(ResourcePermission.useNoiommu)
    }
}

/// A range of a device's ports, memory or interrupt lines, which the system gives to a compartment
/// as long as the policy does.
public struct DeviceRange: BitwiseCopyable {
    /// The index of the range in the manifest.
    public let index: Int
    /// The index of the compartment.
    public let owner: Int
    /// What it is a range of.
    public let kind: DeviceRangeKind
    /// The first and the last port, address or line.
    public let first: UInt64, last: UInt64
    /// Whether the compartment can use it now.
    var isPermitted = true

    /// Takes what a manifest says.
    public init(index: Int, owner: Int, kind: DeviceRangeKind, first: UInt64, last: UInt64) {
        self.index = index
        self.owner = owner
        self.kind = kind
        self.first = first
        self.last = last
    }

    /// The I/O ports; nil: it is a range of another kind.
    public var ports: ClosedRange<UInt64>? { kind == .ports ? first...last : nil }
    /// The numbers of the frames of I/O memory; nil: it is a range of another kind.
    public var frames: ClosedRange<UInt64>? {
        kind == .memory ? first >> 12...last >> 12 : nil
    }
    /// The interrupt lines; nil: it is a range of another kind.
    public var lines: ClosedRange<UInt64>? { kind == .interrupt ? first...last : nil }
}
