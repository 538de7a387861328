public import BootArena

/// A xenstore: a tree of small values that domains read, write and watch, with transactions; under
/// Xen's own permissions, under quotas, and under a mandatory policy.
///
/// For: deciding and doing what one request asks. Not for: moving bytes; whoever owns rings or
/// sockets hands in whole messages and fetches replies and events. It trusts its owner for the
/// identity of clients, and nothing else.
///
/// All memory is reserved when the store is made. A request does work that its own length, the
/// depth of a path and its domain's quotas bound; removing a domain walks the tree once.
///
/// - Invariant (closed): the quotas of the domains sum up to no more than the store has room for,
///   so that no request can fail because of what another domain did.
/// - Invariant (accounted): each domain's usage is the sum over what is counted for it.
/// - Invariant (labelled): each node, subject and rule has a label of the policy, or that of what
///   the policy names no more, to which nothing is permitted.
/// - Source: the contract is retold in `docs/abi/xenstore.md`.
public struct StoreCore: ~Copyable {
    package var engine: StoreEngine<NoFaults>

    /// Makes a store that holds the root only, owned by domain 0.
    ///
    /// - Parameters:
    ///   - capacity: what to reserve.
    ///   - administrator: the quota of domain 0.
    ///   - secret: random bits that nobody who can name nodes knows.
    ///   - arena: where the tables go; `arenaSizeInBytes(_:)` says what suffices.
    /// - Throws: `.exhausted` or `.sealed` as the arena; `.countOutOfRange` if a number is
    ///   negative, or the capacity has no room for domain 0's quota.
    public init(
        capacity: StoreCapacity, administrator: StoreQuota, secret: UInt64, arena: inout BootArena
    ) throws(BootArenaError) {
        engine = try StoreEngine(
            capacity: capacity, administrator: administrator, secret: secret, arena: &arena)
    }

    /// Takes over the store that another owner has kept in an arena of the same content.
    ///
    /// - Parameters:
    ///   - state: `state` of that store, when nothing was served any more.
    ///   - capacity: that store's.
    ///   - arena: with the bytes of that store's arena, and declared as zeros, so that nothing is
    ///     written.
    /// - Throws: as the other initialiser; `.countOutOfRange` also if the state is not of the same
    ///   layout.
    /// - Trust: state and arena are believed: they come from a store, not from a client.
    public init(
        resuming state: StoreState, capacity: StoreCapacity, administrator: StoreQuota,
        arena: inout BootArena
    ) throws(BootArenaError) {
        guard state.numbers[0] == StoreState.layout(capacity) else { throw .countOutOfRange }
        engine = try StoreEngine(
            capacity: capacity, administrator: administrator, secret: 0, resuming: state,
            arena: &arena)
    }

    /// What a successor needs besides the bytes of the arena.
    public var state: StoreState { engine.savedState }

    /// The arena that suffices for a store, in bytes.
    public static func arenaSizeInBytes(_ capacity: StoreCapacity) -> Int {
        StoreEngine<NoFaults>.arenaSizeInBytes(capacity)
    }

    // MARK: Policy

