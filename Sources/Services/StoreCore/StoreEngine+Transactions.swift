import BootArena

/// Transactions: each works on what it saw at first access, and is committed only if none of that
/// has changed.
extension StoreEngine {
    /// Finds the open transaction of a client; 0 when there is none of that number.
    ///
    /// - Complexity: the client's open transactions.
    func transaction(numbered number: UInt32, ofClientAt client: Int) -> UInt32 {
        var index = clients[client].firstTransaction
        while index != 0 {
            if transactions[transaction: index].number == number { return index }
            index = transactions[transaction: index].next
        }
        return 0
    }

    /// Opens a transaction and returns the number that the client calls it by.
    ///
    /// - Throws: `.noSpace` if the domain has too many.
    mutating func startTransaction(_ requester: Requester) throws(StoreError) -> UInt32 {
        let domain = domains[requester.account]
        guard domain.transactions < domain.quota.transactions else {
            refuse(.transactions, requester.account)
            throw .noSpace
        }
        var number = clients[requester.client].lastTransactionNumber
        repeat {
            // WRAPS: after 2^32 transactions numbers come again, but 0 and those in use.
            number &+= 1
        } while number == 0 || transaction(numbered: number, ofClientAt: requester.client) != 0
        clients[requester.client].lastTransactionNumber = number
        clients[requester.client].firstTransaction = transactions.open(
            number: number, client: UInt16(truncatingIfNeeded: requester.client),
            next: clients[requester.client].firstTransaction)
        domains[requester.account].transactions += 1
        return number
    }

    /// Ends a transaction, with all its changes or without any.
    ///
    /// - Throws: `.conflict` if something that it touched has changed; `.transactionFailed` if a
    ///   quota was exceeded in it. Nothing of it is in the tree then. It is closed in any case.
    mutating func endTransaction(_ requester: Requester, commits: Bool) throws(StoreError) {
        let index = requester.transaction
        defer { close(index, ofClientAt: requester.client) }
        guard commits else { return }
        guard !transactions[transaction: index].hasFailed else { throw .transactionFailed }
        guard !transactions[transaction: index].isDoomed, isCurrent(index, requester) else {
            refuse(.conflict, requester.account)
            throw .conflict
        }
        if labels.hasQuotas, let reason = exceededQuota(index) {
            refuse(reason, requester.account)
            throw .transactionFailed
        }
        commitRemovals(index)
        commitNodes(index)
        commitEvents(index)
    }

    /// Whether everything that the transaction touched is as it was at the first access.
    private mutating func isCurrent(_ index: UInt32, _ requester: Requester) -> Bool {
        var outside = requester
        outside.transaction = 0
        var access = transactions[transaction: index].firstAccess
        while access != 0 {
            let record = transactions[access]
            if Faults.has(.xsa206), record.removedClock != clock { return false }
            path.set(record.path, count: Int(record.pathLength), in: blocks)
            let now = treeView(path.count, outside)
            // What is secret from the client is not to be written over.
            if record.exists, record.baseGeneration == 0, !now.exists,
                treeNode(path, path.count) != 0
            {
                return false
            }
            guard now.generation == record.baseGeneration,
                !now.exists || now.label == record.baseLabel
            else { return false }
            if record.hidesTree, now.exists, nodes[now.node].subtreeClock > record.removedClock {
                return false
            }
            access = record.next
        }
        return true
    }

    private mutating func commitRemovals(_ index: UInt32) {
        var access = transactions[transaction: index].firstAccess
        while access != 0 {
            let record = transactions[access]
            if record.hidesTree {
                path.set(record.path, count: Int(record.pathLength), in: blocks)
                let node = treeNode(path, path.count)
                if node != 0 {
                    if !record.exists, record.fires { fireRemoval(node) }
                    removeTree(node)
                }
            }
            access = record.next
        }
    }

    private mutating func commitNodes(_ index: UInt32) {
        var access = transactions[transaction: index].firstAccess
        while access != 0 {
            let record = transactions[access]
            if record.exists, record.isModified {
                path.set(record.path, count: Int(record.pathLength), in: blocks)
                let node = treeNode(path, path.count)
                commitChange(access, node == 0 ? commitMissing(index) : node)
            }
            access = record.next
        }
    }

    /// Makes what is missing of the path, from the transaction's accesses; returns the node at it.
    ///
    /// INVARIANT (tree): nothing has changed since the first accesses, so what is missing now is
    /// what the transaction made itself.
    private mutating func commitMissing(_ index: UInt32) -> UInt32 {
        var node = NodeTable.root
        var end = 1
        while end < path.count {
            let next = path.nextLength(after: end)
            let start = end == 1 ? 1 : end + 1
            var child = child(of: node, path, from: start, to: next)
            if child == 0 {
                let found = findAccess(index, next, path.digest(next, secret: secret))
                precondition(found != 0, "a transaction made a node below nothing")
                let digest = NameHash.of(path.span.extracting(start..<next), secret: secret)
                child = commitNew(found, under: node, digest: digest)
            }
            node = child
            end = next
        }
        return node
    }

