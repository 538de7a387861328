import BootArena
import PolicyDatabase

/// What was taken back because the policy, or a node's label, no longer permits it.
public struct StoreRevocation: Equatable, Sendable {
    /// The kind of thing.
    public enum Kind: Int, Sendable {
        /// A connection, whose label is gone.
        case connection
        /// A watch.
        case watch
        /// A transaction: it cannot be committed any more.
        case transaction
        /// What Xen's permissions of a node gave a domain.
        case permission
    }

    /// The kind.
    public let kind: Kind
    /// The domain that had it.
    public let domain: UInt16
}

/// How far a teardown has come: connections, watches, transactions, then nodes, each by index.
struct Teardown {
    enum Stage { case connections, watches, transactions, nodes, done }

    var stage = Stage.done
    var index = 0
    /// The entry of the node's permissions.
    var entry = 0
    /// The only node to look at; 0 for all.
    var node: UInt32 = 0
}

extension StoreEngine {
    /// See `StoreCore.reload`.
    package mutating func reload<Authority: StoreAuthority & ~Copyable>(
        _ authority: borrowing Authority, root: StoreLabel, translation: Span<UInt16>
    ) throws(StoreSetupError) {
        guard Int(root.index) < authority.labelCount else { throw .unknownLabel }
        guard authority.labelCount >= 1, authority.labelCount <= capacity.labels else {
            throw .capacityExceeded
        }
        markWatches()
        guard labels.install(authority, root: root.index) else { throw .capacityExceeded }
        labels.translateRules(translation)
        labels.forgetAccounts()
        let isOpen = nodes[entry: NodeTable.root].label == labels.way
        for index in 1..<nodes.endIndex {
            nodes[entry: index].label = labels.translated(nodes[entry: index].label, translation)
        }
        nodes[entry: NodeTable.root].label = isOpen ? labels.way : root.index
        var node = NodeTable.root
        while node != 0 {
            labels.account(nodes[entry: node].label, nodes: 1, bytes: nodes.contentSize(of: node))
            nodes.recountChildren(of: node)
            node = nodes.following(node, below: NodeTable.root)
        }
        // The root may differ from its children now.
        nodes[NodeTable.root].hasMixedLabels = true
        for index in clients.indices {
            clients[index].label = labels.translated(clients[index].label, translation)
        }
        for index in domains.indices where domains[index].label != labels.none {
            domains[index].label = labels.translated(domains[index].label, translation)
        }
        transactions.translateLabels(translation, labels)
        holdBackEvents()
        teardown = Teardown(stage: .connections)
    }

    /// Notes for each watch whether there is a node that its client may watch.
    private mutating func markWatches() {
        for index in 1..<max(1, watches.endIndex) where watches[index].isUsed {
            let watch = watches[index]
            path.set(watch.path, count: Int(watch.pathLength), in: blocks)
            let node = treeNode(path, path.count)
            watches[index].wasPermitted =
                node != 0
                && labels.allows(
                    clients[Int(watch.client)].label, nodes[entry: node].label,
                    XenstorePermission.watch)
        }
    }

    /// Lets all waiting events say no more than that something has happened: what they name may be
    /// secret now.
    private mutating func holdBackEvents() {
        for client in clients.indices where clients[client].isOpen {
            while clients[client].firstEvent != 0 {
                let first = clients[client].firstEvent
                let event = watches[event: first]
                if !watches[event.watch].isOverdue {
                    watches[event.watch].isOverdue = true
                    clients[client].overdueCount += 1
                }
                clients[client].firstEvent = event.next
                if event.next == 0 { clients[client].lastEvent = 0 }
                freeEvent(first, client)
                signal(client)
            }
        }
    }

    /// See `StoreCore.relabel`.
    package mutating func relabel(
        _ given: Span<UInt8>, to label: StoreLabel, by client: StoreClient
    ) throws(StoreError) {
        guard let index = clientIndex(client), Int(label.index) < labels.count else {
            throw .invalid
        }
        let requester = requester(index)
        try setPath(given, requester.domain)
        let seen = try obtain(.administer, XenstorePermission.relabelfrom, requester)
        guard labels.allows(requester.label, label.index, XenstorePermission.relabelto) else {
            throw denied(requester, label.index, XenstorePermission.relabelto)
        }
        markWatches()
        // To some it is gone, to others new.
        noteListChange(seen.node)
        let size = nodes.contentSize(of: seen.node)
        labels.account(nodes[entry: seen.node].label, nodes: -1, bytes: -size)
        nodes.setLabel(seen.node, label.index)
        labels.account(label.index, nodes: 1, bytes: size)
        noteMixture(above: seen.node)
        nodes[seen.node].hasMixedLabels = true
        touch(seen.node)
        noteListChange(seen.node)
        holdBackEvents()
        teardown = Teardown(stage: .watches, node: seen.node)
    }

    /// See `StoreCore.label(of:for:)`.
    package mutating func label(
        of given: Span<UInt8>, for client: StoreClient
    ) throws(StoreError) -> StoreLabel {
        guard let index = clientIndex(client) else { throw .invalid }
        let requester = requester(index)
        try setPath(given, requester.domain)
        let label = try obtain(.read, XenstorePermission.read, requester).label
        return StoreLabel(index: labels.known(label))
    }

    /// See `StoreCore.nextRevocation`.
    package mutating func nextRevocation() -> StoreRevocation? {
        while true {
            switch teardown.stage {
            case .connections:
                if let found = nextConnection() { return found }
                teardown = Teardown(stage: .watches, node: teardown.node)
            case .watches:
                if let found = nextWatch() { return found }
                teardown = Teardown(stage: .transactions, node: teardown.node)
            case .transactions:
                if let found = nextTransaction() { return found }
                let first = teardown.node == 0 ? 1 : Int(teardown.node)
                teardown = Teardown(stage: .nodes, index: first, entry: 1, node: teardown.node)
            case .nodes:
                if let found = nextPermission() { return found }
                teardown = Teardown()
            case .done:
                return nil
            }
        }
    }

