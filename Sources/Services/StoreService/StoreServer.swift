package import BootArena
package import GuestRuntime
import StoreCore
package import SystemManifest

/// The store as a compartment: it owns a `StoreCore`, lays out what the manifest declares, and
/// serves the rings of its users in turn.
///
/// For: moving messages between rings and the core, fairly and within bounds. Not for: deciding;
/// the core does, by the hypervisor's rows. It trusts the manifest, which is the hypervisor's own,
/// and the hypervisor's word for who is alive; it trusts nothing that stands in a ring.
///
/// - Invariant (bounded): one turn of one user moves at most a ring full of bytes each way and
///   serves at most one request, whatever the user does.
/// - Invariant (kept back): no request is taken from a user before all that was said to it has
///   found room in its ring, so that the store holds at most one reply and one event for it.
package struct StoreServer: ~Copyable {
    var core: StoreCore
    var rings: ArenaTable<StoreRing>
    /// For each user room for one request, one reply and one event.
    var inputs: ArenaTable<UInt8>
    var replies: ArenaTable<UInt8>
    var events: ArenaTable<UInt8>
    /// The store's own request, while it lays something out.
    var message: ArenaTable<UInt8>
    var messageCount = 0
    var administrator: StoreClient
    /// What the policy says, as it was last asked.
    var authority: ServiceAuthority
    /// The policy that was asked.
    var sequence: UInt32
    /// Room for the manifest of another policy.
    var nextManifest: ArenaTable<UInt8>
    /// How much was taken back since a reload: watches, transactions, permissions.
    package internal(set) var revokedCount = 0
    /// When a request that was held back may be served, in the machine's microseconds.
    package internal(set) var wakeTime: UInt64?
    /// How often something that the store itself asked for was refused: 0 in a healthy system.
    package internal(set) var layoutRefusals = 0

    /// The port of each user that waits for the store.
    package static var userPort: UInt32 { 2 }
    /// `GNTTAB_RESERVED_XENSTORE`: the reference by which each user's ring is granted.
    package static var ringReference: UInt32 { 1 }

    /// Makes the store of a system. No user is joined yet: the first rounds do that.
    ///
    /// - Parameters:
    ///   - manifest: the system's.
    ///   - secret: random bits that no user knows.
    ///   - arena: where the tables go; `arenaSizeInBytes(_:)` says what suffices.
    /// - Throws: `.noStore` if no compartment is the store; `.tooLittleMemory`; `.unfit` if the
    ///   labels or paths of the manifest cannot be laid out.
    package static func make<M: ServiceMachine & ~Copyable>(
        for manifest: borrowing SystemManifest, secret: UInt64, _ machine: inout M,
        arena: inout BootArena
    ) throws(StoreServiceError) -> StoreServer {
        guard let own = manifest.index(of: .store) else { throw .noStore }
        var server = StoreServer(try makeParts(manifest, secret: secret, &machine, &arena))
        try server.declarePaths(manifest, own: own)
        try server.layOutShared(manifest)
        return server
    }

    private init(_ parts: consuming Parts) {
        core = parts.core
        rings = parts.rings
        inputs = parts.inputs
        replies = parts.replies
        events = parts.events
        message = parts.message
        administrator = parts.administrator
        authority = parts.authority
        sequence = parts.sequence
        nextManifest = parts.nextManifest
    }

    /// The tables of a store.
    private struct Parts: ~Copyable {
        let core: StoreCore
        let rings: ArenaTable<StoreRing>
        let inputs: ArenaTable<UInt8>
        let replies: ArenaTable<UInt8>
        let events: ArenaTable<UInt8>
        let message: ArenaTable<UInt8>
        let administrator: StoreClient
        let authority: ServiceAuthority
        let sequence: UInt32
        let nextManifest: ArenaTable<UInt8>
    }

    private static func makeParts<M: ServiceMachine & ~Copyable>(
        _ manifest: borrowing SystemManifest, secret: UInt64, _ machine: inout M,
        _ arena: inout BootArena
    ) throws(StoreServiceError) -> Parts {
        let users = manifest.userCount(of: .store)
        let size = StoreRing.messageSize
        do throws(BootArenaError) {
            var core = try StoreCore(
                capacity: capacity(manifest), administrator: administratorQuota(manifest),
                secret: secret, arena: &arena)
            let sequence = machine.policySequence()
            let authority = try ServiceAuthority(manifest, &machine, arena: &arena)
            guard let administrator = install(authority, in: &core) else {
                throw .countOutOfRange
            }
            return Parts(
                core: core, rings: try arena.reserve(count: users, repeating: StoreRing()),
                inputs: try arena.reserveZeros(count: users * size, of: UInt8.self),
                replies: try arena.reserveZeros(count: users * size, of: UInt8.self),
                events: try arena.reserveZeros(count: users * size, of: UInt8.self),
                message: try arena.reserveZeros(count: size, of: UInt8.self),
                administrator: administrator, authority: authority, sequence: sequence,
                nextManifest: try arena.reserveZeros(
                    count: nextManifestCapacity(manifest), of: UInt8.self))
        } catch {
            throw error == .exhausted ? .tooLittleMemory : .unfit
        }
    }

    /// Opens the store's own connection; nil when the core has no room for the labels.
    private static func install(
        _ authority: borrowing ServiceAuthority, in core: inout StoreCore
    ) -> StoreClient? {
        do throws(StoreSetupError) {
            try core.install(authority)
            return try core.connect(
                domain: 0, label: StoreLabel(index: 0), isPrivileged: true)
        } catch { return nil }
    }

    // MARK: Room

    /// What a user may use: what the manifest says, and Xen's numbers for what it does not say.
    static func quota(
        ofDomain domain: UInt16, _ manifest: borrowing SystemManifest
    ) -> StoreQuota {
        var quota = StoreQuota()
        // Domain ids are 1, 2, 3 … in the order of the compartments.
        if let record = manifest.storeQuota(of: Int(domain) - 1) {
            quota.replace(by: record)
        }
        return quota
    }

    /// What the store itself needs: about twenty nodes for each user, two for each directory of a
    /// channel, and the way to each subtree.
    static func administratorQuota(_ manifest: borrowing SystemManifest) -> StoreQuota {
        let nodes =
            64 + 32 * manifest.compartmentCount + 16 * manifest.userCount(of: .tpm)
            + 4 * manifest.directoryCount
            + 16 * manifest.subtreeCount
        var quota = StoreQuota.administrator(nodes: nodes, blocks: 4 * nodes)
        quota.permissionLists = 64 + 5 * manifest.compartmentCount
        quota.watches = 16
        quota.events = 16
        quota.transactions = 4
        quota.transactionNodes = 64
        quota.accesses = 256
        return quota
    }

    static func capacity(_ manifest: borrowing SystemManifest) -> StoreCapacity {
        let users = manifest.userCount(of: .store)
        var sum = administratorQuota(manifest)
        for index in 0..<manifest.compartmentCount {
            let compartment = manifest.compartment(at: index)
            if compartment.uses(.store) { sum.add(quota(ofDomain: compartment.domainID, manifest)) }
        }
        return StoreCapacity(
            domains: users, sum: sum, clients: users + 1, labels: NodeLabels.count(manifest),
            labelRules: 8 + manifest.compartmentCount + manifest.directoryCount
                + 2 * manifest.subtreeCount)
    }

    /// The arena that suffices for a system's store, in bytes.
    package static func arenaSizeInBytes(_ manifest: borrowing SystemManifest) -> Int {
        let users = manifest.compartmentCount
        let labels = NodeLabels.count(manifest)
        return StoreCore.arenaSizeInBytes(capacity(manifest)) + labels * labels * 4 + labels * 12
            + users * (MemoryLayout<StoreRing>.stride + 3 * StoreRing.messageSize)
            + StoreRing.messageSize + nextManifestCapacity(manifest) + 4096
    }

    /// The longest manifest that can take the place of the one that the store was made from.
    private static func nextManifestCapacity(_ manifest: borrowing SystemManifest) -> Int {
        2 * manifest.bytes.count + 65_536
    }

    /// Serves every user once, each in its turn.
    ///
    /// - Parameter manifest: the one that the store was made from.
    /// - Returns: whether anything was moved, so that there may be more to do.
    /// - Complexity: the number of users times one turn.
    package mutating func serveRound<M: ServiceMachine & ~Copyable>(
        _ manifest: borrowing SystemManifest, _ machine: inout M
    ) -> Bool {
        if machine.policySequence() != sequence, !follow(manifest, &machine) { return false }
        var hasMoved = false
        wakeTime = nil
        for index in rings.indices where serve(index, manifest, &machine) { hasMoved = true }
        return hasMoved
    }

    /// How many users are served now.
    package var servedCount: Int {
        var count = 0
        for index in rings.indices where rings[index].state == .serving { count += 1 }
        return count
    }

    /// Whether the core's own invariants hold.
    package func holdsInvariants() -> Bool { core.holdsInvariants() }
}

/// Why the store of a system cannot be made.
package enum StoreServiceError: Error, Equatable {
    /// The manifest names no compartment `store`.
    case noStore
    /// The compartment's memory is too small for its users.
    case tooLittleMemory
    /// The labels or paths of the manifest do not fit into a store.
    case unfit

    /// For the console.
    package var reason: StaticString {
        switch self {
        case .noStore: "the manifest names no compartment `store`"
        case .tooLittleMemory: "its memory is too small for its users"
        case .unfit: "labels or paths of the manifest do not fit"
        }
    }
}
