public import PolicySemantics
import SecurityLattice

/// The executable specification: what a system permits, in the words of its declaration.
///
/// For: judging the policy that the compiler writes and the monitor enforces, and reading. It
/// shares no code with either: it knows compartments, channels and levels, not types, rules or
/// labels. It is written to be believed at sight, not to be fast.
///
/// Everything that is not said here is denied.
public struct SecurityModel: Sendable {
    /// What acts, or is acted on.
    public enum Entity: Hashable, Sendable {
        /// The hypervisor.
        case hypervisor
        /// The policy itself.
        case policy
        /// A compartment, by its index; also what it keeps in the store for itself.
        case compartment(Int)
        /// The end of an event channel that `owner` holds towards `peer`: compartments by index,
        /// nil for the hypervisor.
        case end(owner: Int?, peer: Int?)
        /// What `writer` leaves in the store so that `reader` finds the ends of their channels.
        case directory(writer: Int, reader: Int)
        /// The nodes of a shared subtree of the store, by its index.
        case subtree(Int)
        /// A device, by its index.
        case device(Int)
    }

    private let system: SystemPolicy
    private let comparesLevels: Bool
    private let linksOfEdge: [SystemPolicy.Edge: [Int]]

    /// Specifies a system.
    ///
    /// - Parameter comparesLevels: false for what statements give whatever the levels say: the
    ///   specification of types alone.
    public init(_ system: SystemPolicy, comparesLevels: Bool = true) {
        self.system = system
        self.comparesLevels = comparesLevels
        var linksOfEdge: [SystemPolicy.Edge: [Int]] = [:]
        for (index, link) in system.links.enumerated() {
            for edge in link.edges { linksOfEdge[edge, default: []].append(index) }
        }
        self.linksOfEdge = linksOfEdge
    }

    /// The ordered pairs of compartments that something joins, whichever way it leads.
    public var joined: Set<SystemPolicy.Edge> {
        Set(linksOfEdge.keys.flatMap { [$0, SystemPolicy.Edge(from: $0.to, to: $0.from)] })
    }

    /// Returns whether `source` may do `permission`, such as `event send`, to `target`.
    public func permits(_ source: Entity, _ permission: String, on target: Entity) -> Bool {
        permissions(of: source, on: target).contains(permission)
    }

    /// Returns everything that `source` may do to `target`.
    public func permissions(of source: Entity, on target: Entity) -> Set<String> {
        switch (source, target) {
        case (.compartment(let one), .compartment(let other)) where one == other:
            let nodes = usesStore(one) ? SecurityModel.toItsNodes : []
            return SecurityModel.toItself.union(nodes)
        case (.compartment(let one), .compartment(let other)):
            return permissions(of: one, onPagesOf: other)
                .union(readsNodes(one, of: other) ? SecurityModel.reading : [])
                .union(knowsOfLife(one, of: other) ? ["domain getdomaininfo"] : [])
                .union(ordersLife(one, of: other) ? SecurityModel.orders : [])
        case (.compartment(let one), .hypervisor):
            let console: Set = hasConsole(one) ? ["xen writeconsole"] : []
            return SecurityModel.toHypervisor.union(console).union(toHypervisor(asServiceOf: one))
        case (.compartment(let one), .policy):
            return powers(of: one)
        case (.compartment(let one), .end(let owner, let peer)):
            return one == owner ? permissions(of: one, towards: peer) : []
        case (.compartment(let one), .directory(let writer, let reader)):
            let writes = one == writer && mayLeave(writer, for: reader)
            let reads = one == reader && meetInStore(writer, reader)
            return (writes ? SecurityModel.writing : [])
                .union(reads ? SecurityModel.reading : [])
        case (.compartment(let one), .subtree(let index)):
            return permissions(of: one, onSubtree: index)
        case (.compartment(let one), .device(let index)):
            return permissions(of: one, onDevice: index)
        case (.end(let owner?, let peer?), .compartment(let other)):
            return other == peer && isJoined(owner, peer) ? ["event bind"] : []
        default:
            return []
        }
    }

    // MARK: Event channels

