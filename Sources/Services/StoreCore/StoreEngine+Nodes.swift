import BootArena
import PolicyDatabase

/// Who asks, as far as it matters to decisions.
struct Requester {
    let client: Int
    /// The index of its domain.
    let account: Int
    let domain: UInt16
    /// The domain for which it may act.
    let target: UInt16?
    let isPrivileged: Bool
    let label: UInt16
    /// The index of its transaction; 0 for none.
    var transaction: UInt32 = 0
}

/// What a requester sees at a path.
struct NodeView {
    var exists = false
    /// The transaction's record of it; 0 outside transactions.
    var access: UInt32 = 0
    /// The node of the tree; 0 if there is none or it is the transaction's own.
    var node: UInt32 = 0
    var generation: UInt64 = 0
    var content: UInt32 = 0
    var permissions: UInt32 = 0
    var childBytes = 0
    var nameLength = 0
    var valueLength = 0
    var label: UInt16 = 0
}

extension StoreEngine {
    /// Finds the node of the tree at the first `length` bytes of a path; 0 when there is none.
    ///
    /// - Complexity: one look-up for each part of the path, at most 1,536.
    func treeNode(_ path: borrowing StorePath, _ length: Int) -> UInt32 {
        guard !path.isSpecial else { return 0 }
        let bytes = path.span.extracting(first: length)
        var node = NodeTable.root
        var start = 1
        while start < bytes.count, node != 0 {
            var hash = NameHash(secret: secret)
            var end = start
            while end < bytes.count, bytes[end] != UInt8(ascii: "/") {
                hash.add(bytes[end])
                end += 1
            }
            node = nodes.child(
                of: node, named: bytes.extracting(start..<end), digest: hash.value, in: blocks)
            start = end + 1
        }
        return node
    }

    /// Finds the child whose name stands in a path from `start` to `end`.
    func child(of node: UInt32, _ path: borrowing StorePath, from start: Int, to end: Int) -> UInt32
    {
        let name = path.span.extracting(start..<end)
        return nodes.child(
            of: node, named: name, digest: NameHash.of(name, secret: secret), in: blocks)
    }

    /// Returns what the tree shows to a requester at the first `length` bytes of the path: nothing
    /// where the policy keeps the presence of a node from it.
    func treeView(_ length: Int, _ requester: Requester) -> NodeView {
        let node = treeNode(path, length)
        let entry = nodes[entry: node]
        guard node != 0, labels.mayKnow(requester.label, entry.label) else { return NodeView() }
        let record = nodes[node]
        // What others have below it is counted for who may know of it. WRAPS: in centuries.
        let generation =
            record.hasForeignChildren
            ? record.generation &+ labels.foreignChanges(requester.label) : record.generation
        return NodeView(
            exists: true, node: node, generation: generation, content: entry.content,
            permissions: record.permissions, childBytes: record.childBytes,
            nameLength: Int(entry.nameLength), valueLength: Int(record.valueLength),
            label: entry.label)
    }

    /// Returns what a requester sees; in a transaction, what that has seen or made before, and from
    /// now on the same again.
    ///
    /// - Throws: `.noSpace` if the transaction touches too many nodes.
    mutating func look(
        _ length: Int, _ requester: Requester
    ) throws(StoreError) -> NodeView {
        guard requester.transaction != 0 else { return treeView(length, requester) }
        let digest = path.digest(length, secret: secret)
        let found = findAccess(requester.transaction, length, digest)
        if found != 0 { return view(ofAccess: found) }
        var seen = treeView(length, requester)
        // What the transaction has removed is not there for it, but must not change meanwhile.
        if isTreeHidden(length, requester.transaction) {
            seen = NodeView(generation: seen.generation, label: seen.label)
        }
        return try record(seen, length, digest, requester)
    }

    /// Finds the access of a transaction to the first `length` bytes of the path; 0 when there is
    /// none.
    func findAccess(_ transaction: UInt32, _ length: Int, _ digest: UInt32) -> UInt32 {
        transactions.find(
            transaction, path.span.extracting(first: length), digest: digest, in: blocks)
    }

    /// Whether the transaction has removed something above the path.
    func isTreeHidden(_ length: Int, _ transaction: UInt32) -> Bool {
        guard transactions[transaction: transaction].hidingCount > 0 else { return false }
        var above = path.parentLength(of: length)
        while above > 1 {
            let found = findAccess(transaction, above, path.digest(above, secret: secret))
            if found != 0, transactions[found].hidesTree { return true }
            above = path.parentLength(of: above)
        }
        return false
    }

    func view(ofAccess index: UInt32) -> NodeView {
        let record = transactions[index]
        guard record.exists else { return NodeView(access: index) }
        return NodeView(
            exists: true, access: index, generation: record.baseGeneration,
            content: record.content, permissions: record.permissions,
            childBytes: Int(record.childBytes), nameLength: Int(record.nameLength),
            valueLength: Int(record.valueLength), label: record.label)
    }