    private func revocation(_ kind: StoreRevocation.Kind, client: Int) -> StoreRevocation {
        StoreRevocation(kind: kind, domain: domains[Int(clients[client].account)].domain)
    }

    private mutating func nextConnection() -> StoreRevocation? {
        while teardown.index < clients.count {
            let index = teardown.index
            teardown.index += 1
            guard clients[index].isOpen, clients[index].label == labels.none else { continue }
            path.setRoot()
            let found = revocation(.connection, client: index)
            close(clientAt: index)
            return found
        }
        return nil
    }

    private mutating func nextWatch() -> StoreRevocation? {
        while teardown.index < Int(watches.endIndex) {
            let index = UInt32(truncatingIfNeeded: teardown.index)
            teardown.index += 1
            guard index != 0, watches[index].isUsed else { continue }
            let watch = watches[index]
            let client = Int(watch.client)
            path.set(watch.path, count: Int(watch.pathLength), in: blocks)
            let node = treeNode(path, path.count)
            // What its client never might know of is nothing to it, and stays so.
            guard node != 0, watch.wasPermitted,
                !labels.allows(
                    clients[client].label, nodes[entry: node].label, XenstorePermission.watch)
            else { continue }
            remove(index)
            return revocation(.watch, client: client)
        }
        return nil
    }

    private mutating func nextTransaction() -> StoreRevocation? {
        while teardown.index < Int(transactions.endIndex) {
            let index = UInt32(truncatingIfNeeded: teardown.index)
            teardown.index += 1
            guard index != 0, transactions[transaction: index].number != 0 else { continue }
            let client = Int(transactions[transaction: index].client)
            guard let access = firstClosedAccess(index, clients[client].label) else { continue }
            let record = transactions[access]
            path.set(record.path, count: Int(record.pathLength), in: blocks)
            releaseAccesses(index)
            transactions[transaction: index].isDoomed = true
            return revocation(.transaction, client: client)
        }
        return nil
    }

    /// Returns the first access of a transaction to what its client may neither read nor write.
    private func firstClosedAccess(_ index: UInt32, _ subject: UInt16) -> UInt32? {
        var access = transactions[transaction: index].firstAccess
        while access != 0 {
            let record = transactions[access]
            let label = record.exists ? record.label : record.baseLabel
            let isThere = record.exists || record.baseGeneration != 0
            let isOpen =
                record.isModified
                ? labels.allows(subject, label, XenstorePermission.write)
                : labels.allows(subject, label, XenstorePermission.read)
                    || labels.allows(subject, label, XenstorePermission.write)
            if isThere, !isOpen { return access }
            access = record.next
        }
        return nil
    }

    private mutating func nextPermission() -> StoreRevocation? {
        let end = teardown.node == 0 ? Int(nodes.endIndex) : Int(teardown.node) + 1
        while teardown.index < end {
            let node = UInt32(truncatingIfNeeded: teardown.index)
            let index = nodes[node].permissions
            guard index != 0, teardown.entry < permissions[index].count else {
                teardown.index += 1
                teardown.entry = 1
                continue
            }
            let entry = teardown.entry
            teardown.entry += 1
            let list = permissions[index]
            guard let account = domainIndex(list.domain(at: entry)), account != 0 else { continue }
            let given = list.access(at: entry)
            let left = permitted(given, domains[account].label, nodes[entry: node].label)
            guard left != given else { continue }
            replacePermissions(of: node, with: list.changing(entry, to: left))
            setPath(toNode: node)
            return StoreRevocation(kind: .permission, domain: list.domain(at: entry))
        }
        return nil
    }

    /// What the policy leaves of what Xen's permissions give.
    private func permitted(
        _ access: NodeAccess, _ subject: UInt16, _ object: UInt16
    ) -> NodeAccess {
        var bits = access.bits
        if !labels.allows(subject, object, XenstorePermission.read),
            !labels.allows(subject, object, XenstorePermission.list)
        {
            bits &= ~NodeAccess.read.bits
        }
        if !labels.allows(subject, object, XenstorePermission.write) {
            bits &= ~NodeAccess.write.bits
        }
        return NodeAccess(bits: bits)
    }

    /// Gives a node a list that permits less. Where there is no room for another list, the node
    /// becomes domain 0's, and closed.
    private mutating func replacePermissions(of node: UInt32, with list: PermissionList) {
        var index = permissions.find(list)
        if index == 0 {
            let account = domainIndex(list.owner) ?? 0
            let domain = domains[account]
            if domain.permissionLists < domain.quota.permissionLists {
                domains[account].permissionLists += 1
                index = permissions.insert(list)
            } else {
                index = closedList()
            }
        }
        permissions.hold(index)
        releasePermissions(nodes[node].permissions)
        nodes[node].permissions = index
        touch(node)
    }

    /// Puts the path of a node into `path`.
    ///
    /// - Complexity: the depth of the node.
    mutating func setPath(toNode node: UInt32) {
        var length = 0
        var current = node
        while current != NodeTable.root, current != 0 {
            length += Int(nodes[entry: current].nameLength) + 1
            current = nodes[current].parent
        }
        path.setRoot()
        guard length > 0, path.makeRoom(length) else { return }
        current = node
        while current != NodeTable.root, current != 0 {
            let nameLength = Int(nodes[entry: current].nameLength)
            length -= nameLength
            path.place(nodes[entry: current].content, nameLength, at: length, in: blocks)
            length -= 1
            current = nodes[current].parent
        }
    }
}