    /// Returns what a compartment may do to its own end towards a peer.
    private func permissions(of owner: Int, towards peer: Int?) -> Set<String> {
        guard let peer else {
            // The console: the hypervisor reads it, and has all levels.
            return hasConsole(owner) ? ["event create", "event send", "event status"] : []
        }
        guard isJoined(owner, peer) else { return [] }
        let send: Set = maySend(owner, peer) ? ["event send"] : []
        return send.union(["event create", "event status"])
    }

    /// A compartment may signal another if something with signals leads there, and what it signals
    /// may pass.
    private func maySend(_ from: Int, _ to: Int) -> Bool {
        links(from, to).contains { hasSignals($0) && passes(from, to, $0) }
    }

    /// Both ends exist, whichever way the link leads.
    private func isJoined(_ one: Int, _ other: Int) -> Bool {
        links(one, other).contains(where: hasSignals)
            || links(other, one).contains(where: hasSignals)
    }

    // MARK: Pages

    /// Returns what a compartment may do to the pages of another.
    private func permissions(of one: Int, onPagesOf other: Int) -> Set<String> {
        let maps = links(other, one).filter { mapsPages(one, $0) }
        var permissions: Set<String> = maps.isEmpty ? [] : ["grant unmap"]
        if maps.contains(where: { passes(other, one, $0) }) {
            permissions.insert("grant map_read")
        }
        // Who writes to a page reads it too, so both directions must be open.
        if maps.contains(where: {
            leadsBothWays($0) && passes(other, one, $0) && passes(one, other, $0)
        }) {
            permissions.insert("grant map_write")
        }
        if links(one, other).contains(where: { sharesPages($0) && passes(one, other, $0) }) {
            permissions.insert("grant copy")
        }
        return permissions
    }

    /// By a channel with pages, the receiver maps those of the sender; by the use of a service, the
    /// service maps that of its user.
    private func mapsPages(_ one: Int, _ link: Int) -> Bool {
        switch system.links[link].kind {
        case .channel: return sharesPages(link)
        case .use: return system.links[link].edges.first?.to == one
        case .subtree: return false
        }
    }

    private func sharesPages(_ link: Int) -> Bool {
        guard case .channel(let index) = system.links[link].kind else { return false }
        return [.ring, .block, .net].contains(system.channels[index].kind)
    }

    // MARK: The store

    /// Those who both use the store leave there, for each other, how to find a channel's ends.
    private func mayLeave(_ writer: Int, for reader: Int) -> Bool {
        meetInStore(writer, reader)
            && links(writer, reader).contains { isChannel($0) && passes(writer, reader, $0) }
    }

    private func meetInStore(_ writer: Int, _ reader: Int) -> Bool {
        usesStore(writer) && usesStore(reader) && links(writer, reader).contains(where: isChannel)
    }

    private func isServedByTPM(_ user: Int, _ service: Int) -> Bool {
        usesStore(user) && usesStore(service)
            && links(user, service).contains { link in
                system.links[link].kind == .use(.tpm)
                    && system.links[link].edges.first?.from == user
            }
    }

    /// The owner sets permissions, writers write, and a reader reads what any of them may tell him.
    private func permissions(of one: Int, onSubtree index: Int) -> Set<String> {
        let subtree = system.further.subtrees[index]
        let link = system.links.firstIndex { $0.kind == .subtree(index) } ?? 0
        let owns: Set = one == subtree.owner ? ["xenstore setperms"] : []
        let writes = subtree.writers.contains(one) ? SecurityModel.writing : []
        let reads =
            subtree.readers.contains(one)
            && subtree.writers.indices.allSatisfy { $0 == one || passes($0, one, link) }
        return owns.union(writes).union(reads ? SecurityModel.reading : [])
    }

    /// The receiver of a channel reads what the sender leaves among its own nodes, if both use the
    /// store; so does the TPM's service of its users, to find their rings.
    private func readsNodes(_ receiver: Int, of sender: Int) -> Bool {
        (meetInStore(sender, receiver) || isServedByTPM(sender, receiver))
            && (!comparesLevels
                || mayFlow(
                    from: system.compartments[sender].range,
                    to: system.compartments[receiver].range))
    }

    // MARK: Services

