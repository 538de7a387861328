import BootArena

extension StoreEngine {
    // MARK: Domains

    /// Declares that a domain exists, and reserves its quota.
    ///
    /// - Throws: `.invalidQuota`; `.wrongDomain` if it exists already; `.capacityExceeded` if the
    ///   reservation does not fit.
    /// - Complexity: the number of domains.
    package mutating func declare(
        domain: UInt16, quota: StoreQuota, label: StoreLabel? = nil
    ) throws(StoreSetupError) {
        if let label, Int(label.index) >= labels.count { throw .unknownLabel }
        guard quota.isValid else { throw .invalidQuota }
        guard domainIndices[Int(domain)] == 0 else { throw .wrongDomain }
        guard let index = freeDomain(), hasRoom(for: quota) else { throw .capacityExceeded }
        place(domain: domain, quota: quota, at: index)
        if let label { domains[index].label = label.index }
    }

    mutating func place(domain: UInt16, quota: StoreQuota, at index: Int) {
        if !Faults.has(.xsa483) { domains[index] = DomainRecord() }
        domains[index].label = labels.base
        domains[index].quota = quota
        domains[index].domain = domain
        domains[index].isUsed = true
        domainIndices[Int(domain)] = UInt16(truncatingIfNeeded: index + 1)
    }

    private func freeDomain() -> Int? {
        for index in domains.indices where !domains[index].isUsed { return index }
        return nil
    }

    private func hasRoom(for quota: StoreQuota) -> Bool {
        var sum = quota
        for index in domains.indices where domains[index].isUsed { sum.add(domains[index].quota) }
        return sum.fits(capacity)
    }

    /// Returns the index of a domain that exists.
    func domainIndex(_ domain: UInt16) -> Int? {
        let number = Int(domainIndices[Int(domain)])
        return number == 0 ? nil : number - 1
    }

    /// Says that a domain has ended: its connections, its nodes with all below them and what others
    /// permitted it are gone, its quota is free, and `@releaseDomain` fires.
    ///
    /// - Throws: `.wrongDomain` if it does not exist or is domain 0.
    /// - Complexity: the nodes of the store, if the domain owns any.
    package mutating func remove(domain: UInt16) throws(StoreSetupError) {
        guard domain != 0, let index = domainIndex(domain) else { throw .wrongDomain }
        let label = domains[index].label
        release(domainAt: index)
        domains[index].isUsed = false
        domainIndices[Int(domain)] = 0
        fireSpecial(.releaseDomain, releasePermissions, domain: domain, label: label)
    }

    /// Says that a domain has shut down but is still there: `@releaseDomain` fires.
    package mutating func noteShutdown(of domain: UInt16 = 0) {
        let label = domainIndex(domain).map { domains[$0].label }
        fireSpecial(
            .releaseDomain, releasePermissions, domain: domain,
            label: label ?? labels.base)
    }

    /// Takes back all that a domain has.
    mutating func release(domainAt index: Int) {
        let domain = domains[index].domain
        let kept = domains[index].nodes
        for client in clients.indices
        where clients[client].isOpen && Int(clients[client].account) == index {
            if Faults.has(.xsa325), clients[client].firstEvent != 0 { continue }
            close(clientAt: client)
        }
        doomTransactions(touching: index)
        if !Faults.has(.xsa417) { removeNodes(ownedBy: domain) }
        takeOverOrphans(of: domain)
        if !Faults.has(.xsa322) { permissions.markStale(domain) }
        if Faults.has(.xsa483) { domains[index].nodes = kept }
        for other in domains.indices where domains[other].target == domain {
            domains[other].target = nil
        }
        domains[index].isIntroduced = false
        domains[index].target = nil
    }

    /// Gives domain 0 what cannot be removed, if the domain owned it: the root and the special
    /// paths.
    private mutating func takeOverOrphans(of domain: UInt16) {
        let rootList = nodes[NodeTable.root].permissions
        nodes[NodeTable.root].permissions = orphan(rootList, of: domain)
        if domains[Int(nodes[NodeTable.root].account)].domain == domain {
            moveAccount(ofNode: NodeTable.root, to: 0)
        }
        introducePermissions = orphan(introducePermissions, of: domain)
        releasePermissions = orphan(releasePermissions, of: domain)
    }