    /// Records the first access of a transaction to a path, with what was seen there.
    private mutating func record(
        _ seen: NodeView, _ length: Int, _ digest: UInt32, _ requester: Requester
    ) throws(StoreError) -> NodeView {
        let account = requester.account
        let domain = domains[account]
        let pathBlocks = BlockTable.blockCount(for: length)
        let contentBlocks = BlockTable.blockCount(for: seen.nameLength + seen.valueLength)
        let count = Int(transactions[transaction: requester.transaction].accessCount)
        guard domain.accesses < domain.quota.accesses, count < domain.quota.transactionNodes
        else { throw fail(requester, .transactionNodes) }
        guard domain.blocks + pathBlocks + contentBlocks <= domain.quota.blocks else {
            throw fail(requester, .memory)
        }
        var access = AccessRecord()
        access.transaction = requester.transaction
        access.path = blocks.reserve(length)
        blocks.write(path, 0..<length, to: access.path)
        access.pathLength = UInt16(truncatingIfNeeded: length)
        access.pathDigest = digest
        access.contentAccount = UInt16(truncatingIfNeeded: account)
        if Faults.has(.xsa206) { access.removedClock = clock }
        access.baseGeneration = seen.generation
        access.baseLabel = seen.label
        if seen.exists {
            blocks.share(seen.content)
            permissions.hold(seen.permissions)
            let node = nodes[seen.node]
            access.exists = true
            access.label = seen.label
            access.account = node.account
            access.content = seen.content
            access.permissions = seen.permissions
            access.childBytes = UInt32(truncatingIfNeeded: seen.childBytes)
            access.nameLength = nodes[entry: seen.node].nameLength
            access.valueLength = node.valueLength
        }
        domains[account].blocks += pathBlocks + contentBlocks
        domains[account].accesses += 1
        return view(ofAccess: transactions.add(access))
    }

    /// Counts the refusal, and notes that the transaction cannot be committed.
    mutating func fail(_ requester: Requester, _ reason: StoreRefusal) -> StoreError {
        refuse(reason, requester.account)
        if requester.transaction != 0, !Faults.has(.xsa414) {
            transactions[transaction: requester.transaction].hasFailed = true
        }
        return .noSpace
    }

    /// Counts a refusal by the policy, and notes what it was about.
    mutating func denied(
        _ requester: Requester, _ object: UInt16, _ permission: Permission
    ) -> StoreError {
        refuse(.label, requester.account)
        lastRefusal.subject = StoreLabel(index: requester.label)
        lastRefusal.object = StoreLabel(index: labels.known(object))
        lastRefusal.permission = permission.mask
        return .accessDenied
    }

    // MARK: Permission

    /// What Xen's permissions give a requester.
    func access(_ permissionsIndex: UInt32, _ requester: Requester) -> NodeAccess {
        if requester.isPrivileged { return .owner }
        return permissions[permissionsIndex].access(
            for: requester.domain, target: requester.target)
    }

    /// Returns the node at the path if the requester may do `need` and `permission` to it.
    ///
    /// - Throws: `.notFound` if there is none, and the requester may do `need` to the nearest node
    ///   above; `.accessDenied` otherwise, so that nobody learns what exists below a node that is
    ///   closed to them; `.noSpace` as `look`.
    mutating func obtain(
        _ need: NodeAccess, _ permission: Permission, _ requester: Requester
    ) throws(StoreError) -> NodeView {
        guard !path.isSpecial else { throw .invalid }
        let seen = try look(path.count, requester)
        if seen.exists, access(seen.permissions, requester).contains(need),
            labels.allows(requester.label, seen.label, permission)
        {
            return seen
        }
        if seen.exists, access(seen.permissions, requester).contains(need) {
            throw denied(requester, seen.label, permission)
        }
        if !seen.exists { noteConcealed(permission, requester) }
        let above = try nearest(path.count, requester)
        let general =
            need.contains(.write) ? XenstorePermission.write : XenstorePermission.read
        // To change permissions of what is not there takes to write, or to own.
        let isOpen = access(above.permissions, requester).bits & need.bits != 0
        guard !seen.exists, above.exists, isOpen else {
            refuse(.permission, requester.account)
            throw .accessDenied
        }
        guard labels.allows(requester.label, above.label, general) else {
            throw denied(requester, above.label, general)
        }
        throw .notFound
    }

    /// Notes that the policy keeps the path from a requester, who is answered as if nothing were
    /// there. It is counted nowhere: what is counted for a domain must not depend on others.
    private mutating func noteConcealed(_ permission: Permission, _ requester: Requester) {
        let label = nodes[entry: lowestNode()].label
        guard !labels.mayKnow(requester.label, label),
            !labels.allows(requester.label, label, permission)
        else { return }
        lastConcealment.sequence &+= 1
        lastConcealment.domain = requester.domain
        lastConcealment.reason = .label
        lastConcealment.subject = StoreLabel(index: requester.label)
        lastConcealment.object = StoreLabel(index: labels.known(label))
        lastConcealment.permission = permission.mask
    }

    /// Finds the lowest node that exists on the way to the path.
    ///
    /// - Complexity: one look-up for each part of the path.
    private func lowestNode() -> UInt32 {
        var node = NodeTable.root
        var end = 1
        while end < path.count {
            let next = path.nextLength(after: end)
            let below = child(of: node, path, from: end == 1 ? 1 : end + 1, to: next)
            if below == 0 { break }
            node = below
            end = next
        }
        return node
    }

    /// Returns the nearest node above a path that the requester sees.
    mutating func nearest(
        _ length: Int, _ requester: Requester
    ) throws(StoreError) -> NodeView {
        var above = path.parentLength(of: length)
        while above > 0 {
            let seen = try look(above, requester)
            if seen.exists { return seen }
            above = path.parentLength(of: above)
        }
        return NodeView()
    }
}