    private mutating func commitNew(
        _ access: UInt32, under parent: UInt32, digest: UInt32
    ) -> UInt32 {
        let record = transactions[access]
        let account = Int(record.account)
        if record.reservesNode { domains[account].reservedNodes -= 1 }
        transactions[access].reservesNode = false
        // The node takes over the content, which is counted in its account already.
        transactions[access].content = 0
        transactions[access].nameLength = 0
        transactions[access].valueLength = 0
        transactions[access].changesContent = false
        transactions[access].changesPermissions = false
        permissions.hold(record.permissions)
        return commitCreate(
            NewNode(
                parent: parent, content: record.content, nameLength: Int(record.nameLength),
                valueLength: Int(record.valueLength), nameDigest: digest,
                permissions: record.permissions, label: record.label, account: account))
    }

    private mutating func commitChange(_ access: UInt32, _ node: UInt32) {
        let record = transactions[access]
        guard record.changesContent || record.changesPermissions else { return }
        if record.changesContent {
            commitContent(node, record.content, valueLength: Int(record.valueLength))
            let (old, new) = (Int(nodes[node].account), Int(record.account))
            domains[old].nodes -= 1
            domains[new].nodes += 1
            nodes[node].account = record.account
            if record.reservesNode { domains[new].reservedNodes -= 1 }
            transactions[access].reservesNode = false
            transactions[access].content = 0
            transactions[access].nameLength = 0
            transactions[access].valueLength = 0
        }
        if record.changesPermissions {
            permissions.hold(record.permissions)
            releasePermissions(nodes[node].permissions)
            nodes[node].permissions = record.permissions
            noteReadability(node)
        }
        touch(node)
    }

    private mutating func commitEvents(_ index: UInt32) {
        guard watches.count > 0 else { return }
        var access = transactions[transaction: index].firstAccess
        while access != 0 {
            let record = transactions[access]
            if record.exists, record.fires {
                path.set(record.path, count: Int(record.pathLength), in: blocks)
                let node = treeNode(path, path.count)
                if node != 0 { fireWatches(nodes[node].permissions, nodes[entry: node].label) }
            }
            access = record.next
        }
    }

    // MARK: The end

    private mutating func close(_ index: UInt32, ofClientAt client: Int) {
        releaseAccesses(index)
        let next = transactions[transaction: index].next
        var current = clients[client].firstTransaction
        if current == index {
            clients[client].firstTransaction = next
        } else {
            while current != 0, transactions[transaction: current].next != index {
                current = transactions[transaction: current].next
            }
            precondition(current != 0, "a transaction is missing in its client's list")
            transactions[transaction: current].next = next
        }
        transactions.close(index)
        domains[Int(clients[client].account)].transactions -= 1
    }

    mutating func releaseAccesses(_ index: UInt32) {
        let client = Int(transactions[transaction: index].client)
        let account = Int(clients[client].account)
        while let record = transactions.removeFirst(of: index) {
            domains[account].accesses -= 1
            domains[account].blocks -= BlockTable.blockCount(for: Int(record.pathLength))
            domains[Int(record.contentAccount)].blocks -= record.blockCount
            if record.reservesNode { domains[Int(record.account)].reservedNodes -= 1 }
            blocks.release(record.path)
            blocks.release(record.content)
            releasePermissions(record.permissions)
        }
        transactions[transaction: index].hidingCount = 0
    }

    /// Ends all transactions of a client without their changes.
    mutating func endTransactions(ofClientAt client: Int) {
        while clients[client].firstTransaction != 0 {
            close(clients[client].firstTransaction, ofClientAt: client)
        }
    }

    /// Lets the transactions that hold something of a domain meet a conflict, and takes it from
    /// them.
    mutating func doomTransactions(touching account: Int) {
        for index in 1..<max(1, transactions.endIndex)
        where transactions[transaction: index].number != 0 && holds(index, of: account) {
            releaseAccesses(index)
            transactions[transaction: index].isDoomed = true
        }
    }

    private func holds(_ index: UInt32, of account: Int) -> Bool {
        var access = transactions[transaction: index].firstAccess
        while access != 0 {
            let record = transactions[access]
            if Int(record.account) == account || Int(record.contentAccount) == account {
                return true
            }
            if record.permissions != 0,
                permissions[record.permissions].owner == domains[account].domain
            {
                return true
            }
            access = record.next
        }
        return false
    }
}
