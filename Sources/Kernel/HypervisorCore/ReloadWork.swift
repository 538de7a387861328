public import BootArena
import Digests
import FlowCertificate
public import PolicyDatabase
public import ReferenceMonitor
import SecurityLattice
public import SystemManifest

/// A new policy while it is looked at, with all memory that this takes.
///
/// It is moved to whoever examines it, and back: meanwhile nobody else has it, so that the
/// examination needs no lock, can be paused at any instruction, and disturbs nobody. It reads no
/// guest's memory.
public struct ReloadWork: ~Copyable {
    /// The bytes that were copied from the caller.
    var staging: ArenaTable<UInt8>
    /// How many of them there are.
    var count = 0
    /// The next monitor; after it took effect, the one before it.
    var tables: AlternatingTables<ReferenceMonitor>
    /// For each ordered pair, what the channels of the new manifest come to.
    var plan: PairPlan
    /// The system that is in force.
    var present: SystemFacts
    /// The system that was examined and fits.
    var next: SystemFacts
    /// The required features that the machine enforces.
    private let features: UInt64
    /// The ranges of the system's devices: a new version has the same.
    var devices: ArenaTable<DeviceRange>
    /// What the last reload took away.
    var revocations: ArenaTable<Revocation>
    /// What was found.
    var outcome = Outcome.notExamined

    /// What an examination comes to.
    enum Outcome {
        case notExamined
        /// `next` can take the present system's place, if the caller may do what it changes.
        case fits(manifest: BootBundle.Member)
        case refused(ReloadRefusal)
    }

    /// Reserves what a reload takes.
    ///
    /// - Parameters:
    ///   - capacity: the longest archive that can be loaded, in bytes.
    ///   - manifest: the one in force.
    ///   - tables: for monitors, each of `tableSizeInBytes`.
    ///   - features: the required features that the machine enforces.
    /// - Throws: as `BootArena.reserve`.
    @inline(never)
    public init(
        capacity: Int, present: SystemFacts, manifest: borrowing SystemManifest,
        tables: consuming AlternatingTables<ReferenceMonitor>,
        accepting features: UInt64 = ManifestFeature.enforcedByHypervisor,
        arena: inout BootArena
    ) throws(BootArenaError) {
        let count = present.compartmentCount
        let staging = try arena.reserve(count: capacity, repeating: UInt8(0))
        let plan = try PairPlan(compartmentCount: count, arena: &arena)
        let devices = try deviceRanges(manifest, arena: &arena)
        let revocations = try arena.reserve(
            count: ReloadWork.revocationLimit,
            repeating: Revocation(
                kind: .mapping(handle: 0), holder: .hypervisor, other: .hypervisor))
        self.staging = staging
        self.plan = plan
        self.devices = devices
        self.revocations = revocations
        self.present = present
        next = present
        self.tables = tables
        self.features = features
    }

    /// The size of each region for monitors and what is needed to check a certificate, in bytes:
    /// for twice as much as the system in force has, and 64 KiB.
    public static func tableSizeInBytes(
        policy: borrowing PolicyDatabase, manifest: borrowing SystemManifest
    ) -> Int {
        let count = manifest.compartmentCount
        return 2 * ReferenceMonitor.arenaSizeInBytes(policy: policy, manifest: manifest)
            + count * (MemoryLayout<SecurityRange>.stride + (count + 31) / 32 * 4) + 65_536
    }

    /// The arena that `init` takes from, in bytes.
    public static func arenaSizeInBytes(capacity: Int, manifest: borrowing SystemManifest) -> Int {
        let count = manifest.compartmentCount
        return capacity + count * count * 16 + revocationLimit * MemoryLayout<Revocation>.stride
            + manifest.deviceRangeCount * MemoryLayout<DeviceRange>.stride + 320
    }

    /// How many revocations are kept for the caller to read: all that there can be of 32 domains'
    /// ports, and as many mappings again.
    static var revocationLimit: Int { 4096 }

