import BootArena

/// What the manifest bounds for a subtree of the store: its nodes, their bytes, and how often they
/// change. A subtree has a label of its own, so it is counted by label.
///
/// Whoever may write nodes of one label has its level, or a named exemption: that the quota is full
/// tells nobody of another level.
extension StoreEngine {
    /// - Throws: `.noSpace` if the nodes of a label may not take so many bytes more; `.busy` if
    ///   they have changed too often.
    mutating func checkQuota(
        _ label: UInt16, bytes: Int, _ requester: Requester
    ) throws(StoreError) {
        guard labels.hasQuotas else { return }
        // What a transaction makes counts when it is committed.
        guard requester.transaction == 0 else { return try takeChange(label, requester) }
        labels.addPending(label, nodes: 0, bytes: bytes)
        let reason = labels.exceeded(label)
        labels.clearPending(label)
        if let reason { throw fail(requester, reason) }
        try takeChange(label, requester)
    }

    /// - Throws: `.busy` if the nodes of a label have changed too often.
    mutating func takeChange(_ label: UInt16, _ requester: Requester) throws(StoreError) {
        guard labels.hasQuotas, !labels.takeChange(label, at: now) else { return }
        refuse(.subtreeRate, requester.account)
        throw .busy
    }

    /// - Throws: `.noSpace` if a label has no room for the nodes of the path below its first `top`
    ///   bytes; `.busy` if the last one's have changed too often.
    /// - Complexity: the depth of the path.
    mutating func checkQuotas(
        _ parent: UInt16, from top: Int, _ valueLength: Int, _ requester: Requester
    ) throws(StoreError) {
        guard labels.hasQuotas else { return }
        var label = parent
        var reason: StoreRefusal?
        for pass in 0..<2 {
            label = parent
            var end = top
            while end < path.count {
                let start = end == 1 ? 1 : end + 1
                end = path.nextLength(after: end)
                label = newLabel(end, under: label)
                guard requester.transaction == 0 else { continue }
                if pass == 0 {
                    let value = end == path.count ? valueLength : 0
                    labels.addPending(label, nodes: 1, bytes: end - start + value)
                    reason = reason ?? labels.exceeded(label)
                } else {
                    labels.clearPending(label)
                }
            }
        }
        if let reason { throw fail(requester, reason) }
        try takeChange(label, requester)
    }

    /// Which quota of a label has no room for what a transaction has made; nil when all have.
    ///
    /// - Complexity: the accesses of the transaction, and the nodes below those that it removes.
    mutating func exceededQuota(_ transaction: UInt32) -> StoreRefusal? {
        addPending(transaction, isCleared: false)
        var reason: StoreRefusal?
        var access = transactions[transaction: transaction].firstAccess
        while access != 0 {
            let record = transactions[access]
            if record.exists, record.isModified { reason = reason ?? labels.exceeded(record.label) }
            access = record.next
        }
        addPending(transaction, isCleared: true)
        return reason
    }

    /// Adds to each label what a transaction changes of it, or forgets that again.
    private mutating func addPending(_ transaction: UInt32, isCleared: Bool) {
        var access = transactions[transaction: transaction].firstAccess
        while access != 0 {
            let record = transactions[access]
            access = record.next
            guard record.isModified else { continue }
            path.set(record.path, count: Int(record.pathLength), in: blocks)
            // What it has removed from above is counted there.
            let isHidden = isTreeHidden(path.count, transaction)
            let node = isHidden ? 0 : treeNode(path, path.count)
            if record.hidesTree, node != 0 {
                var below = node
                while below != 0 {
                    addPending(
                        nodes[entry: below].label, -1, -nodes.contentSize(of: below), isCleared)
                    below = nodes.following(below, below: node)
                }
            } else if node != 0, record.exists {
                addPending(nodes[entry: node].label, -1, -nodes.contentSize(of: node), isCleared)
            }
            if record.exists {
                let size = Int(record.nameLength) + Int(record.valueLength)
                addPending(record.label, 1, size, isCleared)
            }
        }
    }

    private mutating func addPending(
        _ label: UInt16, _ nodes: Int, _ bytes: Int, _ isCleared: Bool
    ) {
        if isCleared {
            labels.clearPending(label)
        } else {
            labels.addPending(label, nodes: nodes, bytes: bytes)
        }
    }
}