    /// Store, console and TPM know whether those live whom they serve: it is something that a user
    /// says by using them, and may come to them where everything else that it says may.
    private func knowsOfLife(_ service: Int, of user: Int) -> Bool {
        links(user, service).contains { link in
            switch system.links[link].kind {
            // Who is served is where the use begins.
            case .use(.store), .use(.console), .use(.tpm):
                system.links[link].edges.first?.from == user && passes(user, service, link)
            case .use, .channel, .subtree: false
            }
        }
    }

    /// Control starts and ends who uses it and does not start by itself, where the levels are
    /// equal.
    private func ordersLife(_ control: Int, of user: Int) -> Bool {
        let compartment = system.compartments[user]
        return !compartment.options.startsAutomatically
            && compartment.uses.contains { $0.provider == control && $0.service == .control }
            && (!comparesLevels
                || compartment.range.high == system.compartments[control].range.high)
    }

    /// What a service asks of the hypervisor.
    private func toHypervisor(asServiceOf index: Int) -> Set<String> {
        switch system.compartments[index].options.service {
        case .store: ["security compute_av", "hypercall virq"]
        case .console: ["xen readconsole", "xen writeconsole", "hypercall virq"]
        case .control: ["xen physinfo", "hypercall virq"]
        case .audit: ["xen clearconsole"]
        case .tpm: ["xen firmware", "hypercall virq"]
        case nil: []
        }
    }

    // MARK: Devices and powers

    private func permissions(of one: Int, onDevice index: Int) -> Set<String> {
        let device = system.further.devices[index]
        guard one == device.owner else { return [] }
        let alone: Set = device.needsIOMMU ? [] : ["resource use_noiommu"]
        return alone.union(["resource use", "resource use_iommu"])
    }

    private func powers(of one: Int) -> Set<String> {
        let compartment = system.compartments[one]
        let load: Set = compartment.mayLoadPolicy ? ["security load_policy"] : []
        return !compartment.mayRelabel
            ? load
            : load.union([
                "security compute_relabel", "security add_ocontext", "security del_ocontext",
            ])
    }

    // MARK: What is declared

    /// What leads from one compartment to another, by index.
    private func links(_ from: Int, _ to: Int) -> [Int] {
        linksOfEdge[SystemPolicy.Edge(from: from, to: to)] ?? []
    }

    /// What one compartment sends by a link may come to another: upwards, or by an exemption of the
    /// sender that names the link.
    private func passes(_ from: Int, _ to: Int, _ link: Int) -> Bool {
        !comparesLevels
            || mayFlow(from: system.compartments[from].range, to: system.compartments[to].range)
            || system.further.exemptions.contains { $0.subject == from && $0.to == link }
    }

    private func leadsBothWays(_ link: Int) -> Bool { system.links[link].edges.count == 2 }

    /// A channel through the store needs no event channel: the store tells of changes.
    private func hasSignals(_ link: Int) -> Bool {
        switch system.links[link].kind {
        case .channel(let index): return system.channels[index].kind != .store
        case .use: return true
        case .subtree: return false
        }
    }

    private func isChannel(_ link: Int) -> Bool {
        if case .channel = system.links[link].kind { return true }
        return false
    }

    private func usesStore(_ one: Int) -> Bool {
        system.compartments[one].uses.contains { $0.service == .store }
    }

    private func hasConsole(_ one: Int) -> Bool {
        system.compartments[one].options.consoleNoneSource == nil
    }

    /// What every compartment may do to itself (`docs/abi/hypercalls.md`).
    private static let toItself: Set<String> = [
        "domain shutdown", "hvm setparam", "hvm getparam", "mmu physmap", "mmu memorymap",
        "grant setup", "grant query", "hypercall vcpu", "hypercall timer", "hypercall schedule",
        "hypercall virq", "hypercall ipi", "hypercall port",
    ]

    /// What every compartment may ask of the hypervisor.
    private static let toHypervisor: Set<String> = [
        "hypercall version", "version xen_extraversion",
    ]

    /// What ordering a life is.
    private static let orders: Set<String> = [
        "domain getdomaininfo", "domain unpause", "domain destroy",
    ]

    /// What reading, and writing, nodes of the store is.
    private static let reading: Set<String> = [
        "xenstore read", "xenstore list", "xenstore watch",
    ]
    private static let writing: Set<String> = [
        "xenstore write", "xenstore create", "xenstore remove",
    ]
    private static let toItsNodes = reading.union(writing).union(["xenstore setperms"])
}