    /// Returns the list that takes the place of `index`: one of domain 0 if `domain` owned it.
    private mutating func orphan(_ index: UInt32, of domain: UInt16) -> UInt32 {
        guard permissions[index].owner == domain else { return index }
        let replacement = closedList()
        permissions.hold(replacement)
        releasePermissions(index)
        return replacement
    }

    /// Returns the list that gives domain 0 everything and others nothing, made if need be.
    mutating func closedList() -> UInt32 {
        let list = PermissionList(owner: 0, others: .none)
        let known = permissions.find(list)
        if known != 0 { return known }
        domains[0].permissionLists += 1
        return permissions.insert(list)
    }

    private mutating func removeNodes(ownedBy domain: UInt16) {
        guard let index = domainIndex(domain), domains[index].permissionLists > 0 else { return }
        var node = nodes.following(NodeTable.root, below: NodeTable.root)
        while node != 0 {
            guard permissions[nodes[node].permissions].owner == domain else {
                node = nodes.following(node, below: NodeTable.root)
                continue
            }
            let parent = nodes[node].parent
            let next = nodes[entry: node].nextSibling
            removeTree(node)
            // Go on behind the removed node: its next sibling, else what follows its parent's end.
            node = next != 0 ? next : followingEnd(of: parent)
        }
    }

    /// Returns the node after all that is below `node`; 0 at the end.
    private func followingEnd(of node: UInt32) -> UInt32 {
        var current = node
        while current != NodeTable.root {
            if nodes[entry: current].nextSibling != 0 { return nodes[entry: current].nextSibling }
            current = nodes[current].parent
        }
        return 0
    }

    // MARK: Clients

    /// Opens a connection.
    ///
    /// - Parameters:
    ///   - domain: who speaks; it must have been declared.
    ///   - label: what the policy calls it.
    ///   - isPrivileged: whether Xen's permissions do not bind it. The policy binds it all the
    ///     same.
    /// - Throws: `.wrongDomain`; `.unknownLabel`; `.capacityExceeded` if all are in use.
    package mutating func connect(
        domain: UInt16, label: StoreLabel, isPrivileged: Bool
    ) throws(StoreSetupError) -> StoreClient {
        guard let account = domainIndex(domain) else { throw .wrongDomain }
        guard Int(label.index) < labels.count else { throw .unknownLabel }
        for index in clients.indices where !clients[index].isOpen {
            // WRAPS: after 2^32 connections at one place a number comes again.
            let incarnation = clients[index].incarnation &+ 1
            let (isSignalled, next) = (clients[index].isSignalled, clients[index].nextSignalled)
            clients[index] = ClientRecord()
            (clients[index].isSignalled, clients[index].nextSignalled) = (isSignalled, next)
            clients[index].incarnation = incarnation
            clients[index].account = UInt16(truncatingIfNeeded: account)
            clients[index].label = label.index
            clients[index].isOpen = true
            clients[index].isPrivileged = isPrivileged
            domains[account].label = label.index
            return StoreClient(
                index: UInt16(truncatingIfNeeded: index), incarnation: incarnation)
        }
        throw .capacityExceeded
    }

    /// Closes a connection: its watches, events and transactions are gone. Nothing happens if it
    /// was closed before.
    package mutating func disconnect(_ client: StoreClient) {
        guard let index = clientIndex(client) else { return }
        close(clientAt: index)
    }

    mutating func close(clientAt index: Int) {
        domains[Int(clients[index].account)].outstanding -= Int(clients[index].outstanding)
        removeWatches(ofClientAt: index)
        endTransactions(ofClientAt: index)
        clients[index].isOpen = false
    }

    /// Returns the index of an open connection.
    func clientIndex(_ client: StoreClient) -> Int? {
        let index = Int(client.index)
        guard index < clients.count, clients[index].isOpen,
            clients[index].incarnation == client.incarnation || Faults.has(.xsa233)
        else { return nil }
        return index
    }

    // MARK: Flow

    /// See `StoreCore.admit`.
    package mutating func admit(_ client: StoreClient, at now: UInt64) -> StoreAdmission {
        guard let index = clientIndex(client) else { return .now }
        let account = Int(clients[index].account)
        guard domains[account].outstanding < domains[account].quota.requests else {
            refuse(.requests, account)
            return .afterDelivery
        }
        self.now = max(self.now, now)
        let rate = UInt64(domains[account].quota.requestsPerSecond)
        if rate > 0 {
            let wait = domains[account].bucket.take(rate: rate, at: now)
            guard wait == 0 else {
                refuse(.rate, account)
                return .after(microseconds: wait)
            }
        }
        domains[account].outstanding += 1
        clients[index].outstanding += 1
        return .now
    }

