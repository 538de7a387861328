public import Digests
public import PolicyDatabase
public import ReferenceMonitor
import SecurityLattice
public import SystemManifest

/// What must be known of the system that is in force, to judge the one that is to replace it.
public struct SystemFacts {
    /// SHA-384 of its policy.
    public let policyDigest: Digest384
    /// SHA-384 of its manifest.
    public let manifestDigest: Digest384
    /// Its version.
    public let version: UInt64
    /// Where the parts of its manifest stand.
    public let layout: ManifestLayout
    let compartmentCount: Int
    /// Of all that a new version may not change.
    private let resources: Digest384
    /// Of the compartments' labels.
    private let labels: Digest384
    /// Looks at a system.
    ///
    /// - Parameter monitor: that of the policy and the manifest.
    /// - Precondition: there are at most 32 compartments.
    /// - Complexity: linear in the manifest, and for each compartment in the policy.
    @inline(never)
    public init(
        policy: borrowing PolicyDatabase, manifest: borrowing SystemManifest,
        monitor: borrowing ReferenceMonitor, policyDigest: Digest384, manifestDigest: Digest384
    ) {
        let count = manifest.compartmentCount
        precondition(count <= 32, "a system has more compartments than the hypervisor")
        var labels = SHA384()
        for index in 0..<count {
            let context = monitor.context(of: monitor.label(ofCompartment: index))
            add(context, policy, to: &labels)
        }
        self.labels = labels.finalize()
        self.policyDigest = policyDigest
        self.manifestDigest = manifestDigest
        version = manifest.systemVersion
        layout = manifest.layout
        compartmentCount = count
        resources = digestOfResources(manifest)
    }

    /// Whether a new version may replace this one: nothing that the machine was built from differs.
    func isSameSystem(as other: borrowing SystemFacts) -> Bool { resources == other.resources }

    /// Whether a compartment has another label than in `other`.
    func relabels(_ other: borrowing SystemFacts) -> Bool { labels != other.labels }
}

/// Adds a label by the names of user, role and type, and the levels: numbers of types differ from
/// policy to policy.
private func add(
    _ context: SecurityContext, _ policy: borrowing PolicyDatabase, to hash: inout SHA384
) {
    _ = policy.withNames(of: context) { name in
        hash.append(text: name)
    }
    for end in 0..<2 {
        let level = end == 0 ? context.range.low : context.range.high
        hash.append(UInt64(level.sensitivity.databaseValue))
        for index in 0..<4 { hash.append(level.categories.word(at: index)) }
    }
}

/// A digest of what a new version may not change: the system's id; of each compartment its name,
/// command line, modules, memory, processors, flags, services, schedule, limits and ranks; devices.
private func digestOfResources(_ manifest: borrowing SystemManifest) -> Digest384 {
    var hash = SHA384()
    hash.append(text: manifest.systemID)
    for index in 0..<manifest.compartmentCount {
        let record = manifest.compartment(at: index)
        hash.append(text: record.name)
        hash.append(text: record.commandLine)
        // The modules stay where the boot bundle has them.
        hash.append(UInt64(record.kernel))
        hash.append(record.initrd.map { UInt64($0) } ?? .max)
        hash.append(text: manifest.module(at: record.kernel).digest.bytes)
        if let initrd = record.initrd {
            hash.append(text: manifest.module(at: initrd).digest.bytes)
        }
        let resources = manifest.resources(ofCompartment: index)
        hash.append(text: resources.span)
    }
    for index in 0..<manifest.deviceCount {
        let device = manifest.device(at: index)
        hash.append(text: device.name)
        hash.append(UInt64(device.owner))
        hash.append(UInt64(device.needsIOMMU ? 1 : 0))
        hash.append(device.pciAddress.map { UInt64($0) } ?? .max)
    }
    for index in 0..<manifest.deviceRangeCount {
        let range = manifest.deviceRange(at: index)
        hash.append(UInt64(range.device))
        hash.append(UInt64(range.kind.rawValue))
        hash.append(range.first)
        hash.append(range.last)
    }
    return hash.finalize()
}

extension SHA384 {
    /// Appends a number, little-endian.
    @inline(never)
    fileprivate mutating func append(_ number: UInt64) {
        let bytes = InlineArray<8, UInt8> {
            UInt8(truncatingIfNeeded: number >> UInt64(8 * $0))
        }
        update(bytes.span)
    }

    /// Appends a text so that no other text, or two texts, look the same.
    @inline(never)
    fileprivate mutating func append(text: Span<UInt8>) {
        append(UInt64(text.count))
        update(text)
    }
}