    /// Looks at everything that the machine looks at when it boots, and at what a new version may
    /// not change.
    ///
    /// - Complexity: that of validating policy, manifest and certificate, and of a monitor.
    public mutating func examine() {
        do throws(ReloadRefusal) {
            let manifest = try examineSystem(
                staging, count, present, &next, features, &tables, &plan)
            outcome = .fits(manifest: manifest)
        } catch { outcome = .refused(error) }
    }

    /// Puts the system that was examined in the place of the present one.
    mutating func commit(_ monitor: inout ReferenceMonitor) {
        tables.exchange(with: &monitor)
        present = next
    }

    /// Whether an event from one compartment to another was permitted by the policy before.
    func wasPermitted(_ permission: Permission, from source: Int, to target: Int) -> Bool {
        switch tables.spare {
        case .some(let old):
            let subject = old.label(ofCompartment: source)
            let end = old.eventLabel(
                source: subject, target: old.label(ofCompartment: target))
            return old.decide(source: subject, target: end, permission: permission) == .allowed
        case .none: return false
        }
    }

    /// Whether a permission of a compartment on itself, or on the hypervisor, was there before.
    func wasPermitted(_ permission: Permission, _ subject: Int, onHypervisor: Bool) -> Bool {
        switch tables.spare {
        case .some(let old):
            let label = old.label(ofCompartment: subject)
            return old.decide(
                source: label, target: onHypervisor ? .hypervisor : label, permission: permission)
                == .allowed
        case .none: return false
        }
    }
}

/// For each ordered pair of compartments, what its channels come to.
struct PairPlan: ~Copyable {
    /// What the channels of a pair come to.
    struct Bounds: BitwiseCopyable {
        /// How many pages the first may map of the second.
        var pages: UInt32 = 0
        /// How many events the first may cause at the second in a second; 0: no bound for all.
        var rate: UInt64 = 0
    }

    private var bounds: ArenaTable<Bounds>

    init(compartmentCount count: Int, arena: inout BootArena) throws(BootArenaError) {
        bounds = try arena.reserve(count: count * count, repeating: Bounds())
    }

    /// What the channels of a pair come to.
    subscript(_ pair: Int) -> Bounds { bounds[pair] }

    /// Adds the channels of a manifest up.
    mutating func fill(_ manifest: borrowing SystemManifest) {
        let count = manifest.compartmentCount
        for pair in bounds.indices { bounds[pair] = Bounds() }
        for index in 0..<manifest.channelCount {
            let channel = manifest.channel(at: index)
            let size = UInt32(truncatingIfNeeded: channel.pageCount)
            // At most 4,096 channels of 256 pages: the sums fit.
            bounds[channel.to * count + channel.from].pages += size
            add(channel.ratePerSecond, channel.from * count + channel.to)
            guard channel.isTwoWay else { continue }
            bounds[channel.from * count + channel.to].pages += size
            add(channel.ratePerSecond, channel.to * count + channel.from)
        }
        // A pair that has one channel without a rate has none.
        for pair in bounds.indices where bounds[pair].rate == .max { bounds[pair].rate = 0 }
        for index in 0..<count {
            let service = manifest.compartment(at: index).service
            guard let service, service != .control, service != .audit else { continue }
            for user in 0..<count where manifest.compartment(at: user).uses(service) {
                bounds[index * count + user].pages += 1
            }
        }
    }

    private mutating func add(_ rate: UInt64, _ pair: Int) {
        let (sum, overflow) = bounds[pair].rate.addingReportingOverflow(rate)
        bounds[pair].rate = overflow || rate == 0 ? .max : sum
    }
}

/// The ranges of all devices, in the order of the manifest.
///
/// - Throws: as `BootArena.reserve`.
private func deviceRanges(
    _ manifest: borrowing SystemManifest, arena: inout BootArena
) throws(BootArenaError) -> ArenaTable<DeviceRange> {
    var devices = try arena.reserve(
        count: manifest.deviceRangeCount,
        repeating: DeviceRange(index: 0, owner: 0, kind: .ports, first: 0, last: 0))
    for index in devices.indices { devices[index] = DeviceRules.range(index, manifest) }
    return devices
}