    /// See `StoreCore.noteDelivered`.
    package mutating func noteDelivered(_ count: Int, to client: StoreClient) {
        guard count > 0, let index = clientIndex(client) else { return }
        let delivered = min(count, Int(clients[index].outstanding))
        clients[index].outstanding -= UInt32(truncatingIfNeeded: delivered)
        domains[Int(clients[index].account)].outstanding -= delivered
    }

    /// How many nodes stand above a node; only a fault asks.
    func depth(of node: UInt32) -> Int {
        var (depth, current) = (0, nodes[node].parent)
        while current != 0 { (depth, current) = (depth + 1, nodes[current].parent) }
        return depth
    }

    // MARK: Accounts

    /// Counts a refusal.
    mutating func refuse(_ reason: StoreRefusal, _ account: Int) {
        // WRAPS: a counter of 32 bits.
        domains[account].refusals[reason.rawValue] &+= 1
        lastRefusal.sequence &+= 1
        lastRefusal.domain = domains[account].domain
        lastRefusal.reason = reason
    }

    /// Returns how often requests of a domain were refused for a reason; 0 if it does not exist.
    package func refusals(of domain: UInt16, _ reason: StoreRefusal) -> UInt32 {
        guard let index = domainIndex(domain) else { return 0 }
        return domains[index].refusals[reason.rawValue]
    }

    /// Returns what a domain uses; nil if it does not exist.
    package func usage(of domain: UInt16) -> StoreUsage? {
        guard let index = domainIndex(domain) else { return nil }
        return StoreUsage(domains[index])
    }

    /// Returns what a domain may use; nil if it does not exist.
    package func quota(of domain: UInt16) -> StoreQuota? {
        guard let index = domainIndex(domain) else { return nil }
        return domains[index].quota
    }

    /// Whether an account has room for more nodes and blocks.
    private func hasRoom(_ account: Int, nodes: Int, blocks: Int) -> Bool {
        let domain = domains[account]
        let hasNodes = domain.nodes + domain.reservedNodes + nodes <= domain.quota.nodes
        return (hasNodes || Faults.has(.xsa272)) && domain.blocks + blocks <= domain.quota.blocks
    }

    /// Chooses whose quota new nodes count in: the owner's; domain 0's if that is full and a
    /// privileged client asks, so that a full guest cannot keep the administrator out.
    ///
    /// - Throws: `.noSpace` if neither has room; the refusal is counted for the client's domain.
    mutating func chooseAccount(
        owner: UInt16, nodes: Int, blocks: Int, _ requester: Requester
    ) throws(StoreError) -> Int {
        let preferred = domainIndex(owner) ?? 0
        if hasRoom(preferred, nodes: nodes, blocks: blocks) { return preferred }
        if requester.isPrivileged, hasRoom(0, nodes: nodes, blocks: blocks) { return 0 }
        let domain = domains[preferred]
        let isFullOfNodes = domain.nodes + domain.reservedNodes + nodes > domain.quota.nodes
        refuse(isFullOfNodes ? .nodes : .memory, requester.account)
        throw .noSpace
    }

    /// Returns the index of an equal permission list, made if need be, and held for the caller.
    ///
    /// - Throws: `.noSpace` if it is new and its owner has too many.
    mutating func holdPermissions(
        _ list: PermissionList, _ requester: Requester
    ) throws(StoreError) -> UInt32 {
        var index = permissions.find(list)
        if index == 0 {
            let account = domainIndex(list.owner) ?? 0
            guard domains[account].permissionLists < domains[account].quota.permissionLists else {
                refuse(.permissionLists, requester.account)
                throw .noSpace
            }
            domains[account].permissionLists += 1
            index = permissions.insert(list)
        }
        permissions.hold(index)
        return index
    }

    /// Gives up a permission list.
    mutating func releasePermissions(_ index: UInt32) {
        guard index != 0 else { return }
        let owner = permissions[index].owner
        guard permissions.release(index) else { return }
        domains[domainIndex(owner) ?? 0].permissionLists -= 1
    }
}