    /// Puts an authority in force: all its decisions are computed now. Until then everything is
    /// denied.
    ///
    /// - Parameter root: the label of the root, and of what no rule names.
    /// - Throws: `.capacityExceeded` if it has more labels than there is room for;
    ///   `.unknownLabel` if `root` is none of them.
    public mutating func install<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority, root: StoreLabel = StoreLabel(index: 0)
    ) throws(StoreSetupError) {
        try engine.install(authority, root: root)
    }

    /// Puts another authority in force, and starts to take back what it no longer permits: fetch
    /// that with `nextRevocation()` until there is none. From now on every decision is the new
    /// one's.
    ///
    /// - Parameters:
    ///   - root: the label of the root.
    ///   - translation: for each label of the old authority the new one's number; what is no number
    ///     of a label stands for a label that is gone, to which nothing is permitted.
    /// - Throws: as `install`; nothing has changed then.
    /// - Complexity: all nodes, watches and transactions.
    public mutating func reload<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority, root: StoreLabel, translation: Span<UInt16>
    ) throws(StoreSetupError) {
        try engine.reload(authority, root: root, translation: translation)
    }

    /// Takes back the next thing that is not permitted since a reload or a change of label, and
    /// says what it was; nil when there is none. Its path is in `revokedPath` until the next call.
    public mutating func nextRevocation() -> StoreRevocation? { engine.nextRevocation() }

    /// The path of the last revocation; of a transaction, one of those that it had touched.
    public var revokedPath: Span<UInt8> {
        @_lifetime(borrow self) get { engine.path.span }
    }

    /// Gives nodes that will be made at exactly `path`, and so those below, a label of their own.
    ///
    /// - Throws: `.invalidPath`; `.unknownLabel`; `.capacityExceeded` if there are too many rules,
    ///   or domain 0 has no blocks left for the path.
    public mutating func label(
        _ given: Span<UInt8>, _ label: StoreLabel
    ) throws(StoreSetupError) {
        try engine.label(given, label)
    }

    /// Makes the node that is, or will be, at exactly `path` one that only leads somewhere: it has
    /// the root's label, but everybody may read it, and list there what is no secret from him. For
    /// `/` and what every store has, like `/local`; not for names that tell of somebody.
    ///
    /// - Throws: `.invalidPath`; `.capacityExceeded` as `label`.
    public mutating func openWay(_ path: Span<UInt8>) throws(StoreSetupError) {
        try engine.openWay(path)
    }

    /// Bounds what all nodes of a label take together. A reload forgets it.
    ///
    /// - Throws: `.unknownLabel`; `.invalidQuota`.
    public mutating func limit(
        _ label: StoreLabel, to quota: SubtreeQuota
    ) throws(StoreSetupError) {
        try engine.limit(label, to: quota)
    }

    /// Returns what the nodes of a label take, and may; nil if there is no such label.
    public func subtree(_ label: StoreLabel) -> (usage: SubtreeUsage, quota: SubtreeQuota)? {
        engine.subtree(label)
    }

    /// Asks the owner from now on for the labels of new nodes, before the rules: a request that
    /// would make some is answered with nothing, and `isWaitingForLabels` says so. The owner looks
    /// labels up, calls `provide` for each, and then `handle` with the same request again.
    public mutating func askForLabels() { engine.asksForLabels = true }

    /// Whether the last request waits for labels of new nodes: for each part of `requestPath`
    /// that ends after `existingLength`.
    public var isWaitingForLabels: Bool { engine.existingCount > 0 }

    /// The path of the last request that named one, in full; of a relabelling, the path given.
    public var requestPath: Span<UInt8> {
        @_lifetime(borrow self) get { engine.path.span }
    }

    /// The bytes of the path that exist already.
    public var existingLength: Int { engine.existingCount }

    /// Says which label the node at the first `length` bytes of the path gets; what is not said
    /// follows the rules.
    ///
    /// - Throws: `.unknownLabel`; `.invalidPath` if the length is not one of the path's.
    public mutating func provide(
        _ label: StoreLabel, length: Int
    ) throws(StoreSetupError) {
        try engine.provide(label, length: length)
    }

    /// Gives a node another label, for a client that owns it and whom the policy permits
    /// `relabelfrom` its old and `relabelto` its new one. Then fetch what that revokes with
    /// `nextRevocation()`.
    ///
    /// - Throws: as a request: `.invalid` for a malformed path or a label that is none;
    ///   `.notFound`; `.accessDenied`. Nothing has changed then.
    public mutating func relabel(
        _ given: Span<UInt8>, to label: StoreLabel, by client: StoreClient
    ) throws(StoreError) {
        try engine.relabel(given, to: label, by: client)
    }

    /// Returns the label of a node for a client that may know it.
    ///
    /// - Throws: as `XS_READ` of the node.
    public mutating func label(
        of given: Span<UInt8>, for client: StoreClient
    ) throws(StoreError) -> StoreLabel {
        try engine.label(of: given, for: client)
    }

    // MARK: Requests

    /// Serves one request.
    ///
    /// - Parameters:
    ///   - message: header and payload, whole.
    ///   - client: who sent it.
    /// - Returns: what to do; the reply is in `replyMessage` until the next call.
    /// - Trust: none in `message`. It must not change meanwhile: a ring's owner copies it first.
    /// - Complexity: the length of the message, the depth of the path, the quotas of the domain.
    public mutating func handle(
        _ message: Span<UInt8>, from client: StoreClient
    ) -> StoreOutcome {
        engine.handle(message, from: client)
    }

    /// The reply to the last request; empty when there is none.
    public var replyMessage: Span<UInt8> {
        @_lifetime(borrow self) get { engine.replyMessage }
    }

    /// Fetches the next event of a client as a message; false when there is none.
    ///
    /// - Postcondition: `eventMessage` is the message until the next call.
    public mutating func nextEvent(for client: StoreClient) -> Bool {
        engine.nextEvent(for: client)
    }

    /// Whether a client has an event to fetch.
    public func hasEvent(for client: StoreClient) -> Bool { engine.hasEvent(for: client) }

    /// Takes out of a list one of the clients that events were queued for since they were last
    /// taken out; nil when there is none. They may have been fetched meanwhile.
    public mutating func nextClientWithEvents() -> StoreClient? { engine.nextClientWithEvents() }

    /// The event that `nextEvent(for:)` fetched.
    public var eventMessage: Span<UInt8> {
        @_lifetime(borrow self) get { engine.eventMessage }
    }

    // MARK: Flow

    /// Whether the next request of a client may be served now, by its domain's quota of outstanding
    /// requests and its rate. If so it counts.
    ///
    /// - Parameter now: microseconds of a clock that does not go back.
    public mutating func admit(_ client: StoreClient, at now: UInt64) -> StoreAdmission {
        engine.admit(client, at: now)
    }

    /// Says that `count` replies of a client were delivered.
    public mutating func noteDelivered(_ count: Int, to client: StoreClient) {
        engine.noteDelivered(count, to: client)
    }

    // MARK: Domains and clients

    /// Declares that a domain exists, and reserves its quota.
    ///
    /// - Parameter label: what the policy calls it; the last of its connections decides. Without
    ///   one it is the root's.
    /// - Throws: `.invalidQuota`; `.wrongDomain` if it exists already; `.capacityExceeded` if the
    ///   reservation does not fit; `.unknownLabel`.
    /// - Complexity: the number of domains.
    public mutating func declare(
        domain: UInt16, quota: StoreQuota, label: StoreLabel? = nil
    ) throws(StoreSetupError) {
        try engine.declare(domain: domain, quota: quota, label: label)
    }

    /// Says that a domain has ended: its connections, its nodes with all below them and what others
    /// permitted it are gone, its quota is free, and `@releaseDomain` fires.
    ///
    /// - Throws: `.wrongDomain` if it does not exist or is domain 0.
    /// - Complexity: the nodes of the store, if the domain owns any.
    public mutating func remove(domain: UInt16) throws(StoreSetupError) {
        try engine.remove(domain: domain)
    }

    /// Says that a domain has shut down but is still there: `@releaseDomain` fires.
    public mutating func noteShutdown(of domain: UInt16 = 0) { engine.noteShutdown(of: domain) }

    /// Opens a connection.
    ///
    /// - Parameters:
    ///   - domain: who speaks; it must have been declared.
    ///   - label: what the policy calls it.
    ///   - isPrivileged: whether Xen's permissions do not bind it. The policy binds it all the
    ///     same.
    /// - Throws: `.wrongDomain`; `.unknownLabel`; `.capacityExceeded` if all are in use.
    public mutating func connect(
        domain: UInt16, label: StoreLabel, isPrivileged: Bool
    ) throws(StoreSetupError) -> StoreClient {
        try engine.connect(domain: domain, label: label, isPrivileged: isPrivileged)
    }

    /// Closes a connection: its watches, events and transactions are gone. Nothing happens if it
    /// was closed before.
    public mutating func disconnect(_ client: StoreClient) { engine.disconnect(client) }

    /// Whether a client may administer the store: it has Xen's privilege, and the policy permits it
    /// `setperms` on the root. A refusal is counted.
    public mutating func mayAdminister(_ client: StoreClient) -> Bool {
        engine.mayAdminister(client)
    }

    /// Whether a connection is still open: a change of policy may have closed it.
    public func isOpen(_ client: StoreClient) -> Bool { engine.clientIndex(client) != nil }

    // MARK: Diagnosis

    /// Returns how often requests of a domain were refused for a reason; 0 if it does not exist.
    public func refusals(of domain: UInt16, _ reason: StoreRefusal) -> UInt32 {
        engine.refusals(of: domain, reason)
    }

    /// What was refused last, of all domains.
    public var lastRefusal: StoreRefusalRecord { engine.lastRefusal }

    /// What was kept from somebody last, who was answered as if it were not there; for an audit,
    /// since no client and no count may tell of it.
    public var lastConcealment: StoreRefusalRecord { engine.lastConcealment }

    /// Returns what a domain uses; nil if it does not exist.
    public func usage(of domain: UInt16) -> StoreUsage? { engine.usage(of: domain) }

    /// Returns what a domain may use; nil if it does not exist.
    public func quota(of domain: UInt16) -> StoreQuota? { engine.quota(of: domain) }

    /// The number of nodes, the root among them.
    public var nodeCount: Int { engine.nodeCount }

    /// The number of blocks in use.
    public var blockCount: Int { engine.blockCount }

    /// Whether the accounts add up: nodes and blocks of all domains against the tables.
    ///
    /// - Complexity: nodes, watches and transactions of the store.
    package func holdsInvariants() -> Bool { engine.holdsInvariants() }
}