/// Looks at a policy and a manifest as the machine does when it boots.
private func examineSystem(
    _ staging: borrowing ArenaTable<UInt8>, _ count: Int, _ present: borrowing SystemFacts,
    _ next: inout SystemFacts, _ features: UInt64,
    _ tables: inout AlternatingTables<ReferenceMonitor>, _ plan: inout PairPlan
) throws(ReloadRefusal) -> BootBundle.Member {
    let bytes = staging.span.extracting(first: count)
    guard let bundle = BootBundle(validating: bytes), bundle.moduleCount == 0 else {
        throw .malformed
    }
    let policyBytes = bytes.extracting(bundle.policy.range)
    let manifestBytes = bytes.extracting(bundle.manifest.range)
    let digests = (policy: SHA384.hash(policyBytes), manifest: SHA384.hash(manifestBytes))
    let manifest: SystemManifest
    do throws(SystemManifestError) {
        manifest = try SystemManifest(validating: manifestBytes, accepting: features)
    } catch { throw .manifest(error) }
    guard manifest.policyDigest == digests.policy else { throw .policyDiffers }
    guard manifest.systemVersion > present.version else { throw .versionNotRising }
    guard manifest.predecessorDigest == present.manifestDigest else { throw .otherPredecessor }
    guard manifest.compartmentCount == present.compartmentCount else { throw .systemDiffers }
    let policy: PolicyDatabase
    do throws(PolicyDatabaseError) {
        policy = try PolicyDatabase(validating: policyBytes)
    } catch { throw .policy(error) }
    try tables.build { (arena) throws(ReloadRefusal) in
        let monitor = try certifiedMonitor(policy, manifest, &arena)
        next = SystemFacts(
            policy: policy, manifest: manifest, monitor: monitor, policyDigest: digests.policy,
            manifestDigest: digests.manifest)
        return monitor
    }
    guard next.isSameSystem(as: present) else { throw .systemDiffers }
    plan.fill(manifest)
    return bundle.manifest
}

/// Computes the monitor of a system, and replays the certificate against it.
///
/// - Parameter arena: for the monitor, and for what `certificateSizeInBytes` says.
/// - Throws: `.monitor`, `.noCertificate`, `.certificate`.
public func certifiedMonitor(
    _ policy: borrowing PolicyDatabase, _ manifest: borrowing SystemManifest,
    _ arena: inout BootArena
) throws(ReloadRefusal) -> ReferenceMonitor {
    guard manifest.certificate.count > 0 else { throw .noCertificate }
    let monitor: ReferenceMonitor
    do throws(ReferenceMonitorError) {
        monitor = try ReferenceMonitor(policy: policy, manifest: manifest, arena: &arena)
    } catch { throw .monitor(error) }
    let count = manifest.compartmentCount
    let width = FlowCertificate.rowWordCount(compartmentCount: count)
    let first = monitor.context(of: monitor.label(ofCompartment: 0)).range
    var flows: ArenaTable<UInt32> = try reserve(count * width, repeating: 0, in: &arena)
    var ranges = try reserve(count, repeating: first, in: &arena)
    var rangeSpan = ranges.mutableSpan
    var flowSpan = flows.mutableSpan
    do throws(FlowCertificateError) {
        let certificate = try FlowCertificate(
            validating: manifest.certificate, compartmentCount: count)
        try monitor.check(certificate, of: manifest, ranges: &rangeSpan, flows: &flowSpan)
    } catch { throw .certificate(error) }
    return monitor
}

/// Reserves a table, with a refusal for an arena that is too small.
private func reserve<Element: BitwiseCopyable>(
    _ count: Int, repeating element: Element, in arena: inout BootArena
) throws(ReloadRefusal) -> ArenaTable<Element> {
    do throws(BootArenaError) {
        return try arena.reserve(count: count, repeating: element)
    } catch { throw .monitor(.arenaExhausted) }
}

extension BootBundle.Member {
    /// The bytes of the member in its archive.
    var range: Range<Int> { offset..<offset + size }
}
